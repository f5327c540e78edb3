"""Ports carried through a real SSH server inside this process."""

import asyncio
import contextlib
import hashlib

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client import APIError, SandboxNotRunningError
from sandtui.clock import SystemClock
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.ports import link as links
from sandtui.fleet.ports.forward import Direction, Forward, ForwardSpec, ForwardState, parse_forward
from sandtui.fleet.ports.forwarding import LocalEnd
from sandtui.fleet.ports.forwards import ForwardBoard, PortTakenError
from tests.fleet.factory import sandbox

ONE = "sbx_0001"


class Server(asyncssh.SSHServer):
    """Lets everybody in and forwards both ways."""

    made: list[asyncssh.SSHServerConnection]

    def connection_made(self, conn):
        self.made.append(conn)

    def begin_auth(self, username):
        return False

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        return True

    def server_requested(self, listen_host, listen_port):
        return listen_port >= 1024


class Client:
    """Opens connections to the server; ``refusal`` is raised instead."""

    def __init__(self, port):
        self.port = port
        self.refusal = None
        self.connects = 0

    @contextlib.asynccontextmanager
    async def connect_ssh(self, sandbox_id):
        self.connects += 1
        if self.refusal is not None:
            raise self.refusal
        connection = await asyncssh.connect("127.0.0.1", self.port, known_hosts=None, config=None, username="x")
        try:
            yield connection
        finally:
            connection.close()
            await connection.wait_closed()


@pytest.fixture
async def world(monkeypatch):
    monkeypatch.setattr(links, "FIRST_PAUSE", 0.02)
    made = []
    handler = type("Handler", (Server,), {"made": made})
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(handler, "127.0.0.1", 0, server_host_keys=[key], config=None)
    client = Client(server.get_port())
    store = FleetStore(SystemClock())
    store.apply([sandbox(1)])
    board = ForwardBoard(client, store, SystemClock())
    yield client, board, made
    await board.aclose()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def echo():
    """A service that says back what it hears, until it hears the end."""

    async def serve(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def say(port, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read(-1)
    writer.close()
    return answer


async def test_a_port_of_the_sandbox_is_here_and_what_goes_through_is_counted(world, echo):
    _, board, _ = world
    forward = await board.open(ONE, ForwardSpec(Direction.OUT, echo, 0))
    assert forward.local_port > 0
    assert await say(forward.local_port, b"hello") == b"hello"
    await until(lambda: forward.connections == 0)
    assert (forward.state, forward.sent, forward.received, forward.served) == (ForwardState.OPEN, 5, 5, 1)


async def test_megabytes_arrive_as_they_were_at_the_pace_of_the_slower(world, echo):
    _, board, _ = world
    forward = await board.open(ONE, ForwardSpec(Direction.OUT, echo, 0))
    data = bytes(range(256)) * 40_000
    reader, writer = await asyncio.open_connection("127.0.0.1", forward.local_port, limit=1000)

    async def send():
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    seen = hashlib.sha256()
    while part := await reader.read(100_000):
        seen.update(part)
        await asyncio.sleep(0)
    await sending
    writer.close()
    assert seen.digest() == hashlib.sha256(data).digest()


async def test_a_port_of_this_machine_is_in_the_sandbox(world, echo, unused_tcp_port):
    _, board, _ = world
    forward = await board.open(ONE, ForwardSpec(Direction.IN, unused_tcp_port, echo))
    await until(lambda: forward.state is ForwardState.OPEN)
    # The server is on this machine too, so its sandbox's loopback is ours.
    assert await say(unused_tcp_port, b"from inside") == b"from inside"
    await until(lambda: forward.connections == 0)
    assert (forward.sent, forward.received) == (11, 11)


async def test_one_connection_serves_all_ports_of_a_sandbox(world, echo):
    client, board, _ = world
    forwards = [await board.open(ONE, ForwardSpec(Direction.OUT, echo, 0)) for _ in range(3)]
    for forward in forwards:
        assert await say(forward.local_port, b"x") == b"x"
    assert client.connects == 1
    for forward in forwards:
        await board.close(forward)
        with pytest.raises(OSError):
            await say(forward.local_port, b"x")
    assert [forward.state for forward in forwards] == [ForwardState.CLOSED] * 3
    again = await board.open(ONE, ForwardSpec(Direction.OUT, echo, 0))
    assert await say(again.local_port, b"x") == b"x"
    assert client.connects == 2, "the connection ended with the last port that it served"


async def test_after_a_break_it_comes_back_on_the_same_port(world, echo):
    client, board, made = world
    forward = await board.open(ONE, ForwardSpec(Direction.OUT, echo, 0))
    await until(lambda: forward.state is ForwardState.OPEN)
    made[0].abort()
    await until(lambda: forward.breaks == 1)
    assert await say(forward.local_port, b"again") == b"again"
    assert (client.connects, forward.state) == (2, ForwardState.OPEN)


async def test_a_port_that_is_taken_here_is_reported_or_another_is_chosen(world, echo):
    _, board, _ = world
    with pytest.raises(PortTakenError, match="in use: choose another"):
        await board.open(ONE, ForwardSpec(Direction.OUT, 80, echo))
    assert board.forwards == []
    forward = await board.open(ONE, ForwardSpec(Direction.OUT, echo, echo), any_port=True)
    assert forward.local_port != echo
    assert await say(forward.local_port, b"x") == b"x"


async def test_nothing_that_listens_inside_closes_the_connection_and_says_so(world, unused_tcp_port):
    _, board, _ = world
    forward = await board.open(ONE, ForwardSpec(Direction.OUT, unused_tcp_port, 0))
    with contextlib.suppress(ConnectionError):
        assert await say(forward.local_port, b"x") == b""
    await until(lambda: "nothing listens" in forward.note)
    assert forward.state is ForwardState.OPEN


async def test_a_forward_with_no_local_listener_is_reported(world, unused_tcp_port):
    _, board, _ = world
    forward = await board.open(ONE, ForwardSpec(Direction.IN, unused_tcp_port, 9))
    await until(lambda: forward.state is ForwardState.OPEN)
    with contextlib.suppress(ConnectionError):
        assert await say(unused_tcp_port, b"x") == b""
    await until(lambda: "nothing listens on local port 9" in forward.note)


async def test_a_port_that_the_sandbox_does_not_give_fails_it_alone(world, echo):
    _, board, _ = world
    out = await board.open(ONE, ForwardSpec(Direction.OUT, echo, 0))
    refused = await board.open(ONE, ForwardSpec(Direction.IN, 80, echo))
    await until(lambda: refused.state is ForwardState.FAILED)
    assert "can't listen on" in refused.note
    assert await say(out.local_port, b"x") == b"x"
    board.forget(refused)
    assert board.forwards == [out]


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (SandboxNotRunningError("gone"), "sandbox ended"),
        (APIError("no", status_code=501), "does not support SSH"),
    ],
)
async def test_what_cannot_come_back_is_given_up(world, refusal, words):
    client, board, _ = world
    client.refusal = refusal
    forward = await board.open(ONE, ForwardSpec(Direction.OUT, 8000, 0))
    await until(lambda: forward.state is ForwardState.FAILED)
    assert words in forward.note
    with pytest.raises(OSError):
        await say(forward.local_port, b"x")


async def test_a_sandbox_that_ended_ends_its_forwards(world, echo):
    _, board, made = world
    forward = await board.open(ONE, ForwardSpec(Direction.OUT, echo, 0))
    await until(lambda: forward.state is ForwardState.OPEN)
    board.store.apply([sandbox(1, status="TERMINATED")])
    made[0].abort()
    await until(lambda: forward.state is ForwardState.FAILED)
    assert forward.note == "sandbox ended"


async def test_a_platform_in_trouble_is_tried_again(world, echo):
    client, board, _ = world
    client.refusal = APIError("busy", status_code=503)
    forward = await board.open(ONE, ForwardSpec(Direction.OUT, echo, 0))
    await until(lambda: client.connects >= 2)
    assert forward.state is ForwardState.BROKEN
    client.refusal = None
    assert await say(forward.local_port, b"x") == b"x"


async def test_closing_the_program_leaves_no_port_open(world, echo):
    _, board, _ = world
    forward = await board.open(ONE, ForwardSpec(Direction.OUT, echo, 0))
    reader, writer = await asyncio.open_connection("127.0.0.1", forward.local_port)
    writer.write(b"x")
    assert await reader.read(1) == b"x"
    await board.aclose()
    with contextlib.suppress(ConnectionError):
        assert await reader.read(1) == b""
    writer.close()
    with pytest.raises(OSError):
        await say(forward.local_port, b"x")


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("8000", ForwardSpec(Direction.OUT, 8000, 8000)),
        (" 8000 9000 ", ForwardSpec(Direction.OUT, 8000, 9000)),
        ("8000 to 9000", ForwardSpec(Direction.OUT, 8000, 9000)),
        ("8000:9000", ForwardSpec(Direction.OUT, 8000, 9000)),
        ("R:5432", ForwardSpec(Direction.IN, 5432, 5432)),
        ("r:5432:6000", ForwardSpec(Direction.IN, 5432, 6000)),
        ("5432 from 5433", ForwardSpec(Direction.IN, 5432, 5433)),
    ],
)
def test_a_forward_is_read(text, spec):
    assert parse_forward(text) == spec


@pytest.mark.parametrize(
    "text", ["", "x", "0", "65536", "8000 into 9000", "8000 to", "-1", "٨٠٠٠", "80 from 0", "1 2 x"]
)
def test_an_invalid_forward_is_refused(text):
    with pytest.raises(ValueError):
        parse_forward(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_with_a_message(text):
    try:
        spec = parse_forward(text)
    except ValueError as error:
        assert str(error)
    else:
        assert 1 <= spec.sandbox_port <= 65535 and 1 <= spec.local_port <= 65535


async def test_a_connection_that_is_gone_already_can_be_dropped():
    forward = Forward(1, "sbx_1", "one", ForwardSpec(Direction.OUT, 8000, 0), 0)
    ends = []

    def make():
        ends.append(LocalEnd(forward))
        return ends[-1]

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    while not ends or ends[0].transport is None:
        await asyncio.sleep(0)
    # Closed while something waits to be sent: only such a transport does not know afterwards that it is lost.
    ends[0].transport.write(bytes(8_000_000))
    ends[0].transport.close()
    assert len(await reader.read(-1)) == 8_000_000
    writer.close()
    while not ends[0].is_gone:
        await asyncio.sleep(0)
    # Newer Pythons take a transport apart once it has told that it is closed.
    await asyncio.sleep(0)
    ends[0].abort()
    server.close()
