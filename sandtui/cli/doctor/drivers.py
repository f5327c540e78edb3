"""Checks how the local platform can run sandboxes on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sandtui.cli.doctor.finding import Finding
from sandtui.local.settings import LocalError
from sandtui.scratch import scratch_directory

_DISK_FIX = (
    "Run the platform as root on a file system with project quotas (prjquota), or with loop devices and mkfs.ext4."
)


async def examine() -> AsyncIterator[Finding]:
    """Try the drivers as the platform does."""
    from sandtui.local.drivers.engine import find_engine
    from sandtui.local.drivers.selection import find_mode

    with scratch_directory("doctor") as folder:
        try:
            mode = await find_mode(folder)
        except LocalError as error:
            yield Finding("namespaces", "error", str(error), "Local sandboxes cannot start until this is fixed.")
            return
    refusal, where = "", ""
    try:
        api = await find_engine()
    except LocalError as error:
        api, refusal = None, str(error)
    engine = api is not None
    if api is not None:
        where = f" at {api.link.address}" if api.link.address.origin else ""
        await api.close()
    works = mode.mapped is not None
    if works:
        yield Finding("namespaces", "ok", "available: local sandboxes are isolated and start in milliseconds")
        yield _network(mode.link, mode.reason)
        if mode.disk is not None:
            yield Finding("disk", "ok", mode.disk.text)
        elif mode.disk_reason:
            text = f"usage over the limit ends a local sandbox, but late: {mode.disk_reason}"
            yield Finding("disk", "warning", text, _DISK_FIX)
    else:
        fix = "Allow unprivileged user namespaces (inside Docker: --security-opt seccomp=unconfined)."
        if not engine:
            fix += " Or start Docker or Podman. `sandtui serve --driver process` runs sandboxes that are NOT isolated."
        yield Finding("namespaces", "warning", f"not available: {mode.reason.rstrip('.')}", fix)
    if engine:
        yield Finding("engine", "ok", f"Docker or Podman is running{where}")
    elif refusal:
        fix = "Local sandboxes run as containers only once this works." if works else "Only needed for images."
        yield Finding("engine", "warning", refusal, fix)
    else:
        yield Finding("engine", "ok" if works else "warning", "no Docker or Podman (only needed for images)")


def _network(link: str | None, reason: str) -> Finding:
    if link is not None:
        how = "a TUN device" if link == "tun" else "a veth pair"
        return Finding("network", "ok", f"each local sandbox has its own, over {how}")
    fix = (
        "Make /dev/net/tun or the veth module available. `sandtui serve --share-network` gives sandboxes "
        "this machine's own network, its loopback services included."
    )
    return Finding("network", "warning", f"not available to local sandboxes: {reason.rstrip('.')}", fix)
