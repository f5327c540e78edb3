"""The SSH connection that the forwards of one sandbox share. Importing asyncssh takes long: only who forwards does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncssh

from sandtui.client import APIError, SandboxClientError, SandboxNotRunningError
from sandtui.fleet.ports.forward import LOOPBACK, Direction, Forward, ForwardState
from sandtui.fleet.ports.forwarding import LocalEnd, carry_in, carry_out

if TYPE_CHECKING:
    from sandtui.fleet.ports.forwards import ForwardBoard

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between tries after a break: ssh-session allows 20 a minute (client/WIRE.md 2.1)."""

WAIT_FOR_LINK = 15.0
"""Seconds that a new local connection waits for the way to come back before it is closed."""


class Link:
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
            end.abort()

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
                each.abort()
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
            row = self._board.store.get(self._sandbox_id)
            if row is not None and row.sandbox.is_finished:
                return self._give_up("its sandbox ended")
            for forward in self._forwards:
                forward.state = ForwardState.BROKEN
                forward.breaks += 1
                forward.words = f"{words}; tried again in {pause:.0f} s"
            self._board.on_change()
            await self._board.clock.sleep(pause)
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
                self._board.stop(forward, ForwardState.FAILED, words)
                self._board.on_change()
                return
            self._listeners[forward.number] = listener
        forward.state, forward.words = ForwardState.OPEN, ""
        self._board.on_change()

    def _give_up(self, words: str) -> None:
        for forward in self._forwards:
            self._board.stop(forward, ForwardState.FAILED, words)
        self._board.on_change()


def _is_over(end: LocalEnd) -> bool:
    with contextlib.suppress(AttributeError):
        return end.transport is not None and end.transport.is_closing()
    return True
