"""Shared by both ports: limits, arguments for httpx, bounded responses, and the mapping of errors."""

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

MAX_RESPONSE = 64 * 1024 * 1024
"""Maximum size in bytes of a response in memory, against hostile or faulty servers. The largest regular ones are
windows of 10 MiB and the output of commands."""


def arguments(
    request: WireRequest,
    content: bytes | AsyncIterator[bytes] | Iterator[bytes] | None,
    *,
    identity: bool = False,
) -> dict[str, Any]:
    """Return httpx's arguments for a request; ``identity`` asks for an uncompressed response."""
    headers = dict(request.headers)
    headers["Accept-Encoding"] = "identity" if identity else "gzip"
    if isinstance(request.body, StreamedBody):
        # Known in advance, so that no server has to support chunked uploads.
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
    """Collects the body of a response, up to :data:`MAX_RESPONSE` bytes after decompression, and up to a deadline.

    ``deadline`` is in seconds from now. httpx's own decoders would decompress without a limit.
    """

    def __init__(self, headers: Mapping[str, str], deadline: float | None) -> None:
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", ""}:
            raise TransportFault(
                f"the response has an unrequested encoding: {encoding[:50]!r}", sent=True, timeout=False
            )
        self._unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding == "gzip" else None
        self._ends = None if deadline is None else time.monotonic() + deadline
        self._pieces: list[bytes] = []
        self._size = 0

    def take(self, piece: bytes) -> None:
        """Append a piece as received.

        Raises:
            TransportFault: the response is too large, can't be decompressed, or takes too long.
        """
        if self._unpack is not None and piece:
            try:
                # zlib would collect data after the end, copying it for each piece.
                over = self._unpack.eof
                piece = b"" if over else self._unpack.decompress(piece, MAX_RESPONSE + 1 - self._size)
                over = over or bool(self._unpack.unused_data)
            except zlib.error:
                raise TransportFault("the response can't be decompressed", sent=True, timeout=False) from None
            if over:
                raise TransportFault(
                    "the response continues after the end of its compressed data", sent=True, timeout=False
                )
        self._size += len(piece)
        if self._size > MAX_RESPONSE:
            raise TransportFault(f"the response is larger than {MAX_RESPONSE:,} bytes", sent=True, timeout=False)
        self._pieces.append(piece)
        if self._ends is not None and time.monotonic() > self._ends:
            raise TransportFault("the response takes too long", sent=True, timeout=True)

    def whole(self) -> bytes:
        """Return the whole body."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def fault(error: Exception) -> TransportFault:
    """Map an error of httpx, or of httpcore below it."""
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
"""All errors of a request. h11's are raised while a body is sent, httpcore's by the blocking port."""


def length_of(headers: httpx.Headers) -> int | None:
    """Return the announced length of a response; None if it is compressed or not announced."""
    text = headers.get("content-length", "")
    plain = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if plain and "content-encoding" not in headers else None


READ_AT_ONCE = 1024 * 1024
"""Bytes per read where the network is read directly."""

DIRECT_READ_ABOVE = 4 * 1024 * 1024
"""Minimum size in bytes of a response for which giving up its connection pays off."""


def bytes_to_read_directly(response: httpx.Response, first: int) -> int:
    """Return how many bytes of a long, plain response may be read directly, after the ``first`` ones.

    The HTTP parser takes a large part of the time of a fast download and has nothing to do in a body of known length.
    So once its buffer is drained, the rest is read from the ``network_stream`` that httpx offers. The connection can't
    be reused after that, so short responses are left to the parser.
    """
    length = length_of(response.headers)
    if length is None or length < DIRECT_READ_ABOVE or "network_stream" not in response.extensions:
        return 0
    return max(0, length - first) if response.http_version == "HTTP/1.1" else 0
