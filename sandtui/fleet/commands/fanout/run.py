"""Running one command in many sandboxes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

from sandtui.cancellation import run_to_end
from sandtui.client import (
    APIError,
    AsyncSandboxClient,
    CommandTimeoutError,
    SandboxClientError,
)
from sandtui.client.models import CommandResponse
from sandtui.client.models.streams import CommandEnded, CommandOutput
from sandtui.clock import Clock
from sandtui.fleet.commands.fanout.answer import Answer, FailureReason
from sandtui.fleet.commands.fanout.live import Live
from sandtui.fleet.commands.line.users import as_user
from sandtui.fleet.inventory.bulk import BulkItem, BulkResult, BulkRun, BulkState
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.signals import Signal
from sandtui.fleet.text.slices import slices

AT_ONCE = 64
"""Sandboxes that run the command at the same time. The limit protects this machine, not the sandboxes."""

STREAMED_AT_ONCE = 16
"""Containers with live output over SSH at the same time: each connection costs a key and some local CPU time."""

MAX_TOTAL = 256 * 1024 * 1024
"""Characters stored for all different results of one fan-out; beyond that, further results are truncated."""

NO_EXIT_CODE = -1
"""Appended to the output of a command that did not end."""

_SMALL = 64 * 1024
_REMOVE_SECONDS = 20


@dataclass(slots=True, eq=False)
class Target:
    """One sandbox and its result. Times are in seconds on the monotonic clock.

    ``answer`` is set when the command ended; otherwise ``failure`` and ``problem`` say why it did not, and ``so_far``
    holds its output until then. ``live`` is the output while it runs, where that is available. Names and texts come
    from outside and are not safe to draw.
    """

    item: BulkItem
    streams: bool = False
    live: Live | None = None
    answer: Answer | None = None
    so_far: Answer | None = None
    failure: FailureReason | None = None
    problem: str = ""
    started: float | None = None
    ended: float | None = None
    stdin_path: str = ""
    """The file with the input, until the command has ended."""

    @property
    def id(self) -> str:
        """The id of the sandbox."""
        return self.item.id

    @property
    def name(self) -> str:
        """The sandbox's name."""
        return self.item.name

    @property
    def state(self) -> BulkState:
        """The state; done means exit code 0."""
        return self.item.state

    @property
    def output(self) -> Answer | None:
        """The output, whether or not the command ended."""
        return self.answer if self.answer is not None else self.so_far

    @property
    def succeeded(self) -> bool:
        """Whether the command ended with exit code 0."""
        return self.answer is not None and self.answer.exit_code == 0

    @property
    def is_over(self) -> bool:
        """Whether the state is final."""
        return self.state not in {BulkState.WAITING, BulkState.RUNNING}

    def seconds(self, now: float) -> float | None:
        """Return the runtime in seconds so far; None before the start."""
        if self.started is None:
            return None
        return (self.ended if self.ended is not None else now) - self.started


class FanOut:
    """Runs one command in many sandboxes, some at a time; ``on_change`` is called after each step.

    ``timeout`` is in seconds and applies to each sandbox. Output of VMs is always live; with ``live`` also that of
    containers, over SSH, which costs more and may log in as another user than the platform's own. ``stdin`` is the
    command's input, read from a file in each sandbox that is unlinked before the command starts.
    """

    def __init__(
        self,
        command: str,
        rows: Sequence[Row],
        client: AsyncSandboxClient,
        clock: Clock,
        *,
        timeout: int,
        at_once: int = AT_ONCE,
        live: bool = False,
        on_end: Callable[[Target], None] = lambda _: None,
        stdin: bytes = b"",
        user: str | None = None,
    ) -> None:
        self.command = command
        self.timeout = timeout
        self.user = user
        """Who runs the command in each sandbox, by name or uid; None for the platform's default."""
        self.rows = tuple(rows)
        self.began = clock.now()
        self.on_end = on_end
        self._client, self._clock, self._stdin = client, clock, stdin
        if live and not all(row.sandbox.vm for row in rows):
            at_once = min(at_once, STREAMED_AT_ONCE)
        self._bulk = BulkRun(command, rows, self._work, clock, at_once=at_once)
        # SSH logs in as one user, whoever is to run the command.
        live = live and user is None
        self.targets = [Target(item, live or row.sandbox.vm) for item, row in zip(self._bulk.items, rows, strict=True)]
        self._by_id = {target.id: target for target in self.targets}
        self._same: dict[Answer, Answer] = {}
        self.size = 0
        """Characters stored for all results."""

    @property
    def on_change(self) -> Signal[[]]:
        """Called after each change of a target."""
        return self._bulk.on_change

    @property
    def is_over(self) -> bool:
        """Whether all targets are finished."""
        return self._bulk.is_over

    @property
    def failed(self) -> list[Target]:
        """The targets on which the command failed."""
        return [target for target in self.targets if target.state in {BulkState.FAILED, BulkState.CANCELLED}]

    def count(self, state: BulkState) -> int:
        """Return the number of targets in a state."""
        return self._bulk.count(state)

    def seconds(self) -> float:
        """Return the total runtime so far, in seconds."""
        ended = self._bulk.ended
        return (ended if ended is not None else self._clock.monotonic()) - self._bulk.started

    async def run(self) -> None:
        """Run the command in all targets until finished or cancelled."""
        await self._bulk.run()

    def cancel(self) -> None:
        """Start no more targets and cancel the running ones; their processes are killed where the platform can."""
        self._bulk.cancel()

    def prepare_retry(self) -> int:
        """Queue the failed targets for another :meth:`run`; return how many."""
        for target in self.failed:
            target.answer, target.so_far, target.failure, target.problem = None, None, None, ""
            target.started = target.ended = None
        return self._bulk.prepare_retry()

    async def _work(self, sandbox_ids: Sequence[str]) -> Mapping[str, BulkResult]:
        return {sandbox_id: await self._one(self._by_id[sandbox_id]) for sandbox_id in sandbox_ids}

    async def _one(self, target: Target) -> BulkResult:
        target.started = self._clock.monotonic()
        try:
            command = await self._with_stdin(target)
            target.answer = await (self._stream if target.streams else self._execute)(target, command)
        except SandboxClientError as error:
            slow = isinstance(error, CommandTimeoutError)
            target.failure = FailureReason.TIMEOUT if slow else FailureReason.UNREACHED
            target.problem = error.explanation
            target.so_far = await self._so_far(target, error)
        finally:
            await self._remove_stdin(target)
            target.live = None
            target.ended = self._clock.monotonic()
        self.on_end(target)
        if target.answer is None:
            return BulkResult(False, target.problem)
        return BulkResult(target.answer.exit_code == 0, f"exit {target.answer.exit_code}")

    async def _so_far(self, target: Target, error: SandboxClientError) -> Answer | None:
        if target.live is not None:
            answer = target.live.answer(NO_EXIT_CODE)
        elif isinstance(error, CommandTimeoutError):
            response = CommandResponse(stdout=error.stdout, stderr=error.stderr, exit_code=NO_EXIT_CODE)
            answer = await asyncio.to_thread(_hashed, lambda: Answer.of(response))
        else:
            return None
        return await self._keep(answer) if answer.stdout or answer.stderr else None

    async def _with_stdin(self, target: Target) -> str:
        if not self._stdin:
            return self.command
        path = target.stdin_path = f"/tmp/.sandtui-stdin-{secrets.token_hex(8)}"  # noqa: S108 - of the sandbox, and nobody can guess it
        await self._client.upload_bytes(target.id, path, self._stdin)
        return f"exec <{path} && rm -f {path}\n{self.command}"

    async def _remove_stdin(self, target: Target) -> None:
        """Remove the input where the command's user may not: in /tmp only the owner of a file can."""
        path, target.stdin_path = target.stdin_path, ""
        if path and self.user is not None:
            with suppress(SandboxClientError):
                await run_to_end(self._client.execute_command(target.id, f"rm -f {path}", timeout=_REMOVE_SECONDS))

    async def _execute(self, target: Target, command: str) -> Answer:
        response = await self._client.execute_command(target.id, command, timeout=self.timeout, **as_user(self.user))
        if len(response.stdout) + len(response.stderr) <= _SMALL:
            return self._same_as_before(Answer.of(response))
        # Truncating, hashing and comparing megabytes takes milliseconds: not in the event loop.
        return await self._keep(await asyncio.to_thread(_hashed, lambda: Answer.of(response)))

    async def _stream(self, target: Target, command: str) -> Answer:
        exit_code: int | None = None
        live = target.live = Live()
        events = self._client.stream_command(target.id, command, timeout=self.timeout, **as_user(self.user))
        async with aclosing(events) as stream:  # type: ignore[type-var] # it is a generator
            async for event in stream:
                if isinstance(event, CommandOutput):
                    async for piece in slices(event.data):
                        live.feed(event.stream, piece)
                        self._bulk.on_change()
                elif isinstance(event, CommandEnded):
                    exit_code = event.exit_code
        if exit_code is None:
            raise APIError("the output ended without an exit code", sandbox_id=target.id)
        answer = live.answer(exit_code)
        if answer.size <= _SMALL:
            return self._same_as_before(answer)
        return await self._keep(await asyncio.to_thread(_hashed, lambda: answer))

    async def _keep(self, answer: Answer) -> Answer:
        """Store a large result, truncated when there are many."""
        if answer not in self._same and self.size + answer.size > MAX_TOTAL:
            answer = await asyncio.to_thread(_hashed, lambda: answer.shortened(_SMALL))
        return self._same_as_before(answer)

    def _same_as_before(self, answer: Answer) -> Answer:
        if answer not in self._same:
            self._same[answer] = answer
            self.size += answer.size
        return self._same[answer]


def _hashed(make: Callable[[], Answer]) -> Answer:
    answer = make()
    hash(answer)  # a text keeps its hash: the loop finds it ready
    return answer
