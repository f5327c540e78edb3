"""How an answer differs from the one that most gave. The work is bounded: an answer can be anything."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum

from sandtui.fleet.fanout.run import Answer
from sandtui.fleet.sanitize import output_line

MAX_LINES = 2000
"""Lines of one answer that are shown and compared."""

MAX_PAIRS = 40_000
"""Pairs of lines that are looked at, after what is the same at both ends; above, nothing is aligned."""

BUDGET_SECONDS = 0.5
"""For all the answers of one drawing; the rest is shown without comparison."""


class Kind(Enum):
    """How a line stands to the answer that most gave."""

    SAME = " "
    CHANGED = "~"
    ADDED = "+"
    GONE = "-"


@dataclass(frozen=True, slots=True)
class BodyLine:
    """One line of an answer, safe to draw; ``start`` to ``end`` is the part of it that differs."""

    text: str
    stderr: bool = False
    kind: Kind = Kind.SAME
    start: int = 0
    end: int = 0

    @property
    def sign(self) -> str:
        """Three letters before the line: how it differs, ``!`` when it came on stderr, a blank."""
        return f"{self.kind.value}{'!' if self.stderr else ' '} "


@dataclass(frozen=True, slots=True)
class Body:
    """The lines of an answer. ``left_out`` counts those that are not here; ``note`` says what can't be seen."""

    lines: tuple[BodyLine, ...]
    left_out: int = 0
    note: str = ""


class Budget:
    """Seconds of work that are left."""

    def __init__(self, seconds: float = BUDGET_SECONDS) -> None:
        self._end = time.monotonic() + seconds

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self._end


def body(answer: Answer) -> Body:
    """Return the lines of an answer: what came on stdout, then what came on stderr."""
    out, err = _split(answer.stdout), _split(answer.stderr)
    lines = [BodyLine(output_line(text)) for text in out[:MAX_LINES]]
    lines += [BodyLine(output_line(text), stderr=True) for text in err[: max(0, MAX_LINES - len(lines))]]
    note = f"{answer.cut:,} characters were too many to keep" if answer.cut else ""
    return Body(tuple(lines), len(out) + len(err) - len(lines), note)


def compare(mine: Body, reference: Body, budget: Budget) -> Body:
    """Return ``mine`` with what differs from ``reference`` marked; unmarked when that would take too long."""
    ours, theirs = mine.lines, reference.lines
    head = _common(ours, theirs)
    tail = _common(ours[head:][::-1], theirs[head:][::-1])
    left, right = ours[head : len(ours) - tail], theirs[head : len(theirs) - tail]
    if not left and not right:
        note = mine.note or "it differs only in colours or characters that are not shown"
        return Body(ours, mine.left_out, note)
    if budget.spent or len(left) * len(right) > MAX_PAIRS:
        return Body(ours, mine.left_out, mine.note or "too long to compare line by line")
    marked: list[BodyLine] = [*ours[:head]]
    for tag, left_start, left_end, right_start, right_end in _opcodes(left, right):
        if tag == "equal":
            marked += left[left_start:left_end]
        else:
            marked += _changed(left[left_start:left_end], right[right_start:right_end])
    return Body((*marked, *ours[len(ours) - tail :]), mine.left_out, mine.note)


def _opcodes(left: Sequence[BodyLine], right: Sequence[BodyLine]) -> list[tuple[str, int, int, int, int]]:
    matcher = SequenceMatcher(None, right, left, autojunk=False)
    return [(tag, to, to_end, at, at_end) for tag, at, at_end, to, to_end in matcher.get_opcodes()]


def _changed(ours: Sequence[BodyLine], theirs: Sequence[BodyLine]) -> list[BodyLine]:
    """Lines that stand for each other are marked where they differ; what is only there is shown as gone."""
    if len(ours) == len(theirs) and all(one.stderr == other.stderr for one, other in zip(ours, theirs, strict=True)):
        return [_narrow(one, other) for one, other in zip(ours, theirs, strict=True)]
    gone = [BodyLine(line.text, line.stderr, Kind.GONE, 0, len(line.text)) for line in theirs]
    return gone + [BodyLine(line.text, line.stderr, Kind.ADDED, 0, len(line.text)) for line in ours]


def _narrow(ours: BodyLine, theirs: BodyLine) -> BodyLine:
    start = _common(ours.text, theirs.text)
    tail = _common(ours.text[start:][::-1], theirs.text[start:][::-1])
    return BodyLine(ours.text, ours.stderr, Kind.CHANGED, start, len(ours.text) - tail)


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """Return how many items at the beginning are the same."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
