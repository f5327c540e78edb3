"""A connection of the platform to the agent, for one request; closing it ends what it started."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import selectors
import signal
import socket
import struct
import termios
import time

from sandtui.local.agent import files
from sandtui.local.agent.children import ChildCommand, SpawnError, descendants, outcome, spawn
from sandtui.local.agent.protocol import Decoder, ProtocolError, encode
from sandtui.local.agent.tree import PendingFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sandtui.local.agent.init import Agent

_CHUNK = 65536
_READ_SECONDS = 30.0
"""How long a platform may take to read, on a machine without a core to spare; one that has ended closes its socket."""


class AgentConnection:
    """A connection for one request; closing it ends what it started."""

    def __init__(self, agent: Agent, sock: socket.socket) -> None:
        self._agent = agent
        self._sock = sock
        self._decoder = Decoder()
        self._pid: int | None = None
        self._pending: PendingFile | None = None
        self._dialing: socket.socket | None = None
        sock.setblocking(False)
        agent.selector.register(sock, selectors.EVENT_READ, self._readable)

    def send(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        """Send a message; close the connection if the platform does not read."""
        data = encode(message)
        try:
            sent = socket.send_fds(self._sock, [data], fds or [])
            while sent < len(data):
                if not select.select([], [self._sock], [], _READ_SECONDS)[1]:
                    raise TimeoutError
                sent += self._sock.send(data[sent:])
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the connection and end what depends on it."""
        if self._sock.fileno() < 0:
            return
        self._agent.selector.unregister(self._sock)
        self._agent.watchers.discard(self)
        self._sock.close()
        if self._dialing is not None:
            target = self._dialing
            self._stop_dialing()
            target.close()
        if self._pending is not None:
            self._pending.abort()
        if self._pid is not None:
            _kill_group(self._pid, signal.SIGKILL)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        try:
            self._decoder.feed(data)
            while self._sock.fileno() >= 0 and (message := self._decoder.next()) is not None:
                self._handle(message)
        except ProtocolError:
            self.close()

    def _handle(self, message: dict[str, Any]) -> None:
        handler = getattr(self, f"_do_{message.get('op')}", None)
        try:
            if handler is None:
                raise OSError(errno.ENOSYS, f"unknown request {message.get('op')!r}")
            handler(message)
        except SpawnError as error:
            self.send({"error": str(error), "errno": error.code})
        except OSError as error:
            self.send({"error": error.strerror or str(error), "errno": error.errno or 0})
        except (KeyError, TypeError, ValueError) as error:
            self.send({"error": f"malformed request: {error}", "errno": errno.EINVAL})

    def _do_ping(self, message: dict[str, Any]) -> None:
        self.send(self._agent.state())

    def _do_watch(self, message: dict[str, Any]) -> None:
        self._agent.watchers.add(self)
        self.send(self._agent.state())

    def _do_begin(self, message: dict[str, Any]) -> None:
        """Start the sandbox: its start command, if any, and its lifetime."""
        if not self._agent.started:
            if message.get("lifetime") is not None:
                self._agent.deadline = time.monotonic() + float(message["lifetime"])
            if message.get("memory") is not None:
                self._agent.memory = int(message["memory"])
            if message.get("argv"):
                self._agent.start(ChildCommand.parse(message))
            self._agent.started = True
        self.send(self._agent.state())

    def _do_check_memory(self, message: dict[str, Any]) -> None:
        self._agent.check_memory()
        self.send(self._agent.state())

    def _do_exec(self, message: dict[str, Any]) -> None:
        command = ChildCommand.parse(message)
        ours: list[int] = []
        theirs: list[int] = []
        try:
            size = message.get("pty")
            if size is not None:
                master, slave = os.openpty()
                ours.append(master)
                theirs.append(slave)
                fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", int(size[1]), int(size[0]), 0, 0))
                pid = spawn(command, slave, slave, slave, die_with_us=not self._agent.is_init, terminal=True)
                self._started(pid, ours)
                return
            if message.get("stdin"):
                read, write = os.pipe()
                theirs.append(read)
                stdin = write
            else:
                theirs.append(os.open("/dev/null", os.O_RDONLY))
                stdin = -1
            for _ in range(2):
                read, write = os.pipe()
                ours.append(read)
                theirs.append(write)
            if stdin >= 0:
                ours.append(stdin)
            pid = spawn(command, *theirs, die_with_us=not self._agent.is_init)
            self._started(pid, ours)
        finally:
            for fd in ours + theirs:
                os.close(fd)

    def _started(self, pid: int, ours: list[int]) -> None:
        self._pid = pid
        self._agent.running[pid] = self._ended
        self.send({"pid": pid}, ours)

    def _ended(self, status: int) -> None:
        self._pid = None
        if self._sock.fileno() >= 0:
            self.send(outcome(status))

    def _do_kill(self, message: dict[str, Any]) -> None:
        if self._pid is not None:
            _kill_group(self._pid, int(message["signal"]))

    def _do_open_read(self, message: dict[str, Any]) -> None:
        fd = self._agent.tree.open_read(str(message["path"]))
        try:
            self.send({"ok": True}, [fd])
        finally:
            os.close(fd)

    def _do_open_write(self, message: dict[str, Any]) -> None:
        self._pending = self._agent.tree.open_write(str(message["path"]))
        self.send({"ok": True}, [self._pending.fd])

    def _do_commit(self, message: dict[str, Any]) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            raise OSError(errno.EINVAL, "nothing to commit")
        pending.commit()
        self.send({"ok": True})

    def _do_files(self, message: dict[str, Any]) -> None:
        self.send(files.call(self._agent.tree, message))

    def _do_open(self, message: dict[str, Any]) -> None:
        flags, mode = int(message["flags"]), int(message["mode"])
        fd = files.open_file(self._agent.tree, str(message["path"]), flags, mode)
        try:
            self.send({"ok": True}, [fd])
        finally:
            os.close(fd)

    def _do_listen(self, message: dict[str, Any]) -> None:
        """Listen on a port of the sandbox's loopback for the platform."""
        with socket.create_server(("127.0.0.1", int(message["port"]))) as listener:
            listener.setblocking(False)
            self.send({"port": listener.getsockname()[1]}, [listener.fileno()])

    def _do_network(self, message: dict[str, Any]) -> None:
        """Send the network device, whose packets the platform carries."""
        if self._agent.device is None:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        descriptor, link = self._agent.device
        self.send({"link": link}, [descriptor])

    def _do_dial(self, message: dict[str, Any]) -> None:
        """Connect to a port of the sandbox; the response is sent once the connection is open or refused."""
        self._dial(int(message["port"]), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])

    def _dial(self, port: int, addresses: list[tuple[int, str]]) -> None:
        family, host = addresses[0]
        target = socket.socket(family, socket.SOCK_STREAM)
        target.setblocking(False)
        code = target.connect_ex((host, port))
        if code == errno.EINPROGRESS:
            # The listener's queue is full: waiting here would block the whole sandbox.
            self._dialing = target
            self._agent.selector.register(target, selectors.EVENT_WRITE, lambda: self._dialed(target, port, addresses))
            return
        self._settle_dial(target, code, port, addresses)

    def _dialed(self, target: socket.socket, port: int, addresses: list[tuple[int, str]]) -> None:
        self._stop_dialing()
        self._settle_dial(target, target.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), port, addresses)

    def _settle_dial(self, target: socket.socket, code: int, port: int, addresses: list[tuple[int, str]]) -> None:
        try:
            if not code:
                self.send({"ok": True}, [target.fileno()])
            elif len(addresses) > 1:
                self._dial(port, addresses[1:])
            else:
                self.send({"error": os.strerror(errno.ECONNREFUSED), "errno": errno.ECONNREFUSED})
        except OSError as error:
            # Without IPv6, the first refusal counts.
            self.send({"error": error.strerror or str(error), "errno": errno.ECONNREFUSED})
        finally:
            target.close()

    def _stop_dialing(self) -> None:
        if self._dialing is not None:
            self._agent.selector.unregister(self._dialing)
            self._dialing = None

    def _do_stats(self, message: dict[str, Any]) -> None:
        pids = descendants(os.getpid())
        resident = 0
        for pid in pids:
            try:
                with open(f"/proc/{pid}/statm", "rb") as file:
                    resident += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            except (OSError, ValueError):
                continue
        self.send({"processes": len(pids), "resident": resident})

    def _do_shutdown(self, message: dict[str, Any]) -> None:
        self._agent.shutdown()


def _kill_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except OSError:
        pass
