"""A deadline for a whole exchange of the blocking client, and a way to cut one from another thread.

httpx bounds each wait for the other side, so a platform that sends one byte now and then could hold a thread for ever.
An event loop cancels such an exchange; here each wait gets no more time than what is left of the whole.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore

from sandtui.client.http_library import httpx


class Exchange:
    """What a thread does on the network, so that another can end it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._link: socket.socket | None = None
        self._is_cut = False

    def cut(self) -> None:
        """End it: whatever waits for the other side fails at once."""
        with self._lock:
            self._is_cut = True
            if self._link is not None:
                with contextlib.suppress(OSError):
                    # Below TLS, which would take the objects away from the thread that uses them.
                    socket.socket.shutdown(self._link, socket.SHUT_RDWR)

    def leave(self) -> None:
        """Let go of the connection: others use it from now on."""
        with self._lock:
            self._link = None

    def goes_over(self, link: socket.socket | None) -> None:
        """Take note of the connection that is used from now on.

        Raises:
            httpcore.ReadError: it has been cut.
        """
        with self._lock:
            self._link = link
            if self._is_cut:
                raise httpcore.ReadError("the exchange was cut")


class NetworkDeadline:
    """The deadline of what the present thread does on the network of some httpx transports."""

    def __init__(self) -> None:
        self._own = threading.local()

    def transport(self, verify: ssl.SSLContext, proxy: httpx.Proxy | None, limits: httpx.Limits) -> httpx.BaseTransport:
        """Return a transport whose network keeps to the deadline.

        Raises:
            ImportError: the proxy is a SOCKS one, and the package for that is not installed.
        """
        options: dict[str, Any] = {
            "ssl_context": verify,
            "max_connections": limits.max_connections,
            "max_keepalive_connections": limits.max_keepalive_connections,
            "keepalive_expiry": limits.keepalive_expiry,
            "network_backend": _Network(httpcore.SyncBackend(), self),
        }
        if proxy is None:
            return _Transport(httpcore.ConnectionPool(**options))
        options |= {"proxy_url": _core_url(proxy.url), "proxy_auth": proxy.raw_auth}
        if proxy.url.scheme in {"http", "https"}:
            options |= {"proxy_headers": proxy.headers.raw, "proxy_ssl_context": proxy.ssl_context}
            return _Transport(httpcore.HTTPProxy(**options))
        import socksio  # noqa: F401 - httpcore would only notice its absence later

        return _Transport(httpcore.SOCKSProxy(**options))

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """Bound all network work of the block, ``seconds`` from now; None bounds nothing."""
        before = getattr(self._own, "ends", None)
        self._own.ends = None if seconds is None else time.monotonic() + seconds
        try:
            yield
        finally:
            self._own.ends = before

    @contextmanager
    def cut_by(self, exchange: Exchange) -> Iterator[None]:
        """Let another thread end all network work of the block."""
        self._own.exchange = exchange
        try:
            yield
        finally:
            self._own.exchange = None
            exchange.leave()

    def goes_over(self, stream: httpcore.NetworkStream) -> None:
        """Take note of the connection that the present thread uses from now on.

        Raises:
            httpcore.ReadError: another thread has ended what it does.
        """
        exchange: Exchange | None = getattr(self._own, "exchange", None)
        if exchange is not None:
            exchange.goes_over(stream.get_extra_info("socket"))

    def left(self, timeout: float | None, too_late: type[Exception]) -> float | None:
        """Return how long a wait may last.

        Raises:
            Exception: of the class ``too_late``, when no time is left.
        """
        ends = getattr(self._own, "ends", None)
        if ends is None:
            return timeout
        left: float = ends - time.monotonic()
        if left <= 0:
            raise too_late("it takes too long")
        return left if timeout is None else min(timeout, left)


class _Transport(httpx.BaseTransport):
    """A pool of httpcore as a transport: httpx's own offers no way to name the network. Errors stay httpcore's."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=_core_url(request.url),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


def _core_url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


class _Network(httpcore.NetworkBackend):
    def __init__(self, network: httpcore.NetworkBackend, deadline: NetworkDeadline) -> None:
        self._network, self._deadline = network, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._network.connect_tcp(host, port, timeout, local_address, socket_options), self._deadline)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._network.connect_unix_socket(path, timeout, socket_options), self._deadline)

    def sleep(self, seconds: float) -> None:
        self._network.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: NetworkDeadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._deadline.goes_over(self._stream)
        return self._stream.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._deadline.goes_over(self._stream)
        self._stream.write(buffer, self._deadline.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
