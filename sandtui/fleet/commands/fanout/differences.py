"""How an answer differs from the one that most gave. The work is bounded: an answer can be anything."""

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
"""Lines of one answer that are shown and compared."""

MAX_PAIRS = 40_000
"""Pairs of lines that are looked at to align two answers, after what is the same at both ends."""

BUDGET_SECONDS = 0.25
"""For aligning all the answers of one drawing; the rest is compared without."""

_UNUSUAL = re.compile(r"[^\x20-\x7e\n]")
_OUT, _ERR = " ", "!"


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
    """The lines of an answer: what came on stdout, then what came on stderr.

    ``texts`` are all of them, safe to draw, each behind a letter for its stream. ``order`` is what is shown: the
    place of a text that is the same elsewhere, or a line that differs. ``left_out`` counts the lines that are not
    here; ``note`` says what can't be seen.
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
        """Return a line of what is shown."""
        entry = self.order[number]
        return entry if isinstance(entry, BodyLine) else _plain(self.texts[entry])

    @property
    def lines(self) -> list[BodyLine]:
        """All that is shown."""
        return [self.line(number) for number in range(len(self.order))]

    def preview(self, most: int) -> list[int]:
        """Return the numbers of the lines that tell most: those that differ and what is around them, or the first."""
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


class Budget:
    """Seconds of work that are left."""

    def __init__(self, seconds: float = BUDGET_SECONDS) -> None:
        self._end = time.monotonic() + seconds

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self._end


def body(answer: Answer) -> Body:
    """Return the lines of an answer."""
    out, more_out = first_lines(answer.stdout, _OUT, MAX_LINES)
    err, more_err = first_lines(answer.stderr, _ERR, MAX_LINES - len(out))
    note = f"{answer.cut:,} characters were too many to keep" if answer.cut else ""
    texts = (*out, *err)
    return Body(texts, range(len(texts)), more_out + more_err, note)


def compare(mine: Body, reference: Body, budget: Budget) -> Body:
    """Return ``mine`` with what differs from ``reference`` marked.

    What is too long, or comes after the budget is spent, is not aligned: what is missing in it is not shown then.
    """
    ours, theirs = mine.texts, reference.texts
    head = _common(ours, theirs)
    tail = _common(ours[head:][::-1], theirs[head:][::-1])
    left, right = ours[head : len(ours) - tail], theirs[head : len(theirs) - tail]
    if not left and not right:
        note = mine.note or "it differs only in colours or characters that are not shown"
        return Body(ours, mine.order, mine.left_out, note)
    note = mine.note
    if _in_place(left, right):
        pairs = enumerate(zip(left, right, strict=True), head)
        middle: list[int | BodyLine] = [at if one == other else _narrow(one, other) for at, (one, other) in pairs]
    elif not budget.spent and len(left) * len(right) <= MAX_PAIRS:
        middle = _aligned(left, right, head)
    else:
        known = set(right)
        middle = [head + at if text in known else _whole(text, Kind.ADDED) for at, text in enumerate(left)]
        note = note or "too long to show what is missing here"
    order = [*range(head), *middle, *range(len(ours) - tail, len(ours))]
    changes = tuple(at for at, entry in enumerate(middle, head) if isinstance(entry, BodyLine))
    return Body(ours, order, mine.left_out, note, changes)


def _in_place(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether lines stand for each other one by one: as many of them, of the same streams, and most are the same."""
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
    """Lines that stand for each other are marked where they differ; what is only there is shown as gone."""
    if len(ours) == len(theirs) and all(one[0] == other[0] for one, other in zip(ours, theirs, strict=True)):
        return [_narrow(one, other) for one, other in zip(ours, theirs, strict=True)]
    return [_whole(text, Kind.GONE) for text in theirs] + [_whole(text, Kind.ADDED) for text in ours]


def _narrow(ours: str, theirs: str) -> BodyLine:
    mine, other = ours[1:], theirs[1:]
    start = _common(mine, other)
    tail = _common(mine[start:][::-1], other[start:][::-1])
    return BodyLine(mine, ours[0] == _ERR, Kind.CHANGED, start, len(mine) - tail)


def _whole(text: str, kind: Kind) -> BodyLine:
    return BodyLine(text[1:], text[0] == _ERR, kind, 0, len(text) - 1)


def _plain(text: str) -> BodyLine:
    return BodyLine(text[1:], text[0] == _ERR)


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """Return how many items at the beginning are the same."""
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return place
    return min(len(one), len(other))


def first_lines(text: str, stream: str, most: int) -> tuple[list[str], int]:
    """Return the first lines of a text behind their stream's letter, and how many more there are."""
    if not text:
        return [], 0
    first = text.split("\n", most)
    rest = ""
    if len(first) > most:
        rest = first.pop()
    elif not first[-1]:
        first.pop()  # A line break ends the last line and begins none.
    more = rest.count("\n") + (bool(rest) and not rest.endswith("\n"))
    clean = output_line if _UNUSUAL.search(text) else str
    return [stream + clean(line) for line in first], more
