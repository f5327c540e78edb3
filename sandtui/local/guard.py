"""The outermost layer: who may talk to the platform at all, and when somebody last did."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandtui.local.gateway.request_body import BodyReader

STOPPING = "The local platform is being stopped; what this request began has been ended with it."

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Guard:
    """Refuses requests that a web page elsewhere made a browser send (DNS rebinding, cross-site)."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._host = host.lower()
        self._is_open = host not in _LOOPBACK
        self._running: set[asyncio.Task[object]] = set()
        self._stops = False
        self._last = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """How long nobody has asked anything."""
        return 0.0 if self._running else time.monotonic() - self._last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        body = BodyReader(scope, receive, send)
        receive, send = body.receive, body.send
        refusal = self._refusal(headers.get("host", ""), headers.get("origin"))
        if refusal is not None:
            await JSONResponse({"detail": refusal}, 403)(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if not self._stops or has_begun:
                raise
            # Not 503, which asks to be tried again: a command was ended in its middle.
            await JSONResponse({"detail": STOPPING}, 500)(scope, receive, send)
        finally:
            self._running.discard(task)
            self._last = time.monotonic()

    def cut_off(self) -> None:
        """Give up every request that is not answered yet, and say why: the platform stops."""
        self._stops = True
        for task in self._running:
            task.cancel()

    def _refusal(self, host: str, origin: str | None) -> str | None:
        if not self._is_ours(host):
            return "This platform answers under its own address only."
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return "This platform doesn't answer requests from web pages."
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in _LOOPBACK or name == self._host:
            return True
        if not self._is_open:
            return False
        try:
            # Rebinding needs a name; whoever knows the number came here by it.
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
