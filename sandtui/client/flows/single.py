"""Finding and ending one sandbox, which other flows need too."""

from __future__ import annotations

from sandtui.client.calls import sandboxes
from sandtui.client.flows.base import Flows
from sandtui.client.models import DeleteReply, Sandbox


class Single(Flows):
    """The two calls about one sandbox that others are made of."""

    async def get(self, sandbox_id: str) -> Sandbox:
        """Return one sandbox.

        Raises:
            NotFoundError: the platform does not know the id.
        """
        sandbox = await self._session.control(sandboxes.get_sandbox(sandbox_id), sandbox_id)
        self._session.note(sandbox)
        return sandbox

    async def delete(self, sandbox_id: str) -> DeleteReply:
        """End a sandbox and forget its gateway token."""
        reply = await self._session.control(sandboxes.delete_sandbox(sandbox_id), sandbox_id)
        self._session.forget(sandbox_id)
        return reply
