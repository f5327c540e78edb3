"""The carried network: a sandbox' own ports and connections, rules that are kept to, packets that are nonsense."""

import asyncio
import contextlib
import hashlib
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.local.agent.protocol import Decoder, encode
from sandtui.local.drivers.namespace import probe
from sandtui.local.egress import Policy
from sandtui.local.network import dns
from sandtui.local.network import stack as stack_module
from sandtui.local.network.budget import MAX_BYTES, MAX_FLOWS, MIN_SHARE, ConnectionBudget, Descriptors
from sandtui.local.network.packets import (
    ACK,
    FIN,
    PSH,
    RST,
    SYN,
    Datagram,
    Segment,
    build_datagram,
    build_segment,
    option,
    parse,
)  # fmt: skip
from sandtui.local.network.reach import Reach, read_network
from sandtui.local.network.resolver import serve_queries
from sandtui.local.network.stack import RESOLVER, Stack
from sandtui.local.network.worker import work
from tests.local.gateway.test_ports import expose, page, serve
from tests.local.support import GIVE_UP_SECONDS, Api, Start, namespaces_work
from tests.probes import carrier_of

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def own_address() -> str:
    """Return an address of this machine that is not its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe_socket:
        try:
            probe_socket.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        return str(probe_socket.getsockname()[0])


def own_network() -> tuple[str, ...]:
    """Return what has to be allowed so that servers of this test can be reached."""
    with contextlib.suppress(pytest.skip.Exception):
        return (own_address(),)
    return ()


@pytest.fixture
async def carried(carrying: Any) -> Api:
    """A platform that carries packets, also to this machine's own address."""
    return await carrying(allow_private=own_network())


@pytest.fixture(params=["tun", "veth"])
async def carrying(request: pytest.FixtureRequest, start: Start, tmp_path: Path) -> Any:
    """Starts a platform that carries packets, once for each way in which they come to it."""
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    reason = await probe(tmp_path, mapped=os.geteuid() == 0, network=request.param)
    if reason is not None:
        # Whoever may open the node must get a network from it: a skip hid for long that root did not.
        assert request.param != "tun" or not os.access("/dev/net/tun", os.R_OK | os.W_OK), reason
        pytest.skip(f"no {request.param} here: {reason}")

    async def begin(**more: Any) -> Api:
        return await start("namespace", links=(request.param,), **more)

    return begin


@asynccontextmanager
async def server(answer: Answer, host: str | None = None) -> AsyncIterator[tuple[str, int]]:
    host = host or own_address()
    listening = await asyncio.start_server(answer, host, 0)
    async with listening:
        yield host, listening.sockets[0].getsockname()[1]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def connect(host: str, port: int, then: str = "print('in')") -> str:
    return f"python3 -c \"import socket; s = socket.create_connection(('{host}', {port}), 5); {then}\""


async def test_sandboxes_with_a_network_have_ports_of_their_own(carried: Api) -> None:
    boxes = [await carried.running(environment_vars={"WHO": f"box {n}"}) for n in range(3)]
    urls = []
    for box in boxes:
        await serve(carried, box, 8000)
        urls.append((await expose(carried, box, 8000))["url"])
    assert [(await page(url)).text for url in urls] == ["box 0", "box 1", "box 2"]
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:8000", timeout=2)


@pytest.mark.parametrize("fields", [{}, {"user": "nobody"}])
async def test_commands_get_their_streams_and_no_other_descriptor(carried: Api, fields: dict[str, str]) -> None:
    if fields and os.geteuid() != 0:
        pytest.skip("an ordinary user has only one user to give")
    box = await carried.running(start_command="ls -l /proc/self/fd > /tmp/started; sleep 300")
    listed = [await carried.output(box, "ls -l /proc/self/fd", **fields), await carried.output(box, "cat /tmp/started")]
    for text in listed:
        # The last is the directory that is being read.
        found = [line.split(" -> ")[0].split()[-1] for line in text.splitlines() if " -> " in line]
        assert found == ["0", "1", "2", "3"], text


async def test_megabytes_pass_whole_both_ways(carried: Api) -> None:
    box = await carried.running()
    async with server(echo) as (host, port):
        program = (
            "import hashlib, os, socket, threading\n"
            f"s = socket.create_connection(('{host}', {port}))\n"
            "data = os.urandom(20_000_000)\n"
            "threading.Thread(target=lambda: (s.sendall(data), s.shutdown(1))).start()\n"
            "back = b''.join(iter(lambda: s.recv(1 << 20), b''))\n"
            "print(back == data, len(back))\n"
        )
        await carried.upload(box, "/tmp/p.py", program.encode())
        assert await carried.output(box, "python3 /tmp/p.py") == "True 20000000\n"


async def test_a_slow_reader_is_waited_for(carried: Api) -> None:
    box = await carried.running()
    data = os.urandom(12_000_000)

    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    async with server(give) as (host, port):
        program = (
            "import hashlib, socket, time\n"
            f"s = socket.create_connection(('{host}', {port}))\n"
            "time.sleep(1.5)\n"
            "print(hashlib.md5(b''.join(iter(lambda: s.recv(1 << 16), b''))).hexdigest())\n"
        )
        await carried.upload(box, "/tmp/p.py", program.encode())
        assert (await carried.output(box, "python3 /tmp/p.py")).strip() == hashlib.md5(data).hexdigest()


async def test_refusals_come_at_once_and_the_machines_loopback_is_out_of_reach(carried: Api) -> None:
    box = await carried.running()
    async with server(echo, "127.0.0.1") as (_, port):
        for host in (own_address(), "127.0.0.1", "127.0.0.2", "10.0.2.2", "169.254.169.254", "0.0.0.0"):
            reply = (await carried.run(box, connect(host, port))).json()
            assert "ConnectionRefused" in reply["stderr"], host


async def test_rules_hold_and_can_be_changed_while_it_runs(carried: Api) -> None:
    async with server(echo) as (host, port), server(echo) as (_, other):
        box = await carried.running(network_allowlist=[f"{host}:{port}"])
        assert (await carried.call("GET", f"/sandbox/{box}/egress-policy")).json()["applied"] is True
        assert await carried.output(box, connect(host, port)) == "in\n"
        assert "Refused" in (await carried.run(box, connect(host, other))).json()["stderr"]
        hold = connect(host, port, "s.sendall(b'x'); s.recv(1); print('held', flush=True); print(s.recv(1))")
        holding = asyncio.create_task(carried.run(box, hold))
        await asyncio.sleep(0.5)
        body = {"allowlist": None, "denylist": [f"{host}:{port}"]}
        reply = (await carried.call("PUT", f"/sandbox/{box}/egress-policy", json=body)).json()
        assert (reply["applied"], reply["generation"]) == (True, 2)
        ended = (await holding).json()
        assert ended["stdout"] == "held\n" and "ConnectionReset" in ended["stderr"], "an open connection went on"
        assert "Refused" in (await carried.run(box, connect(host, port))).json()["stderr"]
        assert await carried.output(box, connect(host, other)) == "in\n"
        await carried.call("PUT", f"/sandbox/{box}/egress-policy", json={"allowlist": [], "denylist": None})
        assert "Refused" in (await carried.run(box, connect(host, other))).json()["stderr"]


async def test_a_worker_that_dies_is_replaced(carried: Api) -> None:
    box = await carried.running()
    async with server(echo) as (host, port):
        assert await carried.output(box, connect(host, port)) == "in\n"
        os.kill(carrier_of(carried.platform), signal.SIGKILL)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while (await carried.run(box, connect(host, port))).json()["exit_code"]:
                await asyncio.sleep(0.05)


def worker_pid() -> int:
    """Return the process that carries packets for this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == os.getpid() and b"sandtui.local.network.worker" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    (pid,) = found
    return pid


async def test_a_generation_is_reported_once_it_holds(carried: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await carried.running()
    path = f"/sandbox/{box}/egress-policy"
    assert (await carried.call("GET", path)).json()["applied_generation"] == 1
    monkeypatch.setattr("sandtui.local.network.worker_process.APPLY_SECONDS", 0.1)
    os.kill(pid := worker_pid(), signal.SIGSTOP)
    try:
        for generation, body in enumerate(({"allowlist": ["a.com"]}, {"denylist": ["b.com"]}, {"allowlist": []}), 2):
            reply = (await carried.call("PUT", path, json=body)).json()
            assert (reply["generation"], reply["applied_generation"], reply["applied"]) == (generation, 1, False)
            assert (await carried.call("GET", path)).json() == reply
    finally:
        os.kill(pid, signal.SIGCONT)
    monkeypatch.undo()
    reply = (await carried.call("GET", path)).json()
    assert (reply["generation"], reply["applied_generation"], reply["applied"]) == (4, 4, True)


async def test_each_of_many_changes_holds_when_it_is_reported(carried: Api) -> None:
    box = await carried.running()
    path = f"/sandbox/{box}/egress-policy"
    bodies = [{"allowlist": [f"n{number}.com"], "denylist": None} for number in range(10)]
    told = [r.json() for r in await asyncio.gather(*(carried.call("PUT", path, json=body) for body in bodies))]
    assert [reply["policy"] for reply in told] == bodies
    assert all(reply["applied_generation"] == reply["generation"] for reply in told)
    assert sorted(reply["generation"] for reply in told) == list(range(2, 12))


async def test_what_was_set_while_the_worker_was_dead_holds_afterwards(carried: Api) -> None:
    async with server(echo) as (host, port):
        box = await carried.running(network_allowlist=[])
        path = f"/sandbox/{box}/egress-policy"
        assert "Refused" in (await carried.run(box, connect(host, port))).json()["stderr"]
        for body, printed in (({"allowlist": [host]}, "in\n"), ({"allowlist": []}, "")):
            os.kill(worker_pid(), signal.SIGKILL)
            await carried.call("PUT", path, json=body)
            async with asyncio.timeout(GIVE_UP_SECONDS):
                while not (await carried.call("GET", path)).json()["applied"]:
                    await asyncio.sleep(0.05)
            assert (await carried.run(box, connect(host, port))).json()["stdout"] == printed
        found = await carried.sandbox(box)
        assert (found["networkAccess"], found["networkAllowlist"]) == (False, [])


# The stack alone: a datagram socket stands for the device, so that each packet is the test's own.


class Wire:
    """A sandbox' end of a stack."""

    def __init__(self, policy: Policy, allowed: Sequence[str]) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ours.setblocking(False)
        self.stack = Stack(theirs.detach(), policy, reach=Reach(allowed))

    def send(self, packet: bytes) -> None:
        self._ours.send(packet)

    async def receive(self) -> Any:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            return parse(await asyncio.get_running_loop().sock_recv(self._ours, 70000))

    def close(self) -> None:
        self.stack.close()
        self._ours.close()


def segment(flags: int, seq: int, ack: int, target: tuple[str, int], data: bytes = b"", window: int = 65535) -> bytes:
    host, port = target
    return build_segment(Segment("10.0.2.100", 40000, host, port, seq, ack, flags, window, b"", data))


@pytest.fixture
async def wire() -> AsyncIterator[Any]:
    made = []

    def make(policy: Policy = Policy(), allowed: Sequence[str] | None = None) -> Wire:  # noqa: B008
        made.append(Wire(policy, own_network() if allowed is None else allowed))
        return made[-1]

    yield make
    for one in made:
        one.close()


async def test_what_is_lost_is_sent_again(wire: Any) -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(3) == b"abc"
        writer.write(b"hello")
        writer.close()

    async with server(hello) as target:
        box = wire()
        box.send(segment(SYN, 1000, 0, target))
        answer = await box.receive()
        assert (answer.flags, answer.seq, answer.ack) == (SYN | ACK, 0, 1001)
        box.send(segment(SYN, 1000, 0, target))
        assert (await box.receive()).flags == SYN | ACK, "a SYN that was sent again is answered again"
        box.send(segment(ACK, 1001, 1, target))
        box.send(segment(ACK | PSH, 1002, 1, target, b"bc"))
        assert (await box.receive()).ack == 1001, "what is missing is asked for"
        box.send(segment(ACK | PSH, 1001, 1, target, b"abc"))
        assert (await box.receive()).ack == 1004
        data = await box.receive()
        assert (data.seq, data.data) == (1, b"hello")
        fin = await box.receive()
        assert (fin.flags & FIN, fin.seq) == (FIN, 6)
        again, fin_again = await box.receive(), await box.receive()
        assert (again.seq, again.data, fin_again.flags & FIN, fin_again.seq) == (1, b"hello", FIN, 6)
        box.send(segment(ACK, 1004, 7, target))
        box.send(segment(FIN | ACK, 1004, 7, target))
        assert (await box.receive()).ack == 1005
        assert box.stack.connections == 0


async def test_a_closed_window_is_asked_until_it_opens(wire: Any) -> None:
    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 1000)
        await writer.drain()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        gone.set()

    gone = asyncio.Event()
    async with server(give) as target:
        box = wire()
        box.send(segment(SYN, 5, 0, target, window=0))
        await box.receive()
        box.send(segment(ACK, 6, 1, target, window=0))
        asked = await box.receive()
        assert (asked.seq, asked.data) == (1, b"x")
        box.send(segment(ACK, 6, 1, target, window=300))
        assert len((await box.receive()).data) == 300
        box.send(segment(ACK, 6, 301, target, window=5000))
        assert len((await box.receive()).data) == 536, "no segment is larger than the sandbox said it takes"
        box.send(segment(RST, 6, 301, target))
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await gone.wait()


async def test_what_belongs_to_nothing_is_reset(wire: Any) -> None:
    box = wire(Policy.of(["192.0.2.1"], None))
    box.send(segment(ACK, 7, 9, ("192.0.2.1", 80), b"data"))
    reset = await box.receive()
    assert (reset.flags & RST, reset.seq, reset.ack) == (RST, 9, 11)
    box.send(segment(SYN, 7, 0, ("198.51.100.1", 80)))
    assert (await box.receive()).flags & RST


def dns_message(name: str, *addresses: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    head = b"\x12\x34\x81\x80\x00\x01" + len(addresses).to_bytes(2, "big") + b"\0\0\0\0"
    rows = b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(one) for one in addresses)
    return head + labels + b"\0\1\0\1" + rows


async def test_names_are_kept_to_by_what_the_resolver_says(wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module.dns, "name_server", lambda: "127.0.0.1")
    box = wire(Policy.of(["*.example.com"], None))
    box.send(build_datagram(Datagram("10.0.2.100", 5000, RESOLVER, 53, dns_message("stolen-secret.attacker.org"))))
    answer = await box.receive()
    assert (answer.source, answer.source_port, answer.data[3] & 15) == (RESOLVER, 53, 5), "the question went out"
    box.stack.deliver(("10.0.2.100", 5000, RESOLVER, 53), dns_message("a.example.com", "198.51.100.7"))
    await box.receive()
    assert box.stack.allows("198.51.100.7", 443)
    assert not box.stack.allows("198.51.100.8", 443)


async def test_datagrams_go_and_come_back(wire: Any) -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(data[::-1], addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=(own_address(), 0))
    host, port = transport.get_extra_info("sockname")
    box = wire()
    for data in (b"abc", b"x" * 9000):
        box.send(build_datagram(Datagram("10.0.2.100", 5000, host, port, data)))
        back = await box.receive()
        assert (back.source, back.source_port, back.target_port, back.data) == (host, port, 5000, data[::-1])
    transport.close()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_packet_or_nothing(data: bytes) -> None:
    found = parse(data)
    if isinstance(found, Segment):
        option(found, 2)
    dns.queried_name(data)
    dns.addresses(data)


@given(
    st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 2**32 - 1),
    st.integers(0, 63), st.binary(max_size=100),
)  # fmt: skip
def test_segments_come_back(one: Any, other: Any, sport: int, dport: int, seq: int, flags: int, data: bytes) -> None:
    whole = Segment(str(one), sport, str(other), dport, seq, 7, flags, 99, b"\2\4\5\xb4", data)
    assert parse(build_segment(whole)) == whole
    sent = Datagram(str(one), sport, str(other), dport, data)
    assert parse(build_datagram(sent)) == sent


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nameserver 192.0.2.9\n", "192.0.2.9"),
        ("# x\nnameserver ::1\nnameserver 192.0.2.8 # y", "192.0.2.8"),
        ("", None),
    ],
)
def test_the_machines_resolver_is_found(tmp_path: Path, text: str, wanted: str | None) -> None:
    (tmp_path / "resolv.conf").write_text(text)
    assert dns.name_server(tmp_path / "resolv.conf") == wanted


# DNS over TCP, and addresses that no list can open.


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


async def open_connection(box: Wire, target: tuple[str, int]) -> None:
    box.send(segment(SYN, 1000, 0, target))
    assert (await box.receive()).flags == SYN | ACK
    box.send(segment(ACK, 1001, 1, target))


@pytest.mark.parametrize(
    ("policy", "target"),
    [
        (Policy.of(["*.example.com"], None), (RESOLVER, 53)),
        (Policy.of(["example.com:443", "192.0.2.0/24"], None), (RESOLVER, 53)),
        (Policy.of(None, ["*.attacker.org"]), (RESOLVER, 53)),
    ],
)
async def test_questions_over_tcp_are_checked_like_those_in_datagrams(
    wire: Any, policy: Policy, target: tuple[str, int]
) -> None:
    box = wire(policy)
    await open_connection(box, target)
    at, answered = 1001, b""
    for name in ("stolen-secret.attacker.org", "STOLEN.Attacker.ORG"):
        data, answer = framed(dns_message(name)), b""
        # In two pieces: no reader may rely on getting all at once.
        for piece in (data[:5], data[5:]):
            box.send(segment(ACK | PSH, at, 1 + len(answered), target, piece))
            at += len(piece)
        while len(answer) < len(data):
            answer += (await box.receive()).data
        assert answer[2 + 3] & 15 == 5, "the question went out"
        answered += answer
        box.send(segment(ACK, at, 1 + len(answered), target))


async def test_another_resolver_is_no_way_round_a_deny_list(wire: Any) -> None:
    box = wire(Policy.of(None, ["*.attacker.org"]))
    target = ("198.51.100.53", 53)
    await open_connection(box, target)
    box.send(segment(ACK | PSH, 1001, 1, target, framed(dns_message("a.attacker.org"))))
    while not (found := await box.receive()).data:
        pass
    assert found.data[2 + 3] & 15 == 5
    box.send(build_datagram(Datagram("10.0.2.100", 5000, *target, dns_message("a.attacker.org"))))
    while not isinstance(found := await box.receive(), Datagram):
        pass
    assert found.data[3] & 15 == 5


class Lists:
    """Rules for names as a connection to the resolver needs them."""

    def __init__(self, *allowed: str) -> None:
        self._allowed = allowed
        self.learned: dict[str, list[str]] = {}

    def allows_lookup(self, message: bytes) -> bool:
        return dns.queried_name(message) in self._allowed

    def learn(self, name: str, addresses: list[str]) -> None:
        self.learned[name] = addresses


async def test_allowed_questions_over_tcp_are_passed_on_and_their_answers_learned() -> None:
    asked = []

    async def ask(message: bytes) -> bytes:
        asked.append(dns.queried_name(message))
        return dns_message("a.example.com", "198.51.100.7")

    lists = Lists("a.example.com")
    ended = asyncio.Event()

    async def resolver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_queries(reader, writer, lists, ask)
        ended.set()

    async with await asyncio.start_server(resolver, "127.0.0.1", 0) as listening:
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        for name in ("b.example.com", "a.example.com"):
            writer.write(framed(dns_message(name)))
            size = int.from_bytes(await reader.readexactly(2), "big")
            answer = await reader.readexactly(size)
            assert (answer[3] & 15 == 5) is (name == "b.example.com")
        writer.close()
        await ended.wait()
    assert (asked, lists.learned) == (["a.example.com"], {"a.example.com": ["198.51.100.7"]})


def test_a_question_that_can_be_read_in_two_ways_has_no_name() -> None:
    plain = dns_message("a.example.com")
    assert dns.queried_name(plain) == "a.example.com"
    pointer = plain[:12] + b"\x01x\xc0\x14" + b"\0\1\0\1" + b"\x07example\x03com\0"
    update = plain[:2] + b"\x28" + plain[3:]
    two = plain[:5] + b"\x02" + plain[6:]
    for message in (pointer, update, two, plain[:14], b""):
        assert dns.queried_name(message) is None


PRIVATE = (
    "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.1", "192.168.1.1", "169.254.169.254", "169.254.170.2",
    "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "127.0.0.1", "0.0.0.0",
    "255.255.255.255", "224.0.0.1", "10.0.2.2",
)  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_list_opens_private_addresses_not_even_by_a_name(wire: Any, address: str) -> None:
    for policy in (Policy(), Policy.of(["*.example.com", "0.0.0.0/0", address], None), Policy.of(None, ["1.2.3.4"])):
        box = wire(policy, [])
        box.stack.deliver(("10.0.2.100", 5000, RESOLVER, 53), dns_message("rebind.example.com", address))
        await box.receive()
        for port in (80, 53, 443):
            box.send(segment(SYN, 7, 0, (address, port)))
            assert (await box.receive()).flags & RST, (policy, port)


def test_what_is_allowed_by_name_can_be_reached_and_nothing_else() -> None:
    reach = Reach(["192.168.1.0/24", "169.254.169.254"])
    for address in ("192.168.1.7", "169.254.169.254", "198.51.100.7", "8.8.8.8", "172.32.0.1", "100.128.0.1"):
        assert reach.covers(address), address
    for address in ("192.168.2.7", "169.254.169.253", "10.0.0.1", own_address()):
        assert not reach.covers(address), address
    # Not even on request: there is no saying which process of this machine would answer.
    assert not Reach(["0.0.0.0/0"]).covers("127.0.0.1")
    for text in ("", "example.com", "fd00:ec2::254", "10.0.0.0/33", "*"):
        with pytest.raises(ValueError, match="IPv4"):
            read_network(text)


async def test_this_machines_address_is_out_of_reach_in_every_form(carrying: Any) -> None:
    api = await carrying()
    box = await api.running(network_denylist=["1.2.3.4"], environment_vars={"WHO": "box"})
    async with server(echo, "0.0.0.0") as (_, port):
        host = own_address()
        for form in (host, f"::ffff:{host}", "169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"):
            reply = (await api.run(box, connect(form, port))).json()
            assert reply["exit_code"] == 1 and "Error: [Errno" in reply["stderr"], form
            assert "in" not in reply["stdout"], form
        await serve(api, box, 8000)
        assert (await page((await expose(api, box, 8000))["url"])).status_code == 200
    assert "this machine and private networks are not reachable;" in api.platform.driver.isolation


# What one sandbox may use of the worker, and whose trouble its trouble is.


async def settled(count: Callable[[], int]) -> None:
    """Wait until something has stopped growing."""
    last, calm = -1, 0
    while calm < 20:
        await asyncio.sleep(0.05)
        calm = calm + 1 if count() == last else 0
        last = count()


def peak(pid: int) -> int:
    """Return the most memory that a process has had."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


async def test_unread_connections_hold_little_and_leave_the_others_alone(carried: Api) -> None:
    greedy, other = await carried.running(), await carried.running()
    given = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal given
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                given += 1

    async with server(echo) as (host, port), server(flood) as (_, source):
        assert await carried.output(other, connect(host, port)) == "in\n"
        before = peak(worker_pid())
        program = (
            "import socket, time\n"
            "held = []\n"
            "for _ in range(100):\n"
            "    s = socket.socket()\n"
            "    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)\n"
            f"    s.connect(('{host}', {source}))\n"
            "    held.append(s)\n"
            "open('/tmp/open', 'w').close()\n"
            "time.sleep(300)\n"
        )
        await carried.upload(greedy, "/tmp/p.py", program.encode())
        await carried.output(
            greedy, "python3 /tmp/p.py > /dev/null 2>&1 & while ! test -e /tmp/open; do sleep 0.05; done"
        )
        await settled(lambda: given)
        assert peak(worker_pid()) - before < 6 * MAX_BYTES
        # Neither the other sandbox nor the same one is cut off.
        for box in (other, greedy):
            assert await carried.output(box, connect(host, port, "s.sendall(b'y'); print(s.recv(1))")) == "b'y'\n"
        # Its connections end with it; the server waits for them.
        await carried.call("DELETE", f"/sandbox/{greedy}")


async def test_more_than_was_asked_for_is_not_kept(wire: Any) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await over.wait()
        writer.transport.abort()

    over = asyncio.Event()

    async with server(deaf) as target:
        box = wire()
        await open_connection(box, target)
        # Whatever window it is told, it goes on.
        highest, piece = 0, b"x" * 60_000
        for number in range(1000):
            box.send(segment(ACK | PSH, 1001 + number * len(piece), 1, target, piece))
            highest = max(highest, (await box.receive()).ack - 1001)
        over.set()
        assert highest < 1000 * len(piece) / 2


def test_one_sandbox_has_no_more_than_half_of_the_descriptors() -> None:
    descriptors = Descriptors(200)
    greedy, modest = ConnectionBudget(descriptors), ConnectionBudget(descriptors)
    assert sum(greedy.take() for _ in range(MAX_FLOWS)) < 110
    assert all(modest.take() for _ in range(40))
    late = [ConnectionBudget(descriptors) for _ in range(3)]
    assert all(one.take() for one in late)
    greedy.close()
    assert all(modest.take() for _ in range(40))
    modest.release(80)
    assert all(late[0].take() for _ in range(60))


def test_a_share_shrinks_with_the_connections_and_with_what_is_held() -> None:
    budget = ConnectionBudget()
    assert budget.share(1) > budget.share(100) > budget.share(MAX_FLOWS) >= MIN_SHARE
    budget.held = MAX_BYTES
    assert budget.share(1) == MIN_SHARE


async def test_a_device_that_cannot_be_used_is_the_trouble_of_its_sandbox_alone(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    running = asyncio.create_task(work(theirs, Reach(), Descriptors()))
    loop, decoder = asyncio.get_running_loop(), Decoder()

    async def tell(op: str, name: str, fds: Sequence[int] = (), **more: Any) -> dict[str, Any]:
        message = {"op": op, "id": name, "link": "tun", "allow": None, "deny": None, "generation": 1, **more}
        socket.send_fds(ours, [encode(message)], fds)
        while (reply := decoder.next()) is None:
            decoder.feed(await loop.sock_recv(ours, 65536))
        return reply

    good, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with good, far, (tmp_path / "file").open("w+") as plain:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            assert "error" not in await tell("add", "one", [good.fileno()])
            # No events come from a file, which is an OSError.
            bad = await tell("add", "two", [plain.fileno()])
            assert (bad["id"], bad["generation"], bool(bad["error"])) == ("two", 0, True)
            assert "error" in await tell("add", "three", [plain.fileno()], link="veth")
            assert "error" in await tell("policy", "one", allow=["not a name!"])
            assert (await tell("policy", "one", generation=2))["generation"] == 2
            far.send(segment(ACK, 7, 9, ("192.0.2.1", 80), b"data"))
            far.setblocking(False)
            assert parse(await loop.sock_recv(far, 70000)).flags & RST  # type: ignore[union-attr]
        ours.close()
        await running
    theirs.close()


async def test_a_worker_without_descriptors_survives_the_next_create(carried: Api) -> None:
    async with server(echo) as (host, port):
        first = await carried.running()
        assert await carried.output(first, connect(host, port)) == "in\n"
        pid = worker_pid()
        _, hard = limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        # No number is free but those of the standard streams, whatever of the first connection still ends. Only the
        # soft limit: an ordinary user could not raise the hard one again.
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
        second = await carried.running()
        path = f"/sandbox/{second}/egress-policy"
        assert (await carried.call("GET", path)).json()["applied"] is False
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        third = await carried.running(network_allowlist=["192.0.2.77"])
        assert worker_pid() == pid
        assert await carried.output(first, connect(host, port)) == "in\n"
        # Each has its own device: the rules of the third are not those of the one that came before.
        assert "Refused" in (await carried.run(third, connect(host, port))).json()["stderr"]
        assert "packets cannot be carried" in (await carried.call("GET", f"/sandbox/{second}/logs")).json()["logs"]


async def test_a_worker_that_stands_still_holds_nobody_up(carried: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await carried.running()
    path = f"/sandbox/{box}/egress-policy"
    monkeypatch.setattr("sandtui.local.network.worker_process.APPLY_SECONDS", 0.001)
    os.kill(pid := worker_pid(), signal.SIGSTOP)
    try:
        for number in range(40):
            body = {"allowlist": [f"host-{number}-{n}.example.com" for n in range(1024)], "denylist": None}
            assert (await carried.call("PUT", path, json=body)).status_code == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    monkeypatch.undo()
    reply = (await carried.call("GET", path)).json()
    assert (reply["generation"], reply["applied"]) == (41, True)
    assert worker_pid() == pid


async def test_connections_that_are_broken_off_before_they_are_open_hold_nothing(wire: Any) -> None:
    with socket.socket() as full, contextlib.ExitStack() as filling:
        full.bind((own_address(), 0))
        full.listen(0)
        target = full.getsockname()
        # Nobody accepts, so that whoever comes later waits for as long as it likes.
        for _ in range(4):
            one = filling.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(target)
        box, folder = wire(), Path("/proc/self/fd")
        before = len(list(folder.iterdir()))
        for number in range(50):
            box.send(segment(SYN, number * 100, 0, target))
            box.send(segment(RST, number * 100 + 1, 0, target))
            await asyncio.sleep(0)
        # What is answered comes after all that: everything before has been read.
        box.send(segment(ACK, 7, 9, ("192.0.2.1", 80)))
        await box.receive()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(list(folder.iterdir())) <= before + 1
