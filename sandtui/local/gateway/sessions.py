"""Command sessions: processes that clients attach to, write to and leave while they run (client/WIRE.md 3.2)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, Final

from sandtui.client.models.command_session_pb2 import Event, Selector
from sandtui.local.drivers.base import Command, RunningCommand, SandboxGone, Stream
from sandtui.local.gateway.connect import ConnectRpcError
from sandtui.local.gateway.draining import Flow, drain

KEEPALIVE_SECONDS: Final = 15.0
REMEMBERED_SECONDS: Final = 120.0
"""How long clients can attach to an ended session, to read its end again."""
ALONE_SECONDS: Final = 60.0
"""How long a session with a uuid runs without a client; the SDK tries to reconnect for 16 s."""
_MAX_UUIDS: Final = 1024


class _Subscriber:
    """An attached client. A slow one slows the process down, as a pipe would; a disconnected one does not."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event | None] = asyncio.Queue(32)
        self.gone = asyncio.Event()

    async def offer(self, event: Event | None) -> None:
        if not self.events.full():
            self.events.put_nowait(event)
            return
        tasks = {asyncio.ensure_future(self.events.put(event)), asyncio.ensure_future(self.gone.wait())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


class _Deduplicator:
    """Requests that must take effect only once, however often they are sent."""

    def __init__(self) -> None:
        self._known: dict[str, asyncio.Future[None]] = {}
        self._running: set[asyncio.Future[None]] = set()

    async def run(self, key: str | None, work: Coroutine[Any, Any, None]) -> None:
        if key and key in self._known:
            work.close()
            await asyncio.shield(self._known[key])
            return
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._settled)
        if key:
            while len(self._known) >= _MAX_UUIDS:
                del self._known[next(iter(self._known))]
            self._known[key] = task
        try:
            # A cancelled request continues: its repetition must find the same effect.
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise ConnectRpcError("failed_precondition", "The process has ended.") from None
            raise

    async def close(self) -> None:
        """Cancel what is in progress: nothing may wait for a descriptor that is about to be closed."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _settled(self, task: asyncio.Future[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()


class CommandSession:
    """A process and the clients attached to it."""

    def __init__(
        self,
        running: RunningCommand,
        command: Command,
        uuid: str | None,
        exceeded_limits: Callable[[], Awaitable[bool]],
        limit: float | None = None,
    ) -> None:
        self.uuid = uuid
        self.exceeded_limits = exceeded_limits
        self.command = command
        self.end: Event | None = None
        self.ended_at = 0.0
        self.lost = False
        self.expired = False
        self._stopping = False
        self._running = running
        self._subscribers: set[_Subscriber] = set()
        self._writing = asyncio.Lock()
        self._deduplicator = _Deduplicator()
        self._flow = Flow()
        self._life = asyncio.create_task(self._live(), name="command session")
        # The client may disconnect before it listens for the first time.
        loop = asyncio.get_running_loop()
        self._alone: asyncio.TimerHandle | None = loop.call_later(ALONE_SECONDS, self._stop)
        # A separate timer: the client may be busy, or gone, when the limit passes.
        self._expiry = None if limit is None else loop.call_later(limit, self._expire)

    @property
    def pid(self) -> int:
        """The process id inside the sandbox."""
        return self._running.pid

    async def attach(self, limit: float | None = None) -> AsyncGenerator[Event, None]:
        """Yield the start, the output from now on and the end; closing the generator detaches.

        ``limit`` is in seconds, for listening; it does not end the process.
        """
        clock = asyncio.get_running_loop().time
        ends = None if limit is None else clock() + limit
        yield Event(start=Event.Start(pid=self.pid))
        subscriber = _Subscriber()
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
        self._subscribers.add(subscriber)
        try:
            while self.end is None or not subscriber.events.empty():
                if self.lost and subscriber.events.empty():
                    raise ConnectRpcError("not_found", "The sandbox no longer exists.")
                left = KEEPALIVE_SECONDS if ends is None else min(KEEPALIVE_SECONDS, ends - clock())
                if left <= 0:
                    raise ConnectRpcError("deadline_exceeded", f"The process did not end within {limit:g} seconds.")
                try:
                    # Around this wait only: a timeout around a yield would cancel the consumer. And not wait_for,
                    # which loses a cancellation that coincides with an event (Python 3.11).
                    async with asyncio.timeout(left):
                        event = await subscriber.events.get()
                except TimeoutError:
                    if left == KEEPALIVE_SECONDS:
                        yield Event(keepalive=Event.KeepAlive())
                    continue
                if event is not None:
                    yield event
            if self.expired:
                raise ConnectRpcError("deadline_exceeded", "The command exceeded its timeout.")
            yield self.end or Event()
        finally:
            subscriber.gone.set()
            self._subscribers.discard(subscriber)
            self._check_alone()

    async def write(self, data: bytes, key: str | None = None) -> None:
        """Write to the input of the process, once per key."""
        if self.end is not None:
            raise ConnectRpcError("failed_precondition", "The process has ended.")

        async def work() -> None:
            async with self._writing:
                try:
                    await self._running.write(data)
                except OSError as error:
                    raise ConnectRpcError("failed_precondition", "The process has closed its input.") from error

        await self._deduplicator.run(f"input {key}" if key else None, work())

    async def signal(self, number: int, key: str | None = None) -> None:
        """Send a signal to the process group, once per key."""
        if self.end is not None:
            raise ConnectRpcError("failed_precondition", "The process has ended.")
        await self._deduplicator.run(f"signal {key}" if key else None, self._running.kill(number))

    def resize(self, cols: int, rows: int) -> None:
        """Resize the terminal."""
        if self.command.pty is None:
            raise ConnectRpcError("failed_precondition", "The session has no terminal.")
        self._running.resize(cols, rows)

    async def close(self) -> None:
        """Kill the process unless it has ended."""
        self._stop()
        await asyncio.wait([self._life])

    def _stop(self) -> None:
        """End the process, once: a second cancellation would interrupt the cleanup and leave the process running."""
        if not self._stopping:
            self._stopping = True
            self._life.cancel()

    def _expire(self) -> None:
        if not self._life.done():
            self.expired = True
            self._stop()

    def _check_alone(self) -> None:
        if self._subscribers or self._life.done():
            return
        if self.uuid is None:
            self._stop()
        else:
            self._alone = asyncio.get_running_loop().call_later(ALONE_SECONDS, self._stop)

    async def _live(self) -> None:
        streams: list[Stream] = ["stdout"] if self.command.pty is not None else ["stdout", "stderr"]
        reading = asyncio.gather(*(self._pump(stream) for stream in streams))
        try:
            code = await self._running.wait()
            # All output is passed on, however slowly clients read it.
            await drain(reading, self._flow)
            self._settle(code)
        except SandboxGone:
            self.lost = True
        except asyncio.CancelledError:
            if not self.lost:
                self._settle(137)
            raise
        finally:
            self.ended_at = time.monotonic()
            if self._expiry is not None:
                self._expiry.cancel()
            try:
                # Nothing may wait for a descriptor that is about to be closed.
                reading.cancel()
                await asyncio.wait([reading])
                if not reading.cancelled():
                    reading.exception()
                await self._deduplicator.close()
            finally:
                self._running.close()
            for subscriber in list(self._subscribers):
                # Wake a client that waits; one with a full queue is already awake.
                if not subscriber.events.full():
                    subscriber.events.put_nowait(None)

    def _settle(self, code: int) -> None:
        killed = code > 128
        status = f"signal: {code - 128}" if killed else f"exit status {code}"
        self.end = Event(end=Event.End(exit_code=code, exited=not killed, status=status))

    async def _pump(self, stream: Stream) -> None:
        name = "pty" if self.command.pty is not None else stream

        async def offer(chunk: bytes) -> None:
            event = Event(data={name: bytes(chunk)})
            for subscriber in list(self._subscribers):
                await subscriber.offer(event)

        async for chunk in self._running.output(stream):
            await self._flow.forward(chunk, offer)


class Sessions:
    """All sessions, by sandbox. They end with the platform, since their output goes through it."""

    def __init__(self) -> None:
        self._sessions: dict[str, list[CommandSession]] = {}

    def add(self, sandbox_id: str, session: CommandSession) -> None:
        """Add a session; it is removed a while after its process has ended."""
        now = time.monotonic()
        kept = [
            known
            for known in self._sessions.get(sandbox_id, ())
            if not known.ended_at or now - known.ended_at < REMEMBERED_SECONDS
        ]
        self._sessions[sandbox_id] = [*kept, session]

    def of(self, sandbox_id: str) -> list[CommandSession]:
        """Return the sessions of a sandbox with a running process."""
        return [session for session in self._sessions.get(sandbox_id, ()) if not session.ended_at]

    def by_uuid(self, sandbox_id: str, uuid: str) -> CommandSession | None:
        """Return the session with a uuid, or None if there is none."""
        return next((session for session in self._sessions.get(sandbox_id, ()) if session.uuid == uuid), None)

    def find(self, sandbox_id: str, selector: Selector) -> CommandSession:
        """Return the session that a selector names."""
        if selector.HasField("session_uuid"):
            found = self.by_uuid(sandbox_id, selector.session_uuid)
        else:
            # Process ids are reused: the latest session is meant.
            rows = reversed(self._sessions.get(sandbox_id, ()))
            found = next((session for session in rows if session.pid == selector.pid), None)
        if found is None:
            raise ConnectRpcError("not_found", "Session not found.")
        return found

    async def drop(self, sandbox_id: str) -> None:
        """Remove the sessions of a sandbox that has ended."""
        for session in self._sessions.pop(sandbox_id, ()):
            session.lost = session.lost or session.end is None
            await session.close()

    async def close(self) -> None:
        """End all sessions."""
        for sandbox_id in list(self._sessions):
            await self.drop(sandbox_id)
