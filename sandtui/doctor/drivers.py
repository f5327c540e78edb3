"""How the local platform could run sandboxes on this machine."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from sandtui.doctor.finding import Finding
from sandtui.scratch import scratch_directory


async def examine() -> AsyncIterator[Finding]:
    """Try each driver as the platform would."""
    from sandtui.local.drivers.engine import find_engine
    from sandtui.local.drivers.namespace import probe

    reason: str | None = ""
    with scratch_directory("doctor") as folder:
        # As root each sandbox can have users of its own; where even that is refused, anyone's way is left.
        for mapped in (True, False) if os.geteuid() == 0 else (False,):
            reason = await probe(folder, mapped=mapped)
            if reason is None:
                break
    api = await find_engine()
    engine = api is not None
    if api is not None:
        await api.close()
    if reason is None:
        yield Finding("namespaces", "good", "work: local sandboxes are isolated and start in milliseconds")
    else:
        mend = "Allow unprivileged user namespaces (inside Docker: --security-opt seccomp=unconfined)."
        if not engine:
            mend += " Without them and without an engine, local sandboxes are plain processes, NOT isolated."
        yield Finding("namespaces", "so-so", f"do not work: {reason.rstrip('.')}", mend)
    if engine:
        yield Finding("engine", "good", "Docker or Podman answers")
    else:
        yield Finding("engine", "good" if reason is None else "so-so", "no Docker or Podman; only needed for images")
