"""The network of a sandbox: its loopback, and a device whose packets the platform carries."""

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
PEER: Final = b"carrier0"
HARDWARE_ADDRESS: Final = b"\x02\0\0\0\0\x01"
ADDRESS: Final = "10.0.2.100"
GATEWAY: Final = "10.0.2.2"
RESOLVER: Final = "10.0.2.3"
MTU: Final = 65520

LAN: Final = "198.18.0.0"
LAN_PREFIX: Final = 15
"""The addresses of sandboxes in LAN networks: a range for benchmarks (RFC 2544), which nothing else should use."""

_LAN_MASK: Final = "255.254.0.0"
_LAN_NAME: Final = b"eth0:lan"

LINKS: Final = ("tun", "veth")
"""The kinds of network device, the better one first."""

_SIOCADDRT, _SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x890B, 0x8913, 0x8914
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFMTU = 0x8916, 0x891C, 0x8922
_SIOCSIFHWADDR, _ARPHRD_ETHER = 0x8924, 1
_TUNSETIFF, _TUNSETVNETHDRSZ = 0x400454CA, 0x400454D8
_IFF_UP, _IFF_NOARP, _IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x1, 0x80, 0x1, 0x1000, 0x4000
_RTF_UP, _RTF_GATEWAY = 0x1, 0x2
_RTM_NEWLINK, _NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_CREATE, _NLM_F_EXCL = 16, 0x1, 0x4, 0x400, 0x200
_NLMSG_ERROR: Final = 2
_IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 3, 18, 1, 2, 1
_ETH_P_IP, _SOL_PACKET, _PACKET_VNET_HDR = 0x0800, 263, 15


def loopback_up() -> None:
    """Enable the loopback device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        _up(probe, b"lo")


def open_tun(node: int, proc: int) -> int:
    """Open the machine's TUN node, given as an O_PATH descriptor, in this process's network namespace.

    ``proc`` is the /proc of the machine, which this process may no longer see.
    """
    # Not earlier: a TUN descriptor belongs to the network namespace in which it was opened.
    return os.open(f"self/fd/{node}", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=proc)


def make_tun(tun: int, lan: str | None = None) -> int:
    """Create the sandbox's device from an open TUN descriptor; return the descriptor.

    ``lan`` is the sandbox's address in LAN networks, in addition to the one that is the same in all sandboxes.
    """
    ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", NAME, _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR))
    ioctl(tun, _TUNSETVNETHDRSZ, struct.pack("i", 10))
    _configure(lan)
    return tun


def make_veth(lan: str | None = None) -> int:
    """Create the sandbox's device as one end of a veth pair; return a packet socket on the other end.

    Both ends are in the sandbox, where nobody may change them: the machine gets no device.
    """
    _create_pair()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # A known address, since the first packet may be one for the sandbox.
        ioctl(probe, _SIOCSIFHWADDR, struct.pack("16sH6s16x", NAME, _ARPHRD_ETHER, HARDWARE_ADDRESS))
        # Without ARP, every frame is addressed to its own sender, so the other end does not process it.
        _up(probe, NAME, _IFF_NOARP)
        ioctl(probe, _SIOCSIFMTU, struct.pack("16si20x", PEER, MTU))
        _up(probe, PEER, _IFF_NOARP)
    _configure(lan)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as packets:
        packets.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        packets.bind((PEER.decode(), _ETH_P_IP))
        packets.setblocking(False)
        return packets.detach()


def _configure(lan: str | None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        ioctl(probe, _SIOCSIFADDR, struct.pack("16s16s8x", NAME, _address(ADDRESS)))
        ioctl(probe, _SIOCSIFNETMASK, struct.pack("16s16s8x", NAME, _address("255.255.255.0")))
        ioctl(probe, _SIOCSIFMTU, struct.pack("16si20x", NAME, MTU))
        _up(probe, NAME)
        if lan is not None:
            ioctl(probe, _SIOCSIFADDR, struct.pack("16s16s8x", _LAN_NAME, _address(lan)))
            ioctl(probe, _SIOCSIFNETMASK, struct.pack("16s16s8x", _LAN_NAME, _address(_LAN_MASK)))
        # struct rtentry: the default route, through the gateway.
        anywhere = _address("0.0.0.0")  # noqa: S104
        name = ctypes.create_string_buffer(NAME)
        route = struct.pack(
            "@L16s16s16sHhLBB3hhPLLH", 0, anywhere, _address(GATEWAY), anywhere, _RTF_UP | _RTF_GATEWAY, 0, 0, 0, 0,
            0, 0, 0, 0, ctypes.addressof(name), 0, 0, 0,
        )  # fmt: skip
        ioctl(probe, _SIOCADDRT, route)


def _create_pair() -> None:
    link = bytes(16)  # struct ifinfomsg: any family, type and index
    peer = _attribute(_VETH_INFO_PEER, link + _attribute(_IFLA_IFNAME, PEER + b"\0"))
    info = _attribute(_IFLA_INFO_KIND, b"veth\0") + _attribute(_IFLA_INFO_DATA, peer)
    body = link + _attribute(_IFLA_IFNAME, NAME + b"\0") + _attribute(_IFLA_LINKINFO, info)
    flags = _NLM_F_REQUEST | _NLM_F_ACK | _NLM_F_CREATE | _NLM_F_EXCL
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.bind((0, 0))
        netlink.send(struct.pack("=IHHII", 16 + len(body), _RTM_NEWLINK, flags, 1, 0) + body)
        kind, code = struct.unpack_from("=4xH10xi", netlink.recv(65536))
    if kind != _NLMSG_ERROR or code:
        raise OSError(-code, f"a veth pair: {os.strerror(-code)}")


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _up(probe: socket.socket, name: bytes, more: int = 0) -> None:
    (flags,) = struct.unpack_from("16xh", ioctl(probe, _SIOCGIFFLAGS, struct.pack("16sh22x", name, 0)))
    ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh22x", name, flags | _IFF_UP | more))


def _address(text: str) -> bytes:
    return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))
