"""The platform's side of the worker that carries packets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sandtui.local.agent.protocol import Decoder, ProtocolError, encode
from sandtui.local.interpreter import DIRECTORY, environment, module_command
from sandtui.local.readiness import readable
from sandtui.local.records import SandboxRecord

APPLY_SECONDS: Final = 5.0
"""How long a question for the rules in force waits for those that are on their way."""

_log = logging.getLogger(__name__)


class Carrier:
    """Starts the worker when the first sandbox needs it, and hands devices and rules to it."""

    def __init__(self, again: Callable[[], Awaitable[None]], allow_private: Sequence[str] = ()) -> None:
        self._again = again
        self._allow_private = allow_private
        self._watching: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._restarting: asyncio.Future[None] | None = None
        self._applied: dict[str, int] = {}
        self._news = asyncio.Event()

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
        with contextlib.suppress(OSError):
            data = encode(message)
            sent = socket.send_fds(sock, [data], fds)
            sock.sendall(data[sent:])

    def _open(self) -> socket.socket:
        if self._sock is None:
            ours, theirs = socket.socketpair()
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
                # The socket itself blocks, for what is sent; here something has arrived.
                data = os.read(fd, 65536)
                if not data:
                    break
                decoder.feed(data)
                while (message := decoder.next()) is not None:
                    if message["id"] in self._applied:
                        self._applied[message["id"]] = message["generation"]
                self._tell()
        except (OSError, ProtocolError, KeyError):
            pass  # it is of no more use
        finally:
            os.close(fd)
        _log.error("The process that carries packets died; another is started.")
        # What nobody carries, nobody keeps to.
        self._applied = dict.fromkeys(self._applied, 0)
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
