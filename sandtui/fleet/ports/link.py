"""The SSH connection shared by the forwards of one sandbox. Imported only when needed: asyncssh is slow to import."""

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
"""Delays between reconnects in seconds: ssh-session allows 20 requests per minute (client/WIRE.md 2.1)."""

WAIT_FOR_LINK = 15.0
"""How long a new local connection waits for a reconnect before it is closed, in seconds."""


class ForwardLink:
    """The SSH connection to one sandbox; it is re-established after a break, as long as the sandbox runs."""

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
        """Start a task that belongs to the connection."""
        task = asyncio.ensure_future(work)  # type: ignore[call-overload] # a coroutine of ours
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def add(self, forward: Forward) -> None:
        """Add a forward."""
        if self._connection is not None:
            self.spawn(self._begin(forward, self._connection))

    def drop(self, forward: Forward) -> None:
        """Remove a forward and close its connections."""
        listener = self._listeners.pop(forward.number, None)
        if listener is not None:
            listener.close()
        for end in self._ends.pop(forward.number, set()):
            end.abort()

    async def carry(self, forward: Forward, end: LocalEnd) -> None:
        """Relay a local connection, waiting briefly for a reconnect."""
        self._ends.setdefault(forward.number, set()).add(end)
        try:
            async with asyncio.timeout(WAIT_FOR_LINK):
                await self._up.wait()
            if self._connection is None:
                raise TimeoutError
            await carry_out(forward, self._connection, end)
            forward.note = ""
        except TimeoutError:
            forward.note = "connection closed: the sandbox was unreachable"
            if end.transport is not None:
                end.transport.close()
        except asyncssh.ChannelOpenError:
            forward.note = f"connection refused: nothing listens on port {forward.spec.sandbox_port} in the sandbox"
        except (OSError, asyncssh.Error) as error:
            forward.note = f"connection failed: {error}"
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
                text = "connection lost"
            except SandboxNotRunningError:
                return self._end_all("sandbox ended")
            except APIError as error:
                if error.status_code in {404, 405, 501}:
                    return self._end_all("this sandbox does not support SSH")
                text = str(error)
            except (SandboxClientError, OSError, asyncssh.Error) as error:
                text = str(error)
            finally:
                self._connection = None
                self._up.clear()
                self._listeners.clear()
            row = self._board.store.get(self._sandbox_id)
            if row is not None and row.sandbox.is_finished:
                return self._end_all("sandbox ended")
            for forward in self._forwards:
                forward.state = ForwardState.BROKEN
                forward.breaks += 1
                forward.note = f"{text}; retrying in {pause:.0f} s"
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
                text = f"can't listen on port {port} in the sandbox: it is in use, or below 1024"
                self._board.stop(forward, ForwardState.FAILED, text)
                self._board.on_change()
                return
            self._listeners[forward.number] = listener
        forward.state, forward.note = ForwardState.OPEN, ""
        self._board.on_change()

    def _end_all(self, text: str) -> None:
        for forward in self._forwards:
            self._board.stop(forward, ForwardState.FAILED, text)
        self._board.on_change()


def _is_over(end: LocalEnd) -> bool:
    with contextlib.suppress(AttributeError):
        return end.transport is not None and end.transport.is_closing()
    return True
