"""Rendering of a fan-out: a row per sandbox, and the results, identical ones grouped."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sandtui.fleet.commands.fanout import Answer, FanOut, ResultGroup, Target
from sandtui.fleet.commands.fanout.differences import Body, BodyLine, DiffKind
from sandtui.fleet.commands.fanout.grouping import end_of, exit_codes
from sandtui.fleet.commands.fanout.live import TailLine
from sandtui.fleet.commands.fanout.text import times
from sandtui.fleet.inventory.bulk import BulkState
from sandtui.fleet.text.sanitize import clean, output_line
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.rendering.text import Piece, Role, fit, fit_middle, width_of
from sandtui.ui.rendering.units import long_duration

SIGNS: dict[BulkState, tuple[str, Role]] = {
    BulkState.WAITING: ("·", "dim"),
    BulkState.RUNNING: ("◐", "info"),
    BulkState.DONE: ("✓", "good"),
    BulkState.FAILED: ("✖", "bad"),
    BulkState.CANCELLED: ("‖", "info"),
}

PREVIEW_LINES = 10
NAME_WIDTH = 20


class Fold(Enum):
    """How much of a group is expanded."""

    PREVIEW = "its first lines"
    OPEN = "all"
    CLOSED = "its title"

    def after(self, body: Body | None) -> Fold:
        """Return the next level, for Enter."""
        if self is Fold.PREVIEW and body is not None and len(body) > len(body.preview(PREVIEW_LINES)):
            return Fold.OPEN
        return Fold.PREVIEW if self is Fold.CLOSED else Fold.CLOSED


@dataclass(frozen=True, slots=True)
class RowPosition:
    """The content of a row: a group and a line of its result, or an earlier run."""

    what: str
    key: Hashable = None
    number: int = 0


class Results:
    """The rows of the results, rendered when visible."""

    def __init__(
        self,
        groups: Sequence[ResultGroup],
        bodies: Mapping[Answer, Body],
        folds: Mapping[Hashable, Fold],
        earlier: Sequence[FanOut],
        running: Sequence[Target] = (),
        signs: tuple[Sequence[Target], int] | None = None,
        now: float = 0.0,
        key: KeyOf = str,
        nothing: Sequence[Piece] = (),
    ) -> None:
        """``signs``: signs of all targets above the results, this many per row.

        ``now`` is in seconds on the monotonic clock, ``key`` the key of an action, ``nothing`` the line in the place of
        results.
        """
        self._nothing = list(nothing)
        self._running = running
        self._speaking: dict[Hashable, Target] = {each.id: each for each in running if each.streams}
        self._now = now
        self._key = key
        self._groups = {each.key: each for each in groups}
        self._bodies, self._folds, self._earlier = bodies, folds, earlier
        self._targets, self._per_line = signs if signs is not None else ((), 1)
        self._places = list(self._arrange())

    def __len__(self) -> int:
        return len(self._places)

    def place(self, number: int) -> RowPosition | None:
        """Return the content of a row."""
        return self._places[number] if 0 <= number < len(self._places) else None

    def find(self, index: RowPosition | None) -> int | None:
        """Return the row with the same content as before, or the title row of its group."""
        if index is None or index.key is None:
            return None
        if index.what == "live" and index.key not in self._speaking:
            # It has ended: show its result instead.
            keys = (key for key, each in self._groups.items() if any(target.id == index.key for target in each.targets))
            index = RowPosition("title", next(keys, index.key))
        for wanted in (index, RowPosition("title", index.key)):
            if wanted in self._places:
                return self._places.index(wanted)
        return None

    def body(self, key: Hashable) -> Body | None:
        """Return the lines of a group's result."""
        each = self._groups.get(key)
        return self._bodies.get(each.output) if each is not None and each.output is not None else None

    def earlier(self, number: int) -> FanOut:
        """Return an earlier run."""
        return self._earlier[number]

    def speaking_at(self, number: int) -> Target | None:
        """Return the running sandbox shown in a row."""
        index = self.place(number)
        return self._speaking.get(index.key) if index is not None and index.what == "live" else None

    def line_of(self, target: Target) -> int | None:
        """Return the title row of a target's group, or its row while it runs."""
        if target.id in self._speaking:
            return self.find(RowPosition("live", target.id))
        keys = (key for key, each in self._groups.items() if target in each.targets)
        key = next(keys, None)
        return self.find(RowPosition("title", key)) if key is not None else None

    def group_at(self, number: int) -> ResultGroup | None:
        """Return the group of a row."""
        index = self.place(number)
        return self._groups.get(index.key) if index is not None and index.key is not None else None

    def first_group(self) -> int | None:
        """Return the title row of the first group."""
        return next((line for line, place in enumerate(self._places) if place.what == "title"), None)

    @property
    def group_keys(self) -> list[Hashable]:
        """The keys of all groups."""
        return list(self._groups)

    def targets_at(self, number: int) -> Sequence[Target]:
        """Return the sandboxes that a row is about: all of its group, or of those that are running."""
        index = self.place(number)
        if index is None:
            return ()
        if index.what == "running":
            return self._running
        if (speaking := self.speaking_at(number)) is not None:
            return (speaking,)
        each = self.group_at(number)
        return each.targets if each is not None else ()

    def line(self, number: int, width: int) -> list[Piece]:
        """Render a row."""
        index = self.place(number)
        if index is None or index.what == "gap":
            return []
        if index.what == "nothing":
            return self._nothing
        if index.what == "signs":
            return _signs(self._targets[index.number : index.number + self._per_line])
        if index.what == "earlier":
            return _earlier(self._earlier[index.number])
        if index.what == "running":
            return _running(self._running, width)
        if index.what == "live":
            return live_pieces(self._speaking[index.key], self._now, width)
        if index.what == "text":
            return [Piece("earlier in this session", "dim")]
        each = self._groups[index.key]
        if index.what == "title":
            return _title(each, self._folds.get(each.key, Fold.PREVIEW), width)
        if index.what == "names":
            return [Piece("   "), Piece(fit(_names(each.targets, width), max(1, width - 3)), "dim")]
        if index.what == "problem":
            return [Piece("   "), Piece(clean(each.problem), "bad")]
        body = self.body(index.key)
        if body is None:
            return []
        if index.what == "more":
            return [Piece(f"   … {index.number:,} more lines ({self._key('results.open')} to expand)", "dim")]
        if index.what == "skip":
            return [Piece(f"   ⋮ {index.number:,} identical lines", "dim")]
        if index.what == "note":
            text = f"{body.left_out:,} more lines ({self._key('results.save')} to save all)  " if body.left_out else ""
            return [Piece(f"   … {text}{body.note}", "dim")]
        return body_pieces(body.line(index.number))

    def _arrange(self) -> Iterator[RowPosition]:
        for start in range(0, len(self._targets), self._per_line):
            yield RowPosition("signs", None, start)
        if self._targets:
            yield RowPosition("gap")
        if self._nothing and not self._groups and not self._running:
            yield RowPosition("nothing")
            yield RowPosition("gap")
        for key, each in self._groups.items():
            yield RowPosition("title", key)
            fold = self._folds.get(key, Fold.PREVIEW)
            if fold is not Fold.CLOSED:
                yield from self._arrange_group(key, each, fold)
            yield RowPosition("gap")
        if self._running:
            yield RowPosition("running")
            yield from (RowPosition("live", key) for key in self._speaking)
            yield RowPosition("gap")
        if self._earlier:
            yield RowPosition("text")
            yield from (RowPosition("earlier", None, number) for number in range(len(self._earlier)))

    def _arrange_group(self, key: Hashable, each: ResultGroup, fold: Fold) -> Iterator[RowPosition]:
        if len(each.targets) > 1:
            yield RowPosition("names", key)
        if each.answer is None:
            yield RowPosition("problem", key)
        body = self.body(key)
        if body is None:
            return
        shown = range(len(body)) if fold is Fold.OPEN else body.preview(PREVIEW_LINES)
        before = -1
        for number in shown:
            if number > before + 1:
                yield RowPosition("skip", key, number - before - 1)
            yield RowPosition("line", key, number)
            before = number
        if len(body) > before + 1:
            yield RowPosition("more", key, len(body) - before - 1)
        elif body.left_out or body.note:
            yield RowPosition("note", key)


def body_pieces(line: BodyLine) -> list[Piece]:
    """Render a line of a result; differences from the largest group have a sign and a color."""
    sign = line.sign
    if line.kind is DiffKind.GONE:
        return [Piece(sign, "dim"), Piece(line.text, "dim")]
    role: Role = "busy" if line.stderr else "text"
    if line.kind is DiffKind.SAME:
        return [Piece(sign, "busy"), Piece(line.text, role)]
    parts = [
        Piece(line.text[: line.start], role),
        Piece(line.text[line.start : line.end], "key"),
        Piece(line.text[line.end :], role),
    ]
    return [Piece(sign, "key"), *(part for part in parts if part.text)]


def live_pieces(target: Target, now: float, width: int) -> list[Piece]:
    """Render a running sandbox: name, runtime and last line of output."""
    left = f"   {fit_middle(clean(target.name), NAME_WIDTH)} {fit(short_time(target.seconds(now)), 6, right=True)}  "
    last = target.live.last if target.live is not None else None
    if last is None:
        return [Piece(left, "dim"), Piece("no output yet", "dim")]
    room = max(1, width - width_of(left))
    return [Piece(left, "dim"), Piece(fit(output_line(last.text), room).rstrip(), "busy" if last.stderr else "text")]


def tail_pieces(line: TailLine) -> list[Piece]:
    """Render a line of live output."""
    return [
        Piece(" ! " if line.stderr else "   ", "busy"),
        Piece(output_line(line.text), "busy" if line.stderr else "text"),
    ]


def target_pieces(target: Target, now: float, width: int) -> list[Piece]:
    """Render the row of a sandbox: sign, name, exit code, time."""
    sign, role = SIGNS[target.state]
    if target.answer is not None:
        ended = str(target.answer.exit_code)
    else:
        ended = {BulkState.RUNNING: "…", BulkState.FAILED: "—"}.get(target.state, "")
    taken = short_time(target.seconds(now))
    name = max(4, width - 14)
    return [
        Piece(f" {sign} ", role),
        Piece(fit_middle(clean(target.name), name), "text" if target.is_over else "dim"),
        Piece(fit(ended, 4, right=True), role),
        Piece(fit(taken, 6, right=True), "dim"),
    ]


def counts(fan_out: FanOut) -> list[Piece]:
    """Return the progress counts."""
    pieces: list[Piece] = []
    text = {BulkState.DONE: "ok", BulkState.FAILED: "failed"}
    for state in (BulkState.DONE, BulkState.FAILED, BulkState.CANCELLED, BulkState.RUNNING, BulkState.WAITING):
        if count := fan_out.count(state):
            sign, role = SIGNS[state]
            pieces.append(Piece(f"{sign} {count:,} {text.get(state, state.value)}  ", role))
    return pieces


def ends(fan_out: FanOut) -> list[Piece]:
    """Return the outcome counts."""
    found = exit_codes(fan_out)
    return [Piece("   ".join(f"{count:,} × {clean(end)}" for end, count in found), "dim")] if found else []


def short_time(seconds: float | None) -> str:
    """Format a runtime: ``0.8s``, ``12s``, ``3m 04s``."""
    if seconds is None:
        return ""
    return f"{seconds:.1f}s" if seconds < 10 else long_duration(seconds)


def _title(each: ResultGroup, fold: Fold, width: int) -> list[Piece]:
    count = len(each.targets)
    end, role = end_of(each.targets[0]), _role(each)
    arrow = "▸ " if fold is Fold.CLOSED else "▾ "
    left = [Piece(arrow, role)]
    if count > 1:
        left += [Piece(f"{count:,} identical", "bright"), Piece(f"  {end}", role)]
    else:
        left += [Piece(clean(each.targets[0].name), "bright"), Piece(f"  {end}", role)]
    took = times(each)
    gap = width - sum(width_of(piece.text) for piece in left) - width_of(took) - 1
    return [*left, Piece(" " * max(2, gap)), Piece(took, "dim")]


def _running(targets: Sequence[Target], width: int) -> list[Piece]:
    text = f"{len(targets):,} running  "
    # Targets with live output have rows of their own.
    silent = [target for target in targets if not target.streams]
    return [Piece("◐ ", "info"), Piece(text, "info"), Piece(_names(silent, width - width_of(text)), "dim")]


def _role(each: ResultGroup) -> Role:
    if not each.failed:
        return "good"
    return "info" if each.targets[0].state is BulkState.CANCELLED else "bad"


def _names(targets: Sequence[Target], width: int) -> str:
    text: list[str] = []
    room = width - 16
    for index, target in enumerate(targets):
        name = clean(target.name)
        room -= width_of(name) + 1
        if room < 0 and index:
            return f"{' '.join(text)} and {len(targets) - index:,} more"
        text.append(name)
    return " ".join(text)


def _signs(targets: Sequence[Target]) -> list[Piece]:
    cells: list[Piece] = [Piece(" ")]
    for target in targets:
        sign, role = SIGNS[target.state]
        if len(cells) > 1 and cells[-1].role == role:
            cells[-1] = Piece(cells[-1].text + sign, role)
        else:
            cells.append(Piece(sign, role))
    return cells


def _earlier(fan_out: FanOut) -> list[Piece]:
    command = clean(fan_out.command.replace("\n", " ↵ "))
    return [
        Piece("▸ ", "key"),
        Piece(f"$ {fit(command, 34)}  "),
        *counts(fan_out),
        Piece(f"{fan_out.began.astimezone():%H:%M:%S}", "dim"),
    ]
