"""From a choice of sandboxes to something done to all of them: verb, value, plan, progress, results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import Any

from textual.app import App

from sandtui.client import SandboxClientError
from sandtui.clock import Clock
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory.bulk import BulkRun, State
from sandtui.fleet.inventory.bulk_plan import VERBS, Plan, Verb, check_value, label_plan, make_plan
from sandtui.fleet.inventory.export import as_csv, as_json
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.session import DeleteOutcome
from sandtui.fleet.keymap import Keymap
from sandtui.saving import check_new_file, typed_path
from sandtui.ui.dialogs.bulk import BulkDialog
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.key_bindings import key_of
from sandtui.ui.navigator import Navigator
from sandtui.ui.services.clipboard import Clipboard
from sandtui.ui.services.contexts import Contexts
from sandtui.ui.services.files import LocalFiles
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import Platform
from sandtui.ui.services.work import Work

NAMES_SHOWN = 3

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


class Bulk:
    """Asks, and starts, work on many sandboxes. One step leads to the next; Escape ends it at any."""

    def __init__(
        self,
        app: App[Any],
        clock: Clock,
        keymap: Keymap,
        work: Work,
        notifier: Notifier,
        platform: Platform,
        contexts: Contexts,
        clipboard: Clipboard,
        files: LocalFiles,
        navigator: Navigator,
    ) -> None:
        self._app, self._clock, self._keymap = app, clock, keymap
        self._work, self._notifier, self._platform, self._contexts = work, notifier, platform, contexts
        self._clipboard, self._files, self._navigator = clipboard, files, navigator
        self._shown = 0

    def choose(self, rows: Sequence[Row], hidden: int, what: str, labels: Sequence[str] = ()) -> None:
        """Ask what to do to some rows; ``what`` says how they were chosen, ``labels`` that they carry these."""
        choices = [
            Choice(verb.id, _LETTERS[verb.id], verb.menu_title, f"{verb.words} · {able:,} of {len(rows):,}")
            for verb in VERBS
            if (able := sum(map(verb.possible, rows))) and not (verb.dangerous and self._contexts.read_only)
        ]
        if labels and not self._contexts.read_only:
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
                    self._count_labels(labels)
                else:
                    self.ask(verb, rows, hidden)

            words = f"{verb.menu_title} › {len(rows):,} sandboxes"
            if not verb.dangerous:
                go_on()
                return
            with self._notifier.doing(words):
                self._contexts.sure(words, verb.words, go_on)

        self._app.push_screen(ChooseDialog(what, choices), chosen)

    def ask(self, verb: Verb, rows: Sequence[Row], hidden: int = 0, shown: Set[str] | None = None) -> None:
        """Ask for the verb's value, when it needs one, and show the plan.

        ``hidden`` says how many the filter does not show, or ``shown`` which it does.
        """

        def planned(*, spare: bool) -> Plan:
            plan = make_plan(verb, rows, hidden, spare=spare)
            return plan if shown is None else replace(plan, hidden=sum(row.id not in shown for row in plan.rows))

        plan = planned(spare=True)
        if not plan.rows and not plan.spared:
            self._notifier.refuse(self.why_none(verb, rows), verb.menu_title)
            return
        if verb is plans.COPY:
            self._clipboard.copy_lines([row.id for row in plan.rows], f"{len(plan.rows):,} ids")
            return
        if verb is plans.RUN:
            self._navigator.open_fan_out(plan.rows)
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
        marks = {row.id for row in self._navigator.marked}
        marked = bool(marks) and marks == {row.id for row in rows}
        words = plans.why_none(verb, rows, marked=marked)
        return f"{words} {key_of('fleet.unmark', self._keymap)} clears the marks." if marked else words

    def _count_labels(self, labels: Sequence[str]) -> None:
        """Ask how many carry some labels, and show what a deletion would reach, as the platform counts it."""
        session = self._platform.need_session()

        async def flow() -> None:
            try:
                total = await session.count_labels(labels)
            except SandboxClientError as error:
                self._notifier.notify(f"Nothing was deleted by label: {error}", "error")
                return
            if not total:
                reason = "Nothing that has not ended carries that label on the platform."
                self._notifier.refuse(reason, "Delete by label")
                return
            carrying = [row for row in session.store if set(labels) <= set(row.sandbox.labels)]
            alive = [row for row in carrying if plans.DELETE_BY_LABEL.possible(row)]
            self._show_plan(label_plan(tuple(labels), alive, min(self._shown, len(alive)), total))

        self._work.start(flow(), "labels", exclusive=True)

    def _delete_labels(self, labels: Sequence[str]) -> None:
        session = self._platform.need_session()

        async def flow() -> None:
            try:
                outcome = await session.delete_labels(labels)
            except SandboxClientError as error:
                self._notifier.notify(f"Nothing was deleted by label: {error}", "error")
                return
            rows = (session.store.get(sandbox_id) for sandbox_id in outcome.deleted)
            self._tell_deleted(outcome, {row.id: row.sandbox.name for row in rows if row is not None})

        self._work.start(flow(), "delete")

    def _delete(self, sandbox_ids: list[str]) -> None:
        session = self._platform.need_session()
        rows = (session.store.get(sandbox_id) for sandbox_id in sandbox_ids)
        names = {row.id: row.sandbox.name for row in rows if row is not None}

        async def flow() -> None:
            self._tell_deleted(await session.delete(sandbox_ids), names)

        self._work.start(flow(), "delete")

    def _tell_deleted(self, outcome: DeleteOutcome, names: Mapping[str, str]) -> None:
        deleted, failed = outcome.deleted, outcome.failed
        if deleted:
            shown = ", ".join(names.get(sandbox_id, sandbox_id) for sandbox_id in deleted[:NAMES_SHOWN])
            more = f" and {len(deleted) - NAMES_SHOWN} more" if len(deleted) > NAMES_SHOWN else ""
            self._notifier.notify(f"Deleted {shown}{more}.")
        for sandbox_id, reason in list(failed.items())[:NAMES_SHOWN]:
            self._notifier.notify(f"{names.get(sandbox_id, sandbox_id)} was not deleted: {reason}", "error")
        if len(failed) > NAMES_SHOWN:
            self._notifier.notify(f"{len(failed) - NAMES_SHOWN} more could not be deleted.", "error")

    def confirm(self, plan: Plan) -> None:
        """Show a plan whose value was asked for elsewhere."""
        self._show_plan(plan)

    def _with_value(self, plan: Plan) -> None:
        if plan.verb in (plans.CSV, plans.JSON):
            text = as_csv(plan.rows) if plan.verb is plans.CSV else as_json(plan.rows)
            self._files.write(typed_path(plan.value), text, f"{len(plan.rows):,} sandboxes")
        else:
            self._show_plan(plan)

    def start_job(self, rows: Sequence[Row], command: str) -> None:
        """Show the plan of a background job in many sandboxes."""
        self._show_plan(make_plan(plans.JOB, rows, 0, command))

    def _show_plan(self, plan: Plan, more: Callable[[], None] | None = None) -> None:
        def answered(confirmed: bool | None) -> None:
            if not confirmed:
                return
            if plan.by_label:
                self._delete_labels(plan.by_label)
            elif plan.verb is plans.DELETE and len(plan.rows) == 1:
                self._delete([plan.rows[0].id])
            elif self._platform.session is not None:
                self._start(self._platform.session.bulk(plan))

        self._app.push_screen(PlanDialog(plan, self._platform.label, self._clock.now(), more), answered)

    def _start(self, run: BulkRun) -> None:
        self.run(run)
        self.show(run)

    def run(self, run: BulkRun) -> None:
        """Carry out work on many sandboxes, and tell what came of it unless it is on the screen."""
        session = self._platform.need_session()

        async def flow() -> None:
            await run.run()
            session.refresher.expect_changes()
            self._tell(run)

        self._work.start(flow(), "bulk")

    def show(self, run: BulkRun) -> None:
        """Show how a run gets on."""

        def answered(answer: str | None) -> None:
            if answer == "retry" and run.prepare_retry():
                self._start(run)
            elif answer == "mark":
                self._navigator.mark(run.failed_ids)

        self._app.push_screen(BulkDialog(run, self._clock, self._keymap), answered)

    def _tell(self, run: BulkRun) -> None:
        screen = self._app.screen
        if isinstance(screen, BulkDialog) and screen.run is run:
            return
        failed = len(run.failed_ids)
        words = f"{run.title}: {run.count(State.DONE):,} done" + (f", {failed:,} not" if failed else "")
        self._notifier.notify(f"{words}.", "warning" if failed else "information")


def _problem(verb: Verb, value: str) -> str:
    problem = check_value(verb, value)
    if problem or verb not in (plans.CSV, plans.JSON, plans.UPLOAD):
        return problem
    if verb is not plans.UPLOAD:
        return check_new_file(value)
    path = typed_path(value)
    return "" if path.is_file() else f"no such file: {path}"
