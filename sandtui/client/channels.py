"""SSH channels into containers, for commands whose output is streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Protocol

from sandtui.client.errors import APIError
from sandtui.client.flows.access import Access
from sandtui.client.models.streams import CommandEvent

if TYPE_CHECKING:
    from sandtui.client.session import Session


class CommandChannel(Protocol):
    """Runs one command, yields its events and closes itself afterwards."""

    def run(
        self, command: str, working_dir: str | None, env: Mapping[str, str] | None, timeout: int
    ) -> AsyncGenerator[CommandEvent, None]:
        """Run the command."""
        ...


class ChannelSource(Protocol):
    """Opens channels into containers."""

    async def open(self, sandbox_id: str) -> CommandChannel | None:
        """Open a channel; None if the platform offers none."""
        ...


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
