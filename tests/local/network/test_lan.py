"""LAN networks: who reaches whom, by which name, and what is cut when a rule, a member or the platform goes."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.local.drivers.namespace import probe
from sandtui.local.egress import Policy
from sandtui.local.network import dns
from sandtui.local.network.addresses import AddressPool
from sandtui.local.network.lan import MAX_OPENED, LanPort, LanSwitch, read_lan
from sandtui.local.network.packets import (
    ACK,
    FIN,
    PSH,
    RST,
    SYN,
    VNET_SIZE,
    Datagram,
    Segment,
    build_datagram,
    build_segment,
    parse,
)
from sandtui.local.network.stack import RESOLVER, Stack
from tests.local.support import GIVE_UP_SECONDS, Api, Start, namespaces_work
from tests.local.test_serve import alive, execute, running, serving
from tests.probes import carrier_of

ADDRESSES = {"web": "198.18.0.1", "db": "198.18.0.2", "other": "198.18.0.3"}
WEB_TO_DB: list[list[Any]] = [["tag:web", "tag:db", [5432]]]


# Real sandboxes


@pytest.fixture
async def carried(start: Start, tmp_path: Path) -> Api:
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    api = await start("namespace")
    if api.platform.driver.networks is None or api.platform.driver.networks.refusal:
        pytest.skip("packets cannot be carried here")
    return api


@pytest.fixture(params=["tun", "veth"])
async def either(request: pytest.FixtureRequest, start: Start, tmp_path: Path) -> Api:
    """A platform that carries packets, once for each way in which they come to it."""
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    reason = await probe(tmp_path, mapped=os.geteuid() == 0, network=request.param)
    if reason is not None:
        pytest.skip(f"no {request.param} here: {reason}")
    return await start("namespace", links=(request.param,))


def rule(source: str, target: str, *ports: int) -> dict[str, Any]:
    return {"from": source, "to": target} | ({"ports": list(ports)} if ports else {})


async def network(api: Api, *rules: dict[str, Any], name: str = "lab") -> str:
    reply = await api.call("POST", "/sandbox/networks", json={"name": name, "rules": list(rules)})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


async def join(api: Api, network_id: str, box: str, *tags: str) -> str:
    """Add a member; return its address."""
    reply = await api.call("PUT", f"/sandbox/networks/{network_id}/members/{box}", json={"tags": list(tags)})
    assert (reply.status_code, reply.json().get("synced")) == (200, True), reply.text
    return str(reply.json()["address"])


async def set_rules(api: Api, network_id: str, *rules: dict[str, Any]) -> dict[str, Any]:
    reply = await api.call("PUT", f"/sandbox/networks/{network_id}/rules", json={"rules": list(rules)})
    assert (reply.status_code, reply.json().get("synced")) == (200, True), reply.text
    return dict(reply.json())


def host(box: str) -> str:
    return f"{box}.sandbox.internal"


SERVER = """
import socket, sys, threading
def tcp(client, peer):
    client.sendall(peer[0].encode() + b"\\n")
    while data := client.recv(1 << 20):
        client.sendall(data)
    client.close()
def udp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", int(sys.argv[1])))
    while True:
        data, peer = sock.recvfrom(65535)
        sock.sendto(peer[0].encode() + b" " + data, peer)
threading.Thread(target=udp, daemon=True).start()
listener = socket.create_server(("0.0.0.0", int(sys.argv[1])), backlog=100)
open("/tmp/ready", "w").close()
while True:
    threading.Thread(target=tcp, args=listener.accept(), daemon=True).start()
"""

LIVE = """
import socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
sock.settimeout(None)
sock.recv(100)
open("/tmp/state", "w").write("in")
try:
    text = repr(sock.recv(1))
except OSError as error:
    text = type(error).__name__
open("/tmp/state", "w").write(text)
"""

UDP = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(float(sys.argv[3]))
sock.sendto(b"x" * int(sys.argv[4]), (sys.argv[1], int(sys.argv[2])))
try:
    back = sock.recv(65535)
    print(back.split()[0].decode(), len(back.split()[1]))
except TimeoutError:
    print("nothing")
"""

TRY = """
import socket, sys
try:
    sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
    print(sock.makefile().readline().strip())
except OSError as error:
    print(type(error).__name__)
"""

TCP_QUERY = """
import socket, sys
labels = b"".join(bytes([len(part)]) + part.encode() for part in sys.argv[1].split("."))
query = bytes.fromhex("010201000001000000000000") + labels + bytes.fromhex("0000010001")
sock = socket.create_connection(("10.0.2.3", 53), 10)
sock.sendall(len(query).to_bytes(2, "big") + query)
reply = sock.recv(1000)[2:]
print(reply[3] & 15, *([socket.inet_ntoa(reply[-4:])] if reply[7] else []))
"""

BULK = """
import hashlib, os, socket, sys, threading
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
assert sock.makefile("rb", buffering=0).readline()
data = os.urandom(20_000_000)
threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(1))).start()
back = b"".join(iter(lambda: sock.recv(1 << 20), b""))
print(hashlib.sha256(back).digest() == hashlib.sha256(data).digest())
"""


async def serve(api: Api, box: str, port: int) -> None:
    await api.upload(box, "/tmp/server.py", SERVER.encode())
    await api.output(box, f"rm -f /tmp/ready; nohup python3 /tmp/server.py {port} >/dev/null 2>&1 &")
    await api.output(box, "while ! [ -e /tmp/ready ]; do sleep 0.05; done")


async def attempt(api: Api, box: str, target: str, port: int) -> str:
    """Return what a member sees of itself at a target, or why it cannot connect."""
    await api.upload(box, "/tmp/try.py", TRY.encode())
    return (await api.output(box, f"python3 /tmp/try.py {target} {port}")).strip()


async def datagram(api: Api, box: str, target: str, port: int, *, size: int = 10, seconds: float = 10) -> str:
    await api.upload(box, "/tmp/udp.py", UDP.encode())
    return (await api.output(box, f"python3 /tmp/udp.py {target} {port} {seconds} {size}")).strip()


async def connected(api: Api, box: str, target: str, port: int) -> None:
    """Hold a connection open; its end is told in /tmp/state."""
    await api.upload(box, "/tmp/live.py", LIVE.encode())
    await api.output(box, f"rm -f /tmp/state; nohup python3 /tmp/live.py {target} {port} >/tmp/live.log 2>&1 &")
    assert await state(api, box, "") == "in"


async def state(api: Api, box: str, until: str) -> str:
    """Return what a live connection has come to, once it is no longer ``until``."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while (found := await api.output(box, "cat /tmp/state 2>/dev/null || true")) == until:
            await asyncio.sleep(0.02)
    return found


async def test_members_reach_each_other_by_address_and_name_and_no_one_else_does(either: Api) -> None:
    web, db, other = [await either.running() for _ in range(3)]
    lab = await network(either, rule("tag:web", "tag:db", 5432))
    addresses = {web: await join(either, lab, web, "web"), db: await join(either, lab, db, "db")}
    assert len(set(addresses.values())) == 2
    for box in (web, db):
        await serve(either, box, 5432)
        assert addresses[box] in await either.output(box, "cat /proc/net/fib_trie"), "it knows its own address"
    for target in (addresses[db], host(db), host(db).upper()):
        assert await attempt(either, web, target, 5432) == addresses[web], "the other sees where it comes from"
    assert await datagram(either, web, host(db), 5432, size=60_000) == f"{addresses[web]} 60000"
    await either.upload(web, "/tmp/bulk.py", BULK.encode())
    assert await either.output(web, f"python3 /tmp/bulk.py {host(db)} 5432") == "True\n"
    # Another port, the other direction, and whoever is not a member.
    assert await attempt(either, web, host(db), 5433) == "ConnectionRefusedError"
    assert await attempt(either, db, host(web), 5432) == "ConnectionRefusedError"
    assert await datagram(either, db, host(web), 5432, seconds=0.5) == "nothing"
    assert await attempt(either, other, addresses[db], 5432) == "ConnectionRefusedError"
    assert await attempt(either, other, host(db), 5432) == "gaierror"
    assert await datagram(either, other, addresses[db], 5432, seconds=0.5) == "nothing"
    assert await attempt(either, web, host(other), 5432) == "gaierror"


async def test_a_rule_cuts_a_live_connection_at_once(either: Api) -> None:
    web, db = await either.running(), await either.running()
    lab = await network(either, rule("*", "*"))
    for box, tag in ((web, "web"), (db, "db")):
        await join(either, lab, box, tag)
    await serve(either, db, 5000)
    cuts: list[Callable[[], Any]] = [
        lambda: set_rules(either, lab, rule("tag:db", "tag:web"), rule("*", "*", 5001)),
        lambda: join(either, lab, web, "no longer".replace(" ", "-")),
        lambda: either.call("DELETE", f"/sandbox/networks/{lab}/members/{web}"),
    ]
    for cut in cuts:
        await set_rules(either, lab, rule("tag:web", "tag:db", 5000))
        await join(either, lab, web, "web")
        await connected(either, web, host(db), 5000)
        await cut()
        assert await state(either, web, "in") == "ConnectionResetError"
        assert await attempt(either, web, host(db), 5000) in ("ConnectionRefusedError", "gaierror")
    # Rules that leave it alone do not touch it, and the deletion of the network cuts it.
    await join(either, lab, web, "web")
    await connected(either, web, host(db), 5000)
    await set_rules(either, lab, rule("tag:nobody", "*"), rule("tag:web", "*"))
    assert await state(either, web, "") == "in"
    assert (await either.call("DELETE", f"/sandbox/networks/{lab}")).status_code == 200
    assert await state(either, web, "in") == "ConnectionResetError"
    assert (await either.call("GET", f"/sandbox/networks/{lab}")).status_code == 404


async def test_a_member_that_dies_takes_its_connections_and_its_name_along(carried: Api) -> None:
    web, db = await carried.running(), await carried.running()
    lab = await network(carried, rule("*", "*"))
    await join(carried, lab, web)
    address = await join(carried, lab, db)
    await serve(carried, db, 5000)
    await connected(carried, web, host(db), 5000)
    await carried.call("DELETE", f"/sandbox/{db}")
    assert await state(carried, web, "in") == "ConnectionResetError"
    assert await attempt(carried, web, host(db), 5000) == "gaierror"
    assert await attempt(carried, web, address, 5000) == "ConnectionRefusedError"
    found = (await carried.call("GET", f"/sandbox/networks/{lab}")).json()
    assert ([member["sandbox_id"] for member in found["members"]], found["synced"]) == ([web], True)
    reply = await carried.call("PUT", f"/sandbox/networks/{lab}/members/{db}", json={})
    assert reply.status_code == 409, reply.text


async def test_networks_are_apart_and_egress_lists_do_not_count_in_them(carried: Api) -> None:
    first, both, second = [await carried.running(network_allowlist=[]) for _ in range(3)]
    one = await network(carried, rule("*", "*"))
    two = await network(carried, rule("*", "*"), name="other")
    addresses = {box: await join(carried, one, box) for box in (first, both)}
    addresses[second] = await join(carried, two, second)
    assert await join(carried, two, both) == addresses[both]
    for box in (first, both, second):
        await serve(carried, box, 5000)
    assert await attempt(carried, first, host(both), 5000) == addresses[first]
    assert await attempt(carried, both, host(second), 5000) == addresses[both]
    assert await attempt(carried, first, host(second), 5000) == "gaierror"
    assert await attempt(carried, first, addresses[second], 5000) == "ConnectionRefusedError"
    # Over TCP the resolver says the same, and nothing else.
    await carried.upload(first, "/tmp/dns.py", TCP_QUERY.encode())
    for box, code in ((both, 0), (second, 3)):
        found = (await carried.output(first, f"python3 /tmp/dns.py {host(box)}")).split()
        assert found == [str(code), *([addresses[box]] if not code else [])]
    assert await carried.output(first, "python3 /tmp/dns.py example.com") == "5\n"
    # Neither the machine nor what the lists deny is any closer.
    for target in ("127.0.0.1", "10.0.2.2", "198.18.255.1", "192.0.2.1"):
        assert await attempt(carried, first, target, 22) == "ConnectionRefusedError"
    assert await attempt(carried, first, "example.com", 80) == "gaierror"


async def test_a_rule_from_the_internet_publishes_ports_while_it_holds(carried: Api) -> None:
    web, db = await carried.running(), await carried.running()
    for box in (web, db):
        await carried.output(box, f"echo {box} > /tmp/index.html; cd /tmp; nohup python3 -m http.server 8080 &")
        await carried.output(box, "while ! grep -q ':1F90 ' /proc/net/tcp; do sleep 0.05; done")
    lab = await network(carried, rule("internet", "tag:web", 8080))
    await join(carried, lab, db, "db")
    await join(carried, lab, web, "web")
    (published,) = (await carried.call("GET", f"/sandbox/networks/{lab}")).json()["published"]
    assert (published["sandbox_id"], published["port"]) == (web, 8080)
    async with httpx.AsyncClient() as client:
        assert (await client.get(published["url"])).text == f"{web}\n"
        assert (await set_rules(carried, lab))["published"] == []
        with pytest.raises(httpx.HTTPError):
            await client.get(published["url"])
        # Members do not reach each other by it.
        assert await attempt(carried, web, host(db), 8080) in ("ConnectionRefusedError", "gaierror")
        (again,) = (await set_rules(carried, lab, rule("internet", "*", 8080), rule("internet", "tag:web", 8080)))[
            "published"
        ][:1]
        assert (await client.get(again["url"])).status_code == 200
        await carried.call("DELETE", f"/sandbox/{again['sandbox_id']}")
        with pytest.raises(httpx.HTTPError):
            await client.get(again["url"])


async def test_a_worker_that_dies_knows_the_networks_again(carried: Api) -> None:
    web, db = await carried.running(), await carried.running()
    lab = await network(carried, rule("*", "*"))
    for box in (web, db):
        await join(carried, lab, box)
    await serve(carried, db, 5000)
    await connected(carried, web, host(db), 5000)
    os.kill(carrier_of(carried.platform), signal.SIGKILL)
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not (await attempt(carried, web, host(db), 5000)).startswith("198."):
            await asyncio.sleep(0.05)
    assert (await carried.call("GET", f"/sandbox/networks/{lab}")).json()["synced"] is True


async def test_a_platform_that_is_killed_finds_its_networks_again(carried: Api) -> None:
    state_dir = carried.platform.settings.state_dir.parent / "second"
    with serving(state_dir) as (process, client, _):
        lab = client.post("/sandbox/networks", json={"name": "lab", "rules": [rule("tag:web", "*", 5000)]}).json()
        web, db, gone = [running(client) for _ in range(3)]
        for box, tag in ((web, "web"), (db, "db"), (gone, "web")):
            client.put(f"/sandbox/networks/{lab['id']}/members/{box}", json={"tags": [tag]})
        agent = execute(client, gone, "readlink /proc/self/ns/pid")["stdout"].strip()
        execute(client, db, "cd /tmp; nohup python3 -m http.server 5000 >/dev/null 2>&1 &")
        process.send_signal(signal.SIGKILL)
        process.wait()
    end_of(agent)
    with serving(state_dir) as (_, client, _):
        found = client.get(f"/sandbox/networks/{lab['id']}").json()
        assert {each["sandbox_id"]: each["tags"] for each in found["members"]} == {web: ["web"], db: ["db"]}
        command = f"python3 -c \"import urllib.request as u; print(u.urlopen('http://{host(db)}:5000').status)\""
        assert execute(client, web, command)["stdout"] == "200\n"
        # A new sandbox does not get an address that is in use.
        new = running(client)
        member = client.put(f"/sandbox/networks/{lab['id']}/members/{new}", json={"tags": []}).json()
        assert member["address"] not in {each["address"] for each in found["members"]}
        assert execute(client, new, command)["exit_code"] != 0


def end_of(namespace: str) -> None:
    """Kill the first process of a sandbox, found by its namespace, and wait until it is gone."""
    end = time.monotonic() + GIVE_UP_SECONDS
    while found := [pid for pid in Path("/proc").iterdir() if pid.name.isdecimal() and _namespace(pid) == namespace]:
        assert time.monotonic() < end
        for pid in found:
            os.kill(int(pid.name), signal.SIGKILL)
        time.sleep(0.01)


def _namespace(process: Path) -> str:
    try:
        return str((process / "ns/pid").readlink()) if alive(int(process.name)) else ""
    except OSError:
        return ""


# The switch alone: datagram sockets stand for the devices, so that each packet is the test's own.


class Box:
    """A sandbox with a stack of its own."""

    def __init__(self, switch: LanSwitch, name: str, policy: Policy) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ours.setblocking(False)
        self._is_closed = False
        self.address = ADDRESSES[name]
        self.stack = Stack(theirs.detach(), policy, lan=LanPort(switch, name, self.address))

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.stack.close()
            self._ours.close()

    async def send(self, packet: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._ours, packet)

    async def tcp(self, other: str, flags: int, seq: int = 0, ack: int = 0, **fields: Any) -> None:
        values: dict[str, Any] = {
            "source": self.address, "source_port": 40000, "target": ADDRESSES[other], "target_port": 5432,
            "window": 65535, "options": b"", "data": b"",
        }  # fmt: skip
        await self.send(build_segment(Segment(**values | {"seq": seq, "ack": ack, "flags": flags} | fields)))

    async def receive(self) -> Any:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            return parse(await asyncio.get_running_loop().sock_recv(self._ours, 70000))

    async def silence(self) -> None:
        """Check that nothing has come, once everything that was sent is carried."""
        query = b"\0\7\1\0\0\1\0\0\0\0\0\0\7unknown\7sandbox\10internal\0\0\1\0\1"
        await self.send(build_datagram(Datagram(self.address, 5353, RESOLVER, 53, query)))
        answer = await self.receive()
        assert isinstance(answer, Datagram) and answer.source_port == 53, answer


@pytest.fixture
async def boxes() -> AsyncIterator[Any]:
    switch = LanSwitch()
    made = {name: Box(switch, name, Policy.of([], None) if name == "db" else Policy()) for name in ADDRESSES}

    def set_network(rules: list[list[Any]], *members: str) -> None:
        described = {name: (ADDRESSES[name], [name]) for name in members or ("web", "db")}
        switch.set_network("net", read_lan(described, rules))

    set_network(WEB_TO_DB)
    yield made["web"], made["db"], made["other"], set_network
    for box in made.values():
        box.close()


async def opened(web: Box, db: Box) -> None:
    await web.tcp("db", SYN, 100)
    assert (await db.receive()).flags == SYN
    await db.tcp("web", SYN | ACK, 500, 101, source_port=5432, target_port=40000)
    assert (await web.receive()).flags == SYN | ACK
    await web.tcp("db", ACK, 101, 501)
    assert (await db.receive()).flags == ACK


async def test_a_spoofed_source_is_dropped(boxes: Any) -> None:
    web, db, other, _ = boxes
    await web.tcp("db", SYN, source=other.address)
    await web.tcp("db", SYN, source="10.0.2.100")
    await web.send(build_datagram(Datagram(other.address, 5432, db.address, 5432, b"x")))
    await db.silence()
    # Nor is it carried to anywhere else.
    await web.send(build_datagram(Datagram(db.address, 5353, RESOLVER, 53, b"\0\1\1\0\0\1" + bytes(7) + b"\0\1\0\1")))
    await web.silence()
    await db.silence()
    await opened(web, db)
    await other.tcp("db", RST, 101, source=web.address)
    await other.silence()
    await web.tcp("db", ACK | PSH, 101, 501, data=b"still there")
    assert (await db.receive()).data == b"still there"


async def test_the_answering_end_opens_nothing_by_a_connection_of_the_other(boxes: Any) -> None:
    web, db, _, _ = boxes
    await opened(web, db)
    back = {"source_port": 5432, "target_port": 40000}
    await db.tcp("web", SYN, 900, **back)
    assert (await db.receive()).flags == RST | ACK
    await web.silence()
    # Once it is closed neither, and with datagrams only in response.
    await web.tcp("db", FIN | ACK, 101, 501)
    await db.receive()
    await db.tcp("web", FIN | ACK, 501, 102, **back)
    await web.receive()
    await db.tcp("web", SYN, 901, **back)
    assert (await db.receive()).flags == RST | ACK
    await db.send(build_datagram(Datagram(db.address, 5432, web.address, 40001, b"first")))
    await db.silence()
    await web.silence()
    await web.send(build_datagram(Datagram(web.address, 40001, db.address, 5432, b"question")))
    assert (await db.receive()).data == b"question"
    await db.send(build_datagram(Datagram(db.address, 5432, web.address, 40001, b"response")))
    assert (await web.receive()).data == b"response"


async def test_a_cut_reaches_both_ends_with_the_numbers_that_they_expect(boxes: Any) -> None:
    web, db, _, set_network = boxes
    await opened(web, db)
    await web.tcp("db", ACK | PSH, 101, 501, data=b"not acknowledged yet")
    assert (await db.receive()).data
    set_network([])
    assert [(each.flags, each.seq) for each in [await web.receive()]] == [(RST | ACK, 501)]
    assert {(await db.receive()).seq, (await db.receive()).seq} == {101, 121}, "the last one said, and the one due"
    # What comes later belongs to nothing.
    await db.tcp("web", ACK, 501, 121, source_port=5432, target_port=40000)
    late = await db.receive()
    assert (late.flags, late.seq, late.source_port) == (RST | ACK, 121, 40000)
    await web.silence()


@pytest.mark.parametrize("leaves", [True, False])
async def test_the_end_of_a_member_resets_its_peers(boxes: Any, leaves: bool) -> None:
    web, db, _, set_network = boxes
    await opened(web, db)
    set_network(WEB_TO_DB, "web") if leaves else db.close()
    assert (await web.receive()).flags == RST | ACK
    await web.tcp("db", SYN, 200, source_port=40001)
    assert (await web.receive()).flags == RST | ACK


async def test_a_flood_is_bounded_and_leaves_room_for_others(boxes: Any) -> None:
    web, db, other, set_network = boxes
    set_network([["*", "tag:db", None]], "web", "db", "other")
    for number in range(MAX_OPENED):
        await web.tcp("db", SYN, 1, source_port=number + 1)
        assert (await db.receive()).flags == SYN
    await web.tcp("db", SYN, 1, source_port=50000)
    assert (await web.receive()).flags == RST | ACK
    await other.tcp("db", SYN, 1)
    assert (await db.receive()).source == other.address
    # Closed ones make room. Of datagrams, the oldest flow does.
    await web.tcp("db", RST, 2, source_port=1)
    await db.receive()
    await web.tcp("db", SYN, 1, source_port=50000)
    assert (await db.receive()).source_port == 50000
    for number in range(MAX_OPENED + 1):
        await web.send(build_datagram(Datagram(web.address, number + 1, db.address, 53, b"x")))
        await db.receive()
    await db.send(build_datagram(Datagram(db.address, 53, web.address, 1, b"late")))
    await web.silence()
    await db.send(build_datagram(Datagram(db.address, 53, web.address, 2, b"in time")))
    assert (await web.receive()).data == b"in time"


async def test_half_open_and_idle_connections_make_room_in_time() -> None:
    now = [0.0]
    switch = LanSwitch(lambda: now[0])
    switch.set_network("net", read_lan({name: (ADDRESSES[name], []) for name in ("web", "db")}, [["*", "*", None]]))
    got: dict[str, list[Any]] = {"web": [], "db": []}
    ports = {name: LanPort(switch, name, ADDRESSES[name]) for name in got}
    for name, port in ports.items():
        port.attach(lambda packet, name=name: got[name].append(parse(packet)))

    def syn(number: int) -> None:
        fields: Any = (ADDRESSES["web"], number, ADDRESSES["db"], 80, 1, 0, SYN, 1000, b"", b"")
        assert ports["web"].carry(build_segment(Segment(*fields)))

    for number in range(MAX_OPENED):
        syn(number + 1)
    assert len(got["db"]) == MAX_OPENED
    syn(5000)
    assert (len(got["db"]), got["web"][-1].flags) == (MAX_OPENED, RST | ACK)
    now[0] = 31.0
    syn(5001)
    assert got["db"][-1].source_port == 5001


def dns_query(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return b"\1\2\1\0\0\1\0\0\0\0\0\0" + labels + b"\0" + kind.to_bytes(2, "big") + b"\0\1"


@pytest.mark.parametrize(
    ("name", "kind", "code", "found"),
    [
        ("db.sandbox.internal", 1, 0, ["198.18.0.2"]),
        ("DB.Sandbox.Internal", 255, 0, ["198.18.0.2"]),
        ("web.sandbox.internal", 1, 0, ["198.18.0.1"]),
        ("db.sandbox.internal", 28, 0, []),
        ("other.sandbox.internal", 1, 3, []),
        ("a.db.sandbox.internal", 1, 3, []),
        ("sandbox.internal", 1, 3, []),
    ],
)
async def test_names_of_members(boxes: Any, name: str, kind: int, code: int, found: list[str]) -> None:
    for box in boxes[:2]:  # whatever the lists of the asking one say
        await box.send(build_datagram(Datagram(box.address, 5353, RESOLVER, 53, dns_query(name, kind))))
        answer = await box.receive()
        assert (answer.data[:2], answer.data[3] & 15, dns.addresses(answer.data)) == (b"\1\2", code, found)


async def test_a_list_that_denies_everything_still_holds_for_other_names(boxes: Any) -> None:
    _, db, _, set_network = boxes
    await db.send(build_datagram(Datagram(db.address, 5353, RESOLVER, 53, dns_query("secret.attacker.org"))))
    assert (await db.receive()).data[3] & 15 == 5, "refused"
    set_network([], "web", "other")
    await db.send(build_datagram(Datagram(db.address, 5353, RESOLVER, 53, dns_query("db.sandbox.internal"))))
    await boxes[0].silence()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await db.receive()


@given(st.binary(max_size=80), st.sampled_from([6, 17, 1]))
def test_any_bytes_are_carried_or_dropped(data: bytes, protocol: int) -> None:
    switch = LanSwitch()
    switch.set_network("net", read_lan({name: (ADDRESSES[name], []) for name in ("web", "db")}, [["*", "*", None]]))
    ports = [LanPort(switch, name, ADDRESSES[name]) for name in ("web", "db")]
    got: list[bytes] = []
    for port in ports:
        port.attach(got.append)
    ends = socket.inet_aton(ADDRESSES["web"]) + socket.inet_aton(ADDRESSES["db"])
    head = b"\x45\0" + (20 + len(data)).to_bytes(2, "big") + bytes(5) + bytes([protocol]) + bytes(2) + ends
    assert ports[0].carry(bytes(VNET_SIZE) + head + data)
    assert ports[0].carry(bytes(VNET_SIZE) + (data[:1] or b"\x45") + head[1:] + data)
    # The kernel of the receiver reads the rest; it only ever gets packets between these two.
    at = VNET_SIZE + 12
    assert {packet[at : at + 8] for packet in got} <= {ends, ends[4:] + ends[:4]}


def test_addresses_come_in_turn_and_none_twice() -> None:
    pool = AddressPool()
    pool.adopt("198.18.0.7")
    first, second = pool.take(), pool.take()
    assert (first, second) == ("198.18.0.8", "198.18.0.9")
    pool.release("198.18.0.8")
    assert pool.take() == "198.18.0.10"
    pool.adopt("198.19.255.253")
    taken = [pool.take(), pool.take()]
    assert taken == ["198.19.255.254", "198.18.0.1"]
