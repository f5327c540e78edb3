"""A launch: each of its sandboxes from queued to reachable, recorded before anything is sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Protocol

from sandtui.client import (
    APITimeoutError,
    AsyncSandboxClient,
    ConnectionFailedError,
    CreateSandboxRequest,
    Sandbox,
    SandboxClientError,
    ServerError,
)
from sandtui.clock import Clock
from sandtui.fleet.creation.launch_plan import LaunchPlan
from sandtui.fleet.fields import LAUNCH_LABEL
from sandtui.fleet.signals import Signal

CREATES_AT_ONCE = 16
GATHER_SECONDS = 0.1
"""Created sandboxes are collected for this long, to be polled together."""


class Step(Enum):
    """The steps of a sandbox in a launch."""

    QUEUED = "queued"
    CREATING = "creating"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    DELETED = "deleted"


UNFINISHED = frozenset({Step.QUEUED, Step.CREATING, Step.STARTING})


@dataclass(slots=True)
class LaunchItem:
    """One sandbox of a launch. Times are in seconds on the monotonic clock: ``queued`` by this run, ``began`` to be
    requested, ``created``, and ``ended`` as reachable or failed.

    ``error`` is why it failed; ``unsure`` says that the platform may have created it anyway.
    """

    index: int
    request: CreateSandboxRequest
    step: Step = Step.QUEUED
    sandbox_id: str | None = None
    queued: float | None = None
    began: float | None = None
    created: float | None = None
    ended: float | None = None
    problem: str = ""
    error: Exception | None = None
    unsure: bool = False


Prepare = Callable[[Sequence[LaunchItem]], Awaitable[Mapping[int, Exception]]]
"""Completes the requests of some items before any is sent; returns why it failed, by index."""


class PreparationCanceled(Exception):
    """The launch was stopped before its requests were complete."""


class Journal(Protocol):
    """Records launches, so that no sandbox is forgotten."""

    def begin(self, launch_id: str, context: str, requests: Sequence[CreateSandboxRequest]) -> None:
        """Record what is about to be created, without secrets."""
        ...

    def write(self, launch_id: str, index: int, step: str, sandbox_id: str | None) -> None:
        """Record the step of one; it is on the disk when this returns. Called from a thread."""
        ...

    def note(self, launch_id: str, index: int, step: str, sandbox_id: str | None) -> None:
        """Record the step of one, soon."""
        ...

    def finish(self, launch_id: str) -> None:
        """Record that the state of every sandbox of the launch is known."""
        ...


class Launch:
    """Creates the sandboxes of a plan. ``on_change`` tells of every step of one.

    ``prepare`` is for requests that are not complete yet, such as those of forks, which wait for a checkpoint. Until it
    has ended, nothing is sent and nothing recorded.
    """

    def __init__(
        self,
        plan: LaunchPlan,
        client: AsyncSandboxClient,
        clock: Clock,
        journal: Journal,
        context: str,
        on_created: Callable[[Sandbox], None] = lambda _: None,
        prepare: Prepare | None = None,
    ) -> None:
        self._prepare = prepare
        self.preparing_since: float | None = None
        """When preparing began, in seconds on the monotonic clock; None while nothing is prepared."""
        self.launch_id = plan.launch_id
        self.items = [LaunchItem(index, request) for index, request in enumerate(plan.requests)]
        self.on_change: Signal[[]] = Signal()
        self._client = client
        self._clock = clock
        self._journal = journal
        self._context = context
        self.on_created = on_created

    def resume(self, steps: Sequence[tuple[str, str | None]]) -> None:
        """Continue an earlier run: ``(step, sandbox id)`` for each sandbox, in order.

        What was in progress is queued again: its idempotency key makes the platform return the existing sandbox.
        """
        for item, (step, sandbox_id) in zip(self.items, steps, strict=True):
            item.sandbox_id = sandbox_id
            known = Step(step) if step in {known.value for known in Step} else Step.QUEUED
            item.step = Step.QUEUED if known in UNFINISHED else known

    @property
    def counts(self) -> Counter[Step]:
        """The number of sandboxes at each step."""
        return Counter(item.step for item in self.items)

    @property
    def running(self) -> bool:
        """Whether a sandbox is not ready or failed yet."""
        return any(item.step in UNFINISHED for item in self.items)

    @property
    def ids(self) -> list[str]:
        """The sandboxes that were created and not deleted."""
        return [item.sandbox_id for item in self.items if item.sandbox_id and item.step is not Step.DELETED]

    def note_deleted(self, sandbox_ids: Sequence[str]) -> None:
        """Note that some of its sandboxes were deleted."""
        gone = set(sandbox_ids)
        items = [item for item in self.items if item.step is Step.READY and item.sandbox_id in gone]
        for item in items:
            item.step = Step.DELETED
            self._journal.note(self.launch_id, item.index, item.step.value, item.sandbox_id)
        if items:
            self.on_change()

    async def create(self) -> None:
        """Create all that are queued, without waiting for any to run."""
        gate = asyncio.Semaphore(CREATES_AT_ONCE)

        async def make(item: LaunchItem) -> None:
            async with gate:
                await self._make(item)

        await asyncio.gather(*(make(item) for item in await self._begin()))
        await self._finish()

    async def run(self) -> None:
        """Create all that are queued, and wait until each is reachable or has failed.

        After cancelling, created sandboxes stay, and what was not sent stays queued.

        Raises:
            OSError: the journal can't be written; nothing was sent.
        """
        queued = await self._begin()
        starting: asyncio.Queue[LaunchItem | None] = asyncio.Queue()
        waiter = asyncio.ensure_future(self._wait(starting))
        gate = asyncio.Semaphore(CREATES_AT_ONCE)

        async def make(item: LaunchItem) -> None:
            async with gate:
                await self._make(item)
            if item.step is Step.STARTING:
                starting.put_nowait(item)

        try:
            await asyncio.gather(*(make(item) for item in queued))
            starting.put_nowait(None)
            await waiter
        finally:
            waiter.cancel()
            await asyncio.gather(waiter, return_exceptions=True)
        if not self.running:
            await self._finish()

    def retry_failed(self) -> int:
        """Queue the failed ones again; return how many. One that had been created gets a new idempotency key."""
        again = [item for item in self.items if item.step is Step.FAILED]
        for item in again:
            if item.sandbox_id is not None:
                key = f"{item.request.idempotency_key}-again"
                item.request = item.request.model_copy(update={"idempotency_key": key[-128:]})
            item.step, item.problem, item.sandbox_id = Step.QUEUED, "", None
            item.queued = item.began = item.created = item.ended = None
        self.on_change()
        return len(again)

    async def delete_made(self) -> int:
        """Delete all sandboxes of this launch; return how many.

        Raises:
            SandboxClientError: one could not be deleted; the others are.
        """
        failure: Exception | None = None
        deleted = 0
        unsure = [item for item in self.items if item.unsure]
        if unsure:
            deleted += await clean_up(self._client, self.launch_id, [], [item.request for item in unsure])
            for item in unsure:
                item.unsure = False
        by_id = {item.sandbox_id: item for item in self.items if item.sandbox_id}
        async for outcome in self._client.delete_many(self.ids):
            if outcome.error is not None and not is_gone(outcome.error):
                failure = outcome.error
                continue
            deleted += outcome.error is None
            self._move(by_id[outcome.key], Step.DELETED)
        await self._finish()
        if failure is not None:
            raise failure
        return deleted

    async def _finish(self) -> None:
        """Record the end of the launch, unless a result is unknown: that is offered at the next start."""
        if not any(item.unsure for item in self.items):
            await asyncio.to_thread(self._journal.finish, self.launch_id)

    async def _begin(self) -> list[LaunchItem]:
        """Record what is about to be created, and return it."""
        problems = await self._prepared()
        if problems and not any(item.step is Step.QUEUED and item.index not in problems for item in self.items):
            self._fail_all(problems)
            return []
        requests = [item.request for item in self.items]
        await asyncio.to_thread(self._journal.begin, self.launch_id, self._context, requests)
        self._fail_all(problems)
        queued = [item for item in self.items if item.step is Step.QUEUED]
        now = self._clock.monotonic()
        for item in queued:
            item.queued, item.began, item.created, item.ended = now, None, None, None
        return queued

    async def _prepared(self) -> Mapping[int, Exception]:
        """Complete the requests that are queued; return why that failed, by index."""
        queued = [item for item in self.items if item.step is Step.QUEUED]
        if self._prepare is None or not queued:
            return {}
        self.preparing_since = self._clock.monotonic()
        self.on_change()
        try:
            return await self._prepare(queued)
        except asyncio.CancelledError:
            self._fail_all({item.index: PreparationCanceled("stopped: nothing was sent") for item in queued})
            raise
        finally:
            self.preparing_since = None
            self.on_change()

    def _fail_all(self, problems: Mapping[int, Exception]) -> None:
        for index, error in problems.items():
            self._fail(self.items[index], error)

    async def _make(self, item: LaunchItem) -> None:
        """Create one. The request is recorded before it is sent: a kill at any moment leaves no unknown sandbox."""
        item.began = self._clock.monotonic()
        item.error, item.unsure, item.step = None, False, Step.CREATING
        self.on_change()
        try:
            await asyncio.to_thread(self._journal.write, self.launch_id, item.index, Step.CREATING.value, None)
        except asyncio.CancelledError:
            item.step = Step.QUEUED
            raise
        except OSError as error:
            self._fail(item, error)
            return
        item.unsure = True
        try:
            # If it is cancelled meanwhile, the sandbox may exist nevertheless: then it is known, and can be deleted.
            sandbox = await self._client.create(item.request, on_abandoned=partial(self._made, item))
        except SandboxClientError as error:
            item.unsure = may_exist(error)
            # If the result is unknown, the journal keeps the step of the request.
            self._fail(item, error)
        else:
            self._made(item, sandbox)
            self.on_created(sandbox)

    def _made(self, item: LaunchItem, sandbox: Sandbox) -> None:
        item.sandbox_id, item.unsure = sandbox.id, False
        item.created = self._clock.monotonic()
        self._move(item, Step.STARTING)

    async def _wait(self, starting: asyncio.Queue[LaunchItem | None]) -> None:
        """Wait for created sandboxes, in groups of those that were created at about the same time."""
        more = True
        async with asyncio.TaskGroup() as groups:
            while more:
                group: list[LaunchItem] = []
                item = await starting.get()
                await asyncio.sleep(GATHER_SECONDS)
                while item is not None:
                    group.append(item)
                    if starting.empty():
                        break
                    item = starting.get_nowait()
                more = item is not None
                groups.create_task(self._wait_group(group))

    async def _wait_group(self, group: list[LaunchItem]) -> None:
        by_id = {item.sandbox_id: item for item in group if item.sandbox_id}
        async for outcome in self._client.wait_many(list(by_id)):
            item = by_id[outcome.key]
            if outcome.error is None:
                item.ended = self._clock.monotonic()
                self._move(item, Step.READY)
            else:
                self._fail(item, outcome.error)

    def _fail(self, item: LaunchItem, error: Exception) -> None:
        item.error, item.problem = error, str(error)
        item.ended = self._clock.monotonic()
        self._move(item, Step.FAILED)

    def _move(self, item: LaunchItem, step: Step) -> None:
        item.step = step
        noted = Step.CREATING if item.unsure else step
        self._journal.note(self.launch_id, item.index, noted.value, item.sandbox_id)
        self.on_change()


def may_exist(error: SandboxClientError) -> bool:
    """Whether the platform may have created the sandbox although the request failed."""
    return isinstance(error, (APITimeoutError, ServerError)) or (
        isinstance(error, ConnectionFailedError) and error.sent
    )


async def clean_up(
    client: AsyncSandboxClient,
    launch_id: str,
    known: Sequence[str],
    unknown: Sequence[CreateSandboxRequest] = (),
) -> int:
    """Delete all sandboxes of a launch, known or not; return how many.

    A fleet is found by its label. A single sandbox has none: its request is sent again, and its idempotency key makes
    the platform return the existing sandbox.

    Raises:
        SandboxClientError: one could not be deleted; the others are.
    """
    label = LAUNCH_LABEL + launch_id
    alone = [request for request in unknown if label not in request.labels]
    found = [*known, *[(await client.create(request)).id for request in alone]]
    gone: set[str] = set()
    failure: Exception | None = None
    if len(alone) < len(unknown) or not unknown:
        reply = await client.bulk_delete(labels=[label])
        gone.update(reply.succeeded)
        found += [row["sandbox_id"] for row in reply.failed if row.get("sandbox_id")]
    async for outcome in client.delete_many([each for each in dict.fromkeys(found) if each not in gone]):
        if outcome.error is None:
            gone.add(outcome.key)
        elif not is_gone(outcome.error):
            failure = outcome.error
    if failure is not None:
        raise failure
    return len(gone)


def is_gone(error: Exception) -> bool:
    """Whether an error says that the sandbox no longer exists."""
    return isinstance(error, SandboxClientError) and error.status_code == 404
