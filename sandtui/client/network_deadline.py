"""A deadline for a whole exchange of the blocking client.

httpx bounds each wait for the other side, so a platform that sends one byte now and then could hold a thread for ever.
An event loop cancels such an exchange; here each wait gets no more time than what is left of the whole.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore

from sandtui.client.http_library import httpx


class NetworkDeadline:
    """The deadline of what the present thread does on the network of some httpx clients."""

    def __init__(self) -> None:
        self._own = threading.local()

    def around(self, client: httpx.Client) -> httpx.Client:
        """Return the client, whose network keeps to the deadline from now on."""
        # httpx offers no way to name the network that its transports use.
        for transport in (client._transport, *client._mounts.values()):
            pool = getattr(transport, "_pool", None)
            if pool is not None:
                pool._network_backend = _Network(pool._network_backend, self)
        return client

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """Bound all network work of the block, ``seconds`` from now; None bounds nothing."""
        before = getattr(self._own, "ends", None)
        self._own.ends = None if seconds is None else time.monotonic() + seconds
        try:
            yield
        finally:
            self._own.ends = before

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
        return self._stream.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
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
