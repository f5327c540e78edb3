"""All groups of flows in one class."""

from __future__ import annotations

from sandtui.client.flows.access import Access
from sandtui.client.flows.billing import Billing
from sandtui.client.flows.bulk import Bulk
from sandtui.client.flows.checkpoints import CheckpointOperations
from sandtui.client.flows.commands import Commands
from sandtui.client.flows.creation import Creation
from sandtui.client.flows.files import Files
from sandtui.client.flows.jobs import Jobs
from sandtui.client.flows.networks import LanOperations
from sandtui.client.flows.ports import Ports
from sandtui.client.flows.sandboxes import Sandboxes
from sandtui.client.flows.streams import Streams


class Operations(
    Creation,
    Sandboxes,
    Bulk,
    Commands,
    Streams,
    Files,
    Jobs,
    Ports,
    CheckpointOperations,
    LanOperations,
    Access,
    Billing,
):
    """All operations of a client."""

    async def is_vm(self, sandbox_id: str) -> bool:
        """Return whether a sandbox is a VM; at most one request per sandbox.

        Raises:
            NotFoundError: the platform does not know the id.
        """
        return await self._session.is_vm(sandbox_id)

    async def clear_auth_cache(self) -> None:
        """Drop every gateway token, in memory and on disk."""
        self._session.tokens.clear()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.port.aclose()
