"""All background jobs of the fleet, and the log of one."""

from __future__ import annotations

from collections.abc import Iterable
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
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.jobs.flow import JobFlow
from sandtui.ui.jobs.log_pane import JobLogPane
from sandtui.ui.jobs.rendering import Facts, about, counts, head, line
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import JobsChanged, SandboxesChanged
from sandtui.ui.rendering.text import Content, Piece, sort_arrow
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.row_list import RowList

NEEDS_JOB = frozenset({"open", "stop", "again", "then", "exec", "stream", "save", "copy", "follow", "wrap"})


class JobsScreen(AppScreen):
    """Every job, or those of one sandbox. ``targets`` are the sandboxes that a new job is for."""

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
        self._order, self._turned = ORDERS[0], False

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal(id="jobs-bar"):
            yield Static(Content(f" {self.services.key_of('jobs.filter')} "), id="jobs-sign")
            yield Input(placeholder="words, failed, #label", compact=True, id="jobs-filter")
            yield ChromeLine(id="jobs-counts")
        with Vertical(id="jobs-panel", classes="panel"):
            yield ChromeLine(id="jobs-head")
            yield RowList(self._line, id="jobs")
        yield JobLogPane(self.services, id="job-log-panel")

    @property
    def board(self) -> JobBoard:
        """What is known about the jobs."""
        session = self.services.platform.session
        if session is None:
            raise RuntimeError("there is no connection")
        return session.jobs

    @property
    def pane(self) -> JobLogPane:
        """The log."""
        return self.query_one(JobLogPane)

    @property
    def job(self) -> Job | None:
        """The job under the cursor."""
        key = self.query_one("#jobs", RowList).key
        return self.board.jobs.get(key) if isinstance(key, JobKey) else None

    def crumbs(self) -> list[str]:
        """Fleet, the sandbox, jobs."""
        return ["Fleet", *([self._title_of(self.sandbox_id)] if self.sandbox_id else []), "Jobs"]

    def hint_scopes(self) -> tuple[str, ...]:
        """In the log other keys work than in the list; in the filter none of ours."""
        if isinstance(self.focused, Input):
            return ()
        return ("job_log",) if self.pane.has_focus_within else ("jobs",)

    def owner_of(self, scope: str) -> DOMNode:
        """The log carries out its own actions."""
        return self.pane if scope == "job_log" else self

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell about the job under the cursor, and what could not be asked."""
        board, job = self.board, self.job
        left = about(job, self._facts(job)) if job is not None else []
        if "" in board.problems:
            return left, [Piece(f"▲ not kept: {clean(board.problems[''])}", "bad")]
        failed = {each: why for each, why in board.problems.items() if each}
        if failed:
            where, why = next(iter(failed.items()))
            words = f"▲ {len(failed)} could not be asked · {clean(self._title_of(where))}: {clean(why)[:60]}"
            return left, [Piece(words, "busy")]
        resting = sum(bool(row.sandbox.idle_timeout_minutes) and row.status == "RUNNING" for row in board.store)
        key = self.services.key_of("jobs.look")
        return left, [Piece(f"{resting} end when idle: {key} asks them", "dim")] if resting else []

    def on_mount(self) -> None:
        if self.services.platform.session is not None:
            self.services.platform.session.job_watcher.attend()
        self._draw()

    def on_unmount(self) -> None:
        if self.services.platform.session is not None:
            self.services.platform.session.job_watcher.leave()

    def tick(self) -> None:
        """Let the times grow and the log be read on."""
        super().tick()
        if not self.is_covered:
            self.query_one("#jobs", RowList).refresh()
            self.pane.tick()

    def on_jobs_changed(self, _: JobsChanged) -> None:
        self._draw()

    def on_sandboxes_changed(self, _: SandboxesChanged) -> None:
        """Draw anew: names and states of sandboxes are shown here."""
        self._draw()

    def on_screen_resume(self) -> None:
        self._draw()

    def on_screen_suspend(self) -> None:
        self.pane.keep()

    def on_row_list_moved(self, _: RowList.Moved) -> None:
        self._show_log()
        self.update_chrome()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#jobs").focus()

    def why_not(self, action: str) -> str:
        """Return that a key needs a job, or that there is no sandbox to look in."""
        key = self.services.key_of
        if action in NEEDS_JOB and self.job is None:
            if self.query_one("#jobs-filter", Input).value:
                return f"No job matches the filter: {key('jobs.back')} clears it."
            return f"There is no job yet: {key('jobs.new')} starts one."
        if action == "new" and not self.targets and self.job is None:
            return f"Choose a sandbox in the fleet first: {key('app.fleet')}, then {key('fleet.jobs')} on it."
        if action == "look" and not any(row.status == "RUNNING" for row in self.board.store):
            return "No sandbox is running: there is none to ask for jobs."
        if action == "follow" and self.pane.follows:
            return f"The end of the log is followed already: {key('jobs.open')} goes to it."
        return ""

    def show_job(self, key: JobKey) -> None:
        """Put the cursor on a job, when the filter shows it."""
        self._draw()
        keys = [job.key for job in self.jobs]
        if key in keys:
            self.query_one("#jobs", RowList).go_to(keys.index(key))

    # Keys

    def action_open(self) -> None:
        self.pane.view.focus()

    def action_new(self) -> None:
        job = self.job
        self.flow.new(self.targets or ([job.key.sandbox_id] if job is not None else []))

    def action_stop(self) -> None:
        if (job := self.job) is not None:
            if job.state.is_over:
                self.services.notifier.refuse("That job is over.", "stop")
            else:
                self.flow.stop(job)

    def action_again(self) -> None:
        if (job := self.job) is not None:
            self.flow.again(job)

    def action_then(self) -> None:
        if (job := self.job) is not None:
            self.flow.then(job)

    def action_exec(self) -> None:
        if (job := self.job) is not None:
            self.services.navigator.open_console(job.key.sandbox_id)

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
        self._turned = False
        self._draw()

    def action_reverse(self) -> None:
        self._turned = not self._turned
        self._draw()

    def action_look(self) -> None:
        if self.services.platform.session is not None:
            self.services.platform.session.job_watcher.want([self.sandbox_id] if self.sandbox_id else None)
            self.pane.follow()
            self.services.notifier.notify("Asking the running sandboxes for their jobs …")

    def action_announce(self) -> None:
        self.flow.choose_notify()

    def action_forget(self) -> None:
        self.run_flow(self._forget(), "job")

    def action_back(self) -> None:
        """Out of the filter, then without it, then back."""
        field = self.query_one("#jobs-filter", Input)
        if field.has_focus:
            self.query_one("#jobs").focus()
        elif field.value:
            field.value = ""
        else:
            self.app.pop_screen()

    async def _forget(self) -> None:
        try:
            count = await self.board.forget_gone()
        except (OSError, SandboxClientError) as error:
            self.services.notifier.notify(f"Nothing was forgotten: {describe(error)}", "error")
        else:
            self.services.notifier.notify(f"Forgot {count} jobs whose sandbox is gone.")

    # Drawing

    def _draw(self) -> None:
        if not self.is_mounted or self.is_covered:
            return
        board = self.board
        jobs = board.of(self.sandbox_id) if self.sandbox_id else board.jobs.values()
        text = self.query_one("#jobs-filter", Input).value
        now = self.services.clock.now()
        self.jobs = listed(jobs, board.store, text, self._order, self._turned, now)
        self.query_one("#jobs-head", ChromeLine).show(head(self.size.width), [])
        self.query_one("#jobs-counts", ChromeLine).show([], [*counts(self.jobs)])
        self.query_one("#jobs", RowList).show_rows([job.key for job in self.jobs])
        panel = self.query_one("#jobs-panel")
        arrow = sort_arrow(self._order.descending == self._turned)
        panel.border_title = Content("Background jobs")
        panel.border_subtitle = Content(f"sort: {self._order.id} {arrow}")
        self._show_log()
        self.update_chrome()

    def _show_log(self) -> None:
        self.pane.show_job(self.job)

    def _line(self, number: int) -> list[Piece]:
        if not self.jobs:
            return self._nothing()
        if number >= len(self.jobs):
            return []
        key = self.jobs[number].key
        # Between a change and the drawing of it a job may be gone already.
        job = self.board.jobs.get(key, self.jobs[number])
        chosen = number == self.query_one("#jobs", RowList).cursor
        return [Piece("▌" if chosen else " ", "key"), *line(job, self._facts(job), self.size.width)]

    def _nothing(self) -> list[Piece]:
        board = self.board
        if self.query_one("#jobs-filter", Input).value:
            return [
                Piece(" No job matches the filter   ", "bright"),
                Piece(f"{self.services.key_of('jobs.back')} clears it", "dim"),
            ]
        running = sum(row.status == "RUNNING" for row in board.store)
        if running and not board.looked_at:
            return [Piece(f" ◌ asking {running} sandboxes …", "waiting")]
        new, jobs = self.services.key_of("jobs.new"), self.services.key_of("fleet.jobs")
        words = f"{new} starts one" if self.targets else f"choose a sandbox in the fleet, then {jobs} and {new}"
        return [Piece(" No background job was found   ", "bright"), Piece(words, "dim")]

    def _facts(self, job: Job) -> Facts:
        row = self.board.store.get(job.key.sandbox_id)
        ends = row.sandbox.expires_at if row is not None else None
        return Facts(self.services.clock.now(), ends, self.board.usual_seconds(job))

    def _title_of(self, sandbox_id: str) -> str:
        row = self.board.store.get(sandbox_id)
        return clean(row.sandbox.name if row is not None else sandbox_id)
