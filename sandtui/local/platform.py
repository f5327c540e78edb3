"""The whole platform: an ASGI application and everything behind it."""

from __future__ import annotations

import fcntl
import os
from contextlib import AsyncExitStack
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, ExceptionHandler

from sandtui.client.models.sandbox import CHANGING_STATUSES, SandboxStatus
from sandtui.clock import Clock, SystemClock
from sandtui.local import wire
from sandtui.local.control.account import AccountRoutes
from sandtui.local.control.api_key import ApiKeyGuard
from sandtui.local.control.build_routes import BuildRoutes
from sandtui.local.control.builds import Builds
from sandtui.local.control.checkpoints import CheckpointRoutes, Checkpoints
from sandtui.local.control.egress import EgressRoutes
from sandtui.local.control.faults import FaultInjection, FaultSettings
from sandtui.local.control.image_checks import ImageRoutes
from sandtui.local.control.jobs import JobRoutes
from sandtui.local.control.lifecycle import Lifecycle
from sandtui.local.control.networks import NetworkRoutes, Networks
from sandtui.local.control.ports import PortRoutes
from sandtui.local.control.retention import Retention
from sandtui.local.control.sandboxes import ControlPlane
from sandtui.local.control.ssh import SshRoutes
from sandtui.local.control.volumes import VolumeRoutes, Volumes
from sandtui.local.drivers.base import Driver, DriverError
from sandtui.local.drivers.selection import select_driver
from sandtui.local.files import LOCK_NAME, private_directory
from sandtui.local.gateway.commands import Gateway
from sandtui.local.gateway.exposures import Exposures
from sandtui.local.gateway.published_ports import PublishedPorts
from sandtui.local.gateway.session_routes import SessionRoutes
from sandtui.local.gateway.tokens import GatewayTokens
from sandtui.local.guard import Guard
from sandtui.local.identity import CHALLENGE, new_api_key, proof
from sandtui.local.settings import ELSEWHERE, LocalError, PlatformSettings
from sandtui.local.ssh.on_demand import OnDemandSshServer
from sandtui.local.ssh.sessions import SshSessions
from sandtui.local.store.checkpoints import CheckpointRegistry
from sandtui.local.store.database import Store
from sandtui.local.store.disk import Disk, DiskFull, is_full
from sandtui.local.store.images import ImageRegistry
from sandtui.local.store.networks import NetworkRegistry
from sandtui.local.store.registry import Registry
from sandtui.local.store.vault import Vault
from sandtui.local.store.volumes import VolumeRegistry


class LocalPlatform:
    """A local platform. Enter it, then serve ``app``, or call it in the same process without sockets."""

    def __init__(self, settings: PlatformSettings, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.base_url = "http://127.0.0.1"
        self.api_key = ""
        self.driver: Driver
        self.app: Guard
        self.registry: Registry
        self.lifecycle: Lifecycle
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def is_idle(self) -> bool:
        """Whether no sandbox is running or about to."""
        return not self.registry.count(SandboxStatus.RUNNING, *CHANGING_STATUSES)

    async def _open(self) -> None:
        """Build all parts; the first to be opened is the last to be closed."""
        settings, clock = self.settings, self.clock
        state_dir = private_directory(settings.state_dir, "state directory")
        lock = take_lock(state_dir / LOCK_NAME)
        self._stack.callback(os.close, lock)
        disk = Disk(state_dir)
        disk.open()
        self.api_key = new_api_key()
        # Files of a killed platform: its port may be another program's by now. Old versions stored their key.
        for name in ("endpoint.json", "api_key"):
            (state_dir / name).unlink(missing_ok=True)
        self.driver = await select_driver(settings, state_dir, clock)
        store = Store(state_dir / _database(settings), Vault.load(state_dir / "secrets.key"), disk)
        records = {record.id: record for record in self.driver.fleet()}
        self._stack.callback(store.close)
        records.update({record.id: record for record in store.open()})
        self.registry = Registry(store, clock)
        self.registry.load(sorted(records.values(), key=lambda record: record.created_at))
        await self.driver.open()
        self._stack.push_async_callback(self.driver.close)
        self.lifecycle = Lifecycle(self.registry, self.driver, clock)
        self._stack.push_async_callback(self.lifecycle.close)
        records_of_checkpoints = CheckpointRegistry(store, clock)
        checkpoints = Checkpoints(records_of_checkpoints, self.registry, self.driver, clock, disk)
        records_of_volumes = VolumeRegistry(store)
        records_of_volumes.load()
        volumes = Volumes(
            records_of_volumes, records_of_checkpoints, checkpoints, self.registry, self.driver, clock, disk
        )
        # Before sandboxes are created from them again, and closed before the sandboxes are.
        await checkpoints.open({each.head_checkpoint_id for each in records_of_volumes if each.head_checkpoint_id})
        await volumes.open()
        builds = Builds(ImageRegistry(store), self.registry, self.driver, clock, disk, state_dir)
        await builds.open()
        self.lifecycle.image_of = builds.ready
        await self.lifecycle.open()
        self._stack.push_async_callback(builds.close)
        self._stack.push_async_callback(checkpoints.close)
        keep = settings.retention
        if settings.driver == "simulated":
            # The initial sandboxes of a simulated fleet are always retained.
            keep = replace(keep, records=max(keep.records, settings.fleet))
        retention = Retention(self.registry, self.driver.logs, clock, keep, state_dir, disk)
        self.lifecycle.on_end.append(retention.ended)
        await retention.open()
        self._stack.push_async_callback(retention.close)
        tokens = GatewayTokens(self.api_key)
        ssh_sessions = SshSessions(self.lifecycle, clock)
        ssh = OnDemandSshServer(ssh_sessions, self.lifecycle, settings.host, state_dir / "ssh_host_key")
        self._stack.push_async_callback(ssh.close)
        gateway = Gateway(self.registry, self.lifecycle, tokens, ssh_sessions, clock)
        self._stack.push_async_callback(gateway.close)
        sessions = SessionRoutes(self.registry, self.lifecycle, tokens, clock)
        self._stack.push_async_callback(sessions.close)
        exposures = Exposures(store, self.lifecycle, clock)
        await exposures.open()
        self._stack.push_async_callback(exposures.close)
        networks = Networks(
            NetworkRegistry(store),
            self.registry,
            self.lifecycle,
            self.driver,
            PublishedPorts(self.lifecycle),
            clock,
            disk,
        )
        self._stack.push_async_callback(networks.close)
        await networks.open()
        access = ApiKeyGuard(self.registry, self.api_key)
        control = ControlPlane(
            access, self.registry, self.lifecycle, self.driver, clock, tokens, lambda: self.base_url, disk,
            checkpoints, volumes, builds, networks,
        )  # fmt: skip
        images = BuildRoutes(builds, self.driver, clock, lambda: self.base_url)
        rows = [
            *JobRoutes(self.registry, self.lifecycle).rows(),
            *PortRoutes(access, exposures).rows(),
            *SshRoutes(access, ssh_sessions, ssh, tokens, lambda: self.base_url).rows(),
            *EgressRoutes(access, self.registry, self.driver).rows(),
            *ImageRoutes(self.driver, builds).rows(),
            *images.rows(),
            *AccountRoutes().rows(),
            *CheckpointRoutes(access, records_of_checkpoints, checkpoints, self.registry, self.driver).rows(),
            *VolumeRoutes(access, volumes, self.driver).rows(),
            *NetworkRoutes(access, networks).rows(),
            *control.rows(),
        ]
        routes = [Route("/healthz", self._health, methods=["GET"]), *access.routes(rows)]
        routes += [*images.open_routes(), *sessions.routes(), *gateway.routes()]
        handlers: dict[int | type[Exception], ExceptionHandler] = {
            wire.WireError: _wire_error,
            HTTPException: _http_error,
            ClientDisconnect: _port_closed,
            DriverError: _driver_error,
            OSError: _system_error,
            Exception: _failure,
        }
        starlette = Starlette(routes=routes, exception_handlers=handlers)
        # A path with an extra slash is unknown; a redirect would tell an unauthenticated client otherwise.
        starlette.router.redirect_slashes = False
        app: ASGIApp = starlette
        if settings.faults:
            app = FaultInjection(app, FaultSettings.parse(settings.faults))
        self.app = Guard(app, settings.host)

    async def _health(self, request: Request) -> Response:
        response = {"service": "sandtui", "pid": os.getpid(), "driver": self.driver.name}
        challenge = request.query_params.get("challenge", "")
        if CHALLENGE.fullmatch(challenge):
            response["proof"] = proof(self.api_key, self.base_url, challenge)
        return wire.AsciiJSONResponse(response)


def _database(settings: PlatformSettings) -> str:
    # A simulated fleet must not mix with real sandboxes, nor with another simulated fleet.
    if settings.driver == "simulated":
        return f"simulated-{settings.fleet}-{settings.seed}.sqlite3"
    return "platform.sqlite3"


def take_lock(path: Path) -> int:
    """Lock a state directory for this platform until the process ends.

    Raises:
        LocalError: another platform runs on it.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(fd, 32).decode("ascii", "replace").strip()
        os.close(fd)
        raise LocalError(
            f"A platform is already running on the state directory {path.parent} (process {holder or 'unknown'}). "
            f"Use it, or stop it with `sandtui local stop`. {ELSEWHERE}"
        ) from error
    try:
        os.truncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
    except OSError as error:
        # The lock is held anyway; the process id is only informative.
        if not is_full(error):
            os.close(fd)
            raise
    return fd


async def _wire_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, wire.WireError)
    return error.response()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return wire.AsciiJSONResponse({"detail": error.detail}, error.status_code, error.headers)


async def _port_closed(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


async def _system_error(request: Request, error: Exception) -> Response:
    if not is_full(error):
        raise error
    assert isinstance(error, OSError)
    detail = str(error) if isinstance(error, DiskFull) else f"The disk of the local platform is full: {error.strerror}."
    return wire.AsciiJSONResponse({"detail": detail}, HTTPStatus.INSUFFICIENT_STORAGE)


async def _driver_error(request: Request, error: Exception) -> Response:
    return wire.AsciiJSONResponse({"detail": str(error)}, 500)


async def _failure(request: Request, error: Exception) -> Response:
    return wire.AsciiJSONResponse({"detail": "Internal error; see the log of the local platform."}, 500)
