"""SSH channels into containers, for commands whose output is streamed."""

from __future__ import annotations

from sandtui.client.errors import APIError
from sandtui.client.flows.access import Access
from sandtui.client.port import CommandChannel
from sandtui.client.session import Session


class SSHChannels:
    """Opens channels over SSH, unless the platform has answered that it has no SSH."""

    def __init__(self, session: Session) -> None:
        self._access = Access(session)
        self._unsupported = False

    async def open(self, sandbox_id: str) -> CommandChannel | None:
        """Open a channel; None if the platform offers none."""
        if self._unsupported:
            return None
        # Slow to import, and most programs never need it.
        from sandtui.client.ssh import ssh_channel

        try:
            return await ssh_channel(self._access, sandbox_id)
        except APIError as error:
            # Other errors may be temporary.
            self._unsupported = error.status_code in {405, 501}
            return None
