"""All groups of flows in one object."""

from __future__ import annotations

from sandtui.client.flows.ports import Ports
from sandtui.client.flows.streams import Streams
from sandtui.client.session import Session


class Operations(Streams, Ports):
    """Everything that can be done with sandboxes, over the port of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def is_vm(self, sandbox_id: str) -> bool:
        """Return whether a sandbox is a VM, asking the platform at most once.

        Raises:
            NotFoundError: the platform does not know the id.
        """
        return await self._session.is_vm(sandbox_id)

    async def clear_auth_cache(self) -> None:
        """Forget every gateway token, in memory and on disk."""
        self._session.tokens.clear()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.port.aclose()
