"""The rendered lines of all results, compared with the most frequent one, and cached."""

from __future__ import annotations

from collections.abc import Sequence

from sandtui.fleet.commands.fanout.answer import Answer
from sandtui.fleet.commands.fanout.differences import Body, DiffBudget, body, compare
from sandtui.fleet.commands.fanout.grouping import group, reference
from sandtui.fleet.commands.fanout.run import Target


def standard_of(targets: Sequence[Target]) -> Answer | None:
    """Return the result that the others are compared with; it may change as results arrive."""
    largest = reference(group(targets))
    return largest.answer if largest is not None else None


class Bodies:
    """Renders the lines of results. Slow: call it in a thread, one call at a time.

    ``standard`` is the result that the latest lines are compared with.
    """

    def __init__(self) -> None:
        self.standard: Answer | None = None
        self._plain: dict[Answer, Body] = {}
        self._compared: dict[tuple[Answer, Answer], Body] = {}

    def of(self, targets: Sequence[Target]) -> dict[Answer, Body]:
        """Return the lines of each result so far."""
        standard = self.standard = standard_of(targets)
        budget = DiffBudget()
        found: dict[Answer, Body] = {}
        for answer in dict.fromkeys(each.output for each in targets if each.output is not None):
            shown = self._body(answer)
            if standard is not None and answer != standard:
                pair = answer, standard
                if pair not in self._compared:
                    self._compared[pair] = compare(shown, self._body(standard), budget)
                shown = self._compared[pair]
            found[answer] = shown
        return found

    def _body(self, answer: Answer) -> Body:
        if answer not in self._plain:
            self._plain[answer] = body(answer)
        return self._plain[answer]
