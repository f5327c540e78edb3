"""Starts the SSH server with the first session: importing asyncssh would take a third of the platform's start."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.local.control.lifecycle import Lifecycle
from sandtui.local.ssh.sessions import SshSessions

if TYPE_CHECKING:
    from sandtui.local.ssh.server import SshServer


class OnDemandSshServer:
    """Opens one server for all who ask for it. After a failure the next request tries again."""

    def __init__(self, sessions: SshSessions, lifecycle: Lifecycle, host: str, key_path: Path) -> None:
        self._sessions = sessions
        self._lifecycle = lifecycle
        self._host = host
        self._key_path = key_path
        self._opening: asyncio.Task[SshServer] | None = None

    async def get(self) -> SshServer:
        """Return the server, which listens.

        Raises:
            LocalError: the file of the host key is not valid.
            OSError: it cannot listen.
        """
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = asyncio.create_task(self._open(), name="ssh server")
        return await asyncio.shield(self._opening)

    async def close(self) -> None:
        """Close the server, if there is one."""
        if self._opening is None:
            return
        await asyncio.wait([self._opening])
        if self._opening.exception() is None:
            await self._opening.result().close()

    async def _open(self) -> SshServer:
        module = await asyncio.to_thread(import_module, "sandtui.local.ssh.server")
        server: SshServer = module.SshServer(self._sessions, self._lifecycle)
        await server.open(self._host, self._key_path)
        return server
