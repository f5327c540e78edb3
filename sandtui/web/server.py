"""Serves dashboards to browsers until it is stopped, or nobody has come back."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any, Final

import uvicorn

from sandtui.local.connections import BoundedProtocol
from sandtui.web.access import WebAccess
from sandtui.web.connections import BoundedSocket
from sandtui.web.guard import WebGuard
from sandtui.web.routes import WebRoutes
from sandtui.web.sessions import WebSessions
from sandtui.web.settings import LOOPBACK, MAX_MESSAGE, WebError, WebSettings

ANY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104
PING_SECONDS: Final = 20.0
GRACE_SECONDS: Final = 2
SEND_BUFFER: Final = 128 * 1024
STOPPED: Final = "`sandtui web` was stopped."
NOBODY: Final = "Nobody has come back."

Announce = Callable[[str, str], object]
"""Called with the address to open, and the address without what logs in."""


class WebServer:
    """A listening server. ``announce`` is called for each new address that logs a browser in."""

    def __init__(self, settings: WebSettings, announce: Announce) -> None:
        self.settings = settings
        self._announce = announce
        if settings.certificate is not None and settings.key is not None:
            check_pair(settings.certificate, settings.key)
        self._listener = listen(settings.host, settings.port)
        self.port = int(self._listener.getsockname()[1])
        self._names = names_of(settings)
        self.sessions = WebSessions(settings, self._changed)
        self.access = WebAccess(settings.password, has_session=lambda browser: self.sessions.get(browser) is not None)
        self._checking = asyncio.Event()
        scheme = "http" if settings.certificate is None else "https"
        # An address is only good for the name under which it was made: cookies are kept by name.
        name = next(iter(self._names))
        self.base_url = f"{scheme}://{f'[{name}]' if ':' in name else name}:{self.port}"
        routes = WebRoutes(settings, self.access, self.sessions, self.port)
        guard = WebGuard(routes.app, scheme, self._names, self.port, any_address=settings.host in ANY_ADDRESS)
        self._server = _Server(guard, settings)

    async def serve(self) -> None:
        """Serve until it is stopped."""
        self._server.when_ready = self.invite
        watching = asyncio.create_task(self._stop_when_over())
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            watching.cancel()
            await self.sessions.end_all(STOPPED)
            self._listener.close()

    def invite(self) -> None:
        """Announce an address that logs one more browser in."""
        if self.settings.password:
            self._announce(f"{self.base_url}/", f"{self.base_url}/")
        else:
            self._announce(f"{self.base_url}/#token={self.access.issue()}", f"{self.base_url}/")

    async def stop(self, text: str = STOPPED) -> None:
        """Say goodbye to all browsers, end their sessions, and stop."""
        await self.sessions.end_all(text)
        self._server.should_exit = True

    def _changed(self) -> None:
        self._checking.set()

    async def _stop_when_over(self) -> None:
        """Stop after the only session, or when there has been none for as long as one waits for its browser."""
        limit = self.settings.back_seconds
        while True:
            idle = self.sessions.idle_since
            if self.settings.once and self.sessions.ended:
                break
            if idle is not None and monotonic() - idle >= limit:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit if idle is None else max(0.01, idle + limit - monotonic())):
                    await self._checking.wait()
            self._checking.clear()
        await self.stop(NOBODY)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the process before its sessions."""

    def __init__(self, app: Any, settings: WebSettings) -> None:
        config = uvicorn.Config(
            app, lifespan="off", access_log=False, log_level="critical", server_header=False, proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS, http=BoundedProtocol, ws=BoundedSocket, ws_max_size=MAX_MESSAGE,
            ws_ping_interval=PING_SECONDS, ws_ping_timeout=PING_SECONDS, ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
        )  # fmt: skip
        config.load()
        super().__init__(config)
        self.when_ready: Callable[[], None] = lambda: None

    async def startup(self, sockets: Any = None) -> None:
        """Start serving, then announce the address."""
        await super().startup(sockets=sockets)
        self.when_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to :func:`run`."""
        yield


async def run(settings: WebSettings, announce: Announce) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; Enter in the terminal prints another address.

    Raises:
        WebError: the address, the certificate or the password cannot be used.
    """
    server = WebServer(settings, announce)
    loop = asyncio.get_running_loop()
    stopping: set[asyncio.Task[None]] = set()

    def stop() -> None:
        if not stopping:
            stopping.add(loop.create_task(server.stop()))

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    with _lines_of_terminal(loop, server.invite):
        await server.serve()


@contextlib.contextmanager
def _lines_of_terminal(loop: asyncio.AbstractEventLoop, on_line: Callable[[], object]) -> Iterator[None]:
    if sys.stdin is None or not sys.stdin.isatty():
        yield
        return
    number = sys.stdin.fileno()

    def readable() -> None:
        if sys.stdin.readline():
            on_line()
        else:
            loop.remove_reader(number)

    loop.add_reader(number, readable)
    try:
        yield
    finally:
        loop.remove_reader(number)


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket.

    Raises:
        WebError: the address cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise WebError(f"The address {host} cannot be used: {error.strerror or error}.") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. What waits in the kernel for a slow browser is no longer what the screen shows.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    try:
        listener.bind(address)
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise WebError(f"Cannot listen on {host} port {port}: {reason}. Choose another --port.") from error
    listener.setblocking(False)
    return listener


def names_of(settings: WebSettings) -> list[str]:
    """Return the host names under which the server answers, the one to print first.

    Raises:
        WebError: the certificate cannot be read.
    """
    if settings.certificate is None:
        return list(dict.fromkeys([settings.host, *LOOPBACK]))
    named = certificate_names(settings.certificate)
    own = [] if settings.host in ANY_ADDRESS else [settings.host]
    return list(dict.fromkeys([*named, *own, *LOOPBACK]))


def certificate_names(path: Path) -> list[str]:
    """Return the host names that a certificate is for.

    Raises:
        WebError: it cannot be read.
    """
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except (OSError, ValueError) as error:
        raise WebError(f"The certificate {path} cannot be read: {error}") from error
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    domains = [name for name in names.get_values_for_type(x509.DNSName) if not name.startswith("*")]
    return [*domains, *addresses]


def check_pair(certificate: Path, key: Path) -> None:
    """Check a certificate and its key.

    Raises:
        WebError: they cannot be read or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WebError(f"The certificate {certificate} and the key {key} cannot be used: {reason}") from error
