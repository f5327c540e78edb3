"""What browsers may ask for: the page, a log-in, the session, and its files."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from sandtui.web.access import AccessError, Browser, WebAccess
from sandtui.web.files import DropError, pieces
from sandtui.web.pages import WebPages
from sandtui.web.sessions import HeldSession, WebSessions
from sandtui.web.settings import MAX_BROWSERS, MAX_VIEWERS, WebSettings
from sandtui.web.viewer import WebViewer

MAX_LOGIN: Final = 4096
HELLO_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 600.0
"""How long a second tab may take to choose."""

MAX_SOCKETS: Final = 2 * MAX_BROWSERS * MAX_VIEWERS
"""The most sockets, also of tabs that were not asked in yet."""

KEY_HEADER: Final = "x-sandtui-key"

TYPED_A_SECOND: Final = 512 * 1024
"""Bytes of input that a tab may send each second; more waits."""

MESSAGES_A_SECOND: Final = 500

REFUSED, TOO_MANY, NOT_STARTED = 4401, 4429, 4500
"""Codes with which the socket is closed."""


class WebRoutes:
    """The answers to requests."""

    def __init__(self, settings: WebSettings, access: WebAccess, sessions: WebSessions, port: int) -> None:
        self._settings, self._access, self._sessions = settings, access, sessions
        self._scheme = "https" if settings.certificate is not None else "http"
        # Browsers share cookies between the ports of a host.
        self._cookie = f"sandtui-{port}"
        self._sockets = 0
        pages = WebPages()
        self.app = Starlette(
            routes=[
                Route("/", pages.page),
                Route("/static/{name}", pages.file),
                Route("/login", self._how_to_log_in, methods=["GET"]),
                Route("/login", self._log_in, methods=["POST"]),
                Route("/whoami", self._who, methods=["POST"]),
                Route("/drop", self._drop, methods=["POST"]),
                Route("/save/{offer}", self._save),
                WebSocketRoute("/session", self._session),
            ]
        )

    # Log-in

    async def _how_to_log_in(self, _: Request) -> Response:
        return JSONResponse({"password": self._access.takes_password})

    async def _log_in(self, request: Request) -> Response:
        body = bytearray()
        with suppress(ClientDisconnect):
            async with asyncio.timeout(HELLO_SECONDS):
                async for piece in request.stream():
                    body += piece
                    if len(body) > MAX_LOGIN:
                        return JSONResponse({"text": "The request is too long."}, 413)
        sent = _parsed(bytes(body))
        peer = request.client.host if request.client is not None else ""
        try:
            cookie = request.cookies.get(self._cookie, "")
            granted = self._access.log_in(str(sent.get("secret", "")), peer, cookie, str(sent.get("key", "")))
        except AccessError as error:
            return JSONResponse({"text": str(error)}, error.status)
        response = JSONResponse({"key": granted.key})
        response.set_cookie(
            self._cookie, granted.cookie, httponly=True, samesite="strict", secure=self._scheme == "https"
        )
        return response

    async def _who(self, request: Request) -> Response:
        known = self._access.of_cookie(request.cookies.get(self._cookie, ""))
        return Response(status_code=204 if known is not None else 401)

    def _browser(self, request: Request | WebSocket, key: str) -> Browser:
        return self._access.browser(request.cookies.get(self._cookie, ""), key)

    # Files

    async def _drop(self, request: Request) -> Response:
        try:
            browser = self._browser(request, request.headers.get(KEY_HEADER, ""))
        except AccessError as error:
            return JSONResponse({"text": str(error)}, error.status)
        held = self._sessions.get(browser.id)
        if not self._settings.takes_files:
            return JSONResponse({"text": "This dashboard is read-only."}, 403)
        if held is None or not self._owns(held, request.headers.get("x-sandtui-tab", "")):
            return JSONResponse({"text": "This tab does not have the session."}, 409)
        try:
            path = await held.drops.take(request.query_params.get("name", ""), request.stream())
        except DropError as error:
            return JSONResponse({"text": str(error)}, 413)
        except ClientDisconnect:
            return Response(status_code=400)
        except OSError as error:
            return JSONResponse({"text": error.strerror or "it cannot be saved"}, 507)
        if held.session.exit_code is not None:
            held.drops.close()
        held.session.channel.send({"type": "dropped", "text": str(path)})
        return JSONResponse({})

    def _owns(self, held: HeldSession, tab: str) -> bool:
        owner = held.session.owner
        return owner is not None and owner.tab == tab

    async def _save(self, request: Request) -> Response:
        # A link, which sends no key: the id is the secret.
        browser = self._access.of_cookie(request.cookies.get(self._cookie, ""))
        held = self._sessions.get(browser.id) if browser is not None else None
        if held is None:
            return Response("This browser is not logged in.\n", 401)
        try:
            path, file, size = await asyncio.to_thread(held.offers.open, request.path_params["offer"])
        except OSError:
            return Response("This file is not offered any more.\n", 404)
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{quote(path.name, safe='')}",
            "content-length": str(size),
            "content-security-policy": "sandbox; default-src 'none'",
        }
        return StreamingResponse(pieces(file, size), headers=headers, media_type="application/octet-stream")

    # The session

    async def _session(self, socket: WebSocket) -> None:
        if self._access.of_cookie(socket.cookies.get(self._cookie, "")) is None:
            # Without a cookie, nothing is opened at all; the page then asks to log in.
            await socket.send_denial_response(Response("This browser is not logged in.\n", 401))
            return
        if self._sockets >= MAX_SOCKETS:
            await socket.send_denial_response(Response("Too many tabs.\n", 503))
            return
        self._sockets += 1
        try:
            await socket.accept()
            await self._serve(socket)
        except (WebSocketDisconnect, TimeoutError, RuntimeError):
            # RuntimeError: the browser has left while something was being sent.
            with suppress(Exception):
                await socket.close(1001)
        finally:
            self._sockets -= 1

    async def _serve(self, socket: WebSocket) -> None:
        async with asyncio.timeout(HELLO_SECONDS):
            hello = _parsed(await _received(socket))
        try:
            browser = self._browser(socket, str(hello.get("key", "")))
        except AccessError as error:
            await socket.close(REFUSED, str(error))
            return
        tab, size = str(hello.get("tab", ""))[:64], _size(hello)
        held = self._sessions.get(browser.id)
        choice = str(hello.get("as", ""))
        if held is not None and held.session.owner is not None and not choice and not self._owns(held, tab):
            await socket.send_text(json.dumps({"type": "ask"}))
            async with asyncio.timeout(ANSWER_SECONDS):
                choice = str(_parsed(await _received(socket)).get("as", ""))
        if held is not None:
            await held.turn()
        try:
            held = await self._sessions.start(browser.id, size)
        except OSError as error:
            await socket.close(NOT_STARTED, f"The dashboard cannot be started: {error.strerror}")
            return
        if len(held.session.viewers) >= MAX_VIEWERS:
            await socket.close(TOO_MANY, f"{MAX_VIEWERS} tabs show this session already.")
            return
        viewer = WebViewer(socket, tab, owns=choice != "watch", redraw=held.session.redraw)
        if viewer.owns:
            held.session.resize(*size)
        self._sessions.attach(held, viewer)
        try:
            await self._exchange(socket, held, viewer)
        finally:
            self._sessions.detach(held, viewer)

    async def _exchange(self, socket: WebSocket, held: HeldSession, viewer: WebViewer) -> None:
        reading = asyncio.create_task(_read(socket, held, viewer))
        writing = asyncio.create_task(viewer.run())
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            if writing.done() and writing.exception() is None:
                await socket.close(1000)
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)


async def _read(socket: WebSocket, held: HeldSession, viewer: WebViewer) -> None:
    """Pass on what a tab sends, no faster than the limits allow."""
    loop = asyncio.get_running_loop()
    free_at = loop.time()
    while True:
        data = await _received(socket)
        # A tab that sends more than it may is read later, and so its connection slows it down.
        cost = max(len(data) / TYPED_A_SECOND, 1 / MESSAGES_A_SECOND)
        free_at = max(free_at, loop.time() - 1.0) + cost
        if free_at > loop.time():
            await asyncio.sleep(free_at - loop.time())
        if not viewer.owns:
            continue
        if isinstance(data, bytes):
            await held.session.type(data)
        elif _parsed(data).get("type") == "size":
            held.session.resize(*_size(_parsed(data)))


async def _received(socket: WebSocket) -> bytes | str:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    data: bytes | str | None = message.get("bytes")
    return data if data is not None else str(message.get("text", ""))


def _parsed(data: bytes | str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _size(message: dict[str, Any]) -> tuple[int, int]:
    columns, lines = message.get("columns"), message.get("lines")
    return (
        columns if isinstance(columns, int) else 80,
        lines if isinstance(lines, int) else 24,
    )
