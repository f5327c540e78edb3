"""All connections of one sandbox, and the egress rules for them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Coroutine
from typing import Any, Final, cast

from sandtui.local.egress import Policy
from sandtui.local.network import dns
from sandtui.local.network.addresses import LAN_PREFIXES
from sandtui.local.network.budget import MAX_FLOWS, ConnectionBudget, Descriptors
from sandtui.local.network.framing import Framing, Tun
from sandtui.local.network.lan import LanPort
from sandtui.local.network.packets import SYN, VNET_SIZE, Datagram, Segment, build_datagram, parse
from sandtui.local.network.reach import Reach
from sandtui.local.network.resolver import forward_query, serve_queries
from sandtui.local.network.tcp import ROOM, Key, TcpFlow, refusal

ADDRESS: Final = "10.0.2.100"
RESOLVER: Final = "10.0.2.3"
UDP_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 30.0
_FRAME: Final = 65600
_PREFIX: Final = slice(VNET_SIZE + 16, VNET_SIZE + 18)
_MIN_WINDOW: Final = 4096
_BATCH: Final = 64
_MAX_NAMES: Final = 10_000
_MAX_ALIASES: Final = 64
_MAX_WAITING: Final = 64 * 1024
_DNS: Final = 53
_DNS_COST: Final = 3


class Stack:
    """Reads the packets of a sandbox's device and carries their data over sockets of this machine."""

    def __init__(
        self, device: int, policy: Policy, link: Framing | None = None, reach: Reach | None = None,
        descriptors: Descriptors | None = None, lan: LanPort | None = None,
    ) -> None:  # fmt: skip
        self._device = device
        self._link = link or Tun()
        self._policy = policy
        self._reach = reach or Reach()
        self._lan = lan
        self._own = frozenset({ADDRESS} if lan is None else {ADDRESS, lan.address})
        self._tcp: dict[Key, TcpFlow] = {}
        self._udp: dict[Key, _UdpFlow] = {}
        self._names: dict[str, set[str]] = {}
        self._opening: dict[Key, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._capacity = self._link.prepare(device)
        os.set_blocking(device, False)
        asyncio.get_running_loop().add_reader(device, self._readable)
        self._budget = ConnectionBudget(descriptors)
        if lan is not None:
            lan.attach(self.write)

    def close(self) -> None:
        """Close all connections."""
        asyncio.get_running_loop().remove_reader(self._device)
        for task in self._tasks:
            task.cancel()
        for flow in list(self._tcp.values()):
            flow.abort()
        for datagrams in list(self._udp.values()):
            datagrams.abort()
        if self._lan is not None:
            self._lan.close()
        self._budget.close()
        os.close(self._device)

    def set_policy(self, policy: Policy) -> None:
        """Apply new rules; connections that they do not allow are reset."""
        self._policy = policy
        for flow in list(self._tcp.values()):
            # A DNS connection that was not inspected under the old rules may have to be under the new ones.
            target = flow.key[2], flow.key[3]
            if not self.allows(*target) or (target[0] != RESOLVER and self._is_dns(*target)):
                flow.reset()
        for datagrams in list(self._udp.values()):
            if not self.allows(datagrams.key[2], datagrams.key[3]):
                datagrams.abort()

    @property
    def connections(self) -> int:
        """How many connections of the sandbox are open or about to be."""
        return len(self._tcp)

    def write(self, packet: bytes) -> None:
        """Send a packet to the sandbox; a full queue drops it, as on any network."""
        with contextlib.suppress(OSError):
            os.write(self._device, self._link.wrap(packet))

    def learn(self, name: str, addresses: list[str]) -> None:
        """Store the addresses that a name resolved to, so that rules for names apply to them."""
        for address in addresses:
            while len(self._names) >= _MAX_NAMES:
                del self._names[next(iter(self._names))]
            names = self._names.setdefault(address, set())
            if len(names) < _MAX_ALIASES:
                names.add(name)

    def allows_lookup(self, message: bytes) -> bool:
        """Return whether a query is allowed."""
        name = dns.queried_name(message)
        return self._policy.allows_all or (name is not None and self._policy.allows_lookup(name))

    def allows(self, address: str, port: int) -> bool:
        """Whether the rules let the sandbox reach a port."""
        if address == RESOLVER:
            return port == _DNS and (not self._policy.blocks_all or (self._lan is not None and self._lan.is_member))
        # The lists first: the other check costs a system call.
        names = frozenset(self._names.get(address, ()))
        return self._policy.allows(address, port, names) and self._reach.covers(address)

    def _local_answer(self, message: bytes) -> bytes | None:
        """Return the response to a query for the name of a sandbox; None if it is for another name."""
        return None if self._lan is None else self._lan.answer(message)

    def _is_dns(self, address: str, port: int) -> bool:
        """Return whether traffic to an address consists of DNS queries that the lists apply to.

        Another resolver could return the addresses of denied names; one that is allowed may return what it likes.
        """
        return address == RESOLVER or (port == _DNS and bool(self._policy.deny))

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                frame = os.read(self._device, _FRAME)
            except BlockingIOError:
                return
            except OSError:
                # The sandbox and its device no longer exist.
                asyncio.get_running_loop().remove_reader(self._device)
                return
            packet = self._link.unwrap(frame)
            if self._lan is not None and packet[_PREFIX] in LAN_PREFIXES and self._lan.carry(packet):
                continue
            found = parse(packet)
            if found is None or found.source not in self._own:
                continue
            if isinstance(found, Segment):
                self._segment(found)
            else:
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
        """Return the bytes that one connection may have in flight: all of them must fit into the device."""
        return max(_MIN_WINDOW, min(ROOM, self._capacity // max(1, self.connections)))

    def _share(self) -> int:
        """Return the bytes that one connection may buffer here."""
        return self._budget.share(self.connections)

    def _hold(self, more: int) -> None:
        """Count bytes that the connections buffer in addition, or no longer."""
        self._budget.held += more

    def _may_open(self, key: Key) -> bool:
        return self.connections < MAX_FLOWS and self._budget.take(self._cost(key))

    def _cost(self, key: Key) -> int:
        """Return the descriptors that a connection uses; the rules can change the cost of later ones, not its own."""
        return _DNS_COST if key[3] == _DNS else 1

    def _over(self, key: Key) -> None:
        if self._tcp.pop(key, None) is not None:
            self._budget.release(self._cost(key))
            # A connection that is aborted before it is open would hold its descriptor.
            self._opening.pop(key).cancel()

    async def _connect(self, flow: TcpFlow, syn: Segment) -> None:
        target = self._real(syn.target)
        try:
            if target is None:
                raise OSError
            if self._is_dns(syn.target, syn.target_port):
                await self._resolve(flow, syn.target)
                return
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(_CONNECT_SECONDS):
                await loop.create_connection(lambda: flow, target, syn.target_port)
        except (OSError, TimeoutError):
            flow.abort()
            refusal(syn, self.write)

    async def _resolve(self, flow: TcpFlow, target: str) -> None:
        """Terminate a DNS connection here and check its queries, like those in datagrams."""
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: flow, sock=ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        learns = target == RESOLVER

        def resolve(message: bytes) -> Awaitable[bytes]:
            return forward_query(message, self._real(target))

        answer = self._local_answer if learns else None
        await serve_queries(reader, writer, self, resolve, learns=learns, answer=answer)

    def _datagram(self, datagram: Datagram) -> None:
        key = (datagram.source, datagram.source_port, datagram.target, datagram.target_port)
        if not self.allows(datagram.target, datagram.target_port):
            return
        if key[2] == RESOLVER and (local := self._local_answer(datagram.data)) is not None:
            self._deliver(key, local)
            return
        if self._is_dns(*key[2:]) and not self.allows_lookup(datagram.data):
            if len(datagram.data) >= 12:
                self._deliver(key, dns.refused(datagram.data))
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

    def _deliver(self, key: Key, data: bytes) -> None:
        source, sport, target, dport = key
        self.write(build_datagram(Datagram(target, dport, source, sport, data[:65000])))

    def deliver(self, key: Key, data: bytes) -> None:
        """Send a received datagram to the sandbox."""
        if key[2] == RESOLVER and (name := dns.queried_name(data)) is not None:
            self.learn(name, dns.addresses(data))
        self._deliver(key, data)

    def forget(self, key: Key) -> None:
        """Remove a UDP flow that has ended."""
        if self._udp.pop(key, None) is not None:
            self._budget.release()

    def _real(self, address: str) -> str | None:
        return dns.name_server() if address == RESOLVER else address

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _UdpFlow(asyncio.DatagramProtocol):
    """The datagrams between a port of the sandbox and an address."""

    def __init__(self, stack: Stack, key: Key) -> None:
        self.key = key
        self._stack = stack
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    async def open(self, target: str) -> None:
        """Connect to the target."""
        loop = asyncio.get_running_loop()
        try:
            await loop.create_datagram_endpoint(lambda: self, remote_addr=(target, self.key[3]))
        except OSError:
            self._stack.forget(self.key)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the datagrams that were queued until now."""
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
            if sum(map(len, self._waiting)) + len(data) <= _MAX_WAITING:
                self._waiting.append(data)
        elif cast("asyncio.WriteTransport", self._transport).get_write_buffer_size() <= _MAX_WAITING:
            self._transport.sendto(data)
            self._touch()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Pass a datagram to the sandbox."""
        self._touch()
        self._stack.deliver(self.key, data)

    def error_received(self, error: Exception) -> None:
        """Ignore the error: a datagram to a closed port gets no response."""

    def abort(self) -> None:
        """Close the flow without notice to the sandbox."""
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
