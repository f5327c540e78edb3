"""The forwards of this run: opened, kept open over breaks, counted, and closed with the program."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable

import asyncssh

from sandtui.client import APIError, AsyncSandboxClient, SandboxClientError, SandboxNotRunningError
from sandtui.fleet.clock import Clock
from sandtui.fleet.forwards.carrying import LocalEnd, carry_in, carry_out
from sandtui.fleet.forwards.forward import LOOPBACK, Direction, Forward, ForwardSpec, ForwardState
from sandtui.fleet.store import FleetStore

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between tries after a break: ssh-session allows 20 a minute (wire.md 2.1)."""

WAIT_FOR_LINK = 15.0
"""Seconds that a new local connection waits for the way to come back before it is closed."""


class PortTakenError(Exception):
    """A local port can't be listened on; the text says why and what to do."""


class ForwardBoard:
    """All forwards, the oldest first. Each sandbox needs one SSH connection, however many ports go through it.

    ``on_change`` is called when a forward comes, goes or changes its state; counters grow without it.
    """

    def __init__(self, client: AsyncSandboxClient, store: FleetStore, clock: Clock) -> None:
        self.client, self._store, self._clock = client, store, clock
        self.forwards: list[Forward] = []
        self.on_change: Callable[[], None] = lambda: None
        self._links: dict[str, _Link] = {}
        self._servers: dict[int, asyncio.Server] = {}
        self._numbers = 0

    @property
    def active(self) -> list[Forward]:
        """Those that are open, or will be again."""
        return [forward for forward in self.forwards if not forward.state.is_over]

    async def open(self, sandbox_id: str, spec: ForwardSpec, *, any_port: bool = False) -> Forward:
        """Begin a forward and return it; it is open when its state says so.

        With ``any_port`` a free local port is taken when the one that is asked for is taken.

        Raises:
            PortTakenError: the local port is taken, or may not be used.
        """
        row = self._store.get(sandbox_id)
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
            link = self._links[sandbox_id] = _Link(self, sandbox_id)
        link.add(forward)
        self.on_change()
        return forward

    async def close(self, forward: Forward) -> None:
        """End a forward; connections through it are closed."""
        self._stop(forward, ForwardState.CLOSED, "")
        link = self._links.get(forward.sandbox_id)
        if link is not None and not any(each.sandbox_id == forward.sandbox_id for each in self.active):
            del self._links[forward.sandbox_id]
            await link.end()
        elif link is not None:
            link.drop(forward)
        self.on_change()

    def forget(self, forward: Forward) -> None:
        """Take a forward that is over off the list."""
        if forward.state.is_over and forward in self.forwards:
            self.forwards.remove(forward)
            self.on_change()

    async def aclose(self) -> None:
        """End all."""
        for forward in self.active:
            self._stop(forward, ForwardState.CLOSED, "")
        links, self._links = list(self._links.values()), {}
        await asyncio.gather(*(link.end() for link in links))

    async def _listen(self, forward: Forward, any_port: bool) -> asyncio.Server:
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
                errno.EADDRINUSE: f"port {port} of this machine is taken: choose another, as in "
                f"{forward.spec.sandbox_port} to {port + 1 if port < 65535 else port - 1}",
                errno.EACCES: f"port {port} of this machine needs rights that you don't have: choose one above 1023",
            }.get(error.errno or 0, f"port {port} of this machine can't be used: {error.strerror}")
            raise PortTakenError(why) from None

    def _stop(self, forward: Forward, state: ForwardState, words: str) -> None:
        forward.state, forward.words = state, words
        server = self._servers.pop(forward.number, None)
        if server is not None:
            server.close()


class _Link:
    """The SSH connection into one sandbox; it is made anew after a break, as long as the sandbox runs."""

    def __init__(self, board: ForwardBoard, sandbox_id: str) -> None:
        self._board, self._sandbox_id = board, sandbox_id
        self._connection: asyncssh.SSHClientConnection | None = None
        self._up = asyncio.Event()
        self._listeners: dict[int, asyncssh.SSHListener] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: dict[int, set[LocalEnd]] = {}
        self.task = asyncio.create_task(self._run(), name=f"forwards {sandbox_id}")

    @property
    def _forwards(self) -> list[Forward]:
        return [each for each in self._board.active if each.sandbox_id == self._sandbox_id]

    def spawn(self, work: object) -> None:
        """Do something beside the connection."""
        task = asyncio.ensure_future(work)  # type: ignore[call-overload] # a coroutine of ours
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def add(self, forward: Forward) -> None:
        """Take one more port through."""
        if self._connection is not None:
            self.spawn(self._begin(forward, self._connection))

    def drop(self, forward: Forward) -> None:
        """End what goes through for a forward."""
        listener = self._listeners.pop(forward.number, None)
        if listener is not None:
            listener.close()
        for end in self._ends.pop(forward.number, set()):
            if end.transport is not None:
                end.transport.abort()

    async def carry(self, forward: Forward, end: LocalEnd) -> None:
        """Take a local connection through, when there is a way soon."""
        self._ends.setdefault(forward.number, set()).add(end)
        try:
            async with asyncio.timeout(WAIT_FOR_LINK):
                await self._up.wait()
            if self._connection is None:
                raise TimeoutError
            await carry_out(forward, self._connection, end)
            forward.words = ""
        except TimeoutError:
            forward.words = "a connection was closed: there was no way into the sandbox"
            if end.transport is not None:
                end.transport.close()
        except asyncssh.ChannelOpenError:
            forward.words = f"nothing listens on {forward.spec.sandbox_port} in the sandbox"
        except (OSError, asyncssh.Error) as error:
            forward.words = f"a connection could not be carried: {error}"
            if end.transport is not None:
                end.transport.close()
        self._ends[forward.number] = {each for each in self._ends[forward.number] if not _is_over(each)}
        self._board.on_change()

    async def end(self) -> None:
        """Close everything."""
        for forward in list(self._ends):
            for each in self._ends[forward]:
                if each.transport is not None:
                    each.transport.abort()
        for task in [self.task, *self._tasks]:
            task.cancel()
        await asyncio.gather(self.task, *self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._board.client.connect_ssh(self._sandbox_id) as connection:
                    self._connection = connection
                    self._up.set()
                    pause = FIRST_PAUSE
                    for forward in self._forwards:
                        await self._begin(forward, connection)
                    await connection.wait_closed()
                words = "the connection broke"
            except SandboxNotRunningError:
                return self._give_up("its sandbox ended")
            except APIError as error:
                if error.status_code in {404, 405, 501}:
                    return self._give_up("this platform has no SSH for this sandbox")
                words = str(error)
            except (SandboxClientError, OSError, asyncssh.Error) as error:
                words = str(error)
            finally:
                self._connection = None
                self._up.clear()
                self._listeners.clear()
            row = self._board._store.get(self._sandbox_id)
            if row is not None and row.sandbox.is_finished:
                return self._give_up("its sandbox ended")
            for forward in self._forwards:
                forward.state = ForwardState.BROKEN
                forward.breaks += 1
                forward.words = f"{words}; tried again in {pause:.0f} s"
            self._board.on_change()
            await self._board._clock.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    async def _begin(self, forward: Forward, connection: asyncssh.SSHClientConnection) -> None:
        if forward.spec.direction is Direction.IN:
            try:
                listener = await connection.create_server(
                    lambda *_: carry_in(forward), LOOPBACK, forward.spec.sandbox_port, encoding=None
                )
            except asyncssh.ChannelListenError:
                port = forward.spec.sandbox_port
                words = f"port {port} can't be listened on in the sandbox: it is taken there, or below 1024"
                self._board._stop(forward, ForwardState.FAILED, words)
                self._board.on_change()
                return
            self._listeners[forward.number] = listener
        forward.state, forward.words = ForwardState.OPEN, ""
        self._board.on_change()

    def _give_up(self, words: str) -> None:
        for forward in self._forwards:
            self._board._stop(forward, ForwardState.FAILED, words)
        self._board.on_change()


def _is_over(end: LocalEnd) -> bool:
    with contextlib.suppress(AttributeError):
        return end.transport is not None and end.transport.is_closing()
    return True
