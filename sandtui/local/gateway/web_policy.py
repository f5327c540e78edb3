"""Which requests and cookies may pass between a browser and a web page of a sandbox.

Browsers share the cookies of 127.0.0.1 and localhost between all ports of a machine. So each sandbox has a host name of
its own below localhost, and cookies pass only there; by address, it serves scripts.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

import h11

Headers = list[tuple[bytes, bytes]]
"""Names in lower case, as in h11."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_AUTHORITY: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:@/?#\s]+)(?::(\d{0,5}))?")
_ABSOLUTE: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)([^#]*)")
_BROWSER_HEADERS: Final = ("sec-fetch-", "sec-ch-ua", "origin", "upgrade-insecure-requests")
# They change what a browser stores for a host, and so for all of its ports.
_STORED_BY_BROWSERS: Final = frozenset({b"set-cookie", b"set-cookie2", b"clear-site-data"})


def label_of(sandbox_id: str) -> str:
    """Return the host name of a sandbox below localhost."""
    return re.sub("[^a-z0-9]+", "-", sandbox_id.lower()).strip("-")[:63].strip("-") or "sandbox"


@dataclass(frozen=True)
class Refusal:
    """A request that is not passed on; ``location`` is where to redirect it."""

    status: int
    detail: str
    location: str = ""


@dataclass(frozen=True)
class WebExchange:
    """A request and its response. ``is_shared``: a browser used a host name that other services have as well."""

    own_name: str
    is_shared: bool

    def request_headers(self, headers: Headers) -> Headers:
        """Return the headers that the sandbox gets."""
        if not self.is_shared:
            return headers
        return [(name, value) for name, value in headers if name != b"cookie"]

    def response_headers(self, headers: Headers) -> Headers:
        """Return the headers that the browser gets."""
        kept = []
        for name, value in headers:
            if self.is_shared and name in _STORED_BY_BROWSERS:
                continue
            kept.append((name, self._cookie(value) if name in (b"set-cookie", b"set-cookie2") else value))
        return kept

    def _cookie(self, value: bytes) -> bytes:
        """Return a cookie without a domain attribute that reaches beyond the sandbox's own host name."""
        first, *attributes = value.split(b";")
        return b";".join([first, *(each for each in attributes if not self._is_foreign(each))])

    def _is_foreign(self, attribute: bytes) -> bool:
        name, _, value = attribute.partition(b"=")
        if name.strip().lower() != b"domain":
            return False
        return not _is_below(value.strip().strip(b'"').decode("latin-1").lower().strip("."), self.own_name)


class WebPolicy:
    """The rules for one sandbox."""

    def __init__(self, label: str) -> None:
        self.own_name = f"{label}.localhost"

    def evaluate(self, request: h11.Request) -> Refusal | WebExchange:
        """Return how a request may pass, or why it is refused."""
        headers = list(request.headers)
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        absolute = _ABSOLUTE.match(request.target)
        if absolute is not None:
            hosts.append(absolute[1].decode("latin-1"))
        elif request.method.upper() == b"CONNECT":
            hosts.append(request.target.decode("latin-1"))
        names = {_name_of(host) for host in hosts}
        for name in names:
            if name is None or not self._is_own_address(name):
                return Refusal(403, f"This port answers to 127.0.0.1, localhost and {self.own_name} only.")
        if len(names) > 1:
            return Refusal(400, "The request names two hosts.")
        is_own = all(_is_below(name or "", self.own_name) for name in names) and bool(names)
        if is_own or not _is_of_browser(headers):
            return WebExchange(self.own_name, is_shared=False)
        is_path = request.target.startswith(b"/")
        is_loopback = bool(names) and all(_is_loopback(name or "") for name in names)
        if is_loopback and is_path and _is_navigation(headers):
            port = _AUTHORITY.fullmatch(hosts[0])
            number = f":{port[2]}" if port is not None and port[2] else ""
            location = f"http://{self.own_name}{number}{request.target.decode('latin-1')}"
            return Refusal(307, f"This page has a host name of its own: {location}", location)
        return WebExchange(self.own_name, is_shared=True)

    def _is_own_address(self, name: str) -> bool:
        if name in _LOOPBACK or _is_below(name, self.own_name):
            return True
        # DNS rebinding needs a name; a client that uses the address knows it.
        return _address(name) is not None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    address = _address(name)
    return name in _LOOPBACK or (address is not None and address.is_loopback)


def _name_of(host: str) -> str | None:
    """Return the host name in a Host header, or None if it is malformed."""
    found = _AUTHORITY.fullmatch(host.strip())
    if found is None:
        return None
    name = found[1].lower()
    if name.startswith("["):
        try:
            return str(ipaddress.IPv6Address(name[1:-1]))
        except ValueError:
            return None
    return name.removesuffix(".")


def _is_below(name: str, own_name: str) -> bool:
    return name == own_name or name.endswith(f".{own_name}")


def _value(headers: Headers, wanted: bytes) -> str:
    return ", ".join(value.decode("latin-1") for name, value in headers if name == wanted)


def _is_of_browser(headers: Headers) -> bool:
    """Whether a browser, and so perhaps a web page, sent a request; without any sign of a browser it is a script."""
    if any(name.decode("latin-1").startswith(_BROWSER_HEADERS) for name, _ in headers):
        return True
    return _value(headers, b"user-agent").startswith("Mozilla/") or "text/html" in _value(headers, b"accept").lower()


def _is_navigation(headers: Headers) -> bool:
    """Whether a window or frame of a browser will show the response; its scripts could read the host's cookies."""
    if mode := _value(headers, b"sec-fetch-mode"):
        return mode.lower() == "navigate"
    is_browser = _value(headers, b"user-agent").startswith("Mozilla/") and not _value(headers, b"upgrade")
    return is_browser and "text/html" in _value(headers, b"accept").lower()
