"""The jobs screen: the background jobs of the fleet, and the log of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.dom import DOMNode
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.client import SandboxClientError
from sandtui.directories import describe
from sandtui.fleet.jobs.board import JobBoard
from sandtui.fleet.jobs.job import Job, JobKey
from sandtui.fleet.jobs.listing import ORDERS, listed
from sandtui.fleet.load_state import LOADING, LoadPhase, LoadState, failed
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.jobs.flow import JobFlow
from sandtui.ui.jobs.log_pane import JobLogPane
from sandtui.ui.jobs.rendering import Facts, about, counts, head, line, name_width
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import FreshnessChanged, JobsChanged, SandboxesChanged
from sandtui.ui.rendering.loading import load_pieces, why_not_loaded
from sandtui.ui.rendering.text import Content, Piece, sort_arrow
from sandtui.ui.services.bundle import Services
from sandtui.ui.services.platform import UNREADABLE
from sandtui.ui.widgets.panel import show_frame
from sandtui.ui.widgets.row_actions import SANDBOX_ACTIONS, RowActions
from sandtui.ui.widgets.row_list import RowList
from sandtui.ui.widgets.row_marks import RowMarks

WHAT = "jobs"

NEEDS_JOB = frozenset({
    "log", "stop", "again", "then", "stream", "save", "copy", "follow", "wrap", "mark", "range", "mark_all", "invert",
    *SANDBOX_ACTIONS,
})  # fmt: skip

WORKS_ON_MARKS = frozenset({"stop", "again", "then", *SANDBOX_ACTIONS}) - {"open_sandbox"}


class JobsScreen(AppScreen):
    """Lists all jobs, or those of one sandbox. ``targets`` are the sandboxes for a new job."""

    SCOPE = "jobs"
    BINDINGS: ClassVar[list[BindingType]] = bindings("jobs")
    AUTO_FOCUS = "RowList"

    def __init__(
        self, services: Services, flow: JobFlow, targets: tuple[str, ...] = (), sandbox_id: str | None = None
    ) -> None:
        super().__init__(services)
        self.flow = flow
        self.targets, self.sandbox_id = targets, sandbox_id
        self.jobs: list[Job] = []
        self._order, self._reverse = ORDERS[0], False
        self._name_width = 0
        self.marks = RowMarks(lambda: self.rows, lambda: [job.key for job in self.jobs], self._marks_changed)
        self.marks.attach(self)
        self.row_actions = RowActions(
            services.sandboxes, lambda: self._sandboxes(self.chosen), "Select a job first", self._current_sandbox
        )
        self.row_actions.attach(self)

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal(id="jobs-bar"):
            yield Static(Content(f" {self.services.key_of('jobs.filter')} "), id="jobs-sign")
            yield Input(placeholder="filter: text, failed, #label", compact=True, id="jobs-filter")
            yield ChromeLine(id="jobs-counts")
        with Vertical(id="jobs-panel", classes="panel"):
            yield ChromeLine(id="jobs-head")
            yield RowList(self._line, id="jobs")
        yield JobLogPane(self.services, id="job-log-panel")

    @property
    def board(self) -> JobBoard:
        """The job board of the current connection."""
        session = self.services.platform.session
        if session is None:
            raise RuntimeError("not connected")
        return session.jobs

    @property
    def is_of_fleet(self) -> bool:
        return self.sandbox_id is None

    @property
    def load_state(self) -> LoadState:
        """Whether the jobs are known."""
        session, freshness = self.services.platform.session, self.services.platform.freshness
        if session is None:
            return LOADING
        if session.store.total is None and freshness.problem and freshness.phase in UNREADABLE:
            return failed(freshness.problem)
        return session.job_watcher.load_state(self.sandbox_id)

    @property
    def pane(self) -> JobLogPane:
        """The log pane."""
        return self.query_one(JobLogPane)

    @property
    def rows(self) -> RowList:
        """The list of jobs."""
        return self.query_one("#jobs", RowList)

    @property
    def job(self) -> Job | None:
        """The job under the cursor."""
        key = self.rows.key
        return self.board.jobs.get(key) if isinstance(key, JobKey) else None

    @property
    def chosen(self) -> Sequence[Job]:
        """The jobs that an action is for: the marked ones, or the one under the cursor."""
        jobs = self.board.jobs
        return [jobs[key] for key in self.marks.chosen if isinstance(key, JobKey) and key in jobs]

    def crumbs(self) -> list[str]:
        """Return the breadcrumbs: fleet, sandbox, jobs."""
        return ["Fleet", *([self._title_of(self.sandbox_id)] if self.sandbox_id else []), "Jobs"]

    def hint_scopes(self) -> tuple[str, ...]:
        """Return the scope of the focused part: the log or the list; none while the filter has the focus."""
        if isinstance(self.focused, Input):
            return ()
        return ("job_log",) if self.pane.has_focus_within else ("jobs",)

    def owner_of(self, scope: str) -> DOMNode:
        """Return the node that implements a scope's actions."""
        return self.pane if scope == "job_log" else self

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Return the status line: the job under the cursor, and problems."""
        board, job, key = self.board, self.job, self.services.key_of
        left = self.marks.status(key("jobs.mark"), key("jobs.back"))
        left += about(job, self._facts(job)) if job is not None else []
        if "" in board.problems:
            return left, [Piece(f"▲ jobs not saved: {clean(board.problems[''])}", "bad")]
        unscanned = {each: why for each, why in board.problems.items() if each}
        if unscanned and self.load_state.phase is not LoadPhase.FAILED:
            where, why = next(iter(unscanned.items()))
            text = f"▲ {len(unscanned)} not scanned · {clean(self._title_of(where))}: {clean(why)[:60]}"
            return left, [Piece(text, "busy")]
        if self.load_state.is_loading:
            return left, [Piece(f"◌ {self.load_state.detail}", "waiting")] if self.jobs else []
        resting = [row.id for row in board.store if row.sandbox.idle_timeout_minutes and row.status == "RUNNING"]
        if not resting:
            return left, []
        scanned = "rescanned" if board.scanned.issuperset(resting) else "scanned"
        return left, [Piece(f"{len(resting)} with idle timeout not {scanned} ({key('jobs.look')} to scan)", "dim")]

    def on_mount(self) -> None:
        if self.services.platform.session is not None:
            self.services.platform.session.job_watcher.attend()
        self._draw()

    def on_unmount(self) -> None:
        self._see_all()
        if self.services.platform.session is not None:
            self.services.platform.session.job_watcher.leave()

    def tick(self) -> None:
        """Update runtimes and the log."""
        super().tick()
        if not self.is_covered:
            self.rows.refresh()
            self.pane.tick()

    def on_jobs_changed(self, _: JobsChanged) -> None:
        self._draw()

    def on_sandboxes_changed(self, _: SandboxesChanged) -> None:
        """Redraw: rows show the names and states of sandboxes."""
        self._draw()

    def on_freshness_changed(self, _: FreshnessChanged) -> None:
        """Redraw: there are no jobs to wait for before the sandboxes are listed."""
        self._draw()

    def on_screen_resume(self) -> None:
        self._draw()

    def on_screen_suspend(self) -> None:
        self.pane.save_copy()
        self._see_all()

    def on_row_list_moved(self, _: RowList.Moved) -> None:
        if (job := self.job) is not None:
            self.board.see([job.key])
        self._show_log()
        self.update_chrome()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.rows.focus()

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        key = self.services.key_of
        if action in WORKS_ON_MARKS and self.chosen:
            return self._why_not_chosen(action)
        if reason := self.marks.why_not(action, key("jobs.mark")):
            return reason
        if action in NEEDS_JOB and self.job is None:
            if reason := why_not_loaded(self.load_state, WHAT, key("jobs.look")):
                return reason
            if self.query_one("#jobs-filter", Input).value:
                return f"No jobs match the filter: {key('jobs.back')} clears it"
            return f"No jobs yet: press {key('jobs.new')} to start one"
        if action == "new" and not self.targets and self.job is None:
            return f"Select a sandbox in the fleet first ({key('app.fleet')}), then press {key('fleet.jobs')}"
        if action == "look" and not any(row.status == "RUNNING" for row in self.board.store):
            return "No running sandboxes to scan"
        if action == "follow" and self.pane.follows and not self.pane.has_failed:
            return f"Already following the log: {key('jobs.log')} focuses it"
        return self.row_actions.why_not(action)

    def _why_not_chosen(self, action: str) -> str:
        chosen = self.chosen
        if action == "stop" and all(job.state.is_over for job in chosen):
            return "This job has already ended" if len(chosen) == 1 else "These jobs have already ended"
        return self.row_actions.why_not(action)

    def show_job(self, key: JobKey) -> None:
        """Move the cursor to a job, if the filter shows it."""
        self._draw()
        keys = [job.key for job in self.jobs]
        if key in keys:
            self.rows.go_to(keys.index(key))

    # Actions

    def action_log(self) -> None:
        self.pane.view.focus()

    def action_new(self) -> None:
        job = self.job
        self.flow.new(self.targets or ([job.key.sandbox_id] if job is not None else []))

    def action_stop(self) -> None:
        self.flow.kill([job for job in self.chosen if not job.state.is_over])

    def action_again(self) -> None:
        self.flow.run_again(self.chosen)

    def action_then(self) -> None:
        self.flow.on_success(self.chosen)

    def action_stream(self) -> None:
        self.pane.show_job(self.job, "stdout" if self.pane.stream == "stderr" else "stderr")

    def action_follow(self) -> None:
        self.pane.follow()

    def action_wrap(self) -> None:
        self.pane.wrap()

    def action_save(self) -> None:
        self.pane.save()

    def action_copy(self) -> None:
        if (job := self.job) is not None:
            self.services.clipboard.copy(job.key.job_id)

    def action_filter(self) -> None:
        self.query_one("#jobs-filter", Input).focus()

    def action_sort(self) -> None:
        self._order = ORDERS[(ORDERS.index(self._order) + 1) % len(ORDERS)]
        self._reverse = False
        self._draw()

    def action_reverse(self) -> None:
        self._reverse = not self._reverse
        self._draw()

    def action_look(self) -> None:
        if self.services.platform.session is not None:
            self.services.platform.session.job_watcher.want([self.sandbox_id] if self.sandbox_id else None)
            self.pane.follow()
            self._draw()
            self.services.notifier.notify("Scanning running sandboxes for jobs …")

    def action_announce(self) -> None:
        self.flow.choose_notify()

    def action_forget(self) -> None:
        self.run_flow(self._forget(), "job")

    def action_back(self) -> None:
        """Leave the filter, cancel the range, clear the filter, then the marks, then go back."""
        field = self.query_one("#jobs-filter", Input)
        if field.has_focus:
            self.rows.focus()
        elif self.marks.has_range:
            self.marks.undo()
        elif field.value:
            field.value = ""
        elif not self.marks.undo():
            self.app.pop_screen()

    async def _forget(self) -> None:
        try:
            count = await self.board.remove_finished()
        except (OSError, SandboxClientError) as error:
            self.services.notifier.notify(f"Jobs not removed: {describe(error)}", "error")
        else:
            self.services.notifier.notify(f"Removed {count} finished jobs of deleted sandboxes")

    # Drawing

    def _draw(self) -> None:
        if not self.is_mounted or self.is_covered:
            return
        board = self.board
        jobs = board.of(self.sandbox_id) if self.sandbox_id else board.jobs.values()
        text = self.query_one("#jobs-filter", Input).value
        now = self.services.clock.now()
        self.jobs = listed(jobs, board.store, text, self._order, self._reverse, now)
        self.marks.forget(lambda key: key not in board.jobs)
        self._name_width = name_width(self.jobs, self.size.width)
        self.query_one("#jobs-head", ChromeLine).show(head(self.size.width, self._name_width), [])
        known = self.load_state.is_loaded or self.jobs
        self.query_one("#jobs-counts", ChromeLine).show([], [*counts(self.jobs)] if known else [])
        self.rows.show_rows([job.key for job in self.jobs])
        panel = self.query_one("#jobs-panel")
        arrow = sort_arrow(self._order.descending == self._reverse)
        show_frame(panel, "Background jobs", f"sort: {self._order.id} {arrow}")
        self._show_log()
        self.update_chrome()

    def _show_log(self) -> None:
        self.pane.show_job(self.job)

    def _line(self, number: int) -> list[Piece]:
        if not self.jobs:
            return self._empty_row()
        if number >= len(self.jobs):
            return []
        key = self.jobs[number].key
        # A job may have been removed since the last redraw.
        job = self.board.jobs.get(key, self.jobs[number])
        mark = self.marks.sign(key)
        if mark.text == " " and key in self.board.unseen:
            mark = Piece("•", "info")
        cursor = Piece("▌" if number == self.rows.cursor else " ", "key")
        return [cursor, mark, *line(job, self._facts(job), self.size.width, self._name_width)]

    def _empty_row(self) -> list[Piece]:
        if unknown := load_pieces(self.load_state, WHAT, self.services.key_of("jobs.look")):
            return unknown
        if self.query_one("#jobs-filter", Input).value:
            return [
                Piece(" No jobs match the filter   ", "bright"),
                Piece(f"{self.services.key_of('jobs.back')} to clear it", "dim"),
            ]
        new, jobs = self.services.key_of("jobs.new"), self.services.key_of("fleet.jobs")
        hint = f"{new} to start one" if self.targets else f"select a sandbox in the fleet, then press {jobs} and {new}"
        return [Piece(" No jobs   ", "bright"), Piece(hint, "dim")]

    def _facts(self, job: Job) -> Facts:
        row = self.board.store.get(job.key.sandbox_id)
        ends = row.sandbox.expires_at if row is not None else None
        return Facts(self.services.clock.now(), ends, self.board.usual_seconds(job))

    def _current_sandbox(self) -> Sequence[str]:
        job = self.job
        return [job.key.sandbox_id] if job is not None else []

    @staticmethod
    def _sandboxes(jobs: Iterable[Job]) -> Sequence[str]:
        return [*dict.fromkeys(job.key.sandbox_id for job in jobs)]

    def _see_all(self) -> None:
        """Note that the ended jobs of the list were seen."""
        if self.services.platform.session is not None:
            self.board.see([job.key for job in self.jobs])

    def _marks_changed(self) -> None:
        self.rows.refresh()
        self.update_chrome()

    def _title_of(self, sandbox_id: str) -> str:
        row = self.board.store.get(sandbox_id)
        return clean(row.sandbox.name if row is not None else sandbox_id)
