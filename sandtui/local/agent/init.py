"""The event loop of the agent: serves the platform over a socket and reaps all children, as process 1."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time

from sandtui.local.agent.children import ChildCommand, SpawnError, descendants, outcome, spawn
from sandtui.local.agent.connection import AgentConnection
from sandtui.local.agent.memory import Meter
from sandtui.local.agent.tree import Tree
from sandtui.local.agent.usage import DiskMeter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CHECK_SECONDS = 60.0
MEMORY_SECONDS = 0.25
LOG_LIMIT = 8 * 1024 * 1024
_CHUNK = 65536
_MAX_LAST_CHUNKS = 64
"""A pipe holds no more; a process that outlives the start command could write for ever."""


class Agent:
    """The init process of a sandbox. Single-threaded: nothing may block for long."""

    def __init__(
        self, listener: socket.socket, log: int, tree: Tree, device: tuple[int, str] | None = None, *, is_init: bool
    ) -> None:
        self.tree = tree
        self.device = device
        self.is_init = is_init
        self.selector = selectors.DefaultSelector()
        self.running: dict[int, Callable[[int], None]] = {}
        self.watchers: set[AgentConnection] = set()
        self.started = False
        self.start_exit: dict[str, Any] | None = None
        self.deadline: float | None = None
        self.memory: int | None = None
        self._meter = Meter(is_alone=is_init)
        self.disk: DiskMeter | None = None
        self._disk_next = 0.0
        self._disk_is_due = False
        self.over = ""
        """The exceeded limit that ends the sandbox."""
        self._listener = listener
        self._log = log
        self._output: int | None = None
        """The end of the pipe of the start command, until everything was read from it."""
        self._log_left = LOG_LIMIT
        self._memory_next = 0.0
        self._has_others = False

    @property
    def selector_fd(self) -> int:
        """The descriptor of the selector."""
        return int(self.selector.fileno()) if hasattr(self.selector, "fileno") else -1

    def run(self) -> None:
        """Serve until shutdown."""
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
            # Children of a command may outlive it, so one more check is always due.
            self._has_others = self._has_others or bool(self.running)
            if self.memory is not None and self._has_others:
                left = min(left, MEMORY_SECONDS)
            if self.disk is not None and (self._has_others or self._disk_is_due or self.disk.is_walking):
                left = min(left, self.disk.wait)
            self.take_turn(max(0.0, min(left, CHECK_SECONDS)))
            self.check_memory()
            self.check_disk()
            if os.fstat(self._log).st_nlink == 0:
                # The state directory was removed: no platform can find this sandbox again.
                self.shutdown()
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self.log("the lifetime is over and no platform has ended this sandbox")
                self.shutdown()

    def take_turn(self, seconds: float) -> None:
        """Wait for events and handle them."""
        for key, _ in self.selector.select(seconds):
            # Handling one event may invalidate a later one, such as that of a connection that was closed.
            if self.selector.get_map().get(key.fd) is not key:
                continue
            try:
                key.data()
            except Exception as error:
                # One failed request must not end the whole sandbox.
                self.log(f"the agent failed to handle a request: {type(error).__name__}: {error}")
                if isinstance(key.fileobj, socket.socket) and key.fileobj is not self._listener:
                    self._drop(key)

    def _drop(self, key: selectors.SelectorKey) -> None:
        if self.selector.get_map().get(key.fd) is key:
            self.selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr] # a socket, as the caller made sure

    def start(self, command: ChildCommand) -> None:
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
        self.running[pid] = lambda status: self._start_command_ended(outcome(status))
        os.set_blocking(output, False)
        self._output = output
        self.selector.register(output, selectors.EVENT_READ, self._copy_to_log)

    def log(self, text: str) -> None:
        """Write a line of the agent to the sandbox's log."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            os.write(self._log, f"{stamp} sandbox: {text}\n".encode())
        except OSError:
            pass  # a full disk must not end the sandbox

    def state(self) -> dict[str, Any]:
        """Return the state that a new platform needs to know."""
        return {"started": self.started, "start_exit": self.start_exit, "over": bool(self.over), "of": self.over}

    def check_memory(self) -> None:
        """End the sandbox if its processes exceed the memory limit; only used without a control group."""
        now = time.monotonic()
        if self.memory is None or self.over or now < self._memory_next:
            return
        self._memory_next = now + MEMORY_SECONDS
        pids = descendants(os.getpid())
        # Children of commands that have ended. Without processes, there is nothing to wake up for.
        self._has_others = bool(pids)
        if self._meter.read(pids, self.memory) > self.memory:
            self._end_over("memory", pids)

    def check_disk(self) -> None:
        """End the sandbox if it has too many bytes or files; only used without another limit."""
        if self.disk is None or self.over:
            return
        # Files can also be added by uploads, without any process.
        self._disk_is_due = time.monotonic() < self._disk_next
        if self._disk_is_due:
            return
        pids = descendants(os.getpid())
        if self.memory is None:
            self._has_others = bool(pids)
        if self.disk.is_over(pids):
            self._end_over("disk", pids)
        self._disk_next = time.monotonic() + self.disk.wait

    def _end_over(self, what: str, pids: list[int]) -> None:
        self.over = what
        for pid in pids:
            _kill(pid)
        for watcher in list(self.watchers):
            watcher.send(self.state())

    def shutdown(self) -> None:
        """End all processes of the sandbox, and this one."""
        if not self.is_init:
            # Orphans become our children, so each round finds what the last one missed.
            for _ in range(200):
                left = descendants(os.getpid()) or list(self.running)
                if not left:
                    break
                for pid in left:
                    _kill(pid)
                self._wait_all()
        os._exit(0)  # the kernel kills the rest of a process namespace with its first process

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        AgentConnection(self, sock)

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

    def _start_command_ended(self, result: dict[str, Any]) -> None:
        # The end of the start command ends the sandbox: what it has written must be in the log before that.
        for _ in range(_MAX_LAST_CHUNKS):
            if not self._copy_to_log():
                break
        self._start_ended(result)

    def _start_ended(self, result: dict[str, Any]) -> None:
        self.start_exit = result
        for watcher in list(self.watchers):
            watcher.send(self.state())

    def _copy_to_log(self) -> bool:
        """Copy one chunk of the start command's output to the log; return whether there was one."""
        if self._output is None:
            return False
        try:
            data = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.selector.unregister(self._output)
            os.close(self._output)
            self._output = None
            return False
        if self._log_left > 0:
            kept = data[: self._log_left]
            try:
                os.write(self._log, kept)
            except OSError:
                return True  # the disk is full; later output may be stored again
            self._log_left -= len(kept)
            if self._log_left == 0:
                self.log(f"the log is full at {LOG_LIMIT} bytes; later output is dropped")
        return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
