"""Connect RPC over HTTP/1.1: the command sessions of VMs (WIRE.md 3.2)."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal

from sandtui.client.errors import APIError, MalformedReplyError, SandboxClientError
from sandtui.client.port import StreamedReply, TransportFault, WireRequest
from sandtui.client.read_only import refuse_change
from sandtui.client.replies import hide
from sandtui.client.session import OnTimeout, Session

# protobuf takes 10 ms to import, which a program that only uses containers need not wait for.
if TYPE_CHECKING:
    from google.protobuf.message import Message

    from sandtui.client.models.command_session_pb2 import Event

SERVICE = "/command_session.CommandSession"
MAX_ENVELOPE = 64 * 1024 * 1024
"""Bytes of one message that are accepted: a hostile length must not fill the memory."""

MAX_ERROR = 500
CONTROL_TIMEOUT = 30.0
GRACE = 5.0
"""Seconds that a stream may last after the command's own deadline."""

_COMPRESSED, _END = 1, 2
_BY_STATUS = {400: "internal", 401: "unauthenticated", 403: "permission_denied", 404: "unimplemented"}
_UNAVAILABLE = frozenset({429, 502, 503, 504})


class RPCError(APIError):
    """A call of a command session that failed; ``code`` is one of Connect's, such as ``not_found``."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(f"Connect RPC failed ({code}): {message}", **details)
        self.code = code


async def unary(session: Session, sandbox_id: str, method: str, message: Message) -> None:
    """Carry out a unary call whose reply holds nothing.

    Raises:
        RPCError: the platform refused.
        ConnectionFailedError: there was no reply.
    """
    path = f"{SERVICE}/{method}"
    if session.config.read_only:
        refuse_change("POST", path)
    renewed = False
    while True:
        token = await session.token(sandbox_id)
        headers = _headers(session, token.token, "application/proto")
        body = message.SerializeToString()
        request = WireRequest("POST", token.base + path, [], headers, body, CONTROL_TIMEOUT, CONTROL_TIMEOUT)
        secrets = session.secrets(token.token)
        try:
            with session.watched(request, secrets) as watched:
                watched.attempts = 1
                watched.reply = reply = await session.port.send(request)
        except TransportFault as fault:
            words = hide(str(fault), secrets)
            raise RPCError("unavailable", words, method="POST", path=path, sandbox_id=sandbox_id) from None
        if reply.status_code == 200:
            return
        error = _error(reply.status_code, reply.content, path, sandbox_id, secrets)
        if error.code != "unauthenticated" or renewed:
            raise error
        session.tokens.drop(sandbox_id, token)
        renewed = True


async def events(
    session: Session, sandbox_id: str, method: str, message: Message, timeout: float
) -> AsyncGenerator[Event, None]:
    """Yield the events of a ``Start`` or ``Connect``; ``timeout`` is in seconds and bounds the whole stream.

    A token that is refused before the first event is renewed once; nothing else is tried again.

    Raises:
        RPCError: the platform refused, or the stream ended with an error.
        TransportFault: the stream broke off.
    """
    path = f"{SERVICE}/{method}"
    if session.config.read_only:
        refuse_change("POST", path)
    renewed = False
    while True:
        token = await session.token(sandbox_id)
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
                async with session.port.stream(request) as reply:
                    watched.reply = reply
                    if reply.status_code != 200:
                        raise _error(reply.status_code, await reply.read(), path, sandbox_id, secrets)
                    async with aclosing(_read(reply, path, sandbox_id, secrets)) as messages:
                        async for event in messages:
                            renewed = True
                            yield event
                            if event.HasField("end"):
                                return  # a platform that leaves the stream open must not hold up the caller
                    return
        except TransportFault as fault:
            raise TransportFault(hide(str(fault), secrets), sent=fault.sent, timeout=fault.timeout) from None
        except RPCError as error:
            if error.code != "unauthenticated" or renewed:
                raise
            session.tokens.drop(sandbox_id, token)
            renewed = True


def output_of(event: Event) -> tuple[Literal["stdout", "stderr"], bytes] | None:
    """Return the output that an event brings, with its stream; a terminal's counts as standard output."""
    data = event.data
    if data.stderr:
        return "stderr", data.stderr
    output = data.stdout or data.pty
    return ("stdout", output) if output else None


async def meaning(session: Session, error: RPCError, sandbox_id: str, on_timeout: OnTimeout) -> SandboxClientError:
    """Return what a failed call means for the caller (the second table of WIRE.md 3.2)."""
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
    reply: StreamedReply, path: str, sandbox_id: str, secrets: tuple[str, ...]
) -> AsyncGenerator[Event, None]:
    from google.protobuf.message import DecodeError

    from sandtui.client.models.command_session_pb2 import EventResponse

    buffer = bytearray()
    async for piece in reply.pieces():
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
                response = EventResponse.FromString(body)
            except DecodeError:
                raise MalformedReplyError(
                    "the platform sent an event that can't be read", path=path, sandbox_id=sandbox_id
                ) from None
            if response.HasField("event"):
                yield response.event


def _raise_end(body: bytes, path: str, sandbox_id: str, secrets: tuple[str, ...]) -> None:
    try:
        end = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedReplyError("the end of the stream can't be read", path=path, sandbox_id=sandbox_id) from None
    error = end.get("error") if isinstance(end, dict) else None
    if isinstance(error, dict):
        raise RPCError(
            _short(hide(str(error.get("code", "unknown")), secrets)),
            _short(hide(str(error.get("message", "")), secrets)),
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
    words = _short(hide(words, secrets))
    return RPCError(
        _short(hide(code, secrets)), words, status_code=status, method="POST", path=path, sandbox_id=sandbox_id
    )


def _expand(body: bytes, path: str, sandbox_id: str) -> bytes:
    # Decompressed in one bounded piece: a small envelope must not become gigabytes.
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
