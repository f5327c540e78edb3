"""Serves a platform over HTTP until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn

from sandtui.local.connections import BoundedProtocol
from sandtui.local.owned_platform import OwnerWatch
from sandtui.local.platform import LocalPlatform
from sandtui.local.service import Endpoint, endpoint_path
from sandtui.local.settings import LocalError, PlatformSettings

_IDLE_CHECKS: Final = 20
_FINISH_SECONDS: Final = 1.0
"""Seconds that requests in progress have to finish when the platform stops."""

_GRACE_SECONDS: Final = 2
"""Seconds after which requests are cut off that could not be answered."""


async def serve(settings: PlatformSettings, announce: Callable[[str], None], owner: OwnerWatch | None = None) -> None:
    """Run a platform; call ``announce`` with one line once it accepts requests.

    With an ``owner``, it stops when the owner has ended.
    """
    listener = listen(settings.host, settings.port)
    with contextlib.closing(listener):
        async with LocalPlatform(settings) as platform:
            platform.base_url = base_url(listener)
            server = Server(platform)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, server.stop)
            if owner is not None:
                owner.watch(lambda: loop.call_soon_threadsafe(server.stop))
            idle = asyncio.create_task(_stop_when_idle(platform, server))
            driver = platform.driver
            endpoint = Endpoint(
                platform.base_url, platform.api_key, os.getpid(), driver.name, driver.warning, driver.isolation,
                settings.engine_label,
            )  # fmt: skip
            file = endpoint_path(settings)

            def ready() -> None:
                endpoint.save(file)
                if driver.warning:
                    _print_error(f"sandtui: warning: {driver.warning}")
                announce(json.dumps(endpoint.as_dict()))

            server.when_ready = ready
            try:
                await server.serve(sockets=[listener])
            finally:
                idle.cancel()
                Endpoint.forget(file, os.getpid())


def run(settings: PlatformSettings, owner: OwnerWatch | None = None) -> None:
    """Run a platform in this process and print its address on standard output."""
    try:
        asyncio.run(serve(settings, lambda line: print(line, flush=True), owner))  # noqa: T201
    finally:
        if owner is not None:
            owner.clean_up()


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; done first, so that a port in use is noticed before anything else happens."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)[0]
        # asyncio disables Nagle's algorithm, which costs 40 ms per request, only if it knows the protocol.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise LocalError(f"The address {host} cannot be used: {error.strerror or error}.") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise LocalError(
            f"The platform cannot listen on {host} port {port}: {reason}. "
            "Choose another port, or omit --port to use any free one."
        ) from error
    listener.setblocking(False)
    return listener


def base_url(listener: socket.socket) -> str:
    """Return the URL of a listener."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the process before its sandboxes."""

    def __init__(self, platform: LocalPlatform) -> None:
        config = uvicorn.Config(
            platform.app, lifespan="off", access_log=False, log_level="warning", server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS, ws="none", backlog=1024, timeout_keep_alive=75,
            http=BoundedProtocol,
        )  # fmt: skip
        super().__init__(config)
        self._cut_off = platform.app.cut_off
        self.when_ready: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """Stop accepting requests, let those in progress finish, and cancel the rest with a response."""
        if not self.should_exit:
            asyncio.get_running_loop().call_later(_FINISH_SECONDS, self._cut_off)
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: Any = None) -> None:
        """Start serving, then notify those who wait for it."""
        await super().startup(sockets=sockets)
        self.when_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to :func:`serve`."""
        yield


def _print_error(text: str) -> None:
    # Standard error may be a file on a full disk.
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")


async def _stop_when_idle(platform: LocalPlatform, server: Server) -> None:
    limit = platform.settings.idle_exit
    if limit is None:
        return
    while not (platform.app.idle_seconds >= limit and platform.is_idle):  # noqa: ASYNC110
        await asyncio.sleep(max(0.05, min(limit / _IDLE_CHECKS, 5.0)))
    _print_error("The platform is idle and stops: no sandboxes and no requests.")
    server.stop()
