"""From a choice of sandboxes to something done to all of them: verb, value, plan, progress, results."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory.bulk import BulkRun, State
from sandtui.fleet.inventory.bulk_plan import VERBS, Plan, Verb, check_value, label_plan, make_plan
from sandtui.fleet.inventory.export import as_csv, as_json
from sandtui.fleet.inventory.row import Row
from sandtui.ui.connection.messages import LabelsCounted
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.dialogs.value import ValueDialog

if TYPE_CHECKING:
    from sandtui.ui.app import SandtuiApp

_LETTERS = {
    "run": "r",
    "upload": "u",
    "expose": "e",
    "job": "j",
    "measure": "m",
    "copy": "y",
    "csv": "c",
    "json": "o",
    "delete": "D",
}


class BulkFlow:
    """Asks, and starts, work on many sandboxes. One step leads to the next; Escape ends it at any."""

    def __init__(self, app: SandtuiApp) -> None:
        self._app = app
        self._shown = 0

    def choose(self, rows: Sequence[Row], hidden: int, what: str, labels: Sequence[str] = ()) -> None:
        """Ask what to do to some rows; ``what`` says how they were chosen, ``labels`` that they carry these."""
        choices = [
            Choice(verb.id, _LETTERS[verb.id], verb.menu_title, f"{verb.words} · {able:,} of {len(rows):,}")
            for verb in VERBS
            if (able := sum(map(verb.possible, rows))) and not (verb.dangerous and self._app.contexts.read_only)
        ]
        if labels and not self._app.contexts.read_only:
            verb = plans.DELETE_BY_LABEL
            choices.append(Choice(verb.id, "L", "Delete by label", verb.words))
        by_id = {verb.id: verb for verb in VERBS}

        def chosen(verb_id: str | None) -> None:
            if not verb_id:
                return
            by_label = verb_id == plans.DELETE_BY_LABEL.id
            verb = plans.DELETE_BY_LABEL if by_label else by_id[verb_id]

            def go_on() -> None:
                if by_label:
                    self._shown = len(rows)
                    self._app.bridge.count_labels(labels)
                else:
                    self.ask(verb, rows, hidden)

            words = f"{verb.menu_title} › {len(rows):,} sandboxes"
            if not verb.dangerous:
                go_on()
                return
            with self._app.doing(words):
                self._app.contexts.sure(words, verb.words, go_on)

        self._app.push_screen(ChooseDialog(f"{what}: {len(rows):,}", choices), chosen)

    def ask(self, verb: Verb, rows: Sequence[Row], hidden: int = 0, shown: Set[str] | None = None) -> None:
        """Ask for the verb's value, when it needs one, and show the plan.

        ``hidden`` says how many the filter does not show, or ``shown`` which it does.
        """

        def planned(*, spare: bool) -> Plan:
            plan = make_plan(verb, rows, hidden, spare=spare)
            return plan if shown is None else replace(plan, hidden=sum(row.id not in shown for row in plan.rows))

        plan = planned(spare=True)
        if not plan.rows and not plan.spared:
            self._app.refuse(self.why_none(verb, rows), verb.menu_title)
            return
        if verb is plans.COPY:
            self._app.copy_lines([row.id for row in plan.rows], f"{len(plan.rows):,} ids")
            return
        if verb is plans.RUN:
            self._app.open_fan_out(plan.rows)
            return
        if not verb.asks:
            more = partial(self._show_plan, planned(spare=False)) if plan.spared else None
            self._show_plan(plan, more)
            return

        def answered(value: str | None) -> None:
            if value:
                self._with_value(make_plan(verb, rows, hidden, value))

        self._app.push_screen(
            ValueDialog(plan.title, verb.asks, verb.example, lambda value: _problem(verb, value)), answered
        )

    def why_none(self, verb: Verb, rows: Sequence[Row]) -> str:
        """Return why something can be done to none of these, and what to do when the marks are the reason."""
        marks = {row.id for row in self._app.marked}
        marked = bool(marks) and marks == {row.id for row in rows}
        words = plans.why_none(verb, rows, marked=marked)
        return f"{words} {self._app.named_key('fleet.unmark')} clears the marks." if marked else words

    def labels_counted(self, message: LabelsCounted) -> None:
        """Show what a deletion by label would reach, as the platform counts it."""
        bridge = self._app.bridge
        if message.error is not None or bridge.session is None:
            self._app.say(f"Nothing was deleted by label: {message.error}", "error")
            return
        if not message.total:
            self._app.refuse("Nothing that has not ended carries that label on the platform.", "Delete by label")
            return
        carrying = [row for row in bridge.session.store if set(message.labels) <= set(row.sandbox.labels)]
        alive = [row for row in carrying if plans.DELETE_BY_LABEL.possible(row)]
        self._show_plan(label_plan(message.labels, alive, min(self._shown, len(alive)), message.total))

    def confirm(self, plan: Plan) -> None:
        """Show a plan whose value was asked for elsewhere."""
        self._show_plan(plan)

    def _with_value(self, plan: Plan) -> None:
        if plan.verb in (plans.CSV, plans.JSON):
            text = as_csv(plan.rows) if plan.verb is plans.CSV else as_json(plan.rows)
            self._app.bridge.write_file(Path(plan.value).expanduser(), text, f"{len(plan.rows):,} sandboxes")
        else:
            self._show_plan(plan)

    def start_job(self, rows: Sequence[Row], command: str) -> None:
        """Show the plan of a background job in many sandboxes."""
        self._show_plan(make_plan(plans.JOB, rows, 0, command))

    def _show_plan(self, plan: Plan, more: Callable[[], None] | None = None) -> None:
        from sandtui.ui.dialogs.plan import PlanDialog

        bridge = self._app.bridge
        where = bridge.connection.label if bridge.connection is not None else ""

        def answered(confirmed: bool | None) -> None:
            if not confirmed:
                return
            if plan.by_label:
                bridge.delete_labels(plan.by_label)
            elif plan.verb is plans.DELETE and len(plan.rows) == 1:
                bridge.delete([plan.rows[0].id])
            elif bridge.session is not None:
                self._start(bridge.session.bulk(plan))

        self._app.push_screen(PlanDialog(plan, where, bridge.clock.now(), more), answered)

    def _start(self, run: BulkRun) -> None:
        self._app.bridge.run_bulk(run)
        self.show(run)

    def show(self, run: BulkRun) -> None:
        """Show how a run gets on."""
        from sandtui.ui.inventory.bulk_dialog import BulkDialog

        def answered(answer: str | None) -> None:
            if answer == "retry" and run.prepare_retry():
                self._start(run)
            elif answer == "mark":
                self._app.mark(run.failed_ids)

        self._app.push_screen(BulkDialog(run, self._app.bridge.clock), answered)

    def tell(self, run: BulkRun) -> None:
        """Say what came of a run, unless it is on the screen."""
        from sandtui.ui.inventory.bulk_dialog import BulkDialog

        screen = self._app.screen
        if isinstance(screen, BulkDialog) and screen.run is run:
            return
        failed = len(run.failed_ids)
        words = f"{run.title}: {run.count(State.DONE):,} done" + (f", {failed:,} not" if failed else "")
        self._app.say(f"{words}.", "warning" if failed else "information")


def _problem(verb: Verb, value: str) -> str:
    problem = check_value(verb, value)
    if problem or verb not in (plans.CSV, plans.JSON, plans.UPLOAD):
        return problem
    path = Path(value.strip()).expanduser()
    if verb is plans.UPLOAD:
        return "" if path.is_file() else f"there is no file {path}"
    if path.exists():
        return f"{path} is there already: choose another name"
    return "" if path.parent.is_dir() else f"there is no folder {path.parent}"
