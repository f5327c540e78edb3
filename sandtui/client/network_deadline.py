"""An overall deadline for exchanges of the blocking client, and a way to cut one from another thread.

httpx's timeouts bound each wait for the server, so that a server sending a byte now and then could hold a thread for
ever. An event loop cancels such an exchange; here each wait is limited to the time left of the whole.
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
    """The network I/O of one thread, which another thread can cut."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._link: socket.socket | None = None
        self._is_cut = False

    def cut(self) -> None:
        """Shut the connection down: pending I/O fails at once."""
        with self._lock:
            self._is_cut = True
            if self._link is not None:
                with contextlib.suppress(OSError):
                    # Below TLS, whose objects the other thread is using.
                    socket.socket.shutdown(self._link, socket.SHUT_RDWR)

    def leave(self) -> None:
        """Forget the connection, which others may use from now on."""
        with self._lock:
            self._link = None

    def use(self, link: socket.socket | None) -> None:
        """Note the connection in use.

        Raises:
            httpcore.ReadError: the exchange has been cut.
        """
        with self._lock:
            self._link = link
            if self._is_cut:
                raise httpcore.ReadError("the exchange was cut")


class NetworkDeadline:
    """The deadline of the current thread's network I/O over some transports."""

    def __init__(self) -> None:
        self._own = threading.local()

    def transport(self, verify: ssl.SSLContext, proxy: httpx.Proxy | None, limits: httpx.Limits) -> httpx.BaseTransport:
        """Return a transport whose network I/O keeps to the deadline.

        Raises:
            ImportError: it is a SOCKS proxy, and the ``socksio`` package is not installed.
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
        import socksio  # noqa: F401 - httpcore would only fail later

        return _Transport(httpcore.SOCKSProxy(**options))

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """Bound all network I/O of the block, in ``seconds`` from now; None means no limit."""
        before = getattr(self._own, "ends", None)
        self._own.ends = None if seconds is None else time.monotonic() + seconds
        try:
            yield
        finally:
            self._own.ends = before

    @contextmanager
    def cut_by(self, exchange: Exchange) -> Iterator[None]:
        """Let another thread cut the network I/O of the block."""
        self._own.exchange = exchange
        try:
            yield
        finally:
            self._own.exchange = None
            exchange.leave()

    def use(self, stream: httpcore.NetworkStream) -> None:
        """Note the connection that the current thread uses.

        Raises:
            httpcore.ReadError: another thread has cut the exchange.
        """
        exchange: Exchange | None = getattr(self._own, "exchange", None)
        if exchange is not None:
            exchange.use(stream.get_extra_info("socket"))

    def left(self, timeout: float | None, too_late: type[Exception]) -> float | None:
        """Return the timeout of the next wait.

        Raises:
            Exception: of class ``too_late``, if no time is left.
        """
        ends = getattr(self._own, "ends", None)
        if ends is None:
            return timeout
        left: float = ends - time.monotonic()
        if left <= 0:
            raise too_late("it takes too long")
        return left if timeout is None else min(timeout, left)


class _Transport(httpx.BaseTransport):
    """A transport over an httpcore pool, since httpx's own takes no network backend. Errors are httpcore's."""

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
        return _DeadlineStream(
            self._network.connect_tcp(host, port, timeout, local_address, socket_options), self._deadline
        )

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._network.connect_unix_socket(path, timeout, socket_options), self._deadline)

    def sleep(self, seconds: float) -> None:
        self._network.sleep(seconds)


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: NetworkDeadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._deadline.use(self._stream)
        return self._stream.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._deadline.use(self._stream)
        self._stream.write(buffer, self._deadline.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
