"""The dashboard with one shell whose output a test sends: ``python -m tests.e2e.hostile_app SOCKET`` in a terminal.

Each message is four bytes of length and the output; the answer is one byte when it has been drawn.
"""

from __future__ import annotations

import asyncio
import sys

from sandtui.ui.shells.screen import ShellScreen
from sandtui.ui.widgets.terminal_view import TerminalView
from tests.fleet.shells.channels import ScriptedOpener
from tests.ui.world import World


class HostileWorld(World):
    """Opens the shell by itself."""

    async def listen(self, path: str) -> None:
        """Take messages until the test hangs up, then end."""
        reader, writer = await asyncio.open_unix_connection(path)
        while self.services.platform.session is None or not self.services.platform.session.store.rows:
            await asyncio.sleep(0.01)
        opener = ScriptedOpener()
        opener.greeting = b"ready"
        self.services.platform.session.shells.opener = opener
        self.services.navigator.open_shells([next(iter(self.services.platform.session.store.rows))])
        while not (isinstance(self.screen, ShellScreen) and opener.channels and opener.last.events.empty()):
            await asyncio.sleep(0.01)
        await self._drawn()
        writer.write(b".")
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(4))
                opener.last.say(await reader.readexactly(length) if length else b"\0")
                while not opener.last.events.empty():
                    await asyncio.sleep(0)
                await self._drawn()
                self.screen.query_one(TerminalView).terminal.modes.synchronized = False
                self.screen.tick()
                await self._drawn()
                writer.write(b".")
        except asyncio.IncompleteReadError:
            self.exit()

    async def _drawn(self) -> None:
        await asyncio.sleep(0.002)
        while not self.screen.query_one(TerminalView).is_painted:
            await asyncio.sleep(0.002)
        done = asyncio.Event()
        self.screen.call_after_refresh(done.set)
        await done.wait()

    def on_mount(self) -> None:
        """Begin to listen; Textual itself calls the handlers of the classes above."""
        self.run_worker(self.listen(sys.argv[1]))


if __name__ == "__main__":
    HostileWorld(fleet=1).run()
