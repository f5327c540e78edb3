"""Reads the body of a request within a time limit, and discards what is left of it after an early response."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from sandtui.local.wire import problem

PIECE_SECONDS: Final = 60.0
"""The most seconds for a piece of a body, of :data:`PIECE_BYTES` or the rest."""

PIECE_BYTES: Final = 1024
"""Fewer bytes in that time are no progress; otherwise a byte a minute could hold a connection forever."""

DROPPED_BYTES: Final = 512 * 1024 * 1024
DROPPED_SECONDS: Final = 60.0
"""The most that is read of a body that nobody wants; then the response is sent and the connection closed."""

LINGER_SECONDS: Final = 2.0
"""Seconds that such a client has to read the response, which would be lost if the connection closed while it sends."""

_STREAMS: Final = "/StreamInput"
"""The call whose body is a user's typing, so pauses are normal."""


class BodyReader:
    """Middleware between the server and the application, for one request.

    Most clients read a response only after they have sent the whole body, and lose it if the connection is cut before.
    A response that is ready earlier therefore waits for the end of the body, within limits.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self._send = send
        self._is_incomplete = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        # Such a client sends nothing until it is asked to continue.
        self._is_held_back = headers.get("expect", "").lower() == "100-continue"
        self._is_cut = False
        self._is_slow = False
        self._waited, self._received = 0.0, 0
        self._may_pause = str(scope.get("path", "")).endswith(_STREAMS)

    async def receive(self) -> Message:
        """Return the next message of the request."""
        self._is_held_back = False
        if not self._is_incomplete or self._may_pause:
            return self._track(await self._receive())
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, PIECE_SECONDS - self._waited)):
                message = await self._receive()
        except TimeoutError as error:
            self._is_slow = True
            text = f"The request's body paused for more than {PIECE_SECONDS:g} seconds."
            raise problem(HTTPStatus.REQUEST_TIMEOUT, text) from error
        # The time that the application takes to process a piece does not count against the client.
        self._waited += time.monotonic() - began
        self._received += len(message.get("body", b""))
        if self._received >= PIECE_BYTES:
            self._waited, self._received = 0.0, 0
        return self._track(message)

    async def send(self, message: Message) -> None:
        """Send a message of the response, after the rest of the request where it is the first."""
        if message["type"] == "http.response.start" and self._is_incomplete and not self._is_cut:
            gives_up = self._is_held_back or self._is_slow
            self._is_cut = gives_up or not await self._drop_rest(DROPPED_BYTES, DROPPED_SECONDS)
            if self._is_cut:
                message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
        elif self._is_cut and not self._is_held_back and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._drop_rest(None, LINGER_SECONDS)
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _drop_rest(self, limit: int | None, seconds: float) -> bool:
        """Read the rest of the body; return whether its end was reached."""
        dropped = 0
        try:
            async with asyncio.timeout(seconds):
                while self._is_incomplete and (limit is None or dropped < limit):
                    dropped += len(self._track(await self._receive()).get("body", b""))
                    await asyncio.sleep(0)  # a fast client always has more
        except TimeoutError:
            return False
        return not self._is_incomplete

    def _track(self, message: Message) -> Message:
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._is_incomplete = False
        return message
