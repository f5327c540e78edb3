"""Connect RPC over HTTP/1.1: the command sessions of VMs (WIRE.md 3.2)."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal

from sandtui.client.errors import APIError, MalformedReplyError, SandboxClientError
from sandtui.client.port import StreamedResponse, TransportFault, WireRequest
from sandtui.client.read_only import refuse_change
from sandtui.client.responses import redact
from sandtui.client.session import OnTimeout, Session

# protobuf takes 10 ms to import; programs that use containers only don't need it.
if TYPE_CHECKING:
    from google.protobuf.message import Message

    from sandtui.client.models.command_session_pb2 import Event

SERVICE = "/command_session.CommandSession"
MAX_ENVELOPE = 64 * 1024 * 1024
"""Maximum size of a message in bytes, against hostile lengths."""

MAX_ERROR = 500
CONTROL_TIMEOUT = 30.0
GRACE = 5.0
"""Seconds that a stream may outlast the command's own deadline."""

_COMPRESSED, _END = 1, 2
_BY_STATUS = {400: "internal", 401: "unauthenticated", 403: "permission_denied", 404: "unimplemented"}
_UNAVAILABLE = frozenset({429, 502, 503, 504})


class RPCError(APIError):
    """A failed call of a command session; ``code`` is one of Connect's, such as ``not_found``."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(f"Connect RPC failed ({code}): {message}", **details)
        self.code = code


async def unary(session: Session, sandbox_id: str, method: str, message: Message) -> None:
    """Make a unary call with an empty response.

    Raises:
        RPCError: the platform refused.
        ConnectionFailedError: there was no response.
    """
    path = f"{SERVICE}/{method}"
    if session.config.read_only:
        refuse_change("POST", path)
    access = session.gateway_access(sandbox_id)
    while True:
        token = await access.token()
        headers = _headers(session, token.token, "application/proto")
        body = message.SerializeToString()
        request = WireRequest("POST", token.base + path, [], headers, body, CONTROL_TIMEOUT, CONTROL_TIMEOUT)
        secrets = session.secrets(token.token)
        try:
            with session.watched(request, secrets) as watched:
                watched.attempts = 1
                watched.response = response = await session.port.send(request)
        except TransportFault as fault:
            words = redact(str(fault), secrets)
            raise RPCError("unavailable", words, method="POST", path=path, sandbox_id=sandbox_id) from None
        if response.status_code == 200:
            return
        error = _error(response.status_code, response.content, path, sandbox_id, secrets)
        if error.code != "unauthenticated" or not access.refused():
            raise error


async def events(
    session: Session, sandbox_id: str, method: str, message: Message, timeout: float
) -> AsyncGenerator[Event, None]:
    """Yield the events of a ``Start`` or ``Connect``; ``timeout`` is in seconds and bounds the whole stream.

    A token that is refused before the first event is renewed once; there are no other retries.

    Raises:
        RPCError: the platform refused, or the stream ended with an error.
        TransportFault: the stream broke off.
    """
    path = f"{SERVICE}/{method}"
    if session.config.read_only:
        refuse_change("POST", path)
    access = session.gateway_access(sandbox_id)
    while True:
        token = await access.token()
        headers = {
            **_headers(session, token.token, "application/connect+proto"),
            "Connect-Timeout-Ms": str(int(timeout * 1000)),
            "Connect-Content-Encoding": "identity",
            "Connect-Accept-Encoding": "gzip,identity",
        }
        secrets = session.secrets(token.token)
        body = _envelope(message.SerializeToString())
        request = WireRequest("POST", token.base + path, [], headers, body, timeout + GRACE, timeout + GRACE)
        try:
            with session.watched(request, secrets) as watched:
                watched.attempts = 1
                async with session.port.stream(request) as response:
                    watched.response = response
                    if response.status_code != 200:
                        raise _error(response.status_code, await response.read(), path, sandbox_id, secrets)
                    async with aclosing(_read(response, path, sandbox_id, secrets)) as messages:
                        async for event in messages:
                            access.accepted()
                            yield event
                            if event.HasField("end"):
                                return  # a server that leaves the stream open must not block the caller
                    return
        except TransportFault as fault:
            raise TransportFault(redact(str(fault), secrets), sent=fault.sent, timeout=fault.timeout) from None
        except RPCError as error:
            if error.code != "unauthenticated" or not access.refused():
                raise


def output_of(event: Event) -> tuple[Literal["stdout", "stderr"], bytes] | None:
    """Return the stream and the bytes of an output event; a terminal's output is standard output."""
    data = event.data
    if data.stderr:
        return "stderr", data.stderr
    output = data.stdout or data.pty
    return ("stdout", output) if output else None


async def exception_for(
    session: Session, error: RPCError, sandbox_id: str, on_timeout: OnTimeout
) -> SandboxClientError:
    """Return the exception for a failed call (the table in WIRE.md 3.2)."""
    if error.code == "not_found":
        return await session.gone(sandbox_id)
    if error.code == "deadline_exceeded":
        try:
            await session.raise_if_ended(sandbox_id)
        except SandboxClientError as ended:
            return ended
        return on_timeout(error.message)
    return error


async def _read(
    response: StreamedResponse, path: str, sandbox_id: str, secrets: tuple[str, ...]
) -> AsyncGenerator[Event, None]:
    from google.protobuf.message import DecodeError

    from sandtui.client.models.command_session_pb2 import EventResponse

    buffer = bytearray()
    async for piece in response.pieces():
        buffer += piece
        while len(buffer) >= 5:
            length = int.from_bytes(buffer[1:5], "big")
            if length > MAX_ENVELOPE:
                raise MalformedReplyError(f"a message of {length} bytes is too long", path=path, sandbox_id=sandbox_id)
            if len(buffer) < 5 + length:
                break
            flags, body = buffer[0], bytes(buffer[5 : 5 + length])
            del buffer[: 5 + length]
            if flags & _COMPRESSED:
                body = _expand(body, path, sandbox_id)
            if flags & _END:
                _raise_end(body, path, sandbox_id, secrets)
                return
            try:
                message = EventResponse.FromString(body)
            except DecodeError:
                raise MalformedReplyError(
                    "the platform sent an event that can't be read", path=path, sandbox_id=sandbox_id
                ) from None
            if message.HasField("event"):
                yield message.event


def _raise_end(body: bytes, path: str, sandbox_id: str, secrets: tuple[str, ...]) -> None:
    try:
        end = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedReplyError("the end of the stream can't be read", path=path, sandbox_id=sandbox_id) from None
    error = end.get("error") if isinstance(end, dict) else None
    if isinstance(error, dict):
        raise RPCError(
            _short(redact(str(error.get("code", "unknown")), secrets)),
            _short(redact(str(error.get("message", "")), secrets)),
            method="POST",
            path=path,
            sandbox_id=sandbox_id,
        )


def _error(status: int, content: bytes, path: str, sandbox_id: str, secrets: tuple[str, ...]) -> RPCError:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = {}
    body = body if isinstance(body, dict) else {}
    code = body.get("code")
    if not isinstance(code, str):
        code = "unavailable" if status in _UNAVAILABLE else _BY_STATUS.get(status, "unknown")
    words = str(body.get("message") or body.get("detail") or body.get("error") or f"HTTP {status}")
    words = _short(redact(words, secrets))
    return RPCError(
        _short(redact(code, secrets)), words, status_code=status, method="POST", path=path, sandbox_id=sandbox_id
    )


def _expand(body: bytes, path: str, sandbox_id: str) -> bytes:
    # Bounded: a small envelope must not decompress to gigabytes.
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        data = decompressor.decompress(body, MAX_ENVELOPE)
    except zlib.error:
        raise MalformedReplyError("a compressed message can't be read", path=path, sandbox_id=sandbox_id) from None
    if decompressor.unconsumed_tail:
        raise MalformedReplyError("a compressed message is too long", path=path, sandbox_id=sandbox_id)
    return data


def _headers(session: Session, secret: str, content_type: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {secret}",
        "Content-Type": content_type,
        "Connect-Protocol-Version": "1",
        "User-Agent": session.user_agent,
    }


def _envelope(body: bytes) -> bytes:
    return b"\0" + len(body).to_bytes(4, "big") + body


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_ERROR else text[: MAX_ERROR - 1] + "…"
