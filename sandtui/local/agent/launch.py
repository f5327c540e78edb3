"""Starts an agent: the launcher creates the sandbox, reports the agent's pid to the platform and exits."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys

from sandtui.local.agent import isolate, libc, network
from sandtui.local.agent.init import Agent
from sandtui.local.agent.protocol import Decoder, encode
from sandtui.local.agent.tree import Tree
from sandtui.local.agent.usage import DiskMeter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

SOCKET_NAME = "agent.sock"
_CHUNK = 65536


def launch(connection: socket.socket) -> None:
    """Build the sandbox that the platform describes; send it the agent's pid, or the error."""
    platform = _Platform(connection)
    child = 0
    try:
        _introduce(connection)
        os.setsid()
        spec = _join_groups(platform)
        os.chdir(spec["directory"])
        child, line = _fork_agent(spec, platform)
    except BaseException as error:
        line = _failure(error)
    # A platform that died does not read this; then nobody needs the sandbox.
    if "ready" in line and platform.tell({"pid": child}):
        os._exit(0)
    if child:
        os.kill(child, signal.SIGKILL)
    platform.tell(line)


class _Platform:
    """The connection to the platform that requested the launch."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._decoder = Decoder()
        self._fds: list[int] = []

    def receive(self) -> dict[str, Any]:
        """Return the next message; exit if the platform has closed the connection."""
        while (message := self._decoder.next()) is None:
            data, fds, _, _ = socket.recv_fds(self.connection, _CHUNK, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
            if not data:
                os._exit(1)
            self._fds += fds
            self._decoder.feed(data)
        if self._fds:
            message["isolation"]["lock"] = self._fds.pop()
        return message

    def tell(self, message: dict[str, Any]) -> bool:
        """Send a message; return whether the platform still listens."""
        try:
            self.connection.sendall(encode(message))
        except OSError:
            return False
        return True


def _join_groups(platform: _Platform) -> dict[str, Any]:
    """Join the control groups and return the specification, which may arrive much later."""
    while True:
        spec = platform.receive()
        for group in spec.get("cgroups", []):
            libc.write_file(group, str(os.getpid()).encode())
        if "directory" in spec:
            return spec
        platform.tell({"placed": True})


def _introduce(connection: socket.socket) -> None:
    """Send a pidfd of this process; through it, the platform recognizes the agent's parent."""
    if sys.platform != "linux":
        connection.sendall(encode({"launcher": os.getpid()}))
        return
    handle = os.pidfd_open(os.getpid())
    socket.send_fds(connection, [encode({"launcher": os.getpid()})], [handle])
    os.close(handle)


def _fork_agent(spec: dict[str, Any], platform: _Platform) -> tuple[int, dict[str, Any]]:
    """Fork the agent; return its pid and its result."""
    isolation = isolate.Isolation(**spec["isolation"]) if spec["isolation"] else None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # A relative name, since the full path may be too long for a socket address.
    listener.bind(SOCKET_NAME)
    log = os.open(spec["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    up, report = os.pipe()
    ours, theirs = socket.socketpair()
    node = proc = -1
    if isolation is not None:
        if isolation.network == "tun":
            node = os.open(network.DEVICE, os.O_PATH)
        isolate.leave_host(isolation)
        proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    spare_agent()
    child = os.fork()
    if child == 0:
        platform.connection.close()
        os.close(up)
        ours.close()
        _run_agent(spec, isolation, listener, log, report, theirs)
    os.close(report)
    theirs.close()
    try:
        return child, _attend(child, isolation, _Up(up, platform.connection), ours, node, proc)
    except BaseException as error:
        return child, _failure(error)


def _attend(
    child: int, isolation: isolate.Isolation | None, up: _Up, ours: socket.socket, node: int, proc: int
) -> dict[str, Any]:
    """Do the privileged steps for the agent; return its last message."""
    line = up.read()
    if isolation is None:
        return line
    process = users = -1
    if line == {"unshared": True}:
        assert isolation.first_uid is not None
        process = os.open(str(child), os.O_RDONLY | os.O_DIRECTORY, dir_fd=proc)
        users = os.open("ns/user", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process)
        first = isolation.first_uid  # the same on both sides: the sandbox's own namespace renumbers them
        isolate.write_maps(process, first, first, first, isolate.USER_RANGE)
        ours.send(b"g")
        line = up.read()
    if line == {"inside": True}:
        tun = []
        if isolation.network == "tun":
            # The agent runs as the sandbox's own user by now, and only root of the machine may access the node.
            libc.enter(_receive_descriptor(ours), libc.CLONE_NEWNET)
            tun = [network.open_tun(node, proc)]
        if isolation.first_uid is not None:
            # Last of all, since this process is no longer root of the machine after it.
            isolate.map_inner_users(isolation, users, process)
        socket.send_fds(ours, [b"t"], tun)
        line = up.read()
    return line


def spare_agent() -> None:
    """Make this process the last choice of the OOM killer; commands undo it for themselves."""
    try:
        libc.write_file("/proc/self/oom_score_adj", b"-900")
    except OSError:
        pass  # not root, or not Linux


def _run_agent(
    spec: dict[str, Any],
    isolation: isolate.Isolation | None,
    listener: socket.socket,
    log: int,
    report: int,
    launcher: socket.socket,
) -> NoReturn:
    device: tuple[int, str] | None = None
    libc.set_name("sandtui-agent")
    try:
        if isolation is None:
            os.setsid()
            if sys.platform == "linux":
                libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
                libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
                libc.own_keyring()
        else:
            libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
            isolate.build_root(isolation, spec["root"])
            if isolation.first_uid is not None:
                isolate.take_users(isolation, lambda: _ask_for_users(report, launcher))
            descriptor = isolate.become_root(isolation, lambda: _ask_for_rest(isolation, report, launcher))
            if isolation.is_carried:
                device = descriptor, isolation.network
            isolate.lock_down(isolation)
            # The change of user has reset this; until everything is ready, the sandbox must end with the launcher.
            libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        tree = Tree("/" if isolation is not None else spec["root"])
        null = os.open("/dev/null", os.O_RDWR)
        listener.listen(128)
        agent = Agent(listener, log, tree, device, is_init=isolation is not None)
        if isolation is not None and isolation.watched is not None and isolation.files >= 0:
            agent.disk = DiskMeter(isolation.files, *isolation.watched)
        gc.collect()
        gc.freeze()
        for fd, target in ((null, 0), (null, 1), (log, 2)):
            os.dup2(fd, target)
        if sys.platform == "linux":
            libc.prctl(libc.PR_SET_PDEATHSIG, 0)
        _say(report, {"ready": True})
        kept = [device[0]] if device is not None else []
        if isolation is not None and isolation.lock is not None:
            kept.append(isolation.lock)
        if agent.disk is not None:
            kept.append(agent.disk.root)
        _close_all_but({0, 1, 2, log, listener.fileno(), *tree.descriptors, agent.selector_fd, *kept})
    except BaseException as error:
        _say(report, _failure(error))
        os._exit(1)
    try:
        agent.run()
    except BaseException as error:
        agent.log(f"the agent failed: {type(error).__name__}: {error}")
    os._exit(1)


def _ask_for_users(report: int, launcher: socket.socket) -> None:
    """Have the launcher map the users of our namespace."""
    _say(report, {"unshared": True})
    if launcher.recv(1) != b"g":
        os._exit(1)


def _ask_for_rest(isolation: isolate.Isolation, report: int, launcher: socket.socket) -> int:
    """Have the launcher do what is left for it; return the TUN device of our network namespace, or -1."""
    if isolation.network == "tun":
        namespace = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        socket.send_fds(launcher, [b"n"], [namespace])
        os.close(namespace)
    _say(report, {"inside": True})
    if isolation.network == "tun":
        return _receive_descriptor(launcher)
    if launcher.recv(1) != b"t":
        os._exit(1)
    return -1


def _receive_descriptor(sock: socket.socket) -> int:
    _, fds, _, _ = socket.recv_fds(sock, 1, 1, socket.MSG_CMSG_CLOEXEC)
    if not fds:
        raise OSError("the other side of the launch has ended")
    return fds[0]


def _failure(error: BaseException) -> dict[str, Any]:
    if isinstance(error, OSError):
        return {"error": str(error), "errno": error.errno}
    return {"error": f"{type(error).__name__}: {error}"}


def _say(report: int, message: dict[str, Any]) -> None:
    os.write(report, json.dumps(message).encode() + b"\n")


class _Up:
    """The messages of the agent during its setup."""

    def __init__(self, pipe: int, platform: socket.socket) -> None:
        self._pipe = pipe
        self._platform = platform
        self._poll = select.poll()
        for fd in (pipe, platform.fileno()):
            self._poll.register(fd, select.POLLIN)

    def read(self) -> dict[str, Any]:
        """Return the next message; raise an error if the platform closes the connection in the meantime."""
        data = b""
        while not data.endswith(b"\n"):
            if any(fd == self._platform.fileno() for fd, _ in self._poll.poll()):
                raise OSError("the platform has given this sandbox up")
            more = os.read(self._pipe, 4096)
            if not more:
                return {"error": "the sandbox's first process died while it was being set up"}
            data += more
        message: dict[str, Any] = json.loads(data)
        return message


def _close_all_but(kept: set[int]) -> None:
    """Close all other descriptors of the host: a process that takes over this one must find nothing to use.

    The remaining ones are close-on-exec: commands may not read the sandbox's packets, or hold its lock.
    """
    low = 3
    for fd in sorted(fd for fd in kept if fd >= low):
        os.set_inheritable(fd, False)
        if fd > low:  # an empty range would mean one without an end
            os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 4096)
