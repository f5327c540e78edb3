"""The network of one sandbox: its loopback, and a device whose packets the platform carries."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from fcntl import ioctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

DEVICE: Final = "/dev/net/tun"
NAME: Final = b"eth0"
ADDRESS: Final = "10.0.2.100"
GATEWAY: Final = "10.0.2.2"
RESOLVER: Final = "10.0.2.3"
MTU: Final = 65520

_SIOCADDRT, _SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x890B, 0x8913, 0x8914
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFMTU = 0x8916, 0x891C, 0x8922
_TUNSETIFF, _TUNSETVNETHDRSZ = 0x400454CA, 0x400454D8
_IFF_UP, _IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x1, 0x1, 0x1000, 0x4000
_RTF_UP, _RTF_GATEWAY = 0x1, 0x2


def loopback_up() -> None:
    """Switch the loopback device on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        _up(probe, b"lo")


def make_device(handle: int) -> int:
    """Make the sandbox' device and its default route; ``handle`` leads to the machine's TUN node."""
    # Opened only now: a TUN descriptor belongs to the network namespace in which it was opened.
    tun = os.open(f"/proc/self/fd/{handle}", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    os.close(handle)
    ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", NAME, _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR))
    ioctl(tun, _TUNSETVNETHDRSZ, struct.pack("i", 10))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        ioctl(probe, _SIOCSIFADDR, struct.pack("16s16s8x", NAME, _address(ADDRESS)))
        ioctl(probe, _SIOCSIFNETMASK, struct.pack("16s16s8x", NAME, _address("255.255.255.0")))
        ioctl(probe, _SIOCSIFMTU, struct.pack("16si20x", NAME, MTU))
        _up(probe, NAME)
        # struct rtentry: to everywhere, through the gateway.
        anywhere = _address("0.0.0.0")  # noqa: S104
        name = ctypes.create_string_buffer(NAME)
        route = struct.pack(
            "@L16s16s16sHhLBB3hhPLLH", 0, anywhere, _address(GATEWAY), anywhere, _RTF_UP | _RTF_GATEWAY, 0, 0, 0, 0,
            0, 0, 0, 0, ctypes.addressof(name), 0, 0, 0,
        )  # fmt: skip
        ioctl(probe, _SIOCADDRT, route)
    return tun


def _up(probe: socket.socket, name: bytes) -> None:
    (flags,) = struct.unpack_from("16xh", ioctl(probe, _SIOCGIFFLAGS, struct.pack("16sh22x", name, 0)))
    ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh22x", name, flags | _IFF_UP))


def _address(text: str) -> bytes:
    return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))
