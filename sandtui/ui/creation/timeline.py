"""The phases of a launch over time: one line for each sandbox, and how long the phases took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sandtui.fleet.creation.launch import UNFINISHED, LaunchItem, Step
from sandtui.ui.rendering.charts import Span, spans, spark
from sandtui.ui.rendering.text import Piece, Role, fit, width_of
from sandtui.ui.rendering.units import long_duration

PHASES: tuple[tuple[str, str, Role], ...] = (
    ("queued", "·", "dim"),
    ("requested", "─", "info"),
    ("starting", "━", "good"),
)
"""The phases with the characters that draw them: waiting for its turn, until it is created, until it is reachable."""

PERCENTILES = (50, 90, 99)

_NAME, _NUMBER = 12, 8
_STEPS = 24
"""Steps of the histogram beside the percentiles."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The times of a launch, in seconds on the monotonic clock; ``finished`` is None while something is under way."""

    origin: float | None
    finished: float | None

    @classmethod
    def of(cls, items: Iterable[LaunchItem]) -> Timeline:
        """Return the timeline of some sandboxes."""
        origin: float | None = None
        finished, running = 0.0, False
        for item in items:
            start = item.queued if item.queued is not None else item.began
            if start is not None and (origin is None or start < origin):
                origin = start
            if start is not None and item.step in UNFINISHED:
                running = True
            finished = max(finished, item.ended or 0.0)
        return cls(origin, None if running or origin is None else max(origin, finished))

    def total(self, now: float) -> float:
        """Return the length of the timeline."""
        if self.origin is None:
            return 0.0
        return max(0.0, (now if self.finished is None else self.finished) - self.origin)

    def line(self, item: LaunchItem, now: float, width: int) -> list[Piece]:
        """Return the phases of a sandbox as a line of ``width`` cells, or nothing if its times are unknown."""
        total, parts = self.total(now), []
        if self.origin is None or total <= 0:
            return []
        for (_, fill, role), bounds in zip(PHASES, phases(item, now), strict=True):
            if bounds is not None and bounds[1] > bounds[0]:
                parts.append(Span(bounds[0] - self.origin, bounds[1] - self.origin, fill, role))
        if not parts:
            return []
        if item.step is Step.FAILED:
            # Too short to be in more than the last cell.
            end = parts[-1].end
            parts.append(Span(max(0.0, end - total / max(1, width) / 1000), end, "✖", "bad"))
        return spans(parts, total, width)

    def axis(self, now: float, width: int) -> list[Piece]:
        """Return the scale of the lines: zero, the middle and the end."""
        total = self.total(now)
        if self.origin is None or total <= 0 or width < 12:
            return []
        middle, end = seconds_text(total / 2), seconds_text(total)
        left = fit("0s", max(2, width // 2 - width_of(middle) // 2))
        return [Piece(fit(left + middle, width - width_of(end)) + end, "dim")]


def phases(item: LaunchItem, now: float) -> list[tuple[float, float] | None]:
    """Return the start and the end, so far, of each of the :data:`PHASES`; None for one that was not reached."""
    over = item.ended if item.ended is not None else now
    queued = None
    if item.queued is not None:
        queued = item.queued, item.began if item.began is not None else over
    requested = None
    if item.began is not None:
        requested = item.began, item.created if item.created is not None else over
    return [queued, requested, None if item.created is None else (item.created, over)]


def percentile_lines(items: Sequence[LaunchItem], width: int) -> list[list[Piece]]:
    """Return a table of how long the phases took, for those that are through with them; nothing for fewer than two."""
    took: dict[str, list[float]] = {name: [] for name, _, _ in PHASES}
    ready: list[float] = []
    for item in items:
        if item.queued is not None and item.began is not None:
            took["queued"].append(item.began - item.queued)
        if item.began is not None and item.created is not None:
            took["requested"].append(item.created - item.began)
        if item.created is not None and item.ended is not None and item.step is Step.READY:
            took["starting"].append(item.ended - item.created)
            ready.append(item.ended - (item.queued if item.queued is not None else item.created))
    if len(ready) < 2:
        return []
    head = "".join(f"{f'p{percent}':>{_NUMBER}}" for percent in PERCENTILES) + f"{'max':>{_NUMBER}}"
    rows = [[Piece(f" {'':{_NAME}}{head}", "dim")]]
    top = max(ready)
    named = [*((name, fill, role, took[name]) for name, fill, role in PHASES), ("ready", "●", "good", ready)]
    for name, fill, role, values in named:
        if values:
            rows.append(_percentiles(name, fill, role, sorted(values), top, width))
    return rows


def _percentiles(name: str, fill: str, role: Role, values: list[float], top: float, width: int) -> list[Piece]:
    shown = [values[min(len(values) - 1, len(values) * percent // 100)] for percent in PERCENTILES] + [values[-1]]
    pieces = [Piece(f" {fill}", role), Piece(f" {name:<{_NAME - 2}}", "dim")]
    pieces.append(Piece("".join(f"{seconds_text(value):>{_NUMBER}}" for value in shown)))
    if top > 0 and width >= 1 + _NAME + _NUMBER * 4 + 3 + _STEPS:
        counts = [0] * _STEPS
        for value in values:
            counts[max(0, min(_STEPS - 1, int(value / top * _STEPS)))] += 1
        pieces += [Piece("   "), Piece(spark(counts), "dim")]
    return pieces


def seconds_text(seconds: float) -> str:
    """Return a short time, with tenths of seconds below ten."""
    return f"{seconds:.1f}s" if seconds < 9.95 else long_duration(seconds)
