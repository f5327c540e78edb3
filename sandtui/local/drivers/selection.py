"""Finds the best driver that works on this machine, or says why the wanted one doesn't."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandtui.clock import Clock
from sandtui.local.agent.isolate import HOST_DIRECTORIES
from sandtui.local.agent.network import LINKS
from sandtui.local.control.images import Catalogue
from sandtui.local.drivers.base import Driver, DriverError
from sandtui.local.drivers.disk_limits import DiskLimit
from sandtui.local.drivers.engine import EngineDriver, find_engine
from sandtui.local.drivers.namespace import NamespaceDriver, find_disk_limit, probe
from sandtui.local.drivers.process import ProcessDriver
from sandtui.local.drivers.simulated import SimulatedDriver
from sandtui.local.settings import ELSEWHERE, LocalError, NothingIsolatesError, PlatformSettings

_LINK_NAMES: Final = {"tun": "no TUN device", "veth": "no veth pair"}


async def choose(settings: PlatformSettings, state_dir: Path, clock: Clock) -> Driver:
    """Return the driver for these settings, tried out where it may fail."""
    images = Catalogue(settings.images)
    if settings.driver == "simulated":
        return SimulatedDriver(clock, images, settings.fleet, settings.seed)
    if settings.driver == "process":
        return ProcessDriver(state_dir, images)
    if settings.driver == "engine":
        api = await find_engine()
        if api is None:
            raise LocalError(
                "No container engine answers. Start Docker or Podman (`podman system service --time=0 "
                "unix:///PATH/podman.sock`), and name its socket in DOCKER_HOST when it is in no usual place."
            )
        return EngineDriver(api, state_dir)
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
            f"The namespace driver doesn't work here: {reason}. Allow unprivileged user "
            "namespaces (inside Docker: --security-opt seccomp=unconfined), or use --driver process, "
            "which does not isolate."
        )
    # An engine isolates well, but its images have to be there or be pulled: the second choice.
    if (api := await find_engine()) is not None:
        return EngineDriver(api, state_dir)
    raise NothingIsolatesError(
        f"Nothing on this machine can isolate sandboxes: namespaces don't work ({reason}), and no container engine "
        "answers. Allow unprivileged user namespaces (inside Docker: --security-opt seccomp=unconfined), start Docker "
        "or Podman, or name the driver to have sandboxes that are NOT isolated: "
        "`sandtui local env --driver process` or `sandtui serve --driver process`."
    )


@dataclass(frozen=True)
class Mode:
    """How namespaces work on this machine; ``reason`` says why they, or a carried network, don't."""

    mapped: bool | None
    """Whether sandboxes get users of their own; None when there are no namespaces at all."""
    link: str | None
    """How packets reach the platform; None when they can't."""
    reason: str
    disk: DiskLimit | None = None
    """What bounds the disk of a sandbox; None when nothing does, for ``disk_reason``."""
    disk_reason: str = ""


async def find_mode(state_dir: Path, links: Sequence[str] = LINKS) -> Mode:
    """Find out how this machine can isolate, by trying.

    Raises:
        LocalError: a trial failed for a reason that says nothing about the machine.
    """
    try:
        reasons = []
        # Only root can give sandboxes users of their own; where even that is refused, anyone's way is left.
        for mapped in (True, False) if os.geteuid() == 0 else (False,):
            reason = await probe(state_dir, mapped=mapped)
            if reason is None:
                link, why = await _find_link(state_dir, links, mapped=mapped)
                return Mode(mapped, link, why, *await find_disk_limit(state_dir, mapped=mapped))
            reasons.append(reason)
    except DriverError as error:
        # Not a limit of the machine, so nothing that isolates less may take its place.
        raise LocalError(f"Whether this machine can isolate sandboxes can't be found out. {error}") from error
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
    """Every sandbox sees the machine's programs; what all sandboxes keep must not lie among them."""
    shown = [Path("/", name) for name in HOST_DIRECTORIES] + [Path(sys.base_prefix)]
    for path in shown:
        if state_dir.is_relative_to(path.resolve()):
            raise LocalError(
                f"The state directory {state_dir} lies in {path}, which every sandbox can read. {ELSEWHERE}"
            )
