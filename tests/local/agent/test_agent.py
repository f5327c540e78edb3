"""The agent's loop: nothing that one client does may end the sandbox."""

import errno
import os
import selectors
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandtui.local.agent.children import ChildCommand
from sandtui.local.agent.connection import AgentConnection
from sandtui.local.agent.init import Agent
from sandtui.local.agent.protocol import encode
from sandtui.local.agent.tree import Tree


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    log = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT)
    listener = socket.create_server(("127.0.0.1", 0))
    made = Agent(listener, log, Tree(str(tmp_path)), is_init=False)
    yield made
    made.selector.close()
    listener.close()
    os.close(log)


def connected(agent: Agent) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection: the agent's and the platform's."""
    ours, theirs = socket.socketpair()
    AgentConnection(agent, ours)
    return ours, theirs


def events(agent: Agent, monkeypatch: pytest.MonkeyPatch, *sockets: socket.socket) -> None:
    """Have the next turn find something on these, in this order."""
    keys = [(agent.selector.get_key(each), selectors.EVENT_READ) for each in sockets]
    monkeypatch.setattr(agent.selector, "select", lambda _: keys)


def test_a_client_that_goes_while_its_connection_comes_about(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = connected(agent)
    before = {id(key.fileobj) for key in agent.selector.get_map().values()}
    # As when the queue of the listener is full.
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: errno.EINPROGRESS)
    theirs.sendall(encode({"op": "dial", "port": 1}))
    agent.take_turn(0)
    (target,) = (key.fileobj for key in agent.selector.get_map().values() if id(key.fileobj) not in before)
    assert isinstance(target, socket.socket)
    events(agent, monkeypatch, ours, target)
    theirs.close()
    agent.take_turn(0)
    assert target.fileno() == -1
    assert ours.fileno() == -1
    assert (tmp_path / "log").read_text() == ""


def test_a_request_that_fails_costs_its_own_connection_alone(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (broken, theirs), (other, others) = connected(agent), connected(agent)
    agent.selector.modify(broken, selectors.EVENT_READ, lambda: 1 / 0)
    others.close()
    events(agent, monkeypatch, broken, other)
    agent.take_turn(0)
    assert theirs.recv(1) == b"", "it is told by the end of its connection"
    assert other.fileno() == -1, "what else happened was seen to"
    assert "ZeroDivisionError" in (tmp_path / "log").read_text()
    theirs.close()


@pytest.mark.parametrize("size", [1, 60_000])
def test_what_the_start_command_wrote_is_in_the_log_before_its_end_is_told(
    agent: Agent, tmp_path: Path, size: int
) -> None:
    class Watcher(AgentConnection):
        def send(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
            told.append((tmp_path / "log").read_text())

    told: list[str] = []
    ours, theirs = socket.socketpair()
    agent.watchers.add(Watcher(agent, ours))
    agent.start(ChildCommand(["/bin/sh", "-c", f"head -c {size} /dev/zero | tr '\\0' x"], {}, "/", None))
    (pid,) = agent.running
    # Its end is noticed before its output, as when both come in one turn of the loop.
    _, status = os.waitpid(pid, 0)
    agent.running.pop(pid)(status)
    assert told == ["x" * size]
    ours.close()
    theirs.close()
