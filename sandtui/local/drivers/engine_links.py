"""Byte streams to a container engine: over a Unix socket, TCP, TLS or SSH."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, Protocol

import httpcore
import httpx

from sandtui.local.drivers.base import DriverError
from sandtui.local.drivers.engine_address import EngineAddress
from sandtui.local.drivers.engine_tls import open_tls

MAX_HEAD: Final = 65536
CONNECT_SECONDS: Final = 15.0


class EngineReader(Protocol):
    """The reading side of a stream."""

    async def read(self, n: int = -1) -> bytes:
        """Return what has arrived, nothing at the end."""
        ...

    async def readexactly(self, n: int) -> bytes:
        """Return a number of bytes."""
        ...

    async def readuntil(self, separator: bytes) -> bytes:
        """Return all up to a separator."""
        ...

    def at_eof(self) -> bool:
        """Whether nothing more comes."""
        ...


class EngineWriter(Protocol):
    """The writing side of a stream."""

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    async def drain(self) -> None:
        """Wait until there is room for more."""
        ...

    def write_eof(self) -> None:
        """End this direction; the other one goes on."""
        ...

    def close(self) -> None:
        """Close both directions."""
        ...


EngineStream = tuple[EngineReader, EngineWriter]


class EngineLink(Protocol):
    """Opens streams to one engine."""

    address: EngineAddress

    async def open(self) -> EngineStream:
        """Open a stream.

        Raises:
            DriverError: the engine cannot be reached; the message says what to do.
        """
        ...

    async def open_port(self, host: str, port: int) -> EngineStream:
        """Open a stream to an address as the machine of the engine reaches it.

        Raises:
            OSError: nothing listens there.
            DriverError: there is no way to that machine.
        """
        ...

    async def close(self) -> None:
        """Close what all streams share."""
        ...


class SocketLink:
    """Over a Unix socket or TCP, with or without TLS."""

    def __init__(self, address: EngineAddress) -> None:
        self.address = address
        # Read once: a certificate that is not valid is an error of the start.
        self._tls = None if address.tls is None else address.tls.context()

    async def open(self) -> EngineStream:
        """Open a stream."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._open()
        except ssl.SSLCertVerificationError as error:
            raise DriverError(
                f"{self._name} is not trusted: {error.verify_message}. DOCKER_CERT_PATH names the directory "
                "of ca.pem, its certificate authority."
            ) from error
        except ssl.SSLError as error:
            raise DriverError(
                f"{self._name} does not accept the TLS connection: {error.reason or error}. Check whether its port "
                "uses TLS, and the certificates in DOCKER_CERT_PATH."
            ) from error
        except TimeoutError as error:
            hint = " Check whether its port uses TLS." if self._tls is not None else ""
            raise DriverError(f"{self._name} does not respond within {CONNECT_SECONDS:g} seconds.{hint}") from error
        except OSError as error:
            hint = " Run as a user who may access it." if isinstance(error, PermissionError) else ""
            # asyncio's own text would repeat the address.
            known = error.errno is not None and error.errno in errno.errorcode
            reason = os.strerror(error.errno or 0) if known else error.strerror or error
            raise DriverError(f"{self._name} does not respond: {reason}.{hint}") from error

    async def open_port(self, host: str, port: int) -> EngineStream:
        """Refuse unless the engine runs here: only then are its containers in reach."""
        if not self.address.is_here:
            raise DriverError(
                f"{self._name} runs its containers on another machine, whose ports cannot be reached from here. "
                "Use an ssh:// address for the engine."
            )
        return await asyncio.open_connection(host, port)

    async def close(self) -> None:
        """Do nothing: streams share nothing."""

    async def _open(self) -> EngineStream:
        if self.address.scheme == "unix":
            return await asyncio.open_unix_connection(self.address.path, limit=MAX_HEAD)
        reader, writer = await asyncio.open_connection(self.address.host, self.address.port, limit=MAX_HEAD)
        if self._tls is None:
            return reader, writer
        return await open_tls(reader, writer, self._tls, self.address.host, MAX_HEAD)

    @property
    def _name(self) -> str:
        return f"The container engine {self.address}"


class EngineTransport(httpx.AsyncBaseTransport):
    """HTTP over the streams of a link; httpx's own transports connect by themselves."""

    def __init__(self, link: EngineLink) -> None:
        # A connection for each container waits for its end, so their number is not limited.
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=None,
            max_keepalive_connections=8,
            keepalive_expiry=5.0,
            network_backend=_EngineNetwork(link),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        url = request.url
        with _as_httpx_errors():
            response = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(response.status, headers=response.headers, stream=_EngineBody(response))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


class _EngineBody(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx_errors():
            async for chunk in self._response.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


@contextlib.contextmanager
def _as_httpx_errors() -> Any:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.TimeoutException(str(error) or "it takes too long") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise httpx.TransportError(str(error)) from error


class _EngineNetwork(httpcore.AsyncNetworkBackend):
    def __init__(self, link: EngineLink) -> None:
        self._link = link

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return _HttpStream(*await self._link.open())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _HttpStream(httpcore.AsyncNetworkStream):
    def __init__(self, reader: EngineReader, writer: EngineWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout("it takes too long") from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(buffer)
                await self._writer.drain()
        except TimeoutError as error:
            raise httpcore.WriteTimeout("it takes too long") from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        self._writer.close()

    def get_extra_info(self, info: str) -> Any:
        # Asked before a connection is used again: an engine that has closed it is not sent another request.
        return self._reader.at_eof() if info == "is_readable" else None
