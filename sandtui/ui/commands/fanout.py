"""How a fan-out looks: a line for each sandbox, and the answers, equal ones folded together."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sandtui.fleet.commands.fanout import Answer, FanOut, Group, Target
from sandtui.fleet.commands.fanout.differences import Body, BodyLine, Kind
from sandtui.fleet.commands.fanout.grouping import end_of, exit_codes
from sandtui.fleet.commands.fanout.live import TailLine
from sandtui.fleet.commands.fanout.text import times
from sandtui.fleet.inventory.bulk import State
from sandtui.fleet.text.sanitize import clean, output_line
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.rendering.text import Piece, Role, fit, width_of
from sandtui.ui.rendering.units import long_duration

SIGNS: dict[State, tuple[str, Role]] = {
    State.WAITING: ("·", "dim"),
    State.RUNNING: ("◐", "busy"),
    State.DONE: ("✓", "good"),
    State.FAILED: ("✖", "bad"),
    State.CANCELLED: ("‖", "info"),
}

PREVIEW_LINES = 10
NAME_WIDTH = 20


class Fold(Enum):
    """How much of a group is shown."""

    PREVIEW = "its first lines"
    OPEN = "all"
    CLOSED = "its title"

    def after(self, body: Body | None) -> Fold:
        """Return what Enter makes of it."""
        if self is Fold.PREVIEW and body is not None and len(body) > len(body.preview(PREVIEW_LINES)):
            return Fold.OPEN
        return Fold.PREVIEW if self is Fold.CLOSED else Fold.CLOSED


@dataclass(frozen=True, slots=True)
class Place:
    """What a line of the results shows: a group and, inside its answer, a line; or an earlier run."""

    what: str
    key: Hashable = None
    number: int = 0


class Results:
    """The lines of the results, each drawn when it is looked at."""

    def __init__(
        self,
        groups: Sequence[Group],
        bodies: Mapping[Answer, Body],
        folds: Mapping[Hashable, Fold],
        earlier: Sequence[FanOut],
        running: Sequence[Target] = (),
        signs: tuple[Sequence[Target], int] | None = None,
        now: float = 0.0,
        key: KeyOf = str,
    ) -> None:
        """``signs`` asks for a sign of each target above the answers, so many in a line.

        ``now`` is in seconds on the monotonic clock, ``key`` the key of an action.
        """
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

    def place(self, number: int) -> Place | None:
        """Return what a line shows."""
        return self._places[number] if 0 <= number < len(self._places) else None

    def find(self, place: Place | None) -> int | None:
        """Return the line of a place that was there before, or of its group's title."""
        if place is None or place.key is None:
            return None
        if place.what == "live" and place.key not in self._speaking:
            # It has ended: its answer is what is looked for now.
            keys = (key for key, each in self._groups.items() if any(target.id == place.key for target in each.targets))
            place = Place("title", next(keys, place.key))
        for wanted in (place, Place("title", place.key)):
            if wanted in self._places:
                return self._places.index(wanted)
        return None

    def body(self, key: Hashable) -> Body | None:
        """Return the lines of a group's answer."""
        each = self._groups.get(key)
        return self._bodies.get(each.output) if each is not None and each.output is not None else None

    def earlier(self, number: int) -> FanOut:
        """Return an earlier run."""
        return self._earlier[number]

    def speaking_at(self, number: int) -> Target | None:
        """Return the sandbox whose last line stands here while it runs."""
        place = self.place(number)
        return self._speaking.get(place.key) if place is not None and place.what == "live" else None

    def line_of(self, target: Target) -> int | None:
        """Return the line of the title of a target's group, or of what it says while it runs."""
        if target.id in self._speaking:
            return self.find(Place("live", target.id))
        keys = (key for key, each in self._groups.items() if target in each.targets)
        key = next(keys, None)
        return self.find(Place("title", key)) if key is not None else None

    def group_at(self, number: int) -> Group | None:
        """Return the group that a line belongs to."""
        place = self.place(number)
        return self._groups.get(place.key) if place is not None and place.key is not None else None

    def line(self, number: int, width: int) -> list[Piece]:
        """Draw a line."""
        place = self.place(number)
        if place is None or place.what == "gap":
            return []
        if place.what == "signs":
            return _signs(self._targets[place.number : place.number + self._per_line])
        if place.what == "earlier":
            return _earlier(self._earlier[place.number])
        if place.what == "running":
            return _running(self._running, width)
        if place.what == "live":
            return live_pieces(self._speaking[place.key], self._now, width)
        if place.what == "words":
            return [Piece("earlier in this session", "dim")]
        each = self._groups[place.key]
        if place.what == "title":
            return _title(each, self._folds.get(each.key, Fold.PREVIEW), width)
        if place.what == "names":
            return [Piece("   "), Piece(fit(_names(each.targets, width), max(1, width - 3)), "dim")]
        if place.what == "problem":
            return [Piece("   "), Piece(clean(each.problem), "bad")]
        body = self.body(place.key)
        if body is None:
            return []
        if place.what == "more":
            return [Piece(f"   … {place.number:,} more lines: {self._key('results.fold')} shows them", "dim")]
        if place.what == "skip":
            return [Piece(f"   ⋮ {place.number:,} the same", "dim")]
        if place.what == "note":
            words = f"{body.left_out:,} more lines, {self._key('results.save')} saves them  " if body.left_out else ""
            return [Piece(f"   … {words}{body.note}", "dim")]
        return body_pieces(body.line(place.number))

    def _arrange(self) -> Iterator[Place]:
        for start in range(0, len(self._targets), self._per_line):
            yield Place("signs", None, start)
        if self._targets:
            yield Place("gap")
        for key, each in self._groups.items():
            yield Place("title", key)
            fold = self._folds.get(key, Fold.PREVIEW)
            if fold is not Fold.CLOSED:
                yield from self._arrange_group(key, each, fold)
            yield Place("gap")
        if self._running:
            yield Place("running")
            yield from (Place("live", key) for key in self._speaking)
            yield Place("gap")
        if self._earlier:
            yield Place("words")
            yield from (Place("earlier", None, number) for number in range(len(self._earlier)))

    def _arrange_group(self, key: Hashable, each: Group, fold: Fold) -> Iterator[Place]:
        if len(each.targets) > 1:
            yield Place("names", key)
        if each.answer is None:
            yield Place("problem", key)
        body = self.body(key)
        if body is None:
            return
        shown = range(len(body)) if fold is Fold.OPEN else body.preview(PREVIEW_LINES)
        before = -1
        for number in shown:
            if number > before + 1:
                yield Place("skip", key, number - before - 1)
            yield Place("line", key, number)
            before = number
        if len(body) > before + 1:
            yield Place("more", key, len(body) - before - 1)
        elif body.left_out or body.note:
            yield Place("note", key)


def body_pieces(line: BodyLine) -> list[Piece]:
    """Draw a line of an answer; what differs from the largest group is told by a sign and a colour."""
    sign = line.sign
    if line.kind is Kind.GONE:
        return [Piece(sign, "dim"), Piece(line.text, "dim")]
    role: Role = "busy" if line.stderr else "text"
    if line.kind is Kind.SAME:
        return [Piece(sign, "busy"), Piece(line.text, role)]
    parts = [
        Piece(line.text[: line.start], role),
        Piece(line.text[line.start : line.end], "key"),
        Piece(line.text[line.end :], role),
    ]
    return [Piece(sign, "key"), *(part for part in parts if part.text)]


def live_pieces(target: Target, now: float, width: int) -> list[Piece]:
    """Draw the line of a sandbox on which it runs: name, time, and the last line that it said."""
    left = f"   {fit(clean(target.name), NAME_WIDTH)} {fit(short_time(target.seconds(now)), 6, right=True)}  "
    last = target.live.last if target.live is not None else None
    if last is None:
        return [Piece(left, "dim"), Piece("nothing yet", "dim")]
    room = max(1, width - width_of(left))
    return [Piece(left, "dim"), Piece(fit(output_line(last.text), room).rstrip(), "busy" if last.stderr else "text")]


def tail_pieces(line: TailLine) -> list[Piece]:
    """Draw a line of what a command has said so far."""
    return [
        Piece(" ! " if line.stderr else "   ", "busy"),
        Piece(output_line(line.text), "busy" if line.stderr else "text"),
    ]


def target_pieces(target: Target, now: float, width: int) -> list[Piece]:
    """Draw the line of one sandbox: sign, name, exit code, time."""
    sign, role = SIGNS[target.state]
    if target.answer is not None:
        ended = str(target.answer.exit_code)
    else:
        ended = {State.RUNNING: "…", State.FAILED: "—"}.get(target.state, "")
    taken = short_time(target.seconds(now))
    name = max(4, width - 14)
    return [
        Piece(f" {sign} ", role),
        Piece(fit(clean(target.name), name), "text" if target.is_over else "dim"),
        Piece(fit(ended, 4, right=True), role),
        Piece(fit(taken, 6, right=True), "dim"),
    ]


def counts(fan_out: FanOut) -> list[Piece]:
    """Return how many are how far."""
    pieces: list[Piece] = []
    words = {State.DONE: "ok", State.FAILED: "failed"}
    for state in (State.DONE, State.FAILED, State.CANCELLED, State.RUNNING, State.WAITING):
        if count := fan_out.count(state):
            sign, role = SIGNS[state]
            pieces.append(Piece(f"{sign} {count:,} {words.get(state, state.value)}  ", role))
    return pieces


def ends(fan_out: FanOut) -> list[Piece]:
    """Return how often each end was met."""
    found = exit_codes(fan_out)
    return [Piece("   ".join(f"{count:,} x {clean(end)}" for end, count in found), "dim")] if found else []


def short_time(seconds: float | None) -> str:
    """Return a time of a command: ``0.8s``, ``12s``, ``3m 04s``."""
    if seconds is None:
        return ""
    return f"{seconds:.1f}s" if seconds < 10 else long_duration(seconds)


def _title(each: Group, fold: Fold, width: int) -> list[Piece]:
    count = len(each.targets)
    end, role = end_of(each.targets[0]), _role(each)
    arrow = "▸ " if fold is Fold.CLOSED else "▾ "
    left = [Piece(arrow, role)]
    if count > 1:
        left += [Piece(f"{count:,} the same", "bright"), Piece(f"  {end}", role)]
    else:
        left += [Piece(clean(each.targets[0].name), "bright"), Piece(f"  {end}", role)]
    took = times(each)
    gap = width - sum(width_of(piece.text) for piece in left) - width_of(took) - 1
    return [*left, Piece(" " * max(2, gap)), Piece(took, "dim")]


def _running(targets: Sequence[Target], width: int) -> list[Piece]:
    words = f"{len(targets):,} running  "
    # Those whose output comes have lines of their own.
    silent = [target for target in targets if not target.streams]
    return [Piece("◐ ", "busy"), Piece(words, "busy"), Piece(_names(silent, width - width_of(words)), "dim")]


def _role(each: Group) -> Role:
    if not each.failed:
        return "good"
    return "info" if each.targets[0].state is State.CANCELLED else "bad"


def _names(targets: Sequence[Target], width: int) -> str:
    words: list[str] = []
    room = width - 16
    for place, target in enumerate(targets):
        name = clean(target.name)
        room -= width_of(name) + 1
        if room < 0 and place:
            return f"{' '.join(words)} and {len(targets) - place:,} more"
        words.append(name)
    return " ".join(words)


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
