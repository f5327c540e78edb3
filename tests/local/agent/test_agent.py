"""The agent's loop: nothing that one client does may end the sandbox."""

import os
import selectors
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandtui.local.agent.connection import PlatformConnection
from sandtui.local.agent.init import Agent
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


def connected(agent: Agent) -> tuple[PlatformConnection, socket.socket]:
    ours, theirs = socket.socketpair()
    return PlatformConnection(agent, ours), theirs


def events(agent: Agent, monkeypatch: pytest.MonkeyPatch, *sockets: socket.socket) -> None:
    """Have the next turn find something on these, in this order."""
    keys = [(agent.selector.get_key(each), selectors.EVENT_READ) for each in sockets]
    monkeypatch.setattr(agent.selector, "select", lambda _: keys)


def log_of(agent: Agent) -> str:
    return os.pread(agent._log, 65536, 0).decode()


def test_a_client_that_goes_while_its_connection_comes_about(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, theirs = connected(agent)
    target = socket.socket()
    connection._dialing = target
    agent.selector.register(target, selectors.EVENT_WRITE, lambda: connection._dialed(target, 1, []))
    events(agent, monkeypatch, connection._sock, target)
    theirs.close()
    agent.take_turn(0)
    assert target.fileno() == -1
    assert connection._sock.fileno() == -1
    assert log_of(agent) == ""


def test_a_request_that_fails_costs_its_own_connection_alone(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    (broken, theirs), (other, others) = connected(agent), connected(agent)
    monkeypatch.setattr(broken, "_readable", lambda: 1 / 0)
    agent.selector.modify(broken._sock, selectors.EVENT_READ, broken._readable)
    others.close()
    events(agent, monkeypatch, broken._sock, other._sock)
    agent.take_turn(0)
    assert theirs.recv(1) == b"", "it is told by the end of its connection"
    assert other._sock.fileno() == -1, "what else happened was seen to"
    assert "ZeroDivisionError" in log_of(agent)
    theirs.close()
