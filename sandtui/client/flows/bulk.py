"""Many at once: each result or error as it comes, with bounded concurrency."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from sandtui.client.errors import InvalidRequestError, NotFoundError, RateLimitedError, not_running_error
from sandtui.client.flows.jobs import Jobs
from sandtui.client.flows.lifecycle import MAX_BATCH, Lifecycle, poll_pause, time_budget
from sandtui.client.models import CommandResponse, CreateSandboxRequest, DeleteReply, Sandbox, SandboxStatusRow
from sandtui.client.models.sandbox import FINISHED_STATUSES, SandboxStatus
from sandtui.client.port import Outcome

AT_ONCE = 32
"""How many run at the same time unless told otherwise."""

LIST_PAGE = 100


class Bulk(Jobs, Lifecycle):
    """The calls about many sandboxes. Outcomes come in the order in which they are ready."""

    async def create_many(
        self, requests: Sequence[CreateSandboxRequest], concurrency: int = AT_ONCE
    ) -> AsyncIterator[Outcome[int, Sandbox]]:
        """Create sandboxes; each outcome's key is the request's place in the list."""
        check_concurrency(concurrency)

        async def one(place: int) -> Sandbox:
            return await self.create(requests[place])

        async for outcome in self._session.port.fan_out(range(len(requests)), one, concurrency):
            yield outcome

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

        async def one(sandbox_id: str) -> CommandResponse:
            return await self.execute_command(sandbox_id, command, working_dir, env, timeout, user)

        async for outcome in self._session.port.fan_out(sandbox_ids, one, concurrency):
            yield outcome

    async def delete_many(
        self, sandbox_ids: Iterable[str], concurrency: int = AT_ONCE
    ) -> AsyncIterator[Outcome[str, DeleteReply]]:
        """Delete sandboxes one by one; each outcome's key is the sandbox's id."""
        check_concurrency(concurrency)
        async for outcome in self._session.port.fan_out(sandbox_ids, self.delete, concurrency):
            yield outcome

    async def wait_many(
        self, sandbox_ids: Iterable[str], max_attempts: int = 60, concurrency: int = AT_ONCE
    ) -> AsyncIterator[Outcome[str, str]]:
        """Wait until sandboxes are RUNNING and answer; yield each as soon as it does, or has failed.

        Statuses are asked about together, and only of those that are still pending.
        """
        check_concurrency(concurrency)
        budget = time_budget(max_attempts)

        async def reachable(sandbox_id: str) -> str:
            await self._wait_reachable(sandbox_id, budget, 1)
            return SandboxStatus.RUNNING.value

        port = self._session.port
        pending = dict.fromkeys(sandbox_ids)
        deadline = port.monotonic() + budget
        polls = 0
        while pending:
            running: list[str] = []
            for row in await self._statuses_of(list(pending)):
                if row.status == SandboxStatus.RUNNING:
                    running.append(row.sandbox_id)
                elif row.status in FINISHED_STATUSES:
                    pending.pop(row.sandbox_id, None)
                    error = not_running_error(row.sandbox_id, row.status, row.error_type, row.error_message)
                    yield Outcome(row.sandbox_id, error=error)
            for sandbox_id in running:
                pending.pop(sandbox_id, None)
            async for outcome in port.fan_out(running, reachable, concurrency):
                yield outcome
            if not pending:
                return
            polls += 1
            pause = poll_pause(polls)
            if port.monotonic() + pause > deadline:
                for sandbox_id in pending:
                    message = f"it did not reach RUNNING in {budget:.0f} s"
                    yield Outcome(sandbox_id, error=not_running_error(sandbox_id, None, None, message))
                return
            await port.sleep(pause)

    async def bulk_wait_for_creation(self, sandbox_ids: Sequence[str], max_attempts: int = 60) -> dict[str, str]:
        """Wait until all sandboxes are RUNNING and answer a command; return their statuses by id.

        Raises:
            SandboxNotRunningError: one has ended, or was not ready in time.
            APIError: the platform refused a request.
        """
        statuses: dict[str, str] = {}
        async for outcome in self.wait_many(sandbox_ids, max_attempts):
            statuses[outcome.key] = outcome.unwrap()
        return {sandbox_id: statuses[sandbox_id] for sandbox_id in sandbox_ids}

    async def _statuses_of(self, sandbox_ids: Sequence[str]) -> list[SandboxStatusRow]:
        """Return the statuses of any number of sandboxes: by batches where the platform has them, else by pages."""
        rows: list[SandboxStatusRow] = []
        try:
            if not self._session.lacks_batch_status:
                for start in range(0, len(sandbox_ids), MAX_BATCH):
                    reply = await self.get_sandbox_statuses(sandbox_ids[start : start + MAX_BATCH])
                    rows += reply.statuses
                    rows += [
                        SandboxStatusRow(
                            sandbox_id=row.sandbox_id,
                            status=SandboxStatus.TERMINATED.value,
                            error_type="SANDBOX_NOT_FOUND",
                            error_message=row.message or row.code,
                        )
                        for row in reply.errors
                    ]
                return rows
        except NotFoundError:
            self._session.lacks_batch_status = True
        except RateLimitedError:
            return rows  # what is known so far; the caller asks again after its pause
        return await self._statuses_by_list(set(sandbox_ids))

    async def _statuses_by_list(self, wanted: set[str]) -> list[SandboxStatusRow]:
        rows: list[SandboxStatusRow] = []
        page = 1
        while wanted:
            try:
                found = await self.list(page=page, per_page=LIST_PAGE)
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


def check_concurrency(concurrency: int) -> None:
    """Refuse a number that would run nothing.

    Raises:
        InvalidRequestError: it is below 1.
    """
    if concurrency < 1:
        raise InvalidRequestError("concurrency counts from 1")
