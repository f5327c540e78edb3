"""The forwards of this session: opened, reconnected, counted, and closed on exit."""

from __future__ import annotations

import asyncio
import errno
from importlib import import_module
from typing import TYPE_CHECKING

from sandtui.fleet.ports.forward import LOOPBACK, Direction, Forward, ForwardSpec, ForwardState
from sandtui.fleet.signals import Signal

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.clock import Clock
    from sandtui.fleet.inventory.store import FleetStore
    from sandtui.fleet.ports.forwarding import LocalEnd
    from sandtui.fleet.ports.link import ForwardLink


class PortTakenError(Exception):
    """A local port can't be used; the message says why and what to do."""


class ForwardBoard:
    """All forwards, oldest first. All forwards of a sandbox share one SSH connection.

    ``on_change`` is called when a forward is added, removed or changes its state, not for counters.
    """

    def __init__(self, client: AsyncSandboxClient, store: FleetStore, clock: Clock) -> None:
        self.client, self.store, self.clock = client, store, clock
        self.forwards: list[Forward] = []
        self.on_change: Signal[[]] = Signal()
        self._links: dict[str, ForwardLink] = {}
        self._servers: dict[int, asyncio.Server] = {}
        self._numbers = 0

    @property
    def active(self) -> list[Forward]:
        """The forwards that are open or reconnecting."""
        return [forward for forward in self.forwards if not forward.state.is_over]

    async def open(self, sandbox_id: str, spec: ForwardSpec, *, any_port: bool = False) -> Forward:
        """Start a forward and return it; its state says when it is open.

        With ``any_port``, another local port is used when the requested one is in use.

        Raises:
            PortTakenError: the local port is in use, or not permitted.
        """
        # Imports asyncssh, which takes 80 ms: too long for the event loop.
        await asyncio.to_thread(import_module, "sandtui.fleet.ports.link")
        from sandtui.fleet.ports.link import ForwardLink

        row = self.store.get(sandbox_id)
        name = row.sandbox.name if row is not None else ""
        self._numbers += 1
        forward = Forward(self._numbers, sandbox_id, name, spec, spec.local_port)
        if spec.direction is Direction.OUT:
            server = await self._listen(forward, any_port)
            self._servers[forward.number] = server
            forward.local_port = int(server.sockets[0].getsockname()[1])
        self.forwards.append(forward)
        link = self._links.get(sandbox_id)
        if link is None or link.task.done():
            link = self._links[sandbox_id] = ForwardLink(self, sandbox_id)
        link.add(forward)
        self.on_change()
        return forward

    async def close(self, forward: Forward) -> None:
        """Stop a forward and close its connections."""
        self.stop(forward, ForwardState.CLOSED, "")
        link = self._links.get(forward.sandbox_id)
        if link is not None and not any(each.sandbox_id == forward.sandbox_id for each in self.active):
            del self._links[forward.sandbox_id]
            await link.end()
        elif link is not None:
            link.drop(forward)
        self.on_change()

    def forget(self, forward: Forward) -> None:
        """Remove an ended forward from the list."""
        if forward.state.is_over and forward in self.forwards:
            self.forwards.remove(forward)
            self.on_change()

    async def aclose(self) -> None:
        """Stop all forwards."""
        for forward in self.active:
            self.stop(forward, ForwardState.CLOSED, "")
        links, self._links = list(self._links.values()), {}
        await asyncio.gather(*(link.end() for link in links))

    async def _listen(self, forward: Forward, any_port: bool) -> asyncio.Server:
        from sandtui.fleet.ports.forwarding import LocalEnd

        loop = asyncio.get_running_loop()
        port = forward.spec.local_port

        def accept() -> LocalEnd:
            end = LocalEnd(forward)
            forward.connections += 1
            forward.served += 1
            link = self._links.get(forward.sandbox_id)
            if link is not None:
                link.spawn(link.carry(forward, end))
            return end

        try:
            return await loop.create_server(accept, LOOPBACK, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and any_port:
                return await loop.create_server(accept, LOOPBACK, 0)
            why = {
                errno.EADDRINUSE: f"local port {port} is in use: choose another, as in "
                f"{forward.spec.sandbox_port}:{port + 1 if port < 65535 else port - 1}",
                errno.EACCES: f"no permission for local port {port}: choose one above 1023",
            }.get(error.errno or 0, f"local port {port} can't be used: {error.strerror}")
            raise PortTakenError(why) from None

    def stop(self, forward: Forward, state: ForwardState, text: str) -> None:
        """Mark a forward as ended, and release its local port."""
        forward.state, forward.note = state, text
        server = self._servers.pop(forward.number, None)
        if server is not None:
            server.close()
