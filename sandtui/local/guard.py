"""The outermost layer: refuses requests of web pages and notes when the last request came."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandtui.local.gateway.request_body import BodyReader

STOPPING = "The local platform is stopping; this request was cancelled."

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Guard:
    """Refuses requests that a foreign web page had a browser send (DNS rebinding, cross-site requests)."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._host = host.lower()
        self._is_open = host not in _LOOPBACK
        self._running: set[asyncio.Task[object]] = set()
        self._stops = False
        self._last = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last request ended; 0 while one is in progress."""
        return 0.0 if self._running else time.monotonic() - self._last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or refuse it."""
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
            # Not 503, which clients retry: a command was stopped while it ran.
            await JSONResponse({"detail": STOPPING}, 500)(scope, receive, send)
        finally:
            self._running.discard(task)
            self._last = time.monotonic()

    def cut_off(self) -> None:
        """Cancel all requests in progress and answer that the platform is stopping."""
        self._stops = True
        for task in self._running:
            task.cancel()

    def _refusal(self, host: str, origin: str | None) -> str | None:
        if not self._is_own_address(host):
            return "This platform only accepts requests for its own address."
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return "This platform does not accept requests from web pages."
        return None

    def _is_own_address(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in _LOOPBACK or name == self._host:
            return True
        if not self._is_open:
            return False
        try:
            # DNS rebinding needs a name; a client that uses the address knows it.
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
