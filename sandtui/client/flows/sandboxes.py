"""Getting, listing and deleting sandboxes, with their statuses and logs."""

from __future__ import annotations

from collections.abc import Sequence

from sandtui.client.calls import sandboxes
from sandtui.client.checks import check_ids
from sandtui.client.errors import InvalidRequestError
from sandtui.client.flows.base import Flows
from sandtui.client.models import (
    BatchStatusReply,
    BulkDeleteReply,
    DeleteReply,
    ErrorContext,
    Sandbox,
    SandboxPage,
)

MAX_BATCH = 100
"""Maximum number of ids in a batch status (WIRE.md 2.9)."""


class Sandboxes(Flows):
    """Operations on existing sandboxes."""

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
        """Return a page of the list of sandboxes that have all ``labels``.

        The default of ``team_id`` is the configured team. ``per_page`` is at most 100.
        """
        check_ids("labels", labels)
        if page < 1 or per_page < 1:
            raise InvalidRequestError("page and per_page must be at least 1")
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
        """Delete a sandbox and drop its gateway token."""
        response = await self._session.control(sandboxes.delete_sandbox(sandbox_id), sandbox_id)
        self._session.forget(sandbox_id)
        return response

    async def bulk_delete(
        self,
        sandbox_ids: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        team_id: str | None = None,
        user_id: str | None = None,
        all_users: bool = False,
    ) -> BulkDeleteReply:
        """Delete sandboxes by ids (1 to 500), or all that have every one of ``labels`` (1 to 50).

        ``user_id``, ``team_id`` and ``all_users`` narrow that; without ids and labels they select all sandboxes of the
        user, of the team, or of everyone.

        Raises:
            InvalidRequestError: both ids and labels are given, or neither, or too many; nothing was sent.
        """
        check_ids("sandbox_ids", sandbox_ids)
        check_ids("labels", labels)
        if sandbox_ids and labels:
            raise InvalidRequestError("give sandbox_ids or labels, and not both")
        # An empty list is probably a mistake, and must not delete everything.
        scoped = sandbox_ids is None and labels is None and bool(user_id or team_id or all_users)
        if not (sandbox_ids or labels or scoped):
            raise InvalidRequestError("give sandbox_ids or labels, or on their own user_id, team_id or all_users")
        if len(sandbox_ids or ()) > 500 or len(labels or ()) > 50:
            raise InvalidRequestError("one bulk delete takes up to 500 ids or 50 labels")
        response = await self._session.control(
            sandboxes.bulk_delete(
                sandbox_ids=sandbox_ids or None,
                labels=labels or None,
                team_id=team_id,
                user_id=user_id,
                all_users=all_users,
            )
        )
        for sandbox_id in response.succeeded:
            self._session.forget(sandbox_id)
        return response

    async def get_sandbox_statuses(self, sandbox_ids: Sequence[str]) -> BatchStatusReply:
        """Return the statuses of 1 to 100 different sandboxes in one request.

        Raises:
            InvalidRequestError: there are none, too many, or duplicates; nothing was sent.
            NotFoundError: the platform has no batch status.
        """
        check_ids("sandbox_ids", sandbox_ids)
        if not 1 <= len(sandbox_ids) <= MAX_BATCH or len(set(sandbox_ids)) != len(sandbox_ids):
            raise InvalidRequestError(f"the batch status takes 1 to {MAX_BATCH} different ids")
        return await self._session.control(sandboxes.batch_status(sandbox_ids))

    async def get_logs(self, sandbox_id: str) -> str:
        """Return the sandbox's log."""
        return (await self._session.control(sandboxes.get_logs(sandbox_id), sandbox_id)).logs

    async def get_error_context(self, sandbox_id: str) -> ErrorContext:
        """Return why a sandbox is not running, if the platform knows."""
        return await self._session.error_context(sandbox_id)
