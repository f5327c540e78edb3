"""Files of this machine that the dashboard writes, in threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from sandtui.config.paths import write_private
from sandtui.directories import describe
from sandtui.saving import write_new
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.work import Work


class LocalFiles:
    """Writes files; what came of those that the user asked for is told."""

    def __init__(self, work: Work, notifier: Notifier) -> None:
        self._work, self._notifier = work, notifier

    def write(self, path: Path, text: str, what: str) -> None:
        """Write a new file; ``what`` names its content. Nothing that exists is overwritten."""

        def create() -> str:
            write_new(path, [text])
            return what

        self.save(path, create)

    def save(self, path: Path, write: Callable[[], str]) -> None:
        """Have something written to a path by a function that returns what it wrote."""

        async def flow() -> None:
            try:
                what = await asyncio.to_thread(write)
            except (OSError, ValueError) as error:
                # The path is named already.
                reason = describe(error, path).removeprefix(f"{path}: ").removeprefix(f"{path} ")
                self._notifier.notify(f"{path} was not written: {reason}", "error")
            else:
                self._notifier.notify(f"{what} written to {path}.")

        self._work.start(flow(), "write")

    def keep(self, path: Path, text: str) -> None:
        """Replace a file of ours; that it can't be written is no reason to disturb anybody."""

        async def flow() -> None:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(write_private, path, text)

        self._work.start(flow(), f"keep {path.name}", exclusive=True)
