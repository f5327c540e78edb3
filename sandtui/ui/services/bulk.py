"""Bulk actions: from a selection of sandboxes to verb, value, plan, progress and results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import Any

from textual.app import App

from sandtui.client import SandboxClientError
from sandtui.clock import Clock
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory.bulk import BulkRun, BulkState
from sandtui.fleet.inventory.bulk_plan import VERBS, BulkPlan, Verb, check_value, label_plan, make_plan
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
from sandtui.ui.services.forks import Forks
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import PlatformConnection
from sandtui.ui.services.sandbox_actions import SandboxActions
from sandtui.ui.services.work import Work

NAMES_SHOWN = 3

_LETTERS = {
    "run": "r",
    "upload": "u",
    "expose": "e",
    "job": "j",
    "egress": "g",
    "measure": "m",
    "copy": "y",
    "csv": "c",
    "json": "o",
    "delete": "D",
}


class BulkActions:
    """Runs the dialogs of bulk actions, step by step, and starts them. Escape cancels at any step."""

    def __init__(
        self,
        app: App[Any],
        clock: Clock,
        keymap: Keymap,
        work: Work,
        notifier: Notifier,
        platform: PlatformConnection,
        contexts: Contexts,
        clipboard: Clipboard,
        files: LocalFiles,
        navigator: Navigator,
        forks: Forks,
    ) -> None:
        self._app, self._clock, self._keymap = app, clock, keymap
        self._work, self._notifier, self._platform, self._contexts = work, notifier, platform, contexts
        self._clipboard, self._files, self._navigator = clipboard, files, navigator
        self._sandboxes = SandboxActions(platform, navigator, self, notifier, forks)
        self._shown = 0

    def choose(
        self, rows: Sequence[Row], hidden: int, what: str, labels: Sequence[str] = (), *, group: str = ""
    ) -> None:
        """Ask for an action on some rows; ``what`` describes the selection, ``labels`` are their common labels.

        ``group`` names the group that they are.
        """
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
                    self.ask(verb, rows, hidden, group=group)

            text = f"{verb.menu_title} › {len(rows):,} sandboxes"
            if not verb.dangerous:
                go_on()
                return
            with self._notifier.doing(text):
                self._contexts.sure(text, verb.words, go_on)

        self._app.push_screen(ChooseDialog(what, choices), chosen)

    def ask(
        self, verb: Verb, rows: Sequence[Row], hidden: int = 0, shown: Set[str] | None = None, *, group: str = ""
    ) -> None:
        """Ask for the verb's value, if it needs one, and show the plan.

        ``hidden`` is the number of rows hidden by the filter, ``shown`` the visible ones. ``group`` names the group
        that the rows are.
        """

        def planned(*, spare: bool) -> BulkPlan:
            plan = replace(make_plan(verb, rows, hidden, spare=spare), group=group)
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

        def on_result(value: str | None) -> None:
            if value:
                self._with_value(replace(make_plan(verb, rows, hidden, value), group=group))

        self._app.push_screen(
            ValueDialog(plan.title, verb.asks, verb.example, lambda value: _problem(verb, value)), on_result
        )

    def why_none(self, verb: Verb, rows: Sequence[Row]) -> str:
        """Return why no row is eligible, and what to do if the marks are the reason."""
        marks = {row.id for row in self._navigator.marked}
        marked = bool(marks) and marks == {row.id for row in rows}
        text = plans.why_none(verb, rows, marked=marked)
        return f"{text} {key_of('fleet.unmark', self._keymap)} clears the marks." if marked else text

    def _count_labels(self, labels: Sequence[str]) -> None:
        """Ask the platform how many sandboxes have the labels, and show the plan of the deletion."""
        session = self._platform.need_session()

        async def flow() -> None:
            try:
                total = await session.count_labels(labels)
            except SandboxClientError as error:
                self._notifier.notify(f"Nothing deleted: {error}", "error")
                return
            if not total:
                reason = "No active sandbox has this label"
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
                self._notifier.notify(f"Nothing deleted: {error}", "error")
                return
            rows = (session.store.get(sandbox_id) for sandbox_id in outcome.deleted)
            self._notify_result_deleted(outcome, {row.id: row.sandbox.name for row in rows if row is not None})

        self._work.start(flow(), "delete")

    def _delete(self, sandbox_ids: list[str]) -> None:
        session = self._platform.need_session()
        rows = (session.store.get(sandbox_id) for sandbox_id in sandbox_ids)
        names = {row.id: row.sandbox.name for row in rows if row is not None}

        async def flow() -> None:
            self._notify_result_deleted(await session.delete(sandbox_ids), names)

        self._work.start(flow(), "delete")

    def _notify_result_deleted(self, outcome: DeleteOutcome, names: Mapping[str, str]) -> None:
        deleted, failed = outcome.deleted, outcome.failed
        if deleted:
            shown = ", ".join(names.get(sandbox_id, sandbox_id) for sandbox_id in deleted[:NAMES_SHOWN])
            more = f" and {len(deleted) - NAMES_SHOWN} more" if len(deleted) > NAMES_SHOWN else ""
            self._notifier.notify(f"Deleted {shown}{more}.")
        for sandbox_id, reason in list(failed.items())[:NAMES_SHOWN]:
            self._notifier.notify(f"{names.get(sandbox_id, sandbox_id)} not deleted: {reason}", "error")
        if len(failed) > NAMES_SHOWN:
            self._notifier.notify(f"{len(failed) - NAMES_SHOWN} more not deleted", "error")

    def confirm(self, plan: BulkPlan) -> None:
        """Show a plan whose value is known."""
        self._show_plan(plan)

    def _with_value(self, plan: BulkPlan) -> None:
        if plan.verb in (plans.CSV, plans.JSON):
            text = as_csv(plan.rows) if plan.verb is plans.CSV else as_json(plan.rows)
            self._files.write(typed_path(plan.value), text, f"{len(plan.rows):,} sandboxes")
        else:
            self._show_plan(plan)

    def start_job(self, rows: Sequence[Row], command: str, user: str = "") -> None:
        """Show the plan for a background job in many sandboxes."""
        self._show_plan(replace(make_plan(plans.JOB, rows, 0, command), user=user))

    def _show_plan(self, plan: BulkPlan, more: Callable[[], None] | None = None) -> None:
        def on_result(confirmed: bool | None) -> None:
            if not confirmed:
                return
            if plan.by_label:
                self._delete_labels(plan.by_label)
            elif plan.verb is plans.DELETE and len(plan.rows) == 1:
                self._delete([plan.rows[0].id])
            elif self._platform.session is not None:
                self._start(self._platform.session.bulk(plan))

        self._app.push_screen(PlanDialog(plan, self._platform.label, self._clock.now(), more), on_result)

    def _start(self, run: BulkRun) -> None:
        self.run(run)
        self.show(run)

    def run(self, run: BulkRun) -> None:
        """Run a bulk action, and notify of its result unless it is on screen."""
        session = self._platform.need_session()

        async def flow() -> None:
            await run.run()
            session.refresher.expect_changes()
            self._notify_result(run)

        self._work.start(flow(), "bulk")

    def show(self, run: BulkRun) -> None:
        """Show the progress of a run."""

        def on_result(answer: str | None) -> None:
            if answer == "retry" and run.prepare_retry():
                self._start(run)
            elif answer == "mark":
                self._navigator.mark(run.failed_ids)

        self._app.push_screen(BulkDialog(run, self._clock, self._keymap, self._sandboxes), on_result)

    def _notify_result(self, run: BulkRun) -> None:
        screen = self._app.screen
        if isinstance(screen, BulkDialog) and screen.run is run:
            return
        failed = len(run.failed_ids)
        text = f"{run.title}: {run.count(BulkState.DONE):,} done" + (f", {failed:,} not" if failed else "")
        self._notifier.notify(f"{text}.", "warning" if failed else "information")


def _problem(verb: Verb, value: str) -> str:
    problem = check_value(verb, value)
    if problem or verb not in (plans.CSV, plans.JSON, plans.UPLOAD):
        return problem
    if verb is not plans.UPLOAD:
        return check_new_file(value)
    path = typed_path(value)
    return "" if path.is_file() else f"no such file: {path}"
