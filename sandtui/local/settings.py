"""The settings of a local platform, and its default directory."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandtui.directories import DirectoryError, user_directory

DRIVERS = ("auto", "namespace", "engine", "process", "simulated")

USER_ID: Final = "usr_local"
"""The only user of a local platform; sandboxes without a user belong to it."""

ELSEWHERE = "To use another directory set XDG_DATA_HOME; `sandtui serve` and `sandtui local` also take --state-dir."
"""How to choose the state directory, for error messages of all programs."""


class LocalError(Exception):
    """An error that a user can fix; the message says how."""


class NothingIsolatesError(LocalError):
    """Nothing on this machine isolates sandboxes. The process driver, which does not either, must be named."""

    EXIT_CODE: Final = 3
    """The exit code by which a platform reports this to the process that started it."""


def default_state_dir() -> Path:
    """Return the default directory for records and sandboxes.

    Raises:
        LocalError: there is no home directory.
    """
    try:
        return user_directory("data") / "platform"
    except DirectoryError as error:
        raise LocalError(str(error)) from None


def engine_label(engine: str, runtime: str) -> str:
    """Return the name of an engine with a runtime."""
    return f"{engine or 'default'}{f'+{runtime}' if runtime else ''}"


def engine_state_dir(engine: str, runtime: str) -> Path:
    """Return the directory of the platform over a named engine; each engine and runtime has its own.

    Raises:
        LocalError: there is no home directory.
    """
    whole = engine_label(engine, runtime)
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", whole).strip("-.")[:80]
    if name != whole:
        # Two URLs can differ in what a file name has no room for.
        name = f"{name}-{hashlib.sha256(os.fsencode(whole)).hexdigest()[:8]}"
    return default_state_dir().parent / "engines" / name


@dataclass(frozen=True)
class RetentionLimits:
    """Limits on the logs and records of ended sandboxes; the oldest are removed first."""

    log_days: float = 7.0
    log_bytes: int = 256 * 1024 * 1024
    """The most bytes of all logs of ended sandboxes."""
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
    """Glob patterns of the images that drivers without pulls treat as available."""
    faults: str = ""
    """Faults by probability, in the syntax of :mod:`sandtui.local.control.faults`."""
    share_network: bool = False
    """Whether sandboxes with network access get this machine's own network."""
    allow_private: tuple[str, ...] = ()
    """Private networks and addresses of this machine that sandboxes may reach, as in 192.168.1.0/24."""
    allow_nested: bool = False
    """Whether programs in a sandbox may create namespaces, for example for another sandbox."""
    links: tuple[str, ...] = ("tun", "veth")
    """The kinds of network device to try, in this order."""
    retention: RetentionLimits = field(default_factory=RetentionLimits)
    engine: str = ""
    """The container engine: a URL, or a context of ``docker``; empty for the one that ``docker`` uses."""
    engine_origin: str = "--engine"
    """What names the engine, for error messages."""
    engine_runtime: str = ""
    """The runtime of its containers, such as runsc; empty for the engine's default."""
    engine_certificates: Path | None = None
    """The directory of the certificates for TLS to the engine; None for ``DOCKER_CERT_PATH``."""
    idle_exit: float | None = None
    """Seconds without requests and running sandboxes after which the platform stops."""

    @property
    def engine_label(self) -> str:
        """The name or address of the engine and the runtime; empty if neither is named."""
        return engine_label(self.engine, self.engine_runtime) if self.engine or self.engine_runtime else ""


def engine_settings(
    engine: str, runtime: str = "", *, origin: str = "--engine", certificates: Path | None = None
) -> PlatformSettings:
    """Return the settings of the platform over a named engine.

    Raises:
        LocalError: there is no home directory.
    """
    return PlatformSettings(
        state_dir=engine_state_dir(engine, runtime),
        driver="engine",
        engine=engine,
        engine_origin=origin,
        engine_runtime=runtime,
        engine_certificates=certificates,
    )
