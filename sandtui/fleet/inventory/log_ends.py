"""The last lines of sandboxes' logs, for screens that show them beside other things.

The platform returns a log only as a whole, so it is asked for as seldom as possible. The log of an ended sandbox does
not change: it is read once. That of a running one is read only for a screen that shows nothing but this sandbox, and
more rarely if it is long; the panel beside the list, where the cursor runs over thousands of rows, never asks for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.clock import Clock
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.text.log_lines import without_stamp
from sandtui.fleet.text.sanitize import clean, clean_line

LINES = 60
"""Lines kept of each log."""

CHARACTERS = 400
"""Characters kept of each line."""

TAIL = 64 * 1024
"""Characters at the end of a log in which its last lines are looked for."""

LOGS_KEPT = 300

AGAIN_SECONDS = 10.0
"""How soon the log of a running sandbox is read again, and any that could not be read."""

LONG = 256 * 1024
"""Characters of a log above which it is read again only after :data:`LONG_SECONDS`."""

LONG_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The last lines of a log, safe to draw, without timestamps.

    ``final``: it was read after the sandbox had ended. ``read_at`` is in seconds on the monotonic clock. ``problem`` is
    why it could not be read, safe to draw too.
    """

    lines: tuple[str, ...]
    final: bool
    read_at: float
    size: int = 0
    problem: str = ""


class LogEnds:
    """Reads the ends of logs and keeps them; those that were used last stay."""

    def __init__(self, client: AsyncSandboxClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._ends: OrderedDict[str, LogEnd] = OrderedDict()
        self._reading: set[str] = set()

    def of(self, sandbox_id: str) -> LogEnd | None:
        """Return what was read last."""
        end = self._ends.get(sandbox_id)
        if end is not None:
            self._ends.move_to_end(sandbox_id)
        return end

    def is_due(self, row: Row, *, live: bool = False) -> bool:
        """Return whether to read a log now; ``live`` asks for those of running sandboxes too."""
        sandbox = row.sandbox
        if row.id in self._reading or row.missing or not (sandbox.is_finished or (live and row.status == "RUNNING")):
            return False
        end = self._ends.get(row.id)
        if end is None:
            return True
        if end.final and not end.problem:
            return False
        if sandbox.is_finished and not end.final:
            return True
        pause = LONG_SECONDS if end.size > LONG else AGAIN_SECONDS
        return self._clock.monotonic() - end.read_at >= pause

    def is_coming(self, row: Row, *, live: bool = False) -> bool:
        """Return whether a log is being read, or is due."""
        return row.id in self._reading or self.is_due(row, live=live)

    async def read(self, row: Row) -> None:
        """Read the end of a log; a failure is kept as such."""
        final, now = row.sandbox.is_finished, self._clock.monotonic()
        self._reading.add(row.id)
        try:
            text = await self._client.get_logs(row.id)
        except SandboxClientError as error:
            before = self._ends.get(row.id)
            self._keep(row.id, LogEnd(before.lines if before else (), final, now, problem=clean(str(error))))
        else:
            lines = await asyncio.to_thread(last_lines, text)
            self._keep(row.id, LogEnd(lines, final, now, len(text)))
        finally:
            self._reading.discard(row.id)

    def _keep(self, sandbox_id: str, end: LogEnd) -> None:
        self._ends[sandbox_id] = end
        self._ends.move_to_end(sandbox_id)
        while len(self._ends) > LOGS_KEPT:
            self._ends.popitem(last=False)


def last_lines(text: str, most: int = LINES) -> tuple[str, ...]:
    """Return the last lines of a log that are not blank, safe to draw, without timestamps, and cut if they are long."""
    end = text[-TAIL:].split("\n")
    if len(text) > TAIL and len(end) > 1:
        del end[0]  # its beginning is missing
    lines: list[str] = []
    for line in reversed(end):
        shown = without_stamp(clean_line(line))[:CHARACTERS].rstrip()
        if shown:
            lines.append(shown)
        if len(lines) == most:
            break
    return tuple(reversed(lines))
