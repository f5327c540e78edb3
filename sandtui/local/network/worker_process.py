"""The platform's side of the worker that carries packets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sandtui.local.agent.protocol import Decoder, ProtocolError, encode
from sandtui.local.interpreter import DIRECTORY, environment, module_command
from sandtui.local.network.budget import close_all
from sandtui.local.readiness import readable
from sandtui.local.store.records import SandboxRecord

MAX_QUEUED: Final = 32 * 1024 * 1024
"""Bytes that wait for a worker before it is taken for stuck."""

APPLY_SECONDS: Final = 5.0
"""How long a question for the rules in force waits for those that are on their way."""

_log = logging.getLogger(__name__)


class PacketWorker:
    """Starts the worker when the first sandbox needs it, and hands devices and rules to it."""

    def __init__(
        self,
        again: Callable[[], Awaitable[None]],
        failed: Callable[[str, str], None],
        allow_private: Sequence[str] = (),
    ) -> None:
        self._again = again
        self._failed = failed
        self._allow_private = allow_private
        self._watching: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._restarting: asyncio.Future[None] | None = None
        self._applied: dict[str, int] = {}
        self._news = asyncio.Event()
        self._queue: deque[tuple[bytes, list[int]]] = deque()
        self._queued = 0

    def add(self, record: SandboxRecord, device: int, link: str) -> None:
        """Carry the packets of a sandbox; the descriptor stays the caller's."""
        self._applied.setdefault(record.id, 0)
        self._send({"op": "add", "link": link, **_rules(record)}, [device])

    def set_policy(self, record: SandboxRecord) -> None:
        """Hand on the rules of a sandbox."""
        self._send({"op": "policy", **_rules(record)}, [])

    def remove(self, sandbox_id: str) -> None:
        """Let a sandbox go."""
        self._applied.pop(sandbox_id, None)
        self._tell()
        if self._sock is not None:
            self._send({"op": "remove", "id": sandbox_id}, [])

    async def applied(self, sandbox_id: str, generation: int) -> int:
        """Return the generation of a sandbox' rules that the worker keeps to; it may be on its way for a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(APPLY_SECONDS):
                while self._applied.get(sandbox_id, generation) < generation:
                    await self._news.wait()
        return self._applied.get(sandbox_id, 0)

    async def close(self) -> None:
        """End the worker."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if self._sock is not None:
            self._drop(self._sock)
            self._sock.close()
            self._sock = None
        if self._process is not None:
            process, self._process = self._process, None
            try:
                await asyncio.to_thread(process.wait, 5)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)

    def _send(self, message: dict[str, object], fds: list[int]) -> None:
        sock = self._open()
        data = encode(message)
        # Copies: what has to wait for a busy worker outlives the caller's.
        self._queue.append((data, [os.dup(fd) for fd in fds]))
        self._queued += len(data)
        self._flush(sock)
        if self._queued > MAX_QUEUED and self._process is not None:
            # It has stood still for very long. Another one is told everything from the beginning.
            self._process.kill()

    def _flush(self, sock: socket.socket) -> None:
        """Send what the worker has room for, and the rest when there is room again."""
        loop = asyncio.get_running_loop()
        try:
            while self._queue:
                data, fds = self._queue[0]
                sent = socket.send_fds(sock, [data], fds) if fds else sock.send(data)
                self._queued -= sent
                close_all([*fds])
                if sent == len(data):
                    self._queue.popleft()
                else:
                    self._queue[0] = data[sent:], []
        except BlockingIOError:
            loop.add_writer(sock, self._flush, sock)
        except OSError:
            self._drop(sock)  # It died, which is heard elsewhere.
        else:
            loop.remove_writer(sock)

    def _drop(self, sock: socket.socket) -> None:
        """Give up what waits for a worker."""
        if sock.fileno() >= 0:
            asyncio.get_running_loop().remove_writer(sock)
        while self._queue:
            close_all([*self._queue.popleft()[1]])
        self._queued = 0

    def _open(self) -> socket.socket:
        if self._sock is None:
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            command = module_command("sandtui.local.network.worker", str(theirs.fileno()), *self._allow_private)
            self._process = subprocess.Popen(  # noqa: S603
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                env=environment(), cwd=DIRECTORY,
            )  # fmt: skip
            theirs.close()
            self._sock = ours
            self._watching = asyncio.create_task(self._watch(ours), name="carrier")
        return self._sock

    async def _watch(self, sock: socket.socket) -> None:
        """Hear what the worker has taken over; start another when it dies.

        Its connections are lost then, the sandboxes are not.
        """
        fd = os.dup(sock.fileno())
        decoder = Decoder()
        try:
            while True:
                await readable(fd)
                try:
                    data = os.read(fd, 65536)
                except BlockingIOError:
                    continue
                if not data:
                    break
                decoder.feed(data)
                while (message := decoder.next()) is not None:
                    if message["id"] in self._applied:
                        self._applied[message["id"]] = message["generation"]
                        if "error" in message:
                            self._failed(message["id"], str(message["error"]))
                self._tell()
        except (OSError, ProtocolError, KeyError):
            pass  # it is of no more use
        finally:
            os.close(fd)
        _log.error("The process that carries packets died; another is started.")
        # What nobody carries, nobody keeps to.
        self._applied = dict.fromkeys(self._applied, 0)
        self._drop(sock)
        sock.close()
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
        self._sock = self._process = None
        self._restarting = asyncio.ensure_future(self._again())

    def _tell(self) -> None:
        """Wake those who wait for a generation."""
        self._news.set()
        self._news.clear()


def _rules(record: SandboxRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "allow": record.network_allowlist,
        "deny": record.network_denylist,
        "generation": record.network_generation,
    }
