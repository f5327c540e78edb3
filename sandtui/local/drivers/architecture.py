"""The processor that a sandbox asks for, and the one that there is."""

from __future__ import annotations

import platform
from typing import Final

from sandtui.local.drivers.base import Refused

_ALIASES: Final = {"x86_64": "amd64", "x86-64": "amd64", "x64": "amd64", "aarch64": "arm64"}


def canonical(name: str) -> str:
    """Return an architecture as the API spells it: ``amd64`` for x86_64, ``arm64`` for aarch64."""
    name = name.strip().lower()
    return _ALIASES.get(name, name)


def refuse_other_architecture(wanted: str | None, own: str = "") -> None:
    """Refuse a sandbox for another processor than ``own``, which is this machine's unless given."""
    own = canonical(own or platform.machine())
    if wanted is not None and canonical(wanted) != own:
        # The newest command line of the official SDK always sends one, so that leaving it out is not enough to say.
        raise Refused(
            "arch", f"can't be {wanted!r} here: sandboxes of this local platform are {own}; ask for that, or for none"
        )
