"""The outermost layer: refuses requests of foreign pages and names, and adds the headers that browsers enforce."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

SAFE_METHODS: Final = ("GET", "HEAD")

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""For every response; the page has a policy of its own."""


class WebGuard:
    """Refuses what another name (DNS rebinding) or another page (cross-site requests) had a browser send."""

    def __init__(self, app: ASGIApp, scheme: str, names: Collection[str], port: int, *, any_address: bool) -> None:
        self._app, self._scheme, self._port = app, scheme, port
        self._names, self._any_address = frozenset(name.lower() for name in names), any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            return

        async def hardened(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if not refusal:
            await self._app(scope, receive, hardened)
            return
        response = PlainTextResponse(refusal + "\n", 403)
        if scope["type"] == "http":
            await response(scope, receive, hardened)
        else:
            await WebSocket(scope, receive, hardened).send_denial_response(response)

    def _refusal(self, scope: Scope) -> str:
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._is_own(hosts[0].lower()):
            return "This server answers to its own address only."
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if (changes or origins) and origins != [f"{self._scheme}://{hosts[0]}"]:
            return "Requests of other pages are refused."
        # Browsers send it with every request, and no page can change it.
        site = headers.get("sec-fetch-site", "same-origin" if changes else "none")
        is_visit = headers.get("sec-fetch-mode", "navigate") == "navigate" and not changes
        if site != "same-origin" and not (is_visit or site == "none"):
            return "Requests of other pages are refused."
        return ""

    def _is_own(self, host: str) -> bool:
        name, port = _split(host)
        if port != self._port and not (port is None and self._port == {"http": 80, "https": 443}[self._scheme]):
            return False
        return name in self._names or (self._any_address and _is_address(name))


def _split(host: str) -> tuple[str, int | None]:
    """Return name and port of a Host header; the port is -1 if it is not valid."""
    name, colon, port = host.rpartition(":")
    if not colon or (host.startswith("[") and host.endswith("]")):
        return host.strip("[]"), None
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else -1
    return (name[1:-1] if name.startswith("[") and name.endswith("]") else name), number


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
