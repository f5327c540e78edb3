"""What both httpx ports share: limits, arguments and the meaning of httpx's errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from sandtui.client.call import StreamedBody
from sandtui.client.http_library import httpx
from sandtui.client.port import CONNECT_TIMEOUT, TransportFault, WireRequest

LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=200)


# A proxy that is set for the whole machine must not be asked for the local platform.
NEVER_PROXIED = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}


def arguments(
    request: WireRequest,
    content: bytes | AsyncIterator[bytes] | Iterator[bytes] | None,
    *,
    identity: bool = False,
) -> dict[str, Any]:
    """Return the arguments of httpx for a request; ``identity`` asks for a reply that is not compressed."""
    headers = dict(request.headers)
    if identity:
        headers["Accept-Encoding"] = "identity"
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


def fault(error: httpx.HTTPError | httpx.InvalidURL | httpx.StreamError) -> TransportFault:
    """Return what an error of httpx means."""
    never_sent = (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
        httpx.InvalidURL,
    )
    return TransportFault(
        str(error) or type(error).__name__,
        sent=not isinstance(error, never_sent),
        timeout=isinstance(error, httpx.TimeoutException),
    )


FAULTS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
"""Everything that httpx raises about a request."""


def length_of(headers: httpx.Headers) -> int | None:
    """Return the length that a reply says it has; None when it is compressed or does not say."""
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and "content-encoding" not in headers else None
