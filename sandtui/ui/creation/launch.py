"""The lines of a launch: a symbol for each sandbox, failures with their reasons, then each sandbox with its time."""

from __future__ import annotations

from textwrap import wrap

from sandtui.fleet.creation.launch import Launch, LaunchItem, Step
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Piece, Role, fit, width_of
from sandtui.ui.rendering.units import long_duration

SIGNS: dict[Step, tuple[str, Role]] = {
    Step.QUEUED: ("·", "dim"),
    Step.CREATING: ("◌", "waiting"),
    Step.STARTING: ("◐", "info"),
    Step.READY: ("●", "good"),
    Step.FAILED: ("✖", "bad"),
    Step.DELETED: ("○", "dim"),
}

NAME_WIDTH = 28
INDENT = 5
"""Cells before a reason on a line below its sandbox."""

BESIDE = 54
"""Cells of a line before the reason."""


class Board:
    """The lines of a launch, built on demand: only those in view cost anything."""

    def __init__(self, launch: Launch, width: int) -> None:
        self._items = launch.items
        self._per_line = max(10, width - 2)
        failed = [item for item in launch.items if item.step is Step.FAILED]
        others = [item for item in launch.items if item.step is not Step.FAILED]
        gap: list[LaunchItem | str] = [""]
        reasons = [entry for item in failed for entry in self._with_reason(item, width)]
        self._listed: list[LaunchItem | str] = [*gap, *reasons, *(gap if failed else []), *others]
        self._grid = -(-len(launch.items) // self._per_line)

    def __len__(self) -> int:
        return self._grid + len(self._listed)

    def line(self, number: int, now: float) -> list[Piece]:
        """Return one line; ``now`` is in seconds on the monotonic clock."""
        if number < self._grid:
            return self._signs(number * self._per_line)
        index = number - self._grid
        item = self._listed[index] if index < len(self._listed) else ""
        if isinstance(item, str):
            return [Piece(item, "bad")] if item else []
        return _item(item, now, beside=self._fits(item))

    def _fits(self, item: LaunchItem) -> bool:
        return BESIDE + width_of(clean(item.problem)) <= self._per_line

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


def summary(launch: Launch) -> list[Piece]:
    """Return the number of sandboxes at each step."""
    counts = launch.counts
    pieces: list[Piece] = []
    for step, (sign, role) in SIGNS.items():
        if counts[step]:
            pieces.append(Piece(f"{sign} {counts[step]} {step.value}   ", role))
    return pieces


def _item(item: LaunchItem, now: float, *, beside: bool) -> list[Piece]:
    sign, role = SIGNS[item.step]
    pieces = [
        Piece(f" {sign} ", role),
        Piece(fit(clean(item.request.name), NAME_WIDTH)),
        Piece(f" {item.step.value:<9}", role),
    ]
    if item.began is not None:
        seconds = (item.ended if item.ended is not None else now) - item.began
        shown = f"{seconds:.1f}s" if seconds < 10 else long_duration(seconds)
        pieces.append(Piece(f" {shown:>8}", "dim"))
    if item.problem and beside:
        pieces.append(Piece(f"  {clean(item.problem)}", "bad"))
    elif item.sandbox_id and not item.problem:
        pieces.append(Piece(f"  {clean(item.sandbox_id)}", "dim"))
    return pieces
