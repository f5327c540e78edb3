"""The results of a fan-out as plain text, for the output of ``sandtui run``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sandtui.fleet.commands.fanout.answer import FailureReason
from sandtui.fleet.commands.fanout.differences import Body, DiffBudget, body, compare
from sandtui.fleet.commands.fanout.grouping import ResultGroup, end_of, group, reference
from sandtui.fleet.commands.fanout.run import FanOut, Target
from sandtui.fleet.inventory.bulk import BulkState
from sandtui.fleet.text.sanitize import clean

NAMED = 6
"""Sandbox names listed per group; for the rest the number is given."""

ALL_WELL, COMMAND_FAILED, NOT_REACHED = 0, 1, 3
"""Exit codes of ``sandtui run``; 2 means wrong usage, as usual."""


def report(fan_out: FanOut, *, differences: bool = True) -> Iterator[str]:
    """Yield the lines: each group with its output, differences from the largest group marked, then the counts."""
    groups = group(fan_out.targets)
    largest = reference(groups)
    budget = DiffBudget()
    standard = body(largest.answer) if largest is not None and largest.answer is not None else None
    for each in groups:
        yield f"── {title(each)}"
        yield f"   {names(each.targets)}"
        if each.answer is None:
            yield f"   {clean(each.problem)}"
        if each.output is not None:
            shown = body(each.output)
            if differences and standard is not None and each is not largest:
                shown = compare(shown, standard, budget)
            yield from _lines(shown)
        yield ""
    yield summary(fan_out)


def title(each: ResultGroup) -> str:
    """Return the title of a group: ``187 identical, exit 0, 0.9s – 1.4s``."""
    count = len(each.targets)
    same = f"{count:,} identical" if count > 1 else clean(each.targets[0].name)
    return f"{same}, {end_of(each.targets[0])}, {times(each)}"


def times(each: ResultGroup) -> str:
    """Return the range of runtimes in a group."""
    shortest, longest = f"{each.shortest:.1f}s", f"{each.longest:.1f}s"
    return shortest if shortest == longest else f"{shortest} – {longest}"


def names(targets: Sequence[Target], shown: int = NAMED) -> str:
    """Return the first sandbox names, and the number of further ones."""
    first = " ".join(clean(target.name) for target in targets[:shown])
    more = len(targets) - shown
    return f"{first} and {more:,} more" if more > 0 else first


def summary(fan_out: FanOut) -> str:
    """Return a summary line with the counts."""
    total = len(fan_out.targets)
    parts = [f"{total:,} {'sandbox' if total == 1 else 'sandboxes'}", f"{fan_out.count(BulkState.DONE):,} ok"]
    answered = sum(target.answer is not None for target in fan_out.failed)
    unreached = sum(target.failure is FailureReason.UNREACHED for target in fan_out.failed)
    late = sum(target.failure is FailureReason.TIMEOUT for target in fan_out.failed)
    cancelled = fan_out.count(BulkState.CANCELLED)
    for count, text in (
        (answered, "failed"),
        (late, "timed out"),
        (unreached, "unreachable"),
        (cancelled, "cancelled"),
    ):
        if count:
            parts.append(f"{count:,} {text}")
    kinds = len([each for each in group(fan_out.targets) if each.answer is not None])
    parts.append(f"{kinds:,} {'result' if kinds == 1 else 'different results'}")
    return " · ".join(parts)


def exit_code(fan_out: FanOut) -> int:
    """Return the exit code of ``sandtui run``."""
    if any(
        target.failure is FailureReason.UNREACHED or target.state is BulkState.CANCELLED for target in fan_out.targets
    ):
        return NOT_REACHED
    return COMMAND_FAILED if fan_out.failed else ALL_WELL


def _lines(shown: Body) -> Iterator[str]:
    for line in shown.lines:
        yield f"{line.sign}{line.text}"
    if shown.left_out:
        yield f"   … {shown.left_out:,} more lines"
    if shown.note:
        yield f"   ({shown.note})"
