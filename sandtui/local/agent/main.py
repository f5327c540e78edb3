"""Starts an agent: the launcher sets the scene, reports the agent's pid to the platform and goes."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys

from sandtui.local.agent import isolate, libc, network
from sandtui.local.agent.init import Agent
from sandtui.local.agent.tree import Tree
from sandtui.local.agent.usage import DiskMeter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

SOCKET_NAME = "agent.sock"


def main() -> None:
    """Read what to build from standard input and build it."""
    spec = json.load(sys.stdin)
    os.umask(0o022)
    os.setsid()
    os.chdir(spec["directory"])
    for group in spec.get("cgroups", []):
        with open(group, "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
    launch(spec)


def launch(spec: dict[str, Any]) -> None:
    """Fork the agent and say on standard output what became of it, as one JSON object."""
    isolation = isolate.Isolation(**spec["isolation"]) if spec["isolation"] else None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # A relative name: the directory's full path may be longer than a socket's address can be.
    listener.bind(SOCKET_NAME)
    log = os.open(spec["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    up, report = os.pipe()
    ours, theirs = socket.socketpair()
    child = 0
    try:
        node = -1
        if isolation is not None:
            if isolation.network == "tun":
                node = os.open(network.DEVICE, os.O_PATH)
            isolate.leave_host(isolation)
        proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY) if isolation is not None else -1
        spare_agent()
        child = os.fork()
        if child == 0:
            os.close(up)
            ours.close()
            _run_agent(spec, isolation, listener, log, report, theirs)
        os.close(report)
        theirs.close()
        line = _read_line(up)
        if isolation is not None and line == {"unshared": True}:
            assert isolation.first_uid is not None
            process = os.open(str(child), os.O_RDONLY | os.O_DIRECTORY, dir_fd=proc)
            first = isolation.first_uid  # the same on both sides: the sandbox' own namespace gives them their numbers
            isolate.write_maps(process, first, first, first, isolate.USER_RANGE)
            ours.send(b"g")
            line = _read_line(up)
        if line == {"networked": True}:
            # The agent is the sandbox' own user by now, and the node may be open to the machine's root alone.
            libc.enter_network(_receive_descriptor(ours))
            socket.send_fds(ours, [b"t"], [network.open_tun(node, proc)])
            line = _read_line(up)
    except OSError as error:
        line = _failure(error)
    try:
        if "ready" in line:
            # A platform that died meanwhile reads no more; then nobody wants this sandbox.
            os.write(1, json.dumps({"pid": child}).encode() + b"\n")
            return
        os.write(1, json.dumps(line).encode() + b"\n")
    except OSError:
        pass
    if child:
        os.kill(child, signal.SIGKILL)
    sys.exit(1)


def spare_agent() -> None:
    """Let the kernel, when memory runs out, look at everything else first; commands undo it for themselves."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("-900")
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
            descriptor = isolate.become_root(isolation, lambda: _ask_for_tun(report, launcher))
            if isolation.is_carried:
                device = descriptor, isolation.network
            isolate.lock_down(isolation)
            # Changing users has undone this; until all is ready, no launcher means no sandbox.
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
    """Let the launcher map the users of our namespace."""
    _say(report, {"unshared": True})
    if launcher.recv(1) != b"g":
        os._exit(1)


def _ask_for_tun(report: int, launcher: socket.socket) -> int:
    """Let the launcher open the TUN node in our network namespace."""
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    socket.send_fds(launcher, [b"n"], [namespace])
    os.close(namespace)
    _say(report, {"networked": True})
    return _receive_descriptor(launcher)


def _receive_descriptor(sock: socket.socket) -> int:
    _, fds, _, _ = socket.recv_fds(sock, 1, 1, socket.MSG_CMSG_CLOEXEC)
    if not fds:
        raise OSError("the other side of the launch is gone")
    return fds[0]


def _failure(error: BaseException) -> dict[str, Any]:
    if isinstance(error, OSError):
        return {"error": str(error), "errno": error.errno}
    return {"error": f"{type(error).__name__}: {error}"}


def _say(report: int, message: dict[str, Any]) -> None:
    os.write(report, json.dumps(message).encode() + b"\n")


def _read_line(fd: int) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n"):
        more = os.read(fd, 4096)
        if not more:
            return {"error": "the sandbox's first process died while it was being set up"}
        data += more
    message: dict[str, Any] = json.loads(data)
    return message


def _close_all_but(kept: set[int]) -> None:
    """RetentionLimits no descriptor of the host: whoever reaches this process must find nothing to use.

    What is kept is ours alone: no command may read the sandbox' packets, or hold on to what says that it lives.
    """
    low = 3
    for fd in sorted(fd for fd in kept if fd >= low):
        os.set_inheritable(fd, False)
        if fd > low:  # an empty range would be taken as one without an end
            os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 4096)
