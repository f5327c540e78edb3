"""Differences between a result and the most frequent one. The work is bounded: output can be anything."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import Enum

from sandtui.fleet.commands.fanout.answer import Answer
from sandtui.fleet.text.sanitize import output_line

MAX_LINES = 2000
"""Lines of one result that are shown and compared."""

MAX_PAIRS = 40_000
"""Pairs of lines compared to align two results, after removing the common start and end."""

BUDGET_SECONDS = 0.25
"""Time for aligning all results of one redraw; the rest is compared without alignment."""

_UNUSUAL = re.compile(r"[^\x20-\x7e\n]")
_OUT, _ERR = " ", "!"


class DiffKind(Enum):
    """How a line differs from the most frequent result."""

    SAME = " "
    CHANGED = "~"
    ADDED = "+"
    GONE = "-"


@dataclass(frozen=True, slots=True)
class BodyLine:
    """One line of a result, safe to draw; ``start`` to ``end`` is the part that differs."""

    text: str
    stderr: bool = False
    kind: DiffKind = DiffKind.SAME
    start: int = 0
    end: int = 0

    @property
    def sign(self) -> str:
        """The three-character prefix: kind of difference, ``!`` for stderr, a space."""
        return f"{self.kind.value}{'!' if self.stderr else ' '} "


@dataclass(frozen=True, slots=True)
class Body:
    """The lines of a result: stdout, then stderr.

    ``texts`` are all lines, safe to draw, each with a prefix for its stream. ``order`` is what is shown: the index of
    an identical line, or a line that differs. ``left_out`` counts the omitted lines; ``note`` describes invisible
    differences.
    """

    texts: tuple[str, ...]
    order: Sequence[int | BodyLine]
    left_out: int = 0
    note: str = ""
    changes: tuple[int, ...] = ()
    _previews: dict[int, list[int]] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.order)

    def line(self, number: int) -> BodyLine:
        """Return a shown line."""
        entry = self.order[number]
        return entry if isinstance(entry, BodyLine) else _plain(self.texts[entry])

    @property
    def lines(self) -> list[BodyLine]:
        """All shown lines."""
        return [self.line(number) for number in range(len(self.order))]

    def preview(self, most: int) -> list[int]:
        """Return the numbers of the most relevant lines: differences with their context, or the first lines."""
        if most not in self._previews:
            self._previews[most] = self._preview(most)
        return self._previews[most]

    def _preview(self, most: int) -> list[int]:
        if not self.changes:
            return list(range(min(most, len(self.order))))
        chosen: set[int] = set()
        for change in self.changes:
            around = {at for at in (change - 1, change, change + 1) if 0 <= at < len(self.order)}
            if chosen and len(chosen | around) > most:
                break
            chosen |= around
        return sorted(chosen)


class DiffBudget:
    """The remaining seconds of work."""

    def __init__(self, seconds: float = BUDGET_SECONDS) -> None:
        self._end = time.monotonic() + seconds

    @property
    def spent(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() >= self._end


def body(answer: Answer) -> Body:
    """Return the lines of a result."""
    out, more_out = first_lines(answer.stdout, _OUT, MAX_LINES)
    err, more_err = first_lines(answer.stderr, _ERR, MAX_LINES - len(out))
    note = f"output truncated by {answer.cut:,} characters" if answer.cut else ""
    texts = (*out, *err)
    return Body(texts, range(len(texts)), more_out + more_err, note)


def compare(mine: Body, reference: Body, budget: DiffBudget) -> Body:
    """Return ``mine`` with its differences from ``reference`` marked.

    A result that is too long, or compared after the budget is spent, is not aligned: missing lines are not shown.
    """
    ours, theirs = mine.texts, reference.texts
    head = _common(ours, theirs)
    tail = _common(ours[head:][::-1], theirs[head:][::-1])
    left, right = ours[head : len(ours) - tail], theirs[head : len(theirs) - tail]
    if not left and not right:
        note = mine.note or "differs only in colors or invisible characters"
        return Body(ours, mine.order, mine.left_out, note)
    note = mine.note
    if _in_place(left, right):
        pairs = enumerate(zip(left, right, strict=True), head)
        middle: list[int | BodyLine] = [at if one == other else _narrow(one, other) for at, (one, other) in pairs]
    elif not budget.spent and len(left) * len(right) <= MAX_PAIRS:
        middle = _aligned(left, right, head)
    else:
        known = set(right)
        middle = [head + at if text in known else _whole(text, DiffKind.ADDED) for at, text in enumerate(left)]
        note = note or "too long to show missing lines"
    order = [*range(head), *middle, *range(len(ours) - tail, len(ours))]
    changes = tuple(at for at, entry in enumerate(middle, head) if isinstance(entry, BodyLine))
    return Body(ours, order, mine.left_out, note, changes)


def _in_place(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether lines correspond one to one: same number, same streams, and mostly identical."""
    if len(left) != len(right) or any(one[0] != other[0] for one, other in zip(left, right, strict=True)):
        return False
    same = sum(one == other for one, other in zip(left, right, strict=True))
    return 2 * same >= len(left) or len(left) == 1


def _aligned(left: Sequence[str], right: Sequence[str], head: int) -> list[int | BodyLine]:
    entries: list[int | BodyLine] = []
    matcher = SequenceMatcher(None, right, left, autojunk=False)
    for tag, right_start, right_end, left_start, left_end in matcher.get_opcodes():
        if tag == "equal":
            entries += range(head + left_start, head + left_end)
        else:
            entries += _changed(left[left_start:left_end], right[right_start:right_end])
    return entries


def _changed(ours: Sequence[str], theirs: Sequence[str]) -> list[BodyLine]:
    """Mark differences in corresponding lines; lines only in the reference are shown as missing."""
    if len(ours) == len(theirs) and all(one[0] == other[0] for one, other in zip(ours, theirs, strict=True)):
        return [_narrow(one, other) for one, other in zip(ours, theirs, strict=True)]
    return [_whole(text, DiffKind.GONE) for text in theirs] + [_whole(text, DiffKind.ADDED) for text in ours]


def _narrow(ours: str, theirs: str) -> BodyLine:
    mine, other = ours[1:], theirs[1:]
    start = _common(mine, other)
    tail = _common(mine[start:][::-1], other[start:][::-1])
    return BodyLine(mine, ours[0] == _ERR, DiffKind.CHANGED, start, len(mine) - tail)


def _whole(text: str, kind: DiffKind) -> BodyLine:
    return BodyLine(text[1:], text[0] == _ERR, kind, 0, len(text) - 1)


def _plain(text: str) -> BodyLine:
    return BodyLine(text[1:], text[0] == _ERR)


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """Return the length of the common prefix."""
    for index, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return index
    return min(len(one), len(other))


def first_lines(text: str, stream: str, most: int) -> tuple[list[str], int]:
    """Return the first lines of a text with the prefix of their stream, and the number of further lines."""
    if not text:
        return [], 0
    first = text.split("\n", most)
    rest = ""
    if len(first) > most:
        rest = first.pop()
    elif not first[-1]:
        first.pop()  # A trailing newline starts no new line.
    more = rest.count("\n") + (bool(rest) and not rest.endswith("\n"))
    clean = output_line if _UNUSUAL.search(text) else str
    return [stream + clean(line) for line in first], more
