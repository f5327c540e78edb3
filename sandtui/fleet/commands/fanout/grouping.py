"""Grouping of identical results: the largest group first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from sandtui.fleet.commands.fanout.answer import Answer
from sandtui.fleet.commands.fanout.run import FanOut, Target
from sandtui.fleet.inventory.bulk import BulkState


@dataclass(frozen=True, slots=True)
class ResultGroup:
    """Sandboxes with the same result, or the same failure.

    ``answer`` is None when the command did not end; then ``problem`` says why, and ``output`` may hold the output so
    far. Otherwise ``output`` is the answer. ``shortest`` and ``longest`` are in seconds. ``key`` identifies the group
    as more results arrive.
    """

    key: Hashable
    targets: tuple[Target, ...]
    answer: Answer | None
    problem: str = ""
    output: Answer | None = None
    shortest: float = 0.0
    longest: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the command failed."""
        return self.answer is None or self.answer.exit_code != 0


def group(targets: Sequence[Target], *, together: bool = True, failures_only: bool = False) -> list[ResultGroup]:
    """Group the finished targets: results before failures, largest group first.

    With ``together=False`` each sandbox is a group of its own, in the order of the targets.
    """
    members: dict[Hashable, list[Target]] = {}
    for target in targets:
        if target.is_over and not (failures_only and target.state is BulkState.DONE):
            members.setdefault(_key(target) if together else target.id, []).append(target)
    groups = [_make(key, found) for key, found in members.items()]
    if together:
        groups.sort(key=lambda each: (each.answer is None, -len(each.targets)))
    return groups


def reference(groups: Sequence[ResultGroup]) -> ResultGroup | None:
    """Return the group that the others are compared with: the largest one whose command ended.

    None when all results are the same or all are different: then no result is more common than another.
    """
    answered = [each for each in groups if each.answer is not None]
    if len(answered) < 2:
        return None
    largest = max(answered, key=lambda each: len(each.targets))
    return largest if len(largest.targets) > 1 or len(answered) == 2 else None


def odd_first(groups: Sequence[ResultGroup]) -> list[ResultGroup]:
    """Put the group that the others are compared with behind them: what differs is what one looks for."""
    usual = reference(groups)
    return [*(each for each in groups if each is not usual), *([usual] if usual is not None else ())]


def exit_codes(fan_out: FanOut) -> list[tuple[str, int]]:
    """Count the outcomes, the most frequent first: ``exit 0``, ``timed out`` ..."""
    return Counter(end_of(target) for target in fan_out.targets if target.is_over).most_common()


def end_of(target: Target) -> str:
    """Return the outcome of the command in a sandbox as text."""
    if target.answer is not None:
        return f"exit {target.answer.exit_code}"
    return target.failure.value if target.failure is not None else target.state.value


def _key(target: Target) -> Hashable:
    # Equal results of a fan-out are one object: comparing megabytes repeatedly would be slow.
    if target.answer is not None:
        return id(target.answer)
    return end_of(target), _anonymous(target), id(target.so_far)


def _anonymous(target: Target) -> str:
    """Return a problem without the sandbox's id and name, so that equal problems compare equal."""
    problem = target.problem or target.item.words
    for own in (target.id, target.name):
        if own:
            problem = problem.replace(own, "…")
    return problem


def _make(key: Hashable, targets: list[Target]) -> ResultGroup:
    first = targets[0]
    times = [seconds for target in targets if (seconds := target.seconds(0.0)) is not None and target.ended is not None]
    problem = "" if first.answer is not None else (first.problem if len(targets) == 1 else _anonymous(first))
    if first.answer is None and not problem:
        problem = first.item.words
    return ResultGroup(
        key, tuple(targets), first.answer, problem, first.output, min(times, default=0.0), max(times, default=0.0)
    )
