"""Converts between packets and what the device carries: bare packets for TUN, Ethernet frames for a veth pair."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from typing import Final, Protocol

from sandtui.local.agent.network import HARDWARE_ADDRESS
from sandtui.local.network.packets import VNET_SIZE

_ETHERNET_SIZE: Final = 14
_BUFFER: Final = 4 * 1024 * 1024
_SO_RCVBUFFORCE: Final = 33
_IPV4: Final = b"\x08\x00"
_GATEWAY: Final = b"\x02\0\0\0\0\x02"
# csum_start of virtio_net_hdr is an offset from the start of the frame; csum_offset is relative to it.
_CSUM_START: Final = struct.Struct("<H")
_CSUM_START_AT: Final = 6


class Framing(Protocol):
    """Extracts packets from the frames of a device and wraps packets in frames."""

    def prepare(self, device: int) -> int:
        """Set a large buffer for a device; return the bytes that it holds before it drops packets."""
        ...

    def unwrap(self, frame: bytes) -> bytes:
        """Return the packet of a frame with its virtio header, or nothing if it is not IPv4."""
        ...

    def wrap(self, packet: bytes) -> bytes:
        """Return the frame for a packet."""
        ...


class Tun:
    """A TUN device: the frame is the packet, and a full queue blocks the sandbox."""

    def prepare(self, device: int) -> int:
        """Return an unlimited size, since a TUN device drops nothing."""
        return sys.maxsize

    def unwrap(self, frame: bytes) -> bytes:
        """Return the frame unchanged."""
        return frame

    def wrap(self, packet: bytes) -> bytes:
        """Return the packet unchanged."""
        return packet


class Ethernet:
    """The far end of a veth pair, read through a packet socket."""

    def __init__(self) -> None:
        self._sandbox = HARDWARE_ADDRESS

    def prepare(self, device: int) -> int:
        """Set a large receive buffer; half of its size is for the kernel's own data."""
        with socket.socket(fileno=os.dup(device)) as sock:
            for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):  # the first is for root
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
                    break
            return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2

    def unwrap(self, frame: bytes) -> bytes:
        """Return the packet of a frame, and store its sender as the target of replies."""
        head = frame[VNET_SIZE : VNET_SIZE + _ETHERNET_SIZE]
        if head[12:] != _IPV4:
            return b""
        self._sandbox = head[6:12]
        return frame[:VNET_SIZE] + frame[VNET_SIZE + _ETHERNET_SIZE :]

    def wrap(self, packet: bytes) -> bytes:
        """Return the Ethernet frame for a packet."""
        header = bytearray(packet[:VNET_SIZE])
        (start,) = _CSUM_START.unpack_from(header, _CSUM_START_AT)
        _CSUM_START.pack_into(header, _CSUM_START_AT, start + _ETHERNET_SIZE)
        return bytes(header) + self._sandbox + _GATEWAY + _IPV4 + packet[VNET_SIZE:]


def framing_of(name: str) -> Framing:
    """Return the framing of a kind of device, as named in :data:`sandtui.local.agent.network.LINKS`."""
    return Ethernet() if name == "veth" else Tun()
