"""LAN networks: carries packets between sandboxes that are members of one network, as its rules allow.

Connections are not terminated here: the packets of one member are written to the device of the other as they are, once
its source is known to be its own and a rule allows it to open the connection.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sandtui.local.network import dns
from sandtui.local.network.packets import (
    ACK,
    FIN,
    RST,
    SYN,
    TCP,
    UDP,
    VNET_SIZE,
    Segment,
    build_segment,
    large_header,
    vnet_header,
)

DOMAIN: Final = "sandbox.internal"
ANYONE: Final = "*"
TAG: Final = "tag:"

MAX_OPENED: Final = 1000
"""The most connections to other members that a sandbox may have opened, and the most UDP flows."""

_UDP_SECONDS: Final = 60.0
_CLOSED_SECONDS: Final = 10.0
_OPENING_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 3600.0
"""After this time without a packet, a connection may be reset to make room for another of the same sandbox."""

_SWEEP_SECONDS: Final = 1.0
_MAX_DECISIONS: Final = 100_000
_MASK: Final = 0xFFFFFFFF
_HEAD: Final = 20
_NO_OPTIONS: Final = 0x45
_MORE_OR_OFFSET: Final = 0x3F
_TCP_FIELDS: Final = struct.Struct("!IIBB")
_HEADERS: Final = {TCP: vnet_header(16), UDP: vnet_header(6)}
_BOTH: Final = 3

Ports = frozenset[int] | None
"""Ports that may be connected to; None for all."""


@dataclass(frozen=True, slots=True)
class CarriedRule:
    """Members that ``source`` selects may connect to those that ``target`` selects: ``*``, or ``tag:`` and a tag."""

    source: str
    target: str
    ports: Ports


@dataclass(frozen=True, slots=True)
class CarriedNetwork:
    """The members of a network, each with its address and tags, and its rules."""

    members: Mapping[str, tuple[str, frozenset[str]]]
    rules: tuple[CarriedRule, ...]

    def ports(self, source: str, target: str) -> Ports:
        """Return the ports of one member that another may connect to."""
        found: set[int] = set()
        ours, theirs = self.members[source][1], self.members[target][1]
        for rule in self.rules:
            if _selects(rule.source, ours) and _selects(rule.target, theirs):
                if rule.ports is None:
                    return None
                found |= rule.ports
        return frozenset(found)


def _selects(selector: str, tags: frozenset[str]) -> bool:
    return selector == ANYONE or (selector.startswith(TAG) and selector[len(TAG) :] in tags)


@dataclass(slots=True)
class _Flow:
    """A connection between two members, or datagrams of it. The first of each pair is about the one that opened it."""

    key: bytes
    back: bytes
    ends: tuple[str, str]
    port: int
    seen: float
    acks: list[int | None] = field(default_factory=lambda: [None, None])
    """What each end expects next, as far as it has said so."""
    nexts: list[int | None] = field(default_factory=lambda: [None, None])
    """What follows after everything that each end has sent."""
    is_open: bool = False
    fins: int = 0

    @property
    def is_tcp(self) -> bool:
        """Whether it is a connection."""
        return self.key[0] == TCP

    def has_expired(self, now: float) -> bool:
        """Whether it may be forgotten."""
        if not self.is_tcp:
            limit = _UDP_SECONDS
        elif self.fins == _BOTH:
            limit = _CLOSED_SECONDS
        else:
            limit = _IDLE_SECONDS if self.is_open else _OPENING_SECONDS
        return now - self.seen > limit


class LanPort:
    """The connection of one sandbox to the switch."""

    def __init__(self, switch: LanSwitch, sandbox_id: str, address: str) -> None:
        self.sandbox_id = sandbox_id
        self.address = address
        self.raw = socket.inet_aton(address)
        self._switch = switch
        self.write: Callable[[bytes], None] = _discard
        self.opened: dict[int, dict[bytes, _Flow]] = {TCP: {}, UDP: {}}
        """The flows that the sandbox has opened, by protocol."""
        self.swept = 0.0

    def attach(self, write: Callable[[bytes], None]) -> None:
        """Begin to deliver the packets of other members."""
        self.write = write
        self._switch.attach(self)

    def close(self) -> None:
        """Cut all connections of the sandbox."""
        self._switch.detach(self)

    @property
    def is_member(self) -> bool:
        """Whether the sandbox is in a network."""
        return self._switch.is_member(self.sandbox_id)

    def carry(self, packet: bytes) -> bool:
        """Carry a packet if it is for another member of a network of this sandbox; return whether it was."""
        return self._switch.carry(self, packet[:VNET_SIZE], packet[VNET_SIZE:])

    def answer(self, message: bytes) -> bytes | None:
        """Return the response to a query for the name of a member; None if it is for another name."""
        name = dns.queried_name(message)
        if name is None or not f".{name}".endswith(f".{DOMAIN}"):
            return None
        owner = name.removesuffix(DOMAIN).rstrip(".")
        return dns.answer(message, self._switch.address_of(self.sandbox_id, owner))


def _discard(packet: bytes) -> None:
    """Deliver nothing: the sandbox has no device yet."""


class LanSwitch:
    """All LAN networks of a platform, and the connections between their members."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._networks: dict[str, CarriedNetwork] = {}
        self._ports: dict[str, LanPort] = {}
        self._member_of: dict[str, set[str]] = {}
        self._addresses: dict[bytes, str] = {}
        self._flows: dict[bytes, _Flow] = {}
        self._decisions: dict[tuple[str, str], Ports] = {}

    def attach(self, port: LanPort) -> None:
        """Add a sandbox."""
        self._ports[port.sandbox_id] = port

    def detach(self, port: LanPort) -> None:
        """Remove a sandbox; its connections are reset at their other ends."""
        if self._ports.get(port.sandbox_id) is port:
            del self._ports[port.sandbox_id]
        self._cut_where(lambda flow: port.sandbox_id in flow.ends)

    def set_network(self, network_id: str, network: CarriedNetwork | None) -> None:
        """Replace a network, or remove it with None; connections that are no longer allowed are reset."""
        if network is None:
            self._networks.pop(network_id, None)
        else:
            self._networks[network_id] = network
        self._decisions.clear()
        self._member_of.clear()
        self._addresses.clear()
        for each, known in self._networks.items():
            for sandbox_id, (address, _) in known.members.items():
                self._member_of.setdefault(sandbox_id, set()).add(each)
                self._addresses[socket.inet_aton(address)] = sandbox_id
        self._cut_where(lambda flow: not self._allows(*flow.ends, flow.port))

    def is_member(self, sandbox_id: str) -> bool:
        """Whether a sandbox is in a network."""
        return sandbox_id in self._member_of

    def address_of(self, asking: str, sandbox_id: str) -> str | None:
        """Return the address of a sandbox if it shares a network with the asking one."""
        for network_id in self._member_of.get(asking, set()) & self._member_of.get(sandbox_id, set()):
            return self._networks[network_id].members[sandbox_id][0]
        return None

    def carry(self, port: LanPort, header: bytes, packet: bytes) -> bool:
        """Carry a packet, from its IP header on; return False if it is not for a member of a common network."""
        target = self._addresses.get(packet[16:20])
        # Without a common network, the sandbox cannot tell a member from an address that nobody has.
        if target is None or not self._share(port.sandbox_id, target):
            return False
        size = len(packet)
        total = int.from_bytes(packet[2:4], "big")
        is_whole = not packet[6] & _MORE_OR_OFFSET and not packet[7]
        if packet[0] != _NO_OPTIONS or not _HEAD + 8 <= total <= size or not is_whole or packet[12:16] != port.raw:
            return True
        key = packet[9:10] + packet[12:24]
        flow = self._flows.get(key)
        if packet[9] == TCP:
            self._segment(port, target, header, packet[:total], key, flow)
        elif packet[9] == UDP:
            now = self._clock()
            if flow is None or (key != flow.key and flow.has_expired(now)):
                flow = self._open(port, target, key, int.from_bytes(packet[22:24], "big"), now)
            if flow is not None:
                flow.seen = now
                self._deliver(target, _HEADERS[UDP], packet[:total])
        return True

    def _segment(
        self, port: LanPort, target: str, header: bytes, packet: bytes, key: bytes, flow: _Flow | None
    ) -> None:
        if len(packet) < 2 * _HEAD:
            return
        seq, ack, offset, flags = _TCP_FIELDS.unpack_from(packet, _HEAD + 4)
        length = len(packet) - _HEAD - (offset >> 4) * 4
        if offset >> 4 < 5 or length < 0:
            return
        head = len(packet) - length
        length += bool(flags & SYN) + bool(flags & FIN)
        now = self._clock()
        if flags & (SYN | ACK | RST | FIN) == SYN and (flow is None or key != flow.key or flow.fins == _BOTH):
            # The answering end may open connections of its own only by a rule for it.
            flow = self._open(port, target, key, int.from_bytes(packet[22:24], "big"), now)
        if flow is None:
            if not flags & RST:
                _refuse(port, packet, seq + length, ack if flags & ACK else 0)
            return
        side = int(key != flow.key)
        follows = (seq + length) & _MASK
        known = flow.nexts[side]
        if known is None or (follows - known) & _MASK < 1 << 31:
            flow.nexts[side] = follows
        if flags & ACK:
            flow.acks[side] = ack
            flow.is_open = flow.is_open or bool(side)
        flow.seen = now
        self._deliver(target, large_header(header, head) or _HEADERS[TCP], packet)
        if flags & RST:
            self._forget(flow)
        elif flags & FIN:
            flow.fins |= 1 << side

    def _deliver(self, sandbox_id: str, header: bytes, packet: bytes) -> None:
        if (port := self._ports.get(sandbox_id)) is not None:
            port.write(header + packet)

    def _share(self, one: str, other: str) -> bool:
        return not self._member_of.get(one, set()).isdisjoint(self._member_of.get(other, ()))

    def _allows(self, source: str, target: str, port: int) -> bool:
        """Whether a member may connect to a port of another."""
        if (source, target) not in self._decisions:
            if len(self._decisions) >= _MAX_DECISIONS:
                self._decisions.clear()
            self._decisions[source, target] = self._decide(source, target)
        ports = self._decisions[source, target]
        return ports is None or port in ports

    def _decide(self, source: str, target: str) -> Ports:
        found: set[int] = set()
        for network_id in self._member_of.get(source, set()) & self._member_of.get(target, set()):
            ports = self._networks[network_id].ports(source, target)
            if ports is None:
                return None
            found |= ports
        return frozenset(found)

    def _open(self, port: LanPort, target: str, key: bytes, number: int, now: float) -> _Flow | None:
        """Return a new flow if a rule allows it and the sandbox has room for it."""
        if target not in self._ports or not self._allows(port.sandbox_id, target, number):
            return None
        if (old := self._flows.get(key)) is not None:
            self._forget(old)
        opened = port.opened[key[0]]
        if len(opened) >= MAX_OPENED and not self._make_room(port, opened, now):
            return None
        back = key[:1] + key[5:9] + key[1:5] + key[11:13] + key[9:11]
        flow = _Flow(key, back, (port.sandbox_id, target), number, now)
        self._flows[key] = self._flows[back] = opened[key] = flow
        return flow

    def _make_room(self, port: LanPort, opened: dict[bytes, _Flow], now: float) -> bool:
        oldest = next(iter(opened.values()))
        if not oldest.is_tcp:
            self._forget(oldest)
            return True
        # Not for each of a flood of segments, since it looks at all of them.
        if now - port.swept >= _SWEEP_SECONDS:
            port.swept = now
            for flow in [each for each in opened.values() if each.has_expired(now)]:
                self._cut(flow)
        return len(opened) < MAX_OPENED

    def _cut_where(self, matches: Callable[[_Flow], bool]) -> None:
        for flow in [flow for key, flow in self._flows.items() if key == flow.key and matches(flow)]:
            self._cut(flow)

    def _cut(self, flow: _Flow) -> None:
        """Reset a connection at both ends."""
        if flow.is_tcp and flow.fins != _BOTH:
            for side in (0, 1):
                if (port := self._ports.get(flow.ends[side])) is not None:
                    _reset(port, flow, side)
        self._forget(flow)

    def _forget(self, flow: _Flow) -> None:
        for key in (flow.key, flow.back):
            if self._flows.get(key) is flow:
                del self._flows[key]
        if (port := self._ports.get(flow.ends[0])) is not None:
            port.opened[flow.key[0]].pop(flow.key, None)


def _reset(port: LanPort, flow: _Flow, side: int) -> None:
    """Reset one end. Only the number that it expects next is accepted, which may not have been said yet."""
    ours = flow.back if side else flow.key
    expected = {number for number in (flow.acks[side], flow.nexts[1 - side]) if number is not None}
    for seq in expected or {0}:
        port.write(
            build_segment(
                Segment(
                    source=socket.inet_ntoa(ours[5:9]), source_port=int.from_bytes(ours[11:13], "big"),
                    target=socket.inet_ntoa(ours[1:5]), target_port=int.from_bytes(ours[9:11], "big"),
                    seq=seq, ack=flow.nexts[side] or 0, flags=RST | ACK, window=0, options=b"", data=b"",
                )
            )
        )  # fmt: skip


def _refuse(port: LanPort, packet: bytes, ack: int, seq: int) -> None:
    """Reset a segment that belongs to no connection, or that may not open one."""
    port.write(
        build_segment(
            Segment(
                source=socket.inet_ntoa(packet[16:20]), source_port=int.from_bytes(packet[22:24], "big"),
                target=socket.inet_ntoa(packet[12:16]), target_port=int.from_bytes(packet[20:22], "big"),
                seq=seq, ack=ack & _MASK, flags=RST | ACK, window=0, options=b"", data=b"",
            )
        )
    )  # fmt: skip


def read_lan(members: Mapping[str, Sequence[Any]], rules: Iterable[Sequence[Any]]) -> CarriedNetwork:
    """Return a network as the platform describes it: address and tags of each member; source, target and ports."""
    return CarriedNetwork(
        {sandbox_id: (address, frozenset(tags)) for sandbox_id, (address, tags) in members.items()},
        tuple(
            CarriedRule(source, target, None if ports is None else frozenset(ports)) for source, target, ports in rules
        ),
    )
