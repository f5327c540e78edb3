"""All connections of one sandbox, and the rules that they keep to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Coroutine
from typing import Any, Final, cast

from sandtui.local.egress import Policy
from sandtui.local.network import dns
from sandtui.local.network.budget import MAX_FLOWS, ConnectionBudget, Descriptors
from sandtui.local.network.framing import Framing, Tun
from sandtui.local.network.packets import SYN, Datagram, Segment, build_datagram, parse
from sandtui.local.network.reach import Reach
from sandtui.local.network.resolver import answer_questions, pass_on
from sandtui.local.network.tcp import ROOM, Key, TcpFlow, refusal

RESOLVER: Final = "10.0.2.3"
UDP_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 30.0
_FRAME: Final = 65600
_LEAST_ROOM: Final = 4096
_BATCH: Final = 64
_MAX_NAMES: Final = 10_000
_MAX_ALIASES: Final = 64
_MOST_WAITING: Final = 64 * 1024
_DNS: Final = 53
_DNS_COST: Final = 3


class Stack:
    """Reads the packets of a sandbox' device and carries them on."""

    def __init__(
        self, device: int, policy: Policy, link: Framing | None = None, reach: Reach | None = None,
        descriptors: Descriptors | None = None,
    ) -> None:  # fmt: skip
        self._device = device
        self._link = link or Tun()
        self._policy = policy
        self._reach = reach or Reach()
        self._tcp: dict[Key, TcpFlow] = {}
        self._udp: dict[Key, _UdpFlow] = {}
        self._names: dict[str, set[str]] = {}
        self._opening: dict[Key, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._capacity = self._link.prepare(device)
        os.set_blocking(device, False)
        asyncio.get_running_loop().add_reader(device, self._readable)
        self._budget = ConnectionBudget(descriptors)

    def close(self) -> None:
        """Cut everything."""
        asyncio.get_running_loop().remove_reader(self._device)
        for task in self._tasks:
            task.cancel()
        for flow in list(self._tcp.values()):
            flow.abort()
        for datagrams in list(self._udp.values()):
            datagrams.abort()
        self._budget.close()
        os.close(self._device)

    def set_policy(self, policy: Policy) -> None:
        """Take new rules; connections that they don't allow are reset."""
        self._policy = policy
        for flow in list(self._tcp.values()):
            # A connection for DNS that nobody looked into until now may be one that has to be.
            target = flow.key[2], flow.key[3]
            if not self.allows(*target) or (target[0] != RESOLVER and self._asks_names(*target)):
                flow.reset()
        for datagrams in list(self._udp.values()):
            if not self.allows(datagrams.key[2], datagrams.key[3]):
                datagrams.abort()

    @property
    def connections(self) -> int:
        """How many connections of the sandbox are open or about to be."""
        return len(self._tcp)

    def write(self, packet: bytes) -> None:
        """Give the sandbox a packet; a full queue loses it, as on any network."""
        with contextlib.suppress(OSError):
            os.write(self._device, self._link.wrap(packet))

    def learn(self, name: str, addresses: list[str]) -> None:
        """Remember which addresses a name led to."""
        for address in addresses:
            while len(self._names) >= _MAX_NAMES:
                del self._names[next(iter(self._names))]
            names = self._names.setdefault(address, set())
            if len(names) < _MAX_ALIASES:
                names.add(name)

    def allows_lookup(self, message: bytes) -> bool:
        """Return whether a question may be asked."""
        name = dns.question(message)
        return self._policy.allows_all or (name is not None and self._policy.allows_lookup(name))

    def allows(self, address: str, port: int) -> bool:
        """Whether the rules let the sandbox reach a port."""
        if address == RESOLVER:
            return port == _DNS and not self._policy.blocks_all
        # The lists first: the other question costs a system call.
        names = frozenset(self._names.get(address, ()))
        return self._policy.allows(address, port, names) and self._reach.covers(address)

    def _asks_names(self, address: str, port: int) -> bool:
        """Return whether what is sent to an address are questions for names that the lists have a say in.

        Another resolver than ours would find the addresses of denied names; one that is allowed answers what it likes.
        """
        return address == RESOLVER or (port == _DNS and bool(self._policy.deny))

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                frame = os.read(self._device, _FRAME)
            except BlockingIOError:
                return
            except OSError:
                # The sandbox and its device are gone.
                asyncio.get_running_loop().remove_reader(self._device)
                return
            found = parse(self._link.unwrap(frame))
            if isinstance(found, Segment):
                self._segment(found)
            elif isinstance(found, Datagram):
                self._datagram(found)

    def _segment(self, segment: Segment) -> None:
        key = (segment.source, segment.source_port, segment.target, segment.target_port)
        flow = self._tcp.get(key)
        if flow is not None:
            flow.receive(segment)
        elif segment.flags & SYN and self.allows(segment.target, segment.target_port) and self._may_open(key):
            flow = TcpFlow(segment, self.write, self._over, self._room, self._share, self._hold)
            self._tcp[key] = flow
            self._opening[key] = self._spawn(self._connect(flow, segment))
        else:
            refusal(segment, self.write)

    def _room(self) -> int:
        """Return the bytes that one connection may have on their way: together they must fit into the device."""
        return max(_LEAST_ROOM, min(ROOM, self._capacity // max(1, self.connections)))

    def _share(self) -> int:
        """Return the bytes that one connection may hold here."""
        return self._budget.share(self.connections)

    def _hold(self, more: int) -> None:
        """Take note that the connections hold more bytes, or less."""
        self._budget.held += more

    def _may_open(self, key: Key) -> bool:
        return self.connections < MAX_FLOWS and self._budget.take(self._cost(key))

    def _cost(self, key: Key) -> int:
        """Return how many descriptors a connection takes; the rules may change its like, but not it itself."""
        return _DNS_COST if key[3] == _DNS else 1

    def _over(self, key: Key) -> None:
        if self._tcp.pop(key, None) is not None:
            self._budget.give_back(self._cost(key))
            # What was broken off before it was open would hold its descriptor on.
            self._opening.pop(key).cancel()

    async def _connect(self, flow: TcpFlow, syn: Segment) -> None:
        target = self._real(syn.target)
        try:
            if target is None:
                raise OSError
            if self._asks_names(syn.target, syn.target_port):
                await self._resolve(flow, syn.target)
                return
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(_CONNECT_SECONDS):
                await loop.create_connection(lambda: flow, target, syn.target_port)
        except (OSError, TimeoutError):
            flow.abort()
            refusal(syn, self.write)

    async def _resolve(self, flow: TcpFlow, target: str) -> None:
        """End a connection for DNS here: its questions are checked like those in datagrams."""
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: flow, sock=ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        learns = target == RESOLVER

        def ask(message: bytes) -> Awaitable[bytes]:
            return pass_on(message, self._real(target))

        await answer_questions(reader, writer, self, ask, learns=learns)

    def _datagram(self, datagram: Datagram) -> None:
        key = (datagram.source, datagram.source_port, datagram.target, datagram.target_port)
        if not self.allows(datagram.target, datagram.target_port):
            return
        if self._asks_names(*key[2:]) and not self.allows_lookup(datagram.data):
            if len(datagram.data) >= 12:
                self._answer(key, dns.refused(datagram.data))
            return
        flow = self._udp.get(key)
        if flow is None:
            target = self._real(datagram.target)
            if target is None:
                return
            if len(self._udp) >= MAX_FLOWS:
                next(iter(self._udp.values())).abort()
            if not self._budget.take():
                return
            flow = self._udp[key] = _UdpFlow(self, key)
            self._spawn(flow.open(target))
        flow.send(datagram.data)

    def _answer(self, key: Key, data: bytes) -> None:
        source, sport, target, dport = key
        self.write(build_datagram(Datagram(target, dport, source, sport, data[:65000])))

    def answer(self, key: Key, data: bytes) -> None:
        """Give the sandbox a datagram that came back."""
        if key[2] == RESOLVER and (name := dns.question(data)) is not None:
            self.learn(name, dns.addresses(data))
        self._answer(key, data)

    def forget(self, key: Key) -> None:
        """Take note that a flow of datagrams is over."""
        if self._udp.pop(key, None) is not None:
            self._budget.give_back()

    def _real(self, address: str) -> str | None:
        return dns.name_server() if address == RESOLVER else address

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _UdpFlow(asyncio.DatagramProtocol):
    """The datagrams between one port of the sandbox and one address."""

    def __init__(self, stack: Stack, key: Key) -> None:
        self.key = key
        self._stack = stack
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    async def open(self, target: str) -> None:
        """Connect to the other side."""
        loop = asyncio.get_running_loop()
        try:
            await loop.create_datagram_endpoint(lambda: self, remote_addr=(target, self.key[3]))
        except OSError:
            self._stack.forget(self.key)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what has waited."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        if self._is_over:
            self._transport.abort()
            return
        for data in self._waiting:
            self._transport.sendto(data)
        self._waiting.clear()
        self._touch()

    def send(self, data: bytes) -> None:
        """Send a datagram of the sandbox."""
        if self._transport is None:
            if sum(map(len, self._waiting)) + len(data) <= _MOST_WAITING:
                self._waiting.append(data)
        elif cast("asyncio.WriteTransport", self._transport).get_write_buffer_size() <= _MOST_WAITING:
            self._transport.sendto(data)
            self._touch()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Hand a datagram on."""
        self._touch()
        self._stack.answer(self.key, data)

    def error_received(self, error: Exception) -> None:
        """Nobody listens there: datagrams get no answer."""

    def abort(self) -> None:
        """Forget the flow."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._stack.forget(self.key)

    def _touch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(UDP_SECONDS, self.abort)
