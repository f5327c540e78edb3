"""Egress rules: which addresses a sandbox may connect to (client/WIRE.md 2.12, 8)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self

MAX_RULES: Final = 1024
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_WEB_PORTS: Final = (80, 443)


@dataclass(frozen=True)
class Rule:
    """One entry: a network or a host name, and the ports that it applies to."""

    network: ipaddress.IPv4Network | None
    name: str
    """In lower case; ``.example.com`` stands for every name below it."""
    low: int
    high: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an entry: a host name, ``*.name``, an IPv4 address or network, with ``:port`` or ``:low-high``.

        Raises:
            ValueError: the entry is not valid; its message says why.
        """
        host, colon, ports = text.partition(":")
        low, high = _ports(ports, text) if colon else (1, 65535)
        network = _network(host, text)
        if network is not None:
            return cls(network, "", low, high)
        if colon and not (low == high and low in _WEB_PORTS):
            raise ValueError(f"{text!r}: a host name can only have port 80 or 443")
        wild = host.startswith("*.")
        name = host[2:].lower() if wild else host.lower()
        labels = name.split(".")
        if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdecimal():
            raise ValueError(f"{text!r} is not a host name, IPv4 address or IPv4 network")
        return cls(None, f".{name}" if wild else name, low, high)

    def matches(self, address: ipaddress.IPv4Address, port: int, names: frozenset[str]) -> bool:
        """Return whether the rule applies to a connection; ``names`` are the host names that led to the address."""
        if not self.low <= port <= self.high:
            return False
        if self.network is not None:
            return address in self.network
        return any(self.covers(name) for name in names)

    def covers(self, name: str) -> bool:
        """Return whether the rule applies to a host name."""
        if self.network is not None:
            return False
        return name.endswith(self.name) if self.name.startswith(".") else name == self.name


@dataclass(frozen=True)
class Policy:
    """An allow list, a deny list, or neither, which allows everything."""

    allow: tuple[Rule, ...] | None = None
    deny: tuple[Rule, ...] | None = None

    @classmethod
    def of(cls, allowlist: list[str] | None, denylist: list[str] | None) -> Self:
        """Parse the lists of a sandbox."""
        return cls(_rules(allowlist), _rules(denylist))

    @property
    def blocks_all(self) -> bool:
        """Whether nothing is allowed."""
        return self.allow == ()

    @property
    def allows_all(self) -> bool:
        """Whether everything is allowed."""
        return self.allow is None and not self.deny

    def allows(self, address: str, port: int, names: frozenset[str] = frozenset()) -> bool:
        """Return whether a connection is allowed."""
        number = ipaddress.IPv4Address(address)
        if self.allow is not None:
            return any(rule.matches(number, port, names) for rule in self.allow)
        return not any(rule.matches(number, port, names) for rule in self.deny or ())

    def allows_lookup(self, name: str) -> bool:
        """Return whether a host name may be looked up; a query alone can leak data."""
        if self.allow is not None:
            return any(rule.covers(name) for rule in self.allow)
        return not any(rule.covers(name) and rule.low == 1 for rule in self.deny or ())


def checked_lists(
    allow: list[str] | None, deny: list[str] | None, prefix: str = ""
) -> tuple[list[str] | None, list[str] | None]:
    """Return the lists of a request in the form that is stored; ``prefix`` is the start of the names of its fields.

    A single ``*`` means every address, so everything or nothing is allowed.

    Raises:
        ValueError: a list is not valid; the text begins with the field's name.
    """
    if allow is not None and deny is not None:
        raise ValueError(f"{prefix}allowlist: cannot be combined with {prefix}denylist")
    if allow == ["*"]:
        return None, []
    if deny == ["*"]:
        return [], None
    for name, rules in (("allowlist", allow), ("denylist", deny)):
        try:
            if rules is not None and "*" in rules:
                raise ValueError("'*' means every address and must be the only entry")
            _rules(rules)
        except ValueError as error:
            raise ValueError(f"{prefix}{name}: {error}") from error
    return allow, deny


def _rules(texts: list[str] | None) -> tuple[Rule, ...] | None:
    if texts is None:
        return None
    if len(texts) > MAX_RULES:
        raise ValueError(f"a list can have at most {MAX_RULES} entries")
    return tuple(Rule.parse(text) for text in texts)


def _ports(text: str, whole: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    for part in (first, last) if dash else (first,):
        if not (part.isascii() and part.isdecimal() and len(part) <= 5):
            raise ValueError(f"{whole!r} has a malformed port")
    low, high = int(first), int(last if dash else first)
    if not 1 <= low <= high <= 65535:
        raise ValueError(f"{whole!r}: ports must be from 1 to 65535")
    return low, high


def _network(host: str, whole: str) -> ipaddress.IPv4Network | None:
    if not re.fullmatch(r"[0-9./]+", host):
        return None
    try:
        return ipaddress.IPv4Network(host, strict=False)
    except ValueError as error:
        raise ValueError(f"{whole!r} is not an IPv4 address or network") from error
