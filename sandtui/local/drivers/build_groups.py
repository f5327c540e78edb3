"""Control groups of builds: Podman lets a step of a build run to its end, also when nobody waits for it any more."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
_PREFIX: Final = "sandtui_"
_SLICE: Final = ".slice"
_SECONDS: Final = 10.0
_PAUSE: Final = 0.02


def group_name(build_id: str, driver: str) -> str:
    """Return the name of a build's group for an engine with a ``driver`` of groups: systemd asks for a slice."""
    return f"{_PREFIX}{build_id}{_SLICE if driver == 'systemd' else ''}"


def end_group(build_id: str) -> None:
    """Kill all processes of a build's group."""
    end = time.monotonic() + _SECONDS
    while (found := list(_groups(build_id))) and time.monotonic() < end:
        for pid in {pid for path in found for pid in _processes(path)}:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for path in sorted(found, key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()
        time.sleep(_PAUSE)


def _groups(build_id: str) -> Iterator[Path]:
    for name in (group_name(build_id, ""), group_name(build_id, "systemd")):
        for top in (*_ROOT.glob(f"*/{name}"), *_ROOT.glob(name)):
            yield from (Path(path) for path, _, _ in os.walk(top))


def _processes(path: Path) -> list[int]:
    try:
        return [int(word) for word in (path / "cgroup.procs").read_text().split() if word != "0"]
    except OSError:
        return []
