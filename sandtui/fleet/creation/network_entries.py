"""Entries of a sandbox's network lists: host names and IPv4 networks (client/WIRE.md 8)."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

MAX_ENTRIES = 1024
HOST_PORTS = frozenset({80, 443})
"""The only ports that may follow a host name."""

MAX_PORT = 65535

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC = re.compile(r"[0-9./]+")


def entry_problem(entry: str) -> str:
    """Return what is wrong with an entry, as the text to show beside the field; empty if it is valid."""
    if "://" in entry:
        return "use a host without a scheme"
    if entry == "*":
        return "use open or blocked instead of *"
    if any(sign in entry for sign in "@?#"):
        return "use a host without user or query"
    if entry.count(":") > 1 or entry.startswith("["):
        return "IPv6 is not supported"
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
        return "not an IPv4 address or network"
    return ""


def _name_problem(host: str) -> str:
    if "/" in host:
        return "use a host without a path"
    name = host.removeprefix("*.")
    if "*" in name:
        return "* is allowed only as the first label: *.example.com"
    labels = name.split(".")
    if "" in labels:
        return "a label between the dots is empty"
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return "not a host name"
    return ""


def _ports_problem(text: str, *, named: bool) -> str:
    low, dash, high = text.partition("-")
    ends = [low, high] if dash else [low]
    if not all(end.isascii() and end.isdigit() and len(end) < 6 and 1 <= int(end) <= MAX_PORT for end in ends):
        return f"ports are 1 to {MAX_PORT}"
    if int(ends[0]) > int(ends[-1]):
        return "the lower port comes first"
    if named and (dash or int(low) not in HOST_PORTS):
        return "a host name allows only port 80 or 443"
    return ""
