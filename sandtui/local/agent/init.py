"""The agent's loop: answers the platform over a socket and reaps every child; it is process 1."""

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

from sandtui.local.agent.children import Command, SpawnError, descendants, spawn
from sandtui.local.agent.protocol import Decoder, ProtocolError, encode
from sandtui.local.agent.tree import PendingFile, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CHECK_SECONDS = 60.0
LOG_LIMIT = 8 * 1024 * 1024
_CHUNK = 65536


class Agent:
    """One sandbox's init. Single-threaded: nothing it does may block for long."""

    def __init__(self, listener: socket.socket, log: int, tree: Tree, *, is_init: bool) -> None:
        self.tree = tree
        self.is_init = is_init
        self.selector = selectors.DefaultSelector()
        self.running: dict[int, Callable[[int], None]] = {}
        self.watchers: set[Connection] = set()
        self.started = False
        self.start_exit: dict[str, Any] | None = None
        self.deadline: float | None = None
        self._listener = listener
        self._log = log
        self._log_left = LOG_LIMIT

    @property
    def selector_fd(self) -> int:
        """The descriptor behind the selector."""
        return int(self.selector.fileno()) if hasattr(self.selector, "fileno") else -1

    def run(self) -> None:
        """Serve until told to shut down."""
        alarm, wakeup = socket.socketpair()
        for sock in (alarm, wakeup, self._listener):
            sock.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None if self.is_init else self.shutdown())
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        self.selector.register(alarm, selectors.EVENT_READ, lambda: self._reap(alarm))
        self.selector.register(self._listener, selectors.EVENT_READ, self._accept)
        while True:
            left = CHECK_SECONDS if self.deadline is None else self.deadline - time.monotonic()
            for key, _ in self.selector.select(max(0.0, min(left, CHECK_SECONDS))):
                key.data()
            if os.fstat(self._log).st_nlink == 0:
                # Someone removed the state directory: no platform can find this sandbox any more.
                self.shutdown()
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self.log("the lifetime is over and no platform came to end this sandbox")
                self.shutdown()

    def start(self, command: Command) -> None:
        """Run the start command; its output goes to the log."""
        self.started = True
        output, write = os.pipe()
        stdin = os.open("/dev/null", os.O_RDONLY)
        try:
            pid = spawn(command, stdin, write, write, die_with_us=not self.is_init)
        except SpawnError as error:
            os.close(output)
            self._start_ended({"exit": 127, "error": str(error)})
            return
        finally:
            os.close(stdin)
            os.close(write)
        self.running[pid] = lambda status: self._start_ended(outcome(status))
        os.set_blocking(output, False)
        self.selector.register(output, selectors.EVENT_READ, lambda: self._copy_to_log(output))

    def log(self, text: str) -> None:
        """Write a line of our own to the sandbox's log."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        os.write(self._log, f"{stamp} sandbox: {text}\n".encode())

    def state(self) -> dict[str, Any]:
        """Return what a platform wants to know when it finds us again."""
        return {"started": self.started, "start_exit": self.start_exit}

    def shutdown(self) -> None:
        """End every process of the sandbox and ourselves."""
        if not self.is_init:
            # Orphans come back to us, so another look finds whatever the last one missed.
            for _ in range(200):
                left = descendants(os.getpid()) or list(self.running)
                if not left:
                    break
                for pid in left:
                    _kill(pid)
                self._wait_all()
        os._exit(0)  # the kernel kills all that is left of a process namespace with its first process

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        Connection(self, sock)

    def _reap(self, alarm: socket.socket) -> None:
        try:
            alarm.recv(4096)
        except BlockingIOError:
            pass
        self._wait_all()

    def _wait_all(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.running.clear()
                return
            if pid == 0:
                return
            ended = self.running.pop(pid, None)
            if ended is not None:
                ended(status)

    def _start_ended(self, result: dict[str, Any]) -> None:
        self.start_exit = result
        for watcher in list(self.watchers):
            watcher.send(self.state())

    def _copy_to_log(self, output: int) -> None:
        try:
            data = os.read(output, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.selector.unregister(output)
            os.close(output)
            return
        if self._log_left > 0:
            kept = data[: self._log_left]
            self._log_left -= len(kept)
            try:
                os.write(self._log, kept)
            except OSError:
                self._log_left = 0
                return
            if self._log_left == 0:
                self.log(f"the log is full at {LOG_LIMIT} bytes; later output is dropped")


class Connection:
    """One request of the platform; closing it ends what it asked for."""

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
        """Send a message; a platform that doesn't read is dropped."""
        data = encode(message)
        try:
            sent = socket.send_fds(self._sock, [data], fds or [])
            while sent < len(data):
                if not select.select([], [self._sock], [], 5.0)[1]:
                    raise TimeoutError
                sent += self._sock.send(data[sent:])
        except OSError:
            self.close()

    def close(self) -> None:
        """End the connection and whatever hangs on it."""
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
        """Start the sandbox's life: its start command, if any, and its last moment."""
        if not self._agent.started:
            if message.get("lifetime") is not None:
                self._agent.deadline = time.monotonic() + float(message["lifetime"])
            if message.get("argv"):
                self._agent.start(Command.parse(message))
            self._agent.started = True
        self.send(self._agent.state())

    def _do_exec(self, message: dict[str, Any]) -> None:
        command = Command.parse(message)
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

    def _do_dial(self, message: dict[str, Any]) -> None:
        """Connect to a port of the sandbox; the answer comes once it is known whether somebody listens."""
        self._dial(int(message["port"]), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])

    def _dial(self, port: int, addresses: list[tuple[int, str]]) -> None:
        family, host = addresses[0]
        target = socket.socket(family, socket.SOCK_STREAM)
        target.setblocking(False)
        code = target.connect_ex((host, port))
        if code == errno.EINPROGRESS:
            # A full queue of the listener: waiting here would stop the whole sandbox.
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
            # Without IPv6 the first refusal is what counts.
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


def outcome(status: int) -> dict[str, Any]:
    """Return how a child ended, as the platform reads it."""
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return {"exit": os.waitstatus_to_exitcode(status)}


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


def _kill_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except OSError:
        pass
