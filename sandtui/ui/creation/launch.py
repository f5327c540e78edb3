"""The lines of a launch: a symbol for each sandbox, failures with their reasons, then each sandbox with its time."""

from __future__ import annotations

from functools import cached_property
from textwrap import wrap

from sandtui.fleet.creation.launch import Launch, LaunchItem, Step
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.creation.timeline import Timeline, percentile_lines, seconds_text
from sandtui.ui.rendering.text import Piece, Role, fit_middle, width_of
from sandtui.ui.rendering.units import duration

SIGNS: dict[Step, tuple[str, Role]] = {
    Step.QUEUED: ("·", "dim"),
    Step.CREATING: ("◌", "waiting"),
    Step.STARTING: ("◐", "info"),
    Step.READY: ("●", "good"),
    Step.FAILED: ("✖", "bad"),
    Step.DELETED: ("○", "dim"),
}

LONGEST_NAME, LONGEST_IN_NARROW, WIDE = 40, 18, 100
"""At most so many cells for the names, in a wide window and in a narrow one."""

ID_WIDTH, WITH_ID = 24, 150
"""With so many cells a line has the id of the sandbox too."""

INDENT = 5
"""Cells before a reason on a line below its sandbox."""

STEP, TOOK = 10, 11
"""Cells of the step and of the time, with the spaces around them."""


class Board:
    """The lines of a launch, built on demand: only those in view cost anything."""

    def __init__(self, launch: Launch, width: int, words: str = "") -> None:
        """``words`` select sandboxes by name, id, step or reason; all by default."""
        wanted = words.lower().split()
        items = [item for item in launch.items if not wanted or _matches(item, wanted)]
        self._items = items
        self._per_line = max(10, width - 2)
        most = LONGEST_NAME if self._per_line >= WIDE else LONGEST_IN_NARROW
        self._name_width = min(most, max((width_of(clean(item.request.name)) for item in items), default=0))
        failed = [item for item in items if item.step is Step.FAILED]
        others = [item for item in items if item.step is not Step.FAILED]
        gap: list[LaunchItem | str] = [""]
        reasons = [entry for item in failed for entry in self._with_reason(item, width)]
        self._listed: list[LaunchItem | str] = [*gap, *reasons, *(gap if failed else []), *others]
        self._grid = -(-len(items) // self._per_line)
        self._timeline = Timeline.of(items)
        # A scale stands above the lines, and before it how long the phases took.
        table = percentile_lines(items, width)
        self._above: list[list[Piece]] = [[], *table] if table else []

    def __len__(self) -> int:
        return self._grid + len(self._above) + len(self._listed)

    @cached_property
    def keys(self) -> list[int | None]:
        """The index of the sandbox of each line, None for a line of another kind."""
        keys: list[int | None] = [None] * (self._grid + len(self._above))
        for entry in self._listed:
            # The lines of a reason belong to the sandbox above them.
            keys.append(entry.index if isinstance(entry, LaunchItem) else keys[-1] if entry else None)
        return keys

    @property
    def count(self) -> int:
        """The number of sandboxes."""
        return len(self._items)

    def line(self, number: int, now: float) -> list[Piece]:
        """Return one line; ``now`` is in seconds on the monotonic clock."""
        if number < self._grid:
            return self._signs(number * self._per_line)
        index = number - self._grid
        if index < len(self._above):
            return self._above[index]
        index -= len(self._above)
        item = self._listed[index] if index < len(self._listed) else ""
        if index == 0:
            return self._axis(now)
        if isinstance(item, str):
            return [Piece(item, "bad")] if item else []
        return self._item(item, now)

    def _fits(self, item: LaunchItem) -> bool:
        return 3 + self._name_width + STEP + TOOK + width_of(clean(item.problem)) <= self._per_line

    def _with_reason(self, item: LaunchItem, width: int) -> list[LaunchItem | str]:
        """Return a failure, with its reason below it if there is no room beside it."""
        if self._fits(item):
            return [item]
        indent = " " * INDENT
        return [item, *(indent + line for line in wrap(clean(item.problem), max(20, width - INDENT - 2)))]

    def _signs(self, start: int) -> list[Piece]:
        cells: list[Piece] = [Piece(" ")]
        for item in self._items[start : start + self._per_line]:
            sign, role = SIGNS[item.step]
            if len(cells) > 1 and cells[-1].role == role:
                cells[-1] = Piece(cells[-1].text + sign, role)
            else:
                cells.append(Piece(sign, role))
        return cells

    # One sandbox

    @property
    def _before_line(self) -> int:
        """The cells before the line of time."""
        return 3 + self._name_width + STEP + TOOK + (ID_WIDTH + 2 if self._per_line >= WITH_ID else 0)

    def _axis(self, now: float) -> list[Piece]:
        axis = self._timeline.axis(now, self._per_line - self._before_line)
        return [Piece(" " * self._before_line), *axis] if axis else []

    def _item(self, item: LaunchItem, now: float) -> list[Piece]:
        sign, role = SIGNS[item.step]
        pieces = [
            Piece(f" {sign} ", role),
            Piece(fit_middle(clean(item.request.name), self._name_width)),
            Piece(f" {item.step.value:<9}", role),
        ]
        shown = ""
        if item.began is not None:
            shown = seconds_text((item.ended if item.ended is not None else now) - item.began)
        pieces.append(Piece(f" {shown:>8}  ", "dim"))
        if item.problem and self._fits(item):
            return [*pieces, Piece(clean(item.problem), "bad")]
        line = self._timeline.line(item, now, self._per_line - self._before_line)
        sandbox_id = clean(item.sandbox_id or "")
        if line and self._per_line >= WITH_ID:
            pieces.append(Piece(f"{fit_middle(sandbox_id, ID_WIDTH)}  ", "dim"))
        return [*pieces, *(line or [Piece(sandbox_id, "dim")])]


def _matches(item: LaunchItem, words: list[str]) -> bool:
    text = f"{item.request.name} {item.sandbox_id or ''} {item.step.value} {item.problem}".lower()
    return all(word in text for word in words)


def summary(launch: Launch, now: float) -> list[Piece]:
    """Return the number of sandboxes at each step, after what they wait for; ``now`` is on the monotonic clock."""
    counts = launch.counts
    pieces: list[Piece] = []
    if launch.preparing_since is not None:
        took = duration(max(0.0, now - launch.preparing_since))
        pieces.append(Piece(f"◐ taking a checkpoint · {took}   ", "info"))
    for step, (sign, role) in SIGNS.items():
        if counts[step]:
            pieces.append(Piece(f"{sign} {counts[step]} {step.value}   ", role))
    return pieces
