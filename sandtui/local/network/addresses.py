"""The addresses of sandboxes in LAN networks: each sandbox has one, which is the same in all its networks."""

from __future__ import annotations

import ipaddress
from typing import Final

from sandtui.local.agent.network import LAN, LAN_PREFIX

_RANGE: Final = ipaddress.IPv4Network(f"{LAN}/{LAN_PREFIX}")
LAN_PREFIXES: Final = frozenset(subnet.network_address.packed[:2] for subnet in _RANGE.subnets(new_prefix=16))
"""The first two bytes of all addresses in LAN networks."""

_SIZE: Final = _RANGE.num_addresses - 2


class AddressPool:
    """Hands out addresses in turn, so that the one of an ended sandbox is not soon another's."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last = 0

    def adopt(self, address: str) -> None:
        """Take an address that a sandbox has already."""
        self._taken.add(address)
        self._last = max(self._last, int(ipaddress.IPv4Address(address)) - int(_RANGE.network_address))

    def take(self) -> str | None:
        """Return an address that no sandbox has; None if all are taken."""
        if len(self._taken) >= _SIZE:
            return None
        while True:
            self._last = self._last % _SIZE + 1
            address = str(_RANGE.network_address + self._last)
            if address not in self._taken:
                self._taken.add(address)
                return address

    def release(self, address: str) -> None:
        """Let an address be taken again."""
        self._taken.discard(address)
