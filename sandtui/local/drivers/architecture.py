"""The hardware of sandboxes: processor architectures and GPUs."""

from __future__ import annotations

import platform
from typing import Final

from sandtui.local.drivers.base import Refused
from sandtui.local.store.records import SandboxRecord

_ALIASES: Final = {"x86_64": "amd64", "x86-64": "amd64", "x64": "amd64", "aarch64": "arm64"}


def canonical(name: str) -> str:
    """Return an architecture in the API's spelling: ``amd64`` for x86_64, ``arm64`` for aarch64."""
    name = name.strip().lower()
    return _ALIASES.get(name, name)


def refuse_other_architecture(wanted: str | None, own: str = "") -> None:
    """Refuse a sandbox for another architecture than ``own``, by default this machine's."""
    own = canonical(own or platform.machine())
    if wanted is not None and canonical(wanted) != own:
        # The newest official command line always sends one, so the message says how to choose it.
        raise Refused(
            "arch", f"cannot be {wanted!r}: sandboxes of this local platform are {own}; request that, or omit it"
        )


def refuse_hardware(record: SandboxRecord, own: str = "") -> None:
    """Refuse a sandbox that needs hardware this platform does not have; ``own`` is its architecture."""
    refuse_other_architecture(record.arch, own)
    if record.gpu_count:
        raise Refused("gpu_count", "this local platform has no GPUs")
