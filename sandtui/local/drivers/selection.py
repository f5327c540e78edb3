"""Selects the best driver that works on this machine, or explains why the requested one does not."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandtui.clock import Clock
from sandtui.local.agent.layout import HOST_DIRECTORIES
from sandtui.local.agent.network import LINKS
from sandtui.local.control.images import Catalogue
from sandtui.local.drivers.base import Driver, DriverError
from sandtui.local.drivers.disk_limits import DiskLimit
from sandtui.local.drivers.engine import EngineDriver, check_runtime, find_engine, reach_engine
from sandtui.local.drivers.engine_address import named_address, usual_addresses
from sandtui.local.drivers.engine_api import EngineApi
from sandtui.local.drivers.namespace import NamespaceDriver, find_disk_limit, probe
from sandtui.local.drivers.process import ProcessDriver
from sandtui.local.drivers.simulated import SimulatedDriver
from sandtui.local.settings import ELSEWHERE, LocalError, NothingIsolatesError, PlatformSettings

_LINK_NAMES: Final = {"tun": "no TUN device", "veth": "no veth pair"}


async def select_driver(settings: PlatformSettings, state_dir: Path, clock: Clock) -> Driver:
    """Return the driver for the settings, tested if it may fail.

    Raises:
        LocalError: the requested driver, or any that isolates, does not work here.
    """
    images = Catalogue(settings.images)
    if settings.driver == "simulated":
        return SimulatedDriver(clock, images, settings.fleet, settings.seed)
    if settings.driver == "process":
        return ProcessDriver(state_dir, images)
    if settings.driver == "engine":
        api = await _named_engine(settings)
        if api is None:
            raise LocalError(
                "No container engine responds. Start Docker or Podman (`podman system service --time=0 "
                "unix:///PATH/podman.sock`), and set DOCKER_HOST if its socket is not in a usual place."
            )
        if settings.engine_runtime:
            try:
                await check_runtime(api, settings.engine_runtime)
            except BaseException:
                await api.close()
                raise
        return EngineDriver(api, state_dir, settings.engine_runtime)
    mode = await find_mode(state_dir, settings.links)
    if mode.mapped is not None:
        _check_out_of_sight(state_dir)
        return NamespaceDriver(
            state_dir, images, mapped=mode.mapped, link=mode.link, shared=settings.share_network,
            nested=settings.allow_nested, reason=mode.reason, allow_private=settings.allow_private,
            disk=mode.disk, disk_reason=mode.disk_reason,
        )  # fmt: skip
    reason = mode.reason.rstrip(".")
    if settings.driver == "namespace":
        raise LocalError(
            f"The namespace driver does not work here: {reason}. Allow unprivileged user "
            "namespaces (inside Docker: --security-opt seccomp=unconfined), or use --driver process, "
            "which does not isolate."
        )
    # A container engine isolates well, but needs images: the second choice.
    try:
        api = await find_engine()
    except LocalError as error:
        raise LocalError(f"Namespaces do not work here ({reason}). {error}") from error
    if api is not None:
        return EngineDriver(api, state_dir)
    raise NothingIsolatesError(
        f"Nothing on this machine can isolate sandboxes: namespaces do not work ({reason}), and no container engine "
        "responds. Allow unprivileged user namespaces (inside Docker: --security-opt seccomp=unconfined), start Docker "
        "or Podman, or select the driver for sandboxes that are NOT isolated: "
        "`sandtui local env --driver process` or `sandtui serve --driver process`."
    )


async def _named_engine(settings: PlatformSettings) -> EngineApi | None:
    if not settings.engine:
        return await find_engine()
    address = named_address(settings.engine, settings.engine_origin, settings.engine_certificates)
    if address is not None:
        return await reach_engine(address)
    for usual in usual_addresses():
        with contextlib.suppress(LocalError):
            return await reach_engine(usual)
    return None


@dataclass(frozen=True)
class Mode:
    """How namespaces work on this machine; ``reason`` says why they, or a network of their own, do not."""

    mapped: bool | None
    """Whether sandboxes get their own user ids; None if namespaces do not work at all."""
    link: str | None
    """The kind of network device; None if none works."""
    reason: str
    disk: DiskLimit | None = None
    """The disk limit; None if none works, for ``disk_reason``."""
    disk_reason: str = ""


async def find_mode(state_dir: Path, links: Sequence[str] = LINKS) -> Mode:
    """Find out, by probing, how this machine can isolate.

    Raises:
        LocalError: a probe failed for a reason that says nothing about the machine.
    """
    try:
        reasons = []
        # Only root can map other user ids; if even that is refused, the unprivileged way remains.
        for mapped in (True, False) if os.geteuid() == 0 else (False,):
            reason = await probe(state_dir, mapped=mapped)
            if reason is None:
                link, why = await _find_link(state_dir, links, mapped=mapped)
                return Mode(mapped, link, why, *await find_disk_limit(state_dir, mapped=mapped))
            reasons.append(reason)
    except DriverError as error:
        # Not a limit of the machine, so no driver with less isolation may be used instead.
        raise LocalError(f"Cannot determine whether this machine can isolate sandboxes. {error}") from error
    return Mode(None, None, reasons[-1])


async def _find_link(state_dir: Path, links: Sequence[str], *, mapped: bool) -> tuple[str | None, str]:
    reasons = []
    for link in links:
        reason = await probe(state_dir, mapped=mapped, network=link)
        if reason is None:
            return link, ""
        reasons.append(f"{_LINK_NAMES[link]}: {reason}")
    return None, "; ".join(reasons)


def _check_out_of_sight(state_dir: Path) -> None:
    """Raise a LocalError for a state directory among the programs of the machine, which all sandboxes can read."""
    shown = [Path("/", name) for name in HOST_DIRECTORIES] + [Path(sys.base_prefix)]
    for path in shown:
        if state_dir.is_relative_to(path.resolve()):
            raise LocalError(f"The state directory {state_dir} is in {path}, which all sandboxes can read. {ELSEWHERE}")
