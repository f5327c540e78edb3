"""The body of a request as a client sends it: read within a time, and out of the way before an early answer."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from sandtui.local.wire import problem

PIECE_SECONDS: Final = 60.0
"""Seconds that are waited for a piece of a body, of :data:`PIECE_BYTES` or what is left."""

PIECE_BYTES: Final = 1024
"""Fewer bytes in that time are no progress: a byte a minute would hold a connection for ever."""

DROPPED_BYTES: Final = 512 * 1024 * 1024
DROPPED_SECONDS: Final = 60.0
"""What is read of a body that nobody wants, at most; then the answer is sent and the connection closed."""

LINGER_SECONDS: Final = 2.0
"""Seconds that such a client has to read the answer: closing while it sends would take the answer from it."""

_STREAMS: Final = "/StreamInput"
"""The call whose body is what somebody types: pauses belong to it."""


class BodyReader:
    """Stands between the server and the application for one request.

    Most clients look for an answer only once they have sent everything, and lose it when the connection is cut. So an
    answer that comes before the end of the body waits for that end, within bounds.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self._send = send
        self._is_coming = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        # Such a client sends nothing before it is told to go on.
        self._is_held_back = headers.get("expect", "").lower() == "100-continue"
        self._is_cut = False
        self._is_slow = False
        self._waited, self._come = 0.0, 0
        self._may_pause = str(scope.get("path", "")).endswith(_STREAMS)

    async def receive(self) -> Message:
        """Return the next part of the request."""
        self._is_held_back = False
        if not self._is_coming or self._may_pause:
            return self._noted(await self._receive())
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, PIECE_SECONDS - self._waited)):
                message = await self._receive()
        except TimeoutError as error:
            self._is_slow = True
            text = f"The request's body paused for more than {PIECE_SECONDS:g} seconds."
            raise problem(HTTPStatus.REQUEST_TIMEOUT, text) from error
        # What the application takes to use a piece is not the client's time.
        self._waited += time.monotonic() - began
        self._come += len(message.get("body", b""))
        if self._come >= PIECE_BYTES:
            self._waited, self._come = 0.0, 0
        return self._noted(message)

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start" and self._is_coming and not self._is_cut:
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
        """Read what is left of the body; return whether that was all."""
        dropped = 0
        try:
            async with asyncio.timeout(seconds):
                while self._is_coming and (limit is None or dropped < limit):
                    dropped += len(self._noted(await self._receive()).get("body", b""))
                    await asyncio.sleep(0)  # a client that sends without pause always has more
        except TimeoutError:
            return False
        return not self._is_coming

    def _noted(self, message: Message) -> Message:
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._is_coming = False
        return message
