"""Finds the best driver that works on this machine, or says why the wanted one doesn't."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sandtui.local.agent.isolate import HOST_DIRECTORIES
from sandtui.local.clock import Clock
from sandtui.local.drivers.base import Driver
from sandtui.local.drivers.engine import EngineDriver, find_engine
from sandtui.local.drivers.namespace import NamespaceDriver, probe
from sandtui.local.drivers.process import ProcessDriver
from sandtui.local.drivers.simulated import SimulatedDriver
from sandtui.local.images import Catalogue
from sandtui.local.settings import LocalError, Settings


async def choose(settings: Settings, state_dir: Path, clock: Clock) -> Driver:
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
    reasons = []
    # Only root can give sandboxes users of their own; where even that is refused, anyone's way is left.
    for mapped in (True, False) if os.geteuid() == 0 else (False,):
        reason = await probe(state_dir, mapped=mapped)
        if reason is None:
            _check_out_of_sight(state_dir)
            carried = await probe(state_dir, mapped=mapped, network="user") is None
            return NamespaceDriver(state_dir, images, mapped=mapped, carried=carried)
        reasons.append(reason)
    if settings.driver == "namespace":
        raise LocalError(
            f"The namespace driver doesn't work here: {reasons[-1].rstrip('.')}. Allow unprivileged user "
            "namespaces (inside Docker: --security-opt seccomp=unconfined), or use --driver process, "
            "which does not isolate."
        )
    # An engine isolates well, but its images have to be there or be pulled: the second choice.
    if (api := await find_engine()) is not None:
        return EngineDriver(api, state_dir)
    return ProcessDriver(state_dir, images, f" (Namespaces don't work here: {reasons[-1].rstrip('.')}.)")


def _check_out_of_sight(state_dir: Path) -> None:
    """Every sandbox sees the machine's programs; what all sandboxes keep must not lie among them."""
    shown = [Path("/", name) for name in HOST_DIRECTORIES] + [Path(sys.base_prefix)]
    for path in shown:
        if state_dir.is_relative_to(path.resolve()):
            raise LocalError(
                f"The state directory {state_dir} lies in {path}, which every sandbox can read. "
                "Choose another place with --state-dir."
            )
