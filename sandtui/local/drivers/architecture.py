"""The processor architectures of sandboxes."""

from __future__ import annotations

import platform
from typing import Final

from sandtui.local.drivers.base import Refused

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
