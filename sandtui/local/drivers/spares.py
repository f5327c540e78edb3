"""Spare launchers that wait in their control groups, since the kernel is slow to move a process into a group."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

from sandtui.local.drivers.base import DriverError
from sandtui.local.drivers.cgroups import Cgroups, ControlGroup
from sandtui.local.drivers.launcher import AgentLaunch, Launcher
from sandtui.local.files import private_directory, remove_tree

_COUNT: Final = 2
_CLOSE_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class Spare(NamedTuple):
    """What a sandbox can start with: a directory, which names its group, and a launcher in that group."""

    directory: Path
    group: ControlGroup
    launch: AgentLaunch


class Spares:
    """Keeps a few spares ready. Those of a killed platform are found by their directories."""

    def __init__(self, directory: Path, cgroups: Cgroups | None, launcher: Launcher) -> None:
        self._directory = directory
        self._cgroups = cgroups
        self._launcher = launcher
        self._ready: list[Spare] = []
        self._refilling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Remove the spares of an earlier platform, and create the first ones."""
        await asyncio.to_thread(private_directory, self._directory, "directory")
        await asyncio.to_thread(self._clear_away)
        self.refill()

    def take(self, directory: Path) -> Spare | None:
        """Return a spare, which belongs to the caller and whose directory becomes the sandbox's; or None."""
        while self._ready:
            spare = self._ready.pop()
            if spare.launch.is_alive:
                spare.directory.rename(directory)
                return spare
            spare.launch.close()
        return None

    def refill(self) -> None:
        """Create missing spares, unless that is in progress."""
        if self._cgroups is not None and len(self._ready) < _COUNT and self._refilling is None:
            self._refilling = asyncio.create_task(self._make_missing(self._cgroups), name="spares")
            self._refilling.add_done_callback(self._refilled)

    async def close(self) -> None:
        """End all spares."""
        if self._refilling is not None:
            await asyncio.wait([self._refilling], timeout=_CLOSE_SECONDS)
        if self._refilling is not None:
            self._refilling.cancel()
            await asyncio.wait([self._refilling])
        while self._ready:
            await self._ready.pop().launch.give_up()
        await asyncio.to_thread(self._clear_away)

    def _refilled(self, task: asyncio.Task[None]) -> None:
        self._refilling = None
        if not task.cancelled() and (error := task.exception()) is not None:
            # Every sandbox can start without a spare.
            _log.warning("no spare launcher can be made: %s", error)

    async def _make_missing(self, cgroups: Cgroups) -> None:
        while len(self._ready) < _COUNT:
            name = f"spare-{secrets.token_hex(8)}"
            await asyncio.to_thread(self._clear_away, {spare.directory.name for spare in self._ready})
            directory, group = self._directory / name, cgroups.group(name)
            files = await asyncio.to_thread(_furnish, directory, group)
            launch = await self._launcher.begin()
            try:
                await launch.join(files)
            except BaseException:
                launch.close()
                raise
            self._ready.append(Spare(directory, group, launch))

    def _clear_away(self, kept: Collection[str] = ()) -> None:
        """Remove everything that does not belong to an available spare."""
        for directory in self._directory.iterdir():
            if directory.name not in kept:
                with contextlib.suppress(DriverError, OSError):
                    if (group := ControlGroup.load(directory)) is not None:
                        group.remove()
                    remove_tree(directory)


def make_directory(directory: Path) -> None:
    """Create the directory of a sandbox with an empty root."""
    root = directory / "root"
    directory.mkdir(mode=0o700)
    root.mkdir(mode=0o755)
    root.chmod(0o755)  # whatever the umask is, since the sandbox's users need access


def _furnish(directory: Path, group: ControlGroup) -> list[str]:
    make_directory(directory)
    group.save(directory)
    return group.make()
