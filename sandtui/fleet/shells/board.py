"""The open shells, in the order of their tabs."""

from __future__ import annotations

import asyncio

from sandtui.client import AsyncSandboxClient
from sandtui.fleet.shells.channel import Opener, open_channel
from sandtui.fleet.shells.live import LiveShell, ShellState


class ShellBoard:
    """All shells of a session. They keep running when their screen is closed; closing the board ends them."""

    def __init__(self, client: AsyncSandboxClient, opener: Opener = open_channel) -> None:
        self._client = client
        self.opener = opener
        self.shells: list[LiveShell] = []

    def of(self, sandbox_id: str) -> LiveShell | None:
        """Return the first open shell in a sandbox."""
        return next((shell for shell in self.shells if shell.sandbox_id == sandbox_id and shell.is_open), None)

    def add(self, sandbox_id: str, name: str, *, vm: bool) -> LiveShell:
        """Add a shell; its ``run`` connects it."""
        shell = LiveShell(self._client, sandbox_id, name, vm=vm, opener=self.opener)
        self.shells.append(shell)
        return shell

    async def remove(self, shell: LiveShell) -> None:
        """End a shell and remove it from the board."""
        if shell in self.shells:
            self.shells.remove(shell)
        await shell.close()

    @property
    def running(self) -> int:
        """The number of open shells."""
        return sum(shell.state is ShellState.RUNNING for shell in self.shells)

    async def close(self) -> None:
        """End all shells."""
        shells, self.shells = self.shells, []
        await asyncio.gather(*(shell.close() for shell in shells))
