"""What both httpx ports share: limits, arguments, bounded replies and the meaning of httpx's errors."""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpcore

from sandtui.client.call import StreamedBody
from sandtui.client.http_library import h11, httpx
from sandtui.client.port import CONNECT_TIMEOUT, TransportFault, WireRequest

LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=200)

MAX_REPLY = 64 * 1024 * 1024
"""Bytes of a reply that is held in memory: a hostile or mistaken one must not fill it. The largest that the platform
sends are windows of 10 MiB, and what a command wrote."""


def arguments(
    request: WireRequest,
    content: bytes | AsyncIterator[bytes] | Iterator[bytes] | None,
    *,
    identity: bool = False,
) -> dict[str, Any]:
    """Return the arguments of httpx for a request; ``identity`` asks for a reply that is not compressed."""
    headers = dict(request.headers)
    headers["Accept-Encoding"] = "identity" if identity else "gzip"
    if isinstance(request.body, StreamedBody):
        # Told in advance, so that no server has to cope with a chunked upload.
        headers["Content-Length"] = str(request.body.length)
    return {
        "method": request.method,
        "url": request.url,
        "params": request.query or None,
        "headers": headers,
        "content": content,
        "timeout": httpx.Timeout(request.timeout, connect=min(CONNECT_TIMEOUT, request.timeout)),
    }


class BoundedBody:
    """Gathers the body of a reply: no longer than :data:`MAX_REPLY`, unpacked or not, and no later than a deadline.

    ``deadline`` is in seconds from now. httpx's own decoders would expand a small reply without bound.
    """

    def __init__(self, headers: Mapping[str, str], deadline: float | None) -> None:
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", ""}:
            raise TransportFault(f"the reply is packed as {encoding[:50]!r}, unasked", sent=True, timeout=False)
        self._unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding == "gzip" else None
        self._ends = None if deadline is None else time.monotonic() + deadline
        self._pieces: list[bytes] = []
        self._size = 0

    def take(self, piece: bytes) -> None:
        """Take a piece as it came over the wire.

        Raises:
            TransportFault: the reply is too long, can't be unpacked, or takes too long.
        """
        if self._unpack is not None and piece:
            try:
                # What comes behind the end is gathered by zlib, and copied for each piece.
                over = self._unpack.eof
                piece = b"" if over else self._unpack.decompress(piece, MAX_REPLY + 1 - self._size)
                over = over or bool(self._unpack.unused_data)
            except zlib.error:
                raise TransportFault("the reply can't be unpacked", sent=True, timeout=False) from None
            if over:
                raise TransportFault("the reply goes on behind the end of what is packed", sent=True, timeout=False)
        self._size += len(piece)
        if self._size > MAX_REPLY:
            raise TransportFault(f"the reply is over {MAX_REPLY:,} bytes", sent=True, timeout=False)
        self._pieces.append(piece)
        if self._ends is not None and time.monotonic() > self._ends:
            raise TransportFault("the reply takes too long", sent=True, timeout=True)

    def whole(self) -> bytes:
        """Return all of it."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def fault(error: Exception) -> TransportFault:
    """Return what an error of httpx, or of httpcore under it, means."""
    never_sent = (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
        httpx.InvalidURL,
        httpcore.ConnectError,
        httpcore.ConnectTimeout,
        httpcore.PoolTimeout,
        httpcore.UnsupportedProtocol,
        httpcore.LocalProtocolError,
    )
    return TransportFault(
        str(error) or type(error).__name__,
        sent=not isinstance(error, never_sent),
        timeout=isinstance(error, (httpx.TimeoutException, httpcore.TimeoutException)),
    )


FAULTS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    h11.ProtocolError,
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
"""Everything that is raised about a request; h11's own errors come through while a body is sent, and httpcore's from
the blocking port's network."""


def length_of(headers: httpx.Headers) -> int | None:
    """Return the length that a reply says it has; None when it is compressed or does not say."""
    text = headers.get("content-length", "")
    plain = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if plain and "content-encoding" not in headers else None


READ_AT_ONCE = 1024 * 1024
"""Bytes that are read from the network at once where httpx is passed by."""

PASS_BY_ABOVE = 4 * 1024 * 1024
"""Bytes of a reply from which on it is worth giving up its connection for."""


def bytes_to_pass_by(reply: httpx.Response, first: int) -> int:
    """Return how much of a long plain reply may be read from its connection directly, after its ``first`` bytes.

    HTTP's parser takes a large part of a fast download's time, and has nothing to do in a body of known length: once
    it has handed out what it had read, the rest is taken from the network stream that httpx offers for such uses.
    The connection can't be used again then, so short replies are left to the parser.
    """
    length = length_of(reply.headers)
    if length is None or length < PASS_BY_ABOVE or "network_stream" not in reply.extensions:
        return 0
    return max(0, length - first) if reply.http_version == "HTTP/1.1" else 0
