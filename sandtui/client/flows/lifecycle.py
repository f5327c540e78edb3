"""Creating, finding, waiting for and ending sandboxes."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence

from sandtui.client.calls import sandboxes
from sandtui.client.checks import check_ids
from sandtui.client.errors import InvalidRequestError, SandboxClientError
from sandtui.client.flows.isolation import Isolation, for_generation
from sandtui.client.flows.waits import BUILD_SECONDS, Patience, Waits, time_budget
from sandtui.client.models import (
    BatchStatusReply,
    BulkDeleteReply,
    CreateSandboxRequest,
    ErrorContext,
    Sandbox,
    SandboxPage,
)

LOG = logging.getLogger("sandtui.client")

ABANDON_SECONDS = 10.0
"""Seconds that a cancelled creation has to tell whether there is a sandbox."""

MAX_BATCH = 100
"""Ids in one batch status (wire.md 2.9)."""


class Lifecycle(Isolation, Waits):
    """The calls about sandboxes as a whole."""

    async def create(
        self,
        request: CreateSandboxRequest,
        *,
        on_abandoned: Callable[[Sandbox], object] | None = None,
        delete_abandoned: bool = False,
    ) -> Sandbox:
        """Create a sandbox and return it at once, typically PENDING.

        Every call carries an idempotency key, so that a reply lost on the way makes no second sandbox.

        A call that is cancelled waits up to 10 seconds for the platform's answer. A sandbox that was made
        nevertheless, then or later, is deleted with ``delete_abandoned``; else ``on_abandoned`` is called with it, or
        the log ``sandtui.client`` names it.

        Raises:
            PaymentRequiredError: the balance is too low.
            RequestRejectedError: the platform refused fields; ``fields`` names them.
            APIError: any other refusal. A platform that ignores ``network_access=False`` is one: the sandbox is
                deleted again, since what would run in it was meant to run without a network.
        """
        made: list[Sandbox] = []
        has_left = False

        async def make() -> None:
            made.append(await self._create(request))
            if has_left:
                await leave(made[0])

        async def leave(sandbox: Sandbox) -> None:
            if not (request.network_access or delete_abandoned):
                await self._ensure_isolated(sandbox)
            await self._abandon(sandbox, on_abandoned, delete_abandoned)

        try:
            await self._session.port.shielded(make(), patience=ABANDON_SECONDS)
        except BaseException:
            has_left = True
            if made:
                await self._session.port.shielded(leave(made[0]))
            raise
        if not request.network_access:
            await self._ensure_isolated(made[0])
        return made[0]

    async def _create(self, request: CreateSandboxRequest) -> Sandbox:
        config = self._session.config
        changes: dict[str, object] = {}
        if request.idempotency_key is None:
            changes["idempotency_key"] = secrets.token_hex(16)
        if request.team_id is None and config.team_id is not None:
            changes["team_id"] = config.team_id
        sent = for_generation(request.model_copy(update=changes))
        sandbox = await self._session.control(sandboxes.create_sandbox(sent))
        self._session.note(sandbox)
        return sandbox

    async def _abandon(self, sandbox: Sandbox, on_abandoned: Callable[[Sandbox], object] | None, delete: bool) -> None:
        """Delete a sandbox that nobody waits for any more, or tell of it."""
        if delete:
            try:
                await self.delete(sandbox.id)
            except SandboxClientError as error:
                LOG.warning("sandbox %s was created for nobody and could not be deleted: %s", sandbox.id, error)
            else:
                return
        if on_abandoned is not None:
            on_abandoned(sandbox)
        elif not delete:
            LOG.warning("sandbox %s was created, but its caller has left; it goes on running", sandbox.id)

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
        check_ids("labels", labels)
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

    async def bulk_delete(
        self,
        sandbox_ids: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        team_id: str | None = None,
        user_id: str | None = None,
        all_users: bool = False,
    ) -> BulkDeleteReply:
        """End sandboxes by their ids (1 to 500), or all that carry every one of ``labels`` (1 to 50).

        ``user_id``, ``team_id`` and ``all_users`` narrow that; without ids and labels they name all sandboxes of the
        user, of the team, or of everyone.

        Raises:
            InvalidRequestError: ids and labels were both given, or nothing was, or too many; nothing was sent.
        """
        check_ids("sandbox_ids", sandbox_ids)
        check_ids("labels", labels)
        if sandbox_ids and labels:
            raise InvalidRequestError("give sandbox_ids or labels, and not both")
        # An empty list is one that nothing was put into, and must not become a delete of everything.
        scoped = sandbox_ids is None and labels is None and bool(user_id or team_id or all_users)
        if not (sandbox_ids or labels or scoped):
            raise InvalidRequestError("give sandbox_ids or labels, or on their own user_id, team_id or all_users")
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
        check_ids("sandbox_ids", sandbox_ids)
        if not 1 <= len(sandbox_ids) <= MAX_BATCH or len(set(sandbox_ids)) != len(sandbox_ids):
            raise InvalidRequestError(f"the batch status takes 1 to {MAX_BATCH} different ids")
        return await self._session.control(sandboxes.batch_status(sandbox_ids))

    async def get_logs(self, sandbox_id: str) -> str:
        """Return the sandbox's log so far."""
        return (await self._session.control(sandboxes.get_logs(sandbox_id), sandbox_id)).logs

    async def get_error_context(self, sandbox_id: str) -> ErrorContext:
        """Return why a sandbox is not running, as far as the platform knows."""
        return await self._session.error_context(sandbox_id)

    async def wait_for_creation(
        self,
        sandbox_id: str,
        max_attempts: int = 60,
        stability_checks: int = 1,
        image_build_timeout_seconds: float = BUILD_SECONDS,
    ) -> None:
        """Wait until a sandbox is RUNNING and answers a command.

        The time allowed is what ``max_attempts`` polls take: 1 s for the first five, then 2 s each. While the
        platform builds the image that clock stands, and ``image_build_timeout_seconds`` counts.

        Raises:
            SandboxNotRunningError: it ended (its subclasses say why), or was not ready in time.
            APIError: the platform refused a request.
        """
        budget = time_budget(max_attempts)
        await self._wait_running(sandbox_id, Patience(budget, image_build_timeout_seconds))
        await self._wait_reachable(sandbox_id, budget, stability_checks)
