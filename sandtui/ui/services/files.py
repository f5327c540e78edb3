"""Writing local files, in threads."""

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

CONFINED = "Not possible here: this dashboard writes no files on the machine where it runs"


class LocalFiles:
    """Writes files, and notifies of the result when the user asked for them."""

    def __init__(self, work: Work, notifier: Notifier, *, confined: bool = False) -> None:
        self._work, self._notifier, self._confined = work, notifier, confined

    def write(self, path: Path, text: str, what: str) -> None:
        """Write a new file; ``what`` describes its content. An existing file is not overwritten."""

        def create() -> str:
            write_new(path, [text])
            return what

        self.save(path, create)

    def save(self, path: Path, write: Callable[[], str]) -> None:
        """Call a function that writes to a path and returns a description of what it wrote."""
        if self._confined:
            self._notifier.notify(CONFINED, "warning")
            return

        async def flow() -> None:
            try:
                what = await asyncio.to_thread(write)
            except (OSError, ValueError) as error:
                # The message already starts with the path.
                reason = describe(error, path).removeprefix(f"{path}: ").removeprefix(f"{path} ")
                self._notifier.notify(f"{path} not saved: {reason}", "error")
            else:
                self._notifier.notify(f"Saved {what} to {path}")

        self._work.start(flow(), "write")

    def keep(self, path: Path, text: str) -> None:
        """Replace one of sandtui's own files; failures are only logged."""

        async def flow() -> None:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(write_private, path, text)

        self._work.start(flow(), f"keep {path.name}", exclusive=True)
