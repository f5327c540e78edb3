"""The prepared process of a platform: it has imported the agent, and every sandbox begins as a fork of it.

It is told nothing about any sandbox. All that comes here is the socket over which a fork talks to the platform, so that
nothing of one sandbox can be found in the memory of the next, and this process never grows.
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
    """Serve on the socket that is standard input."""
    # Nothing that is meant for the platform's terminal or its process group reaches sandboxes.
    os.setsid()
    os.umask(0o022)
    libc.set_name("sandtui-zygote")
    requests = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(null, standard)
    os.close(null)
    serve(requests)


def serve(requests: socket.socket) -> None:
    """Fork a launcher for each socket that arrives, until the platform is gone."""
    # The kernel reaps launchers. Agents, which outlive theirs, become children of the platform.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _warm_up()
    # A collection would write to every object, and each sandbox then have a copy of its own.
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
    """Do once what every fork will do, so that what Python sets up for it the first time is there, and shared."""
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
