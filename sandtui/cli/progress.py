"""A line of progress on standard error, for whatever lasts over a second."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandtui.cli.usage import is_quiet, on_terminal

SILENT_SECONDS = 1.0
"""What is over sooner needs no progress."""

PAUSE_SECONDS = 0.1
BAR_WIDTH = 20


@asynccontextmanager
async def waiting(words: str) -> AsyncIterator[None]:
    """Say what is waited for in the block, if it takes longer than a second."""
    line = ProgressLine(words, 0)

    async def show() -> None:
        await asyncio.sleep(SILENT_SECONDS)
        line.say(f"{words} …")

    task = asyncio.ensure_future(show())
    try:
        yield
    finally:
        task.cancel()
        line.clear()


class ProgressLine:
    """Shows how much is done, on a terminal and without ``--quiet``. ``clear`` before anything else is printed."""

    def __init__(self, words: str, total: int) -> None:
        self._words = words
        self._total = total
        self._shows = on_terminal("stderr") and not is_quiet()
        self._due = time.monotonic() + SILENT_SECONDS
        self._drawn = False

    def update(self, done: int, more: str = "") -> None:
        """Show that ``done`` are over."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + PAUSE_SECONDS
        filled = BAR_WIDTH * done // max(1, self._total)
        bar = "█" * filled + "░" * (BAR_WIDTH - filled)
        text = f"{self._words} {bar} {done:,} of {self._total:,}{more and f' · {more}'}"
        self.say(text)

    def say(self, text: str) -> None:
        """Show a text."""
        if not self._shows:
            return
        # A line that wraps could not be rewritten.
        room = shutil.get_terminal_size().columns - 1
        print(f"\r{text[:room]}\x1b[K", end="", file=sys.stderr, flush=True)
        self._drawn = True

    def update_of(self, done: int, total: int) -> None:
        """Show that ``done`` of a number that is known only now are over."""
        self._total = total
        self.update(done)

    def clear(self) -> None:
        """Remove the line, until it is updated again."""
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._drawn = False
