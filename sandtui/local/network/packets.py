"""IPv4, TCP and UDP packets as read from and written to a TUN device (RFC 791, 9293, 768)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Final

TCP: Final = 6
UDP: Final = 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

# virtio_net_hdr: it says that our checksums are not computed yet. The kernel never computes them either, since the
# packets stay on this machine.
_NEEDS_CSUM: Final = 1
_GSO_TCPV4, _GSO_ECN = 1, 0x80
_VNET: Final = struct.Struct("<BBHHHH")
_IP: Final = struct.Struct("!BBHHHBBH4s4s")
_TCP: Final = struct.Struct("!HHIIBBHHH")
_UDP: Final = struct.Struct("!HHHH")
VNET_SIZE: Final = _VNET.size
_WORD: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment with its addresses."""

    source: str
    source_port: int
    target: str
    target_port: int
    seq: int
    ack: int
    flags: int
    window: int
    options: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Datagram:
    """A UDP datagram with its addresses."""

    source: str
    source_port: int
    target: str
    target_port: int
    data: bytes


def parse(packet: bytes) -> Segment | Datagram | None:
    """Return the content of a packet, or None for packets that are not handled."""
    packet = packet[VNET_SIZE:]
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return None
    head = (packet[0] & 15) * 4
    _, _, length, _, fragment, _, protocol, _, source, target = _IP.unpack_from(packet)
    # Packets never exceed the device's MTU, so a fragment is malicious.
    if head < 20 or length > len(packet) or length < head or fragment & 0x3FFF:
        return None
    body = packet[head:length]
    names = socket.inet_ntoa(source), socket.inet_ntoa(target)
    if protocol == TCP and len(body) >= 20:
        sport, dport, seq, ack, offset, flags, window, _, _ = _TCP.unpack_from(body)
        start = (offset >> 4) * 4
        if start < 20 or start > len(body):
            return None
        return Segment(names[0], sport, names[1], dport, seq, ack, flags, window, body[20:start], body[start:])
    if protocol == UDP and len(body) >= 8:
        sport, dport, size, _ = _UDP.unpack_from(body)
        if size < 8 or size > len(body):
            return None
        return Datagram(names[0], sport, names[1], dport, body[8:size])
    return None


def build_segment(segment: Segment) -> bytes:
    """Return the packet of a segment."""
    options = segment.options + b"\0" * (-len(segment.options) % 4)
    body = _TCP.pack(
        segment.source_port, segment.target_port, segment.seq & 0xFFFFFFFF, segment.ack & 0xFFFFFFFF,
        (20 + len(options)) << 2, segment.flags, segment.window, 0, 0,
    )  # fmt: skip
    return _wrap(TCP, segment.source, segment.target, body + options, segment.data, 16)


def build_datagram(datagram: Datagram) -> bytes:
    """Return the packet of a datagram."""
    head = _UDP.pack(datagram.source_port, datagram.target_port, 8 + len(datagram.data), 0)
    return _wrap(UDP, datagram.source, datagram.target, head, datagram.data, 6)


def option(segment: Segment, kind: int) -> bytes | None:
    """Return the value of a TCP option, or None if it is not set."""
    options, at = segment.options, 0
    while at < len(options):
        if options[at] == 0:
            return None
        if options[at] == 1:
            at += 1
            continue
        if at + 1 >= len(options) or options[at + 1] < 2:
            return None
        if options[at] == kind:
            return options[at + 2 : at + options[at + 1]]
        at += options[at + 1]
    return None


def vnet_header(checksum: int) -> bytes:
    """Return the header for a packet without IP options whose checksum, at an offset in its body, is not computed."""
    return _VNET.pack(_NEEDS_CSUM, 0, 0, 0, 20, checksum)


def large_header(received: bytes, head: int) -> bytes | None:
    """Return the header for a TCP packet that is to be cut into segments, or None if the received header says nothing.

    ``head`` is the size of the packet's own headers. Kernels pass data on in pieces larger than the MTU of a device.
    """
    _, kind, _, size, _, _ = _VNET.unpack(received)
    if kind & ~_GSO_ECN != _GSO_TCPV4 or not size:
        return None
    return _VNET.pack(_NEEDS_CSUM, kind, head, size, 20, 16)


def _wrap(protocol: int, source: str, target: str, head: bytes, data: bytes, offset: int) -> bytes:
    ends = socket.inet_aton(source), socket.inet_aton(target)
    size = len(head) + len(data)
    ip = bytearray(_IP.pack(0x45, 0, 20 + size, 0, 0x4000, 64, protocol, 0, *ends))
    ip[10:12] = (~_sum(bytes(ip)) & _WORD).to_bytes(2, "big")
    # For an unfinished checksum, the kernel expects the sum of the pseudo header.
    pseudo = _sum(ends[0] + ends[1] + struct.pack("!HH", protocol, size))
    body = bytearray(head)
    body[offset : offset + 2] = pseudo.to_bytes(2, "big")
    return vnet_header(offset) + bytes(ip) + bytes(body) + data


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > _WORD:
        total = (total & _WORD) + (total >> 16)
    return total
