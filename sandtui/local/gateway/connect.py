"""Connect RPC over HTTP/1.1: envelopes, unary bodies and error bodies (client/WIRE.md 3.2)."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandtui.local.wire import AsciiJSONResponse, declared_length

M = TypeVar("M", bound=Message)

STREAM_TYPE: Final = "application/connect+proto"
UNARY_TYPE: Final = "application/proto"
MAX_MESSAGE: Final = 8 * 1024 * 1024
_COMPRESSED, _END = 1, 2
_STATUS: Final = {
    "invalid_argument": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "deadline_exceeded": 504,
    "already_exists": 409,
    "failed_precondition": 400,
    "resource_exhausted": 429,
    "unimplemented": 501,
    "unavailable": 503,
    "internal": 500,
}


class ConnectRpcError(Exception):
    """A failed call; ``code`` is an error code of Connect."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = _STATUS[code] if status is None else status

    def body(self) -> dict[str, str]:
        """Return the error as JSON."""
        return {"code": self.code, "message": str(self)}

    def response(self) -> Response:
        """Return the error as the response to a unary call."""
        return AsciiJSONResponse(self.body(), self.status)


def too_large(text: str) -> ConnectRpcError:
    """Return the error for a message over the limit, with status 413, since clients retry a 429."""
    return ConnectRpcError("resource_exhausted", text, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def timeout_of(request: Request) -> float | None:
    """Return the client's timeout in seconds, or None if it sent none."""
    text = request.headers.get("connect-timeout-ms", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise ConnectRpcError("invalid_argument", "Connect-Timeout-Ms must be a number of milliseconds.")
    return int(text) / 1000


async def read_unary(request: Request, kind: type[M]) -> M:
    """Return the message of a unary call."""
    _check_type(request, UNARY_TYPE)
    data = bytearray()
    _check_size(declared_length(request))
    async for chunk in request.stream():
        data += chunk
        _check_size(len(data))
    return _parse(kind, _expand(bytes(data), request.headers.get("content-encoding", "identity")))


async def read_stream(request: Request, kind: type[M]) -> AsyncIterator[M]:
    """Yield the messages of a client's stream as they arrive."""
    _check_type(request, STREAM_TYPE)
    encoding = request.headers.get("connect-content-encoding", "identity")
    buffer = bytearray()
    async for chunk in request.stream():
        buffer += chunk
        while len(buffer) >= 5:
            length = int.from_bytes(buffer[1:5], "big")
            _check_size(length)
            if len(buffer) < 5 + length:
                break
            flags, body = buffer[0], bytes(buffer[5 : 5 + length])
            del buffer[: 5 + length]
            if flags & _END:
                return
            if flags & _COMPRESSED:
                body = _expand(body, encoding)
            yield _parse(kind, body)
    if buffer:
        raise ConnectRpcError("invalid_argument", "The stream ends in the middle of a message.")


async def read_one(request: Request, kind: type[M]) -> M:
    """Return the only message of a stream."""
    found: M | None = None
    async for message in read_stream(request, kind):
        if found is not None:
            raise ConnectRpcError("invalid_argument", "The call takes exactly one message.")
        found = message
    if found is None:
        raise ConnectRpcError("invalid_argument", "The call's message is missing.")
    return found


def unary(message: Message) -> Response:
    """Return the response to a unary call."""
    return Response(message.SerializeToString(), media_type=UNARY_TYPE)


class ConnectStream(Response):
    """The response to a streaming call. When the client disconnects, the work behind it is cancelled at once."""

    def __init__(self, messages: AsyncGenerator[Message, None]) -> None:
        super().__init__(media_type=STREAM_TYPE)
        del self.headers["content-length"]
        self._messages = messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the messages, then the end of the stream with its error, if any."""
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.wait({sending, leaving})
        if not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        end: dict[str, object] = {}
        try:
            async for message in self._messages:
                body = _envelope(0, message.SerializeToString())
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except ConnectRpcError as error:
            end = {"error": error.body()}
        finally:
            # Not left to the garbage collector, since the generator holds a process.
            await self._messages.aclose()
        body = _envelope(_END, json.dumps(end).encode("ascii"))
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _envelope(flags: int, body: bytes) -> bytes:
    return bytes((flags,)) + len(body).to_bytes(4, "big") + body


def _check_type(request: Request, wanted: str) -> None:
    found = request.headers.get("content-type", "").partition(";")[0].strip()
    if found != wanted:
        raise ConnectRpcError("invalid_argument", f"The content type must be {wanted}.")


def _check_size(size: int) -> None:
    if size > MAX_MESSAGE:
        raise too_large(f"A message may have at most {MAX_MESSAGE:,} bytes. Upload larger data as a file.")


def _expand(body: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise ConnectRpcError("unimplemented", "The encoding must be gzip or identity.")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        # Bounded: a few bytes can decompress to gigabytes.
        data = unpacker.decompress(body, MAX_MESSAGE + 1)
    except zlib.error as error:
        raise ConnectRpcError("invalid_argument", "The message is not valid gzip.") from error
    _check_size(len(data))
    if not unpacker.eof:
        raise ConnectRpcError("invalid_argument", "The compressed message is truncated.")
    return data


def _parse(kind: type[M], body: bytes) -> M:
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise ConnectRpcError("invalid_argument", "The message cannot be decoded.") from error
