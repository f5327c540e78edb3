"""The zygote of a platform: a process that has imported the agent, and of which every sandbox is a fork.

It knows nothing about any sandbox. It only receives the socket over which a fork talks to the platform, so that no data
of one sandbox is in the memory of the next, and it never grows.
"""

from __future__ import annotations

import gc
import os
import signal
import socket

from sandtui.local.agent import libc, seccomp
from sandtui.local.agent.init import Agent
from sandtui.local.agent.launch import launch
from sandtui.local.agent.protocol import Decoder, encode
from sandtui.local.agent.tree import Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_TIMES = 1
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


def main() -> None:
    """Serve on the socket at standard input."""
    # Signals for the platform's terminal or process group must not reach sandboxes.
    os.setsid()
    os.umask(0o022)
    libc.run_in_short_turns()
    libc.set_name("sandtui-zygote")
    requests = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(null, standard)
    os.close(null)
    serve(requests)


def serve(requests: socket.socket) -> None:
    """Fork a launcher for each received socket, until the platform closes the connection."""
    # The kernel reaps launchers. Agents, which outlive them, become children of the platform.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _warm_up()
    # A garbage collection would write to all objects, so that each sandbox would get its own copies.
    gc.collect()
    gc.freeze()
    gc.disable()
    requests.send(b"r")
    while True:
        try:
            _, fds, _, _ = socket.recv_fds(requests, 1, 1, _CLOSE_ON_EXEC)
        except ConnectionError:
            return
        if not fds:
            return
        _begin(requests, fds[0])


def _warm_up() -> None:
    """Do what every fork will do, so that Python's one-time initialization is done and shared."""
    ours, theirs = socket.socketpair()
    decoder = Decoder()
    for _ in range(_TIMES):
        socket.send_fds(ours, [encode({"isolation": {"size": 1, "nested": False, "names": ["a"]}})], [0])
        data, fds, _, _ = socket.recv_fds(theirs, 4096, 1, _CLOSE_ON_EXEC)
        decoder.feed(data)
        decoder.next()
        os.close(fds[0])
        libc.read_file(os.devnull)
        libc.write_file(os.devnull, b"")
    if seccomp.is_supported():
        for nested in (False, True):
            seccomp.program(nested=nested)
    agent = Agent(ours, 0, Tree("/"), is_init=False)
    agent.selector.close()
    os.close(agent.tree.descriptors[0])
    theirs.close()
    ours.close()


def _begin(requests: socket.socket, connection: int) -> None:
    try:
        child = os.fork()
    except OSError as error:
        os.write(connection, encode({"error": f"no process can be started: {error}", "errno": error.errno}))
    else:
        if child == 0:
            _become_launcher(requests, connection)
    os.close(connection)


def _become_launcher(requests: socket.socket, connection: int) -> NoReturn:
    try:
        requests.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        gc.enable()
        libc.set_name("sandtui-launch")
        os.set_inheritable(connection, False)
        launch(socket.socket(fileno=connection))
    finally:
        os._exit(1)
