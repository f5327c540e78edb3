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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
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
    wait, go = os.pipe()
    child = 0
    try:
        if isolation is not None:
            isolate.leave_host(isolation)
        host = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY) if isolation is not None else -1
        spare_agent()
        child = os.fork()
        if child == 0:
            os.close(up)
            os.close(go)
            _run_agent(spec, isolation, listener, log, report, lambda: os.read(wait, 1) == b"g")
        os.close(report)
        os.close(wait)
        line = _read_line(up)
        if isolation is not None and isolation.first_uid is not None and line == {"unshared": True}:
            process = os.open(str(child), os.O_RDONLY | os.O_DIRECTORY, dir_fd=host)
            isolate.write_maps(process, isolation.first_uid, isolation.first_uid, isolate.USER_RANGE)
            os.write(go, b"g")
            line = _read_line(up)
    except OSError as error:
        line = {"error": error.strerror or str(error)}
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
    mapped: Callable[[], bool],
) -> NoReturn:
    tun = -1
    try:
        if isolation is None:
            os.setsid()
            if sys.platform == "linux":
                libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
                libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
        else:
            libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
            device = os.open(network.DEVICE, os.O_PATH) if isolation.network == "user" else -1
            isolate.build_root(isolation, spec["root"])
            if isolation.first_uid is not None:
                libc.unshare(libc.CLONE_NEWUSER)
                _say(report, {"unshared": True})
                if not mapped():
                    os._exit(1)
            tun = isolate.become_root(isolation, device)
            isolate.lock_down(isolation)
            # Changing users has undone this; until all is ready, no launcher means no sandbox.
            libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        tree = Tree("/" if isolation is not None else spec["root"])
        null = os.open("/dev/null", os.O_RDWR)
        listener.listen(128)
        agent = Agent(listener, log, tree, tun, is_init=isolation is not None)
        gc.collect()
        gc.freeze()
        for fd, target in ((null, 0), (null, 1), (log, 2)):
            os.dup2(fd, target)
        if sys.platform == "linux":
            libc.prctl(libc.PR_SET_PDEATHSIG, 0)
        _say(report, {"ready": True})
        _close_all_but(
            {0, 1, 2, log, listener.fileno(), *tree.descriptors, agent.selector_fd, *([tun] if tun >= 0 else [])}
        )
    except BaseException as error:
        _say(report, {"error": f"{type(error).__name__}: {error}"})
        os._exit(1)
    try:
        agent.run()
    except BaseException as error:
        agent.log(f"the agent failed: {type(error).__name__}: {error}")
    os._exit(1)


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
    """Keep no descriptor of the host: whoever reaches this process must find nothing to use."""
    low = 3
    for fd in sorted(fd for fd in kept if fd >= low):
        if fd > low:  # an empty range would be taken as one without an end
            os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 4096)
