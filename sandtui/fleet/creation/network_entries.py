"""What may stand in the lists of a sandbox's network: host names and IPv4 networks (client/WIRE.md 8)."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

MAX_ENTRIES = 1024
HOST_PORTS = frozenset({80, 443})
"""The only ports that may be named beside a host name."""

MAX_PORT = 65535

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC = re.compile(r"[0-9./]+")


def entry_problem(entry: str) -> str:
    """Return what is wrong with an entry, as words for beside the field; empty when it is right."""
    if "://" in entry:
        return "leave out what stands before the host"
    if entry == "*":
        return "* alone: write open or blocked"
    if any(sign in entry for sign in "@?#"):
        return "only a host, no user and no query"
    if entry.count(":") > 1 or entry.startswith("["):
        return "IPv6 is not known there"
    host, colon, ports = entry.partition(":")
    numeric = bool(_NUMERIC.fullmatch(host))
    problem = _network_problem(host) if numeric else _name_problem(host)
    if not problem and colon:
        problem = _ports_problem(ports, named=not numeric)
    return problem


def _network_problem(host: str) -> str:
    try:
        IPv4Network(host, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return "no IPv4 address or network"
    return ""


def _name_problem(host: str) -> str:
    if "/" in host:
        return "a host without a path"
    name = host.removeprefix("*.")
    if "*" in name:
        return "* only as the first part: *.example.com"
    labels = name.split(".")
    if "" in labels:
        return "a part between the points is empty"
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return "no host name"
    return ""


def _ports_problem(text: str, *, named: bool) -> str:
    low, dash, high = text.partition("-")
    ends = [low, high] if dash else [low]
    if not all(end.isascii() and end.isdigit() and len(end) < 6 and 1 <= int(end) <= MAX_PORT for end in ends):
        return f"ports are 1 to {MAX_PORT}"
    if int(ends[0]) > int(ends[-1]):
        return "the lower port stands first"
    if named and (dash or int(low) not in HOST_PORTS):
        return "with a name only port 80 or 443"
    return ""
