"""What one local platform is told at its start, and where it keeps its things."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandtui.directories import DirectoryError, user_directory

DRIVERS = ("auto", "namespace", "engine", "process", "simulated")

USER_ID: Final = "usr_local"
"""The one user of a local platform; every sandbox that names no other is this user's."""

ELSEWHERE = "To use another directory set XDG_DATA_HOME; `sandtui serve` and `sandtui local` also take --state-dir."
"""How the state directory is chosen, in every program that may show such a message."""


class LocalError(Exception):
    """Something a person has to know and can do something about; the text says both."""


class NothingIsolatesError(LocalError):
    """Nothing on this machine keeps sandboxes apart. Whoever wants plain processes all the same has to say so."""

    EXIT_CODE: Final = 3
    """How a platform that was started by another process of ours says so."""


def default_state_dir() -> Path:
    """Return where records and sandboxes live unless told otherwise.

    Raises:
        LocalError: there is no home directory.
    """
    try:
        return user_directory("data") / "platform"
    except DirectoryError as error:
        raise LocalError(str(error)) from None


@dataclass(frozen=True)
class Keep:
    """How long and how much of what is left of ended sandboxes is kept; the oldest goes first."""

    log_days: float = 7.0
    log_bytes: int = 256 * 1024 * 1024
    """Bytes of all logs of ended sandboxes together."""
    record_days: float = 30.0
    records: int = 10_000


@dataclass(frozen=True)
class PlatformSettings:
    """The settings of a platform."""

    state_dir: Path = field(default_factory=default_state_dir)
    host: str = "127.0.0.1"
    port: int = 0
    driver: str = "auto"
    fleet: int = 0
    seed: int = 1
    images: tuple[str, ...] = ("*",)
    """Glob patterns of the images that are taken as there by drivers that pull nothing."""
    trouble: str = ""
    """Faults by probability, as :mod:`sandtui.local.control.faults` reads them."""
    share_network: bool = False
    """Whether sandboxes with network access get this machine's own network."""
    allow_private: tuple[str, ...] = ()
    """Networks that sandboxes may reach though they are private or this machine's, as in 192.168.1.0/24."""
    allow_nested: bool = False
    """Whether programs in a sandbox may build namespaces of their own, such as another sandbox."""
    links: tuple[str, ...] = ("tun", "veth")
    """The ways to carry a sandbox' packets that are tried, in this order."""
    keep: Keep = field(default_factory=Keep)
    idle_exit: float | None = None
    """Seconds without a request and without a running sandbox after which the platform ends itself."""
