"""The platform's side of the worker that carries packets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
from collections.abc import Awaitable, Callable

from sandtui.local.agent.protocol import encode
from sandtui.local.interpreter import DIRECTORY, environment, module_command
from sandtui.local.readiness import readable
from sandtui.local.records import SandboxRecord

_log = logging.getLogger(__name__)


class Carrier:
    """Starts the worker when the first sandbox needs it, and hands devices and rules to it."""

    def __init__(self, again: Callable[[], Awaitable[None]]) -> None:
        self._again = again
        self._watching: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._restarting: asyncio.Future[None] | None = None

    def add(self, record: SandboxRecord, device: int, link: str) -> None:
        """Carry the packets of a sandbox; the descriptor stays the caller's."""
        self._send({"op": "add", "link": link, **_rules(record)}, [device])

    def set_policy(self, record: SandboxRecord) -> None:
        """Hand on the rules of a sandbox."""
        self._send({"op": "policy", **_rules(record)}, [])

    def remove(self, sandbox_id: str) -> None:
        """Let a sandbox go."""
        if self._sock is not None:
            self._send({"op": "remove", "id": sandbox_id}, [])

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
            command = module_command("sandtui.local.network.worker", str(theirs.fileno()))
            self._process = subprocess.Popen(  # noqa: S603
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                env=environment(), cwd=DIRECTORY,
            )  # fmt: skip
            theirs.close()
            self._sock = ours
            self._watching = asyncio.create_task(self._watch(ours), name="carrier")
        return self._sock

    async def _watch(self, sock: socket.socket) -> None:
        """Start another worker when this one dies; its connections are lost, the sandboxes are not."""
        sock_fd = os.dup(sock.fileno())
        try:
            await readable(sock_fd)
        finally:
            os.close(sock_fd)
        _log.error("The process that carries packets died; another is started.")
        sock.close()
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
        self._sock = self._process = None
        self._restarting = asyncio.ensure_future(self._again())


def _rules(record: SandboxRecord) -> dict[str, object]:
    return {"id": record.id, "allow": record.network_allowlist, "deny": record.network_denylist}
