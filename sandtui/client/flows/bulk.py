"""Bulk operations: results and errors as they complete, with bounded concurrency."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import cast

from sandtui.client.checks import check_ids
from sandtui.client.errors import (
    APIError,
    InvalidRequestError,
    PermissionDeniedError,
    RateLimitedError,
    not_running_error,
)
from sandtui.client.flows.base import Flows
from sandtui.client.flows.commands import Commands
from sandtui.client.flows.creation import Creation, abandon
from sandtui.client.flows.networks import join_pending
from sandtui.client.flows.sandboxes import MAX_BATCH, Sandboxes
from sandtui.client.flows.waits import (
    BUILD_PAUSE,
    BUILD_SECONDS,
    WaitBudget,
    is_building,
    poll_pause,
    time_budget,
    wait_reachable,
)
from sandtui.client.models import (
    CommandResponse,
    CreateSandboxRequest,
    DeleteReply,
    Sandbox,
    SandboxStatusRow,
    StatusErrorRow,
)
from sandtui.client.models.sandbox import FINISHED_STATUSES, SandboxStatus
from sandtui.client.port import K, Outcome, T, Workers

AT_ONCE = 32
"""Default concurrency."""

LIST_PAGE = 100


class Bulk(Flows):
    """Operations on many sandboxes. Outcomes are yielded in order of completion."""

    async def create_many(
        self,
        requests: Sequence[CreateSandboxRequest],
        concurrency: int = AT_ONCE,
        *,
        on_abandoned: Callable[[Sandbox], object] | None = None,
        delete_abandoned: bool = False,
    ) -> AsyncIterator[Outcome[int, Sandbox]]:
        """Create sandboxes; each outcome's key is the index of its request.

        Sandboxes that were created but not yielded, because the iteration was left, are deleted or reported as by
        :meth:`create`.
        """
        check_concurrency(concurrency)
        port = self._session.port
        creation = Creation(self._session)
        unreported: dict[int, Sandbox] = {}

        async def one(index: int) -> Sandbox:
            made = await creation.create(requests[index], on_abandoned=on_abandoned, delete_abandoned=delete_abandoned)
            unreported[index] = made
            return made

        try:
            async with closing_outcomes(port.fan_out(range(len(requests)), one, concurrency)) as outcomes:
                async for outcome in outcomes:
                    unreported.pop(outcome.key, None)
                    yield outcome
        finally:
            for sandbox in unreported.values():
                await port.shielded(abandon(self._session, sandbox, on_abandoned, delete_abandoned))

    async def execute_many(
        self,
        sandbox_ids: Iterable[str],
        command: str,
        working_dir: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: int | None = None,
        user: str | None = None,
        concurrency: int = AT_ONCE,
    ) -> AsyncIterator[Outcome[str, CommandResponse]]:
        """Run one command in many sandboxes; each outcome's key is the sandbox's id."""
        check_concurrency(concurrency)
        check_ids("sandbox_ids", sandbox_ids)
        commands = Commands(self._session)

        async def one(sandbox_id: str) -> CommandResponse:
            return await commands.execute_command(sandbox_id, command, working_dir, env, timeout, user)

        async with closing_outcomes(self._session.port.fan_out(sandbox_ids, one, concurrency)) as outcomes:
            async for outcome in outcomes:
                yield outcome

    async def delete_many(
        self, sandbox_ids: Iterable[str], concurrency: int = AT_ONCE
    ) -> AsyncIterator[Outcome[str, DeleteReply]]:
        """Delete sandboxes one by one; each outcome's key is the sandbox's id."""
        check_concurrency(concurrency)
        check_ids("sandbox_ids", sandbox_ids)
        delete = Sandboxes(self._session).delete
        async with closing_outcomes(self._session.port.fan_out(sandbox_ids, delete, concurrency)) as outcomes:
            async for outcome in outcomes:
                yield outcome

    async def wait_many(
        self,
        sandbox_ids: Iterable[str],
        max_attempts: int = 60,
        concurrency: int = AT_ONCE,
        image_build_timeout_seconds: float = BUILD_SECONDS,
    ) -> AsyncIterator[Outcome[str, str]]:
        """Wait until sandboxes are RUNNING and reachable; yield each as soon as it is, or has failed.

        Statuses are polled in batches, only for pending sandboxes. Running ones are probed meanwhile, ``concurrency``
        at a time.
        """
        check_concurrency(concurrency)
        check_ids("sandbox_ids", sandbox_ids)
        budget = time_budget(max_attempts)
        port = self._session.port
        pending = {each: WaitBudget(budget, image_build_timeout_seconds) for each in sandbox_ids}
        building: set[str] = set()
        left = False

        async def reachable(sandbox_id: str) -> str:
            await wait_reachable(self._session, sandbox_id, budget, 1, lambda: left)
            await join_pending(self._session, sandbox_id)
            return SandboxStatus.RUNNING.value

        workers: Workers[str, str] = port.workers(concurrency)
        polls = 0
        try:
            while pending or workers.busy:
                asked = port.monotonic()
                rows, refused = await self._statuses_of(list(pending))
                for sandbox_id, error in refused.items():
                    if pending.pop(sandbox_id, None) is not None:
                        yield Outcome(sandbox_id, error=error)
                for row in rows:
                    if row.sandbox_id not in pending:
                        continue
                    building.discard(row.sandbox_id)
                    if row.status == SandboxStatus.RUNNING:
                        del pending[row.sandbox_id]
                        workers.start(row.sandbox_id, reachable)
                    elif row.status in FINISHED_STATUSES:
                        del pending[row.sandbox_id]
                        ended = not_running_error(row.sandbox_id, row.status, row.error_type, row.error_message)
                        yield Outcome(row.sandbox_id, error=ended)
                    elif is_building(row.status, row.pending_image_build_id):
                        building.add(row.sandbox_id)
                polls += 1
                pause = BUILD_PAUSE if pending and len(building) == len(pending) else poll_pause(polls)
                for sandbox_id, remaining in list(pending.items()):
                    # Only after another poll: it may have become ready while this waited for others.
                    if not remaining.lasts(pause, building=sandbox_id in building):
                        del pending[sandbox_id]
                        reason = remaining.reason(building=sandbox_id in building)
                        yield Outcome(sandbox_id, error=not_running_error(sandbox_id, None, None, reason))
                if workers.busy:
                    for outcome in await workers.ready(pause if pending else None):
                        yield outcome
                elif pending:
                    await port.sleep(pause)
                spent = port.monotonic() - asked
                for sandbox_id, remaining in pending.items():
                    remaining.spend(spent, building=sandbox_id in building)
        finally:
            left = True
            await workers.aclose()

    async def bulk_wait_for_creation(
        self,
        sandbox_ids: Sequence[str],
        max_attempts: int = 60,
        image_build_timeout_seconds: float = BUILD_SECONDS,
    ) -> dict[str, str]:
        """Wait until all sandboxes are RUNNING and reachable; return their statuses by id.

        Raises:
            SandboxNotRunningError: one has ended, or was not ready in time.
            APIError: a request failed.
        """
        statuses: dict[str, str] = {}
        waiting = self.wait_many(sandbox_ids, max_attempts, AT_ONCE, image_build_timeout_seconds)
        async with closing_outcomes(waiting) as outcomes:
            async for outcome in outcomes:
                statuses[outcome.key] = outcome.unwrap()
        return {sandbox_id: statuses[sandbox_id] for sandbox_id in sandbox_ids}

    async def _statuses_of(self, sandbox_ids: Sequence[str]) -> tuple[list[SandboxStatusRow], dict[str, Exception]]:
        """Return the statuses of any number of sandboxes, and the errors of those without one.

        Uses the batch status where the platform has it, otherwise the list.
        """
        rows: list[SandboxStatusRow] = []
        refused: dict[str, Exception] = {}
        if not sandbox_ids:
            return rows, refused
        try:
            if not self._session.lacks_batch_status:
                for start in range(0, len(sandbox_ids), MAX_BATCH):
                    response = await Sandboxes(self._session).get_sandbox_statuses(
                        sandbox_ids[start : start + MAX_BATCH]
                    )
                    rows += response.statuses
                    refused |= {row.sandbox_id: status_error(row) for row in response.errors}
                return rows, refused
        except RateLimitedError:
            return rows, refused  # the known part; the caller polls again after a pause
        except APIError as error:
            if error.status_code not in {404, 405, 501}:
                raise
            self._session.lacks_batch_status = True
        return await self._statuses_by_list(set(sandbox_ids)), {}

    async def _statuses_by_list(self, wanted: set[str]) -> list[SandboxStatusRow]:
        rows: list[SandboxStatusRow] = []
        page = 1
        while wanted:
            try:
                found = await Sandboxes(self._session).list(page=page, per_page=LIST_PAGE)
            except RateLimitedError:
                return rows
            for sandbox in found.sandboxes:
                if sandbox.id in wanted:
                    wanted.discard(sandbox.id)
                    rows.append(
                        SandboxStatusRow(
                            sandbox_id=sandbox.id,
                            status=sandbox.status,
                            error_type=sandbox.error_type,
                            error_message=sandbox.error_message,
                        )
                    )
            if not found.has_next or not found.sandboxes:
                break
            page += 1
        return rows


def status_error(row: StatusErrorRow) -> Exception:
    """Return the error for a failed row of the batch status; only NOT_FOUND means that the sandbox is gone."""
    reason = row.message or row.code
    if row.code == "NOT_FOUND":
        return not_running_error(row.sandbox_id, SandboxStatus.TERMINATED, "SANDBOX_NOT_FOUND", reason)
    kind = PermissionDeniedError if row.code == "FORBIDDEN" else APIError
    message = f"the platform returned no status of sandbox {row.sandbox_id} ({row.code}): {reason}"
    return kind(message, sandbox_id=row.sandbox_id, error_type=row.code)


def closing_outcomes(outcomes: AsyncIterator[Outcome[K, T]]) -> aclosing[AsyncGenerator[Outcome[K, T], None]]:
    """Return a context for reading outcomes, which ends unfinished work on exit instead of at garbage collection."""
    return aclosing(cast("AsyncGenerator[Outcome[K, T], None]", outcomes))


def check_concurrency(concurrency: int) -> None:
    """Validate a concurrency.

    Raises:
        InvalidRequestError: it is below 1.
    """
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
        raise InvalidRequestError("concurrency must be at least 1")
