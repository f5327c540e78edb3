"""Creating, finding, waiting for and ending sandboxes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sandtui.client.calls import access, gateway, sandboxes
from sandtui.client.errors import (
    APIError,
    APITimeoutError,
    CommandTimeoutError,
    ConflictError,
    ConnectionFailedError,
    InvalidRequestError,
    SandboxNotRunningError,
    ServerError,
    not_running_error,
)
from sandtui.client.flows.base import Flows
from sandtui.client.models import (
    BatchStatusReply,
    BulkDeleteReply,
    CreateSandboxRequest,
    DeleteReply,
    ErrorContext,
    Sandbox,
    SandboxPage,
    SandboxStatus,
    StartCommand,
)
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND, FINISHED_STATUSES

MAX_BATCH = 100
"""Ids in one batch status (wire.md 2.9)."""

PROBE_COMMAND = "echo 'sandbox ready'"
PROBE_TIMEOUT = 10
_FIRST_POLLS, _FIRST_DELAY, _LATER_DELAY = 5, 1.0, 2.0


class Lifecycle(Flows):
    """The calls about sandboxes as a whole."""

    async def create(self, request: CreateSandboxRequest) -> Sandbox:
        """Create a sandbox and return it at once, typically PENDING.

        Every call carries an idempotency key, so that a reply lost on the way makes no second sandbox.

        Raises:
            PaymentRequiredError: the balance is too low.
            RequestRejectedError: the platform refused fields; ``fields`` names them.
            APIError: any other refusal. A platform that ignores ``network_access=False`` is one: the sandbox is
                deleted again, since what would run in it was meant to run without a network.
        """
        config = self._session.config
        changes: dict[str, object] = {}
        if request.idempotency_key is None:
            changes["idempotency_key"] = secrets.token_hex(16)
        if request.team_id is None and config.team_id is not None:
            changes["team_id"] = config.team_id
        sent = for_generation(request.model_copy(update=changes))
        sandbox = await self._session.control(sandboxes.create_sandbox(sent))
        self._session.note(sandbox)
        if not request.network_access:
            await self._ensure_isolated(sandbox)
        return sandbox

    async def get(self, sandbox_id: str) -> Sandbox:
        """Return one sandbox.

        Raises:
            NotFoundError: the platform does not know the id.
        """
        sandbox = await self._session.control(sandboxes.get_sandbox(sandbox_id), sandbox_id)
        self._session.note(sandbox)
        return sandbox

    async def list(
        self,
        team_id: str | None = None,
        status: str | None = None,
        labels: Sequence[str] | None = None,
        page: int = 1,
        per_page: int = 50,
        exclude_terminated: bool | None = None,
        user_id: str | None = None,
    ) -> SandboxPage:
        """Return one page of the sandboxes that carry all ``labels``.

        Without ``team_id`` the configured team is used. ``per_page`` may be up to 100.
        """
        if page < 1 or per_page < 1:
            raise InvalidRequestError("page and per_page count from 1")
        found = await self._session.control(
            sandboxes.list_sandboxes(
                page=page,
                per_page=per_page,
                team_id=team_id or self._session.config.team_id,
                user_id=user_id,
                status=status,
                labels=labels,
                is_active=exclude_terminated,
            )
        )
        for sandbox in found.sandboxes:
            self._session.note(sandbox)
        return found

    async def delete(self, sandbox_id: str) -> DeleteReply:
        """End a sandbox and forget its gateway token."""
        reply = await self._session.control(sandboxes.delete_sandbox(sandbox_id), sandbox_id)
        self._session.forget(sandbox_id)
        return reply

    async def bulk_delete(
        self,
        sandbox_ids: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        team_id: str | None = None,
        user_id: str | None = None,
        all_users: bool = False,
    ) -> BulkDeleteReply:
        """End sandboxes by their ids (1 to 500), or all that carry every one of ``labels`` (1 to 50).

        Raises:
            InvalidRequestError: neither or both were given, or too many; nothing was sent.
        """
        if bool(sandbox_ids) == bool(labels):
            raise InvalidRequestError("give sandbox_ids or labels, and not both")
        if len(sandbox_ids or ()) > 500 or len(labels or ()) > 50:
            raise InvalidRequestError("one bulk delete takes up to 500 ids or 50 labels")
        reply = await self._session.control(
            sandboxes.bulk_delete(
                sandbox_ids=sandbox_ids or None,
                labels=labels or None,
                team_id=team_id,
                user_id=user_id,
                all_users=all_users,
            )
        )
        for sandbox_id in reply.succeeded:
            self._session.forget(sandbox_id)
        return reply

    async def get_sandbox_statuses(self, sandbox_ids: Sequence[str]) -> BatchStatusReply:
        """Return the statuses of 1 to 100 different sandboxes in one request.

        Raises:
            InvalidRequestError: none, too many, or one twice; nothing was sent.
            NotFoundError: this platform has no batch status.
        """
        if not 1 <= len(sandbox_ids) <= MAX_BATCH or len(set(sandbox_ids)) != len(sandbox_ids):
            raise InvalidRequestError(f"the batch status takes 1 to {MAX_BATCH} different ids")
        return await self._session.control(sandboxes.batch_status(sandbox_ids))

    async def get_logs(self, sandbox_id: str) -> str:
        """Return the sandbox's log so far."""
        return (await self._session.control(sandboxes.get_logs(sandbox_id), sandbox_id)).logs

    async def get_error_context(self, sandbox_id: str) -> ErrorContext:
        """Return why a sandbox is not running, as far as the platform knows."""
        return await self._session.error_context(sandbox_id)

    async def wait_for_creation(self, sandbox_id: str, max_attempts: int = 60, stability_checks: int = 1) -> None:
        """Wait until a sandbox is RUNNING and answers a command.

        The time allowed is what ``max_attempts`` polls take: 1 s for the first five, then 2 s each.

        Raises:
            SandboxNotRunningError: it ended (its subclasses say why), or was not ready in time.
            APIError: the platform refused a request.
        """
        budget = time_budget(max_attempts)
        await self._wait_running(sandbox_id, budget)
        await self._wait_reachable(sandbox_id, budget, stability_checks)

    async def _ensure_isolated(self, sandbox: Sandbox) -> None:
        """Make sure that a sandbox that was asked for without a network has none."""
        try:
            if sandbox.vm:
                if sandbox.network_allowlist != []:
                    await self._session.control(access.set_egress(sandbox.id, [], None), sandbox.id)
                return
            told = "network_access" in sandbox.model_fields_set
            if not told or not sandbox.network_access:
                return
            problem = "the platform ignored it"
        except APIError as error:
            problem = error.message
        await self.delete(sandbox.id)
        raise APIError(
            f"network_access=False could not be had ({problem}); the sandbox was deleted again", sandbox_id=sandbox.id
        )

    async def _wait_running(self, sandbox_id: str, budget: float) -> None:
        port = self._session.port
        deadline = port.monotonic() + budget
        polls = 0
        while True:
            sandbox = await self.get(sandbox_id)
            if sandbox.status == SandboxStatus.RUNNING:
                return
            if sandbox.status in FINISHED_STATUSES:
                raise not_running_error(
                    sandbox_id,
                    sandbox.status,
                    sandbox.error_type,
                    sandbox.error_message or sandbox.termination_reason,
                )
            polls += 1
            pause = poll_pause(polls)
            if port.monotonic() + pause > deadline:
                raise SandboxNotRunningError(
                    f"sandbox {sandbox_id} did not reach RUNNING in {budget:.0f} s (it is {sandbox.status})",
                    status=sandbox.status,
                    sandbox_id=sandbox_id,
                )
            await port.sleep(pause)

    async def _wait_reachable(self, sandbox_id: str, budget: float, checks: int) -> None:
        port = self._session.port
        deadline = port.monotonic() + budget
        call = gateway.execute(sandbox_id, PROBE_COMMAND, working_dir=None, env=None, timeout=PROBE_TIMEOUT, user=None)
        good = 0
        pause = 0.1
        while True:
            try:
                await self._session.gateway(sandbox_id, call, CommandTimeoutError)
            except (
                CommandTimeoutError,
                ConflictError,
                ServerError,
                ConnectionFailedError,
                APITimeoutError,
            ) as error:
                if port.monotonic() + pause > deadline:
                    raise SandboxNotRunningError(
                        f"sandbox {sandbox_id} is RUNNING, but its gateway did not answer "
                        f"in {budget:.0f} s: {error.message}",
                        status=SandboxStatus.RUNNING,
                        sandbox_id=sandbox_id,
                        error_type="GATEWAY_REACHABILITY_TIMEOUT",
                    ) from error
                await port.sleep(pause)
                pause = min(pause * 2, _LATER_DELAY)
            else:
                good += 1
                if good >= checks:
                    return
                await port.sleep(0.5)


def for_generation(request: CreateSandboxRequest) -> CreateSandboxRequest:
    """Return the request as the sandbox's generation understands it (wire.md 0, 2.3).

    A VM starts an executable without a shell and takes a network policy where a container takes a switch.

    Raises:
        InvalidRequestError: it asks a container for network lists, which only VMs have.
    """
    if not request.vm:
        if request.network_allowlist is not None or request.network_denylist is not None:
            raise InvalidRequestError("network lists need a VM (vm=True); a container has network_access only")
        return request
    command = request.start_command
    if command == DEFAULT_START_COMMAND:
        command = None  # a VM is idle by itself
    elif isinstance(command, str):
        command = StartCommand(executable="/bin/sh", args=["-c", command])
    changes: dict[str, object] = {"start_command": command, "network_access": None}
    if not request.network_access:
        changes["network_allowlist"] = []
    return request.model_copy(update=changes)


def poll_pause(polls: int) -> float:
    """Return the seconds to wait after so many polls.

    1 s for the first five and 2 s later, as the SDK does, but less at first: a local sandbox runs in milliseconds.
    """
    return min(_FIRST_DELAY if polls <= _FIRST_POLLS else _LATER_DELAY, 0.05 * (1 << min(polls, 10)))


def time_budget(max_attempts: int) -> float:
    """Return the seconds that ``max_attempts`` polls take.

    Raises:
        InvalidRequestError: it is below 1.
    """
    if max_attempts < 1:
        raise InvalidRequestError("max_attempts counts from 1")
    early = min(max_attempts, _FIRST_POLLS)
    return early * _FIRST_DELAY + (max_attempts - early) * _LATER_DELAY
