"""Equal answers folded together, as clusters are read: the many that agree, then those that do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from sandtui.fleet.commands.fanout.answer import Answer
from sandtui.fleet.commands.fanout.run import FanOut, Target
from sandtui.fleet.inventory.bulk import State


@dataclass(frozen=True, slots=True)
class Group:
    """Sandboxes that said the same, or failed for the same reason.

    ``answer`` is None when the command did not end; ``problem`` says why then, and ``output`` may hold what it had
    written by then: else it is the answer. ``shortest`` and ``longest`` are
    seconds. ``key`` is the same for the same group when more answers have come.
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
        """Whether this is no success."""
        return self.answer is None or self.answer.exit_code != 0


def group(targets: Sequence[Target], *, together: bool = True, failures_only: bool = False) -> list[Group]:
    """Return the groups of those that are over: answers first, the largest group of them first.

    With ``together=False`` each sandbox is a group of its own, in the order of the targets.
    """
    members: dict[Hashable, list[Target]] = {}
    for target in targets:
        if target.is_over and not (failures_only and target.state is State.DONE):
            members.setdefault(_key(target) if together else target.id, []).append(target)
    groups = [_make(key, found) for key, found in members.items()]
    if together:
        groups.sort(key=lambda each: (each.answer is None, -len(each.targets)))
    return groups


def reference(groups: Sequence[Group]) -> Group | None:
    """Return the group that the others are compared with: the largest whose command ended.

    There is none when all are the same, or each is alone: then no answer is more usual than another.
    """
    answered = [each for each in groups if each.answer is not None]
    if len(answered) < 2:
        return None
    largest = max(answered, key=lambda each: len(each.targets))
    return largest if len(largest.targets) > 1 or len(answered) == 2 else None


def exit_codes(fan_out: FanOut) -> list[tuple[str, int]]:
    """Return how often each end was met, the most frequent first: ``exit 0``, ``did not end in time`` ..."""
    return Counter(end_of(target) for target in fan_out.targets if target.is_over).most_common()


def end_of(target: Target) -> str:
    """Return in words how the command ended in a sandbox."""
    if target.answer is not None:
        return f"exit {target.answer.exit_code}"
    return target.trouble.value if target.trouble is not None else target.state.value


def _key(target: Target) -> Hashable:
    # Equal answers of a fan-out are one object: comparing megabytes again and again would take long.
    if target.answer is not None:
        return id(target.answer)
    return end_of(target), _anonymous(target), id(target.so_far)


def _anonymous(target: Target) -> str:
    """Return a problem without the sandbox's own id and name, so that equal reasons are equal."""
    problem = target.problem or target.item.words
    for own in (target.id, target.name):
        if own:
            problem = problem.replace(own, "…")
    return problem


def _make(key: Hashable, targets: list[Target]) -> Group:
    first = targets[0]
    times = [seconds for target in targets if (seconds := target.seconds(0.0)) is not None and target.ended is not None]
    problem = "" if first.answer is not None else (first.problem if len(targets) == 1 else _anonymous(first))
    if first.answer is None and not problem:
        problem = first.item.words
    return Group(
        key, tuple(targets), first.answer, problem, first.output, min(times, default=0.0), max(times, default=0.0)
    )
