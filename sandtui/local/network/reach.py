"""Which addresses a sandbox may reach at all, whatever its lists say: not this machine, nor what stands around it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_NONLOCAL_BIND: Final = Path("/proc/sys/net/ipv4/ip_nonlocal_bind")

# This machine's loopback, the sandbox' own network, and everybody at once.
_NEVER: Final = [
    ipaddress.IPv4Network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "10.0.2.0/24", "224.0.0.0/3")
]  # fmt: skip

# Networks that are not the Internet's: offices, homes, providers and container bridges (RFC 1918, 6598), neighbours
# and clouds' accounts of themselves (RFC 3927; two clouds have such an address elsewhere), protocol assignments and
# benchmarks (RFC 6890, 2544).
_PRIVATE: Final = [
    ipaddress.IPv4Network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "168.63.129.16/32",
        "192.0.0.0/24", "198.18.0.0/15",
    )
]  # fmt: skip


class Reach:
    """Refuses this machine's addresses and private networks but those that were ``allowed`` by name."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = [read_network(text) for text in allowed]

    def covers(self, address: str) -> bool:
        """Return whether an address may be reached; the one a name leads to is asked about like any other."""
        number = ipaddress.IPv4Address(address)
        if any(number in network for network in _NEVER):
            return False
        if any(number in network for network in self._allowed):
            return True
        return not any(number in network for network in _PRIVATE) and not _is_ours(address)


def read_network(text: str) -> ipaddress.IPv4Network:
    """Return the IPv4 network or the one address that a text names.

    Raises:
        ValueError: it names none.
    """
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 address or network, as in 192.168.1.0/24") from None


def _is_ours(address: str) -> bool:
    """Return whether an address is this machine's; asked each time, for it gets and loses some while it runs."""
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
