"""How the packets of a sandbox come to the platform: bare from a TUN device, in Ethernet frames from a veth pair."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from typing import Final, Protocol

from sandtui.local.network.packets import VNET_SIZE

_ETHERNET_SIZE: Final = 14
_BUFFER: Final = 4 * 1024 * 1024
_SO_RCVBUFFORCE: Final = 33
_IPV4: Final = b"\x08\x00"
_GATEWAY: Final = b"\x02\0\0\0\0\x02"
# csum_start of virtio_net_hdr counts from the frame's first byte, csum_offset from there.
_CSUM_START: Final = struct.Struct("<H")
_CSUM_START_AT: Final = 6


class Framing(Protocol):
    """Takes packets out of frames and puts them in."""

    def prepare(self, device: int) -> int:
        """Make a device hold much and return how many bytes it holds before it drops packets."""
        ...

    def unwrap(self, frame: bytes) -> bytes:
        """Return the packet of a frame, its virtio header first; nothing for what is no IPv4."""
        ...

    def wrap(self, packet: bytes) -> bytes:
        """Return the frame of a packet."""
        ...


class Tun:
    """A TUN device: the frame is the packet, and a full queue makes the sandbox wait."""

    def prepare(self, device: int) -> int:
        """Return that it drops nothing."""
        return sys.maxsize

    def unwrap(self, frame: bytes) -> bytes:
        """Return the packet of a frame."""
        return frame

    def wrap(self, packet: bytes) -> bytes:
        """Return the frame of a packet."""
        return packet


class Ethernet:
    """The far end of a veth pair, read through a packet socket."""

    def __init__(self) -> None:
        self._sandbox = bytes(6)

    def prepare(self, device: int) -> int:
        """Ask for a large buffer; half of what we get goes to the kernel's own book-keeping."""
        with socket.socket(fileno=os.dup(device)) as sock:
            for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):  # the first is for root
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
                    break
            return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2

    def unwrap(self, frame: bytes) -> bytes:
        """Return the packet of a frame; its sender is where answers go."""
        head = frame[VNET_SIZE : VNET_SIZE + _ETHERNET_SIZE]
        if head[12:] != _IPV4:
            return b""
        self._sandbox = head[6:12]
        return frame[:VNET_SIZE] + frame[VNET_SIZE + _ETHERNET_SIZE :]

    def wrap(self, packet: bytes) -> bytes:
        """Return the frame of a packet."""
        header = bytearray(packet[:VNET_SIZE])
        (start,) = _CSUM_START.unpack_from(header, _CSUM_START_AT)
        _CSUM_START.pack_into(header, _CSUM_START_AT, start + _ETHERNET_SIZE)
        return bytes(header) + self._sandbox + _GATEWAY + _IPV4 + packet[VNET_SIZE:]


def link_of(name: str) -> Framing:
    """Return the framing of a kind of device, as :data:`sandtui.local.agent.network.LINKS` names it."""
    return Ethernet() if name == "veth" else Tun()
