"""The addresses that a sandbox may reach whatever its lists say: not this machine, and not its local networks."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_NONLOCAL_BIND: Final = Path("/proc/sys/net/ipv4/ip_nonlocal_bind")

# This machine's loopback, the sandbox's own network, multicast and broadcast.
_NEVER: Final = [
    ipaddress.IPv4Network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "10.0.2.0/24", "224.0.0.0/3")
]  # fmt: skip

# Networks that are not part of the Internet: private networks and carrier NAT (RFC 1918, 6598), link-local addresses
# and metadata services of clouds (RFC 3927; two clouds have them at other addresses), protocol assignments and
# benchmarks (RFC 6890, 2544).
_PRIVATE: Final = [
    ipaddress.IPv4Network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "168.63.129.16/32",
        "192.0.0.0/24", "198.18.0.0/15",
    )
]  # fmt: skip


class Reach:
    """Rejects this machine's addresses and private networks, except those that are ``allowed``."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = [read_network(text) for text in allowed]

    def covers(self, address: str) -> bool:
        """Return whether an address may be reached, whether or not it was the result of a lookup."""
        number = ipaddress.IPv4Address(address)
        if any(number in network for network in _NEVER):
            return False
        if any(number in network for network in self._allowed):
            return True
        return not any(number in network for network in _PRIVATE) and not _is_own_address(address)


def read_network(text: str) -> ipaddress.IPv4Network:
    """Return the IPv4 network or single address in a text.

    Raises:
        ValueError: the text is neither.
    """
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 address or network, as in 192.168.1.0/24") from None


def _is_own_address(address: str) -> bool:
    """Return whether an address is one of this machine's; checked each time, since they change while it runs."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            if _binds_anything():
                probe.connect((address, 9))
                return bool(probe.getsockname()[0] == address)
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _binds_anything() -> bool:
    try:
        return _NONLOCAL_BIND.read_text().strip() != "0"
    except OSError:
        return False
