"""The worker process that carries packets, as the platform sees it."""

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
from sandtui.local.store.networks import NetworkRecord
from sandtui.local.store.records import SandboxRecord

MAX_QUEUED: Final = 32 * 1024 * 1024
"""Bytes queued for the worker before it counts as stuck."""

APPLY_SECONDS: Final = 5.0
"""Seconds to wait for rules that were sent before reporting the rules in force."""

_log = logging.getLogger(__name__)


class PacketWorker:
    """Starts the worker when the first sandbox needs it, and sends it devices and rules."""

    def __init__(
        self,
        on_restart: Callable[[], Awaitable[None]],
        on_error: Callable[[str, str], None],
        allow_private: Sequence[str] = (),
    ) -> None:
        self._on_restart = on_restart
        self._on_error = on_error
        self._allow_private = allow_private
        self._watching: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._restarting: asyncio.Future[None] | None = None
        self._applied: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._queue: deque[tuple[bytes, list[int]]] = deque()
        self._queued = 0

    def add(self, record: SandboxRecord, device: int, link: str) -> None:
        """Carry the packets of a sandbox; the descriptor remains the caller's."""
        self._applied.setdefault(record.id, 0)
        self._send({"op": "add", "link": link, "address": record.lan_address, **_rules(record)}, [device])

    def set_policy(self, record: SandboxRecord) -> None:
        """Send the rules of a sandbox."""
        self._send({"op": "policy", **_rules(record)}, [])

    def remove(self, sandbox_id: str) -> None:
        """Stop carrying the packets of a sandbox."""
        self._applied.pop(sandbox_id, None)
        self._wake()
        if self._sock is not None:
            self._send({"op": "remove", "id": sandbox_id}, [])

    def set_network(self, network: NetworkRecord) -> None:
        """Send the members and rules of a LAN network; one without members is forgotten."""
        self._applied.setdefault(network.id, 0)
        rules = [[rule.source, rule.target, rule.ports] for rule in network.rules]
        members = {member.sandbox_id: [member.address, member.tags] for member in network.members}
        message = {"op": "lan", "id": network.id, "members": members, "rules": rules, "generation": network.version}
        self._send(message, [])

    def remove_network(self, network_id: str) -> None:
        """Remove a LAN network."""
        self._applied.pop(network_id, None)
        self._wake()
        if self._sock is not None:
            self._send({"op": "lan", "id": network_id, "members": {}, "rules": [], "generation": 0}, [])

    def last_applied(self, name: str) -> int:
        """Return the generation of a sandbox's or network's rules that the worker applies, without waiting."""
        return self._applied.get(name, 0)

    async def applied(self, sandbox_id: str, generation: int) -> int:
        """Return the generation of the rules that the worker applies, after a short wait for ``generation``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(APPLY_SECONDS):
                while self._applied.get(sandbox_id, generation) < generation:
                    await self._changed.wait()
        return self._applied.get(sandbox_id, 0)

    async def close(self) -> None:
        """Stop the worker."""
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
        # Duplicates, since a message that waits for a busy worker outlives the caller's descriptors.
        self._queue.append((data, [os.dup(fd) for fd in fds]))
        self._queued += len(data)
        self._flush(sock)
        if self._queued > MAX_QUEUED and self._process is not None:
            # It has been stuck for very long. A new worker gets everything from the start.
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
            self._drop(sock)  # It died, which :meth:`_watch` notices.
        else:
            loop.remove_writer(sock)

    def _drop(self, sock: socket.socket) -> None:
        """Discard what is queued for a worker."""
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
        """Read the worker's confirmations; start another worker if it dies.

        That loses the connections of the sandboxes, but no sandbox.
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
                            self._on_error(message["id"], str(message["error"]))
                self._wake()
        except (OSError, ProtocolError, KeyError):
            pass  # the worker is unusable
        finally:
            os.close(fd)
        _log.error("The process that carries packets died; starting another.")
        # Without a worker, no rules are in force.
        self._applied = dict.fromkeys(self._applied, 0)
        self._drop(sock)
        sock.close()
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
        self._sock = self._process = None
        self._restarting = asyncio.ensure_future(self._on_restart())

    def _wake(self) -> None:
        """Wake those who wait for a generation."""
        self._changed.set()
        self._changed.clear()


def _rules(record: SandboxRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "allow": record.network_allowlist,
        "deny": record.network_denylist,
        "generation": record.network_generation,
    }
