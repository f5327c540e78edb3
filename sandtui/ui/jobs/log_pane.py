"""The log pane of the jobs screen."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from sandtui.client import SandboxClientError
from sandtui.directories import describe
from sandtui.fleet.jobs.job import Job, JobState
from sandtui.fleet.jobs.log_window import Growth, LogWindow
from sandtui.fleet.jobs.metrics import LINES, JobMetric, metrics_of
from sandtui.fleet.load_state import LOADED, LOADING, LoadPhase, failed
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.text.search import Lines
from sandtui.ui.dialogs.search import SearchControl, Searched
from sandtui.ui.jobs.saving import LogSaver
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.jobs import metric_pieces
from sandtui.ui.rendering.loading import load_pieces, why_not_loaded
from sandtui.ui.rendering.text import Content, Piece, content
from sandtui.ui.rendering.units import short_size
from sandtui.ui.rendering.wrap import most_cells
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.panel import show_frame
from sandtui.ui.widgets.text_panel import TextPanel

if TYPE_CHECKING:
    from sandtui.ui.chrome.screen import AppScreen

QUICK_SECONDS, SLOW_SECONDS = 1.0, 6.0
"""Poll interval of a followed log: short after new output, longer while there is none."""


class JobLogPane(Vertical):
    """One stream of one job, read in windows. It reads only while it is shown; the screen calls :meth:`tick`."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("job_log")

    def __init__(self, services: Services, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes="panel")
        self.services = services
        self.job: Job | None = None
        self.stream = "stdout"
        self.window: LogWindow | None = None
        self._search = SearchControl(self, services, "job_log", "Search the loaded lines", self._searched)
        self.load_state = LOADED
        """Whether the end of the log is known."""
        self._lines: list[str] = []
        self._state = ""
        self._from_storage = False
        self.is_busy = False
        self._pause = QUICK_SECONDS
        self._read_at = 0.0
        self._fetching = ""
        self._final = False

    def compose(self) -> Iterable[Widget]:
        yield TextPanel(id="job-metrics")
        yield OutputView(self._line, at_most=self._most_cells, id="job-log")

    @property
    def view(self) -> OutputView:
        """The view of the lines."""
        return self.query_one(OutputView)

    @property
    def follows(self) -> bool:
        """Whether the view follows the end of the log."""
        return self.view.following

    @property
    def has_failed(self) -> bool:
        """Whether the log could not be loaded."""
        return self.load_state.phase is LoadPhase.FAILED

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        if action in {"copy", "search"} and not self._lines:
            return why_not_loaded(self.load_state, "log", self.services.key_of("jobs.follow")) or "The log is empty"
        return ""

    # What is shown

    def show_job(self, job: Job | None, stream: str | None = None) -> None:
        """Show the log of a job; for a newer version of the same job only the frame is updated."""
        stream = stream or self.stream
        same = job is not None and self.job is not None and job.key == self.job.key and stream == self.stream
        self._final = self._final and same and job is not None and job.state.is_over
        self.job, self.stream = job, stream
        session = self.services.platform.session
        if not same:
            self.save_copy()
            self.window = session.jobs.logs.open(job, stream) if job is not None and session is not None else None
            self._lines, self._state, self._from_storage, self.is_busy = [], "", False, False
            self.load_state = LOADED if self.window is None else LOADING
            self._pause = QUICK_SECONDS
            self.view.restart()
            self._show_metrics(())
            self._begin()
        elif not self._lines:
            self.view.refresh()
        self._draw_frame()

    def save_copy(self) -> None:
        """Store what was read, for when the sandbox is gone."""
        session = self.services.platform.session
        if self.job is not None and self.window is not None and session is not None and not self._from_storage:
            self.services.work.start(session.jobs.logs.save(self.job.key, self.stream, self.window), "save-log")

    def tick(self) -> None:
        """Read more when due, if the end is followed."""
        if self._fetching:
            self._draw_frame()
        job = self.job
        if (
            job is None
            or self.window is None
            or self.is_busy
            or self._from_storage
            or self._final
            or not self.view.following
        ):
            return
        if self.services.clock.monotonic() - self._read_at >= self._pause:
            self._final = job.state.is_over
            self._read_on()

    def on_output_view_following_changed(self) -> None:
        self._draw_frame()

    def on_output_view_top_reached(self, event: OutputView.TopReached) -> None:
        event.stop()
        if self.window is not None and not self.is_busy and not self._from_storage and not self.window.at_start:
            self._run(self._read_before())

    # Keys

    def follow(self) -> None:
        """Go to the end of the log and follow it."""
        self.view.follow()
        self._pause = QUICK_SECONDS
        if self.has_failed:
            self.load_state = LOADING
            self._begin()
        self._draw_frame()

    def wrap(self) -> None:
        """Toggle line wrap."""
        self.view.wrap = not self.view.wrap
        self._draw_frame()

    def action_search(self) -> None:
        self._search.ask()

    def action_next_hit(self) -> None:
        self._search.go(1)

    def action_previous_hit(self) -> None:
        self._search.go(-1)

    def action_copy(self) -> None:
        if self.view.cursor < len(self._lines):
            self.services.clipboard.copy(self._lines[self.view.cursor])

    def action_back(self) -> None:
        self.screen.focus_next("#jobs")

    def save(self) -> None:
        """Ask what to save, and where."""
        job = self.job
        if job is None or (not self._lines and not job.size):
            self.services.notifier.refuse("Nothing to save: the log is empty", "save")
            return
        whole = job.stderr_size if self.stream == "stderr" else job.stdout_size
        total = max(whole, self.window.total if self.window is not None else 0)
        LogSaver(self.app, self.services, job, self.stream, self._show_progress).ask(
            self._lines, None if self._from_storage else total
        )

    def _show_progress(self, fetching: str) -> None:
        # Progress comes often, and in the downloading thread: the next tick draws it. The end comes in the event loop.
        self._fetching = fetching
        if not fetching:
            self._draw_frame()

    # Reading

    def _begin(self) -> None:
        if self.window is not None:
            self._draw()
            self._run(self._read_first())
        else:
            self._draw()

    def _read_on(self) -> None:
        self._run(self._read_more())

    def _run(self, flow: Coroutine[Any, Any, None]) -> None:
        self.is_busy = True
        self._read_at = self.services.clock.monotonic()
        cast("AppScreen", self.screen).run_flow(flow, "job-log")

    async def _read_first(self) -> None:
        window, job = self.window, self.job
        if window is None or job is None:
            return
        problem = ""
        try:
            await window.read_end()
        except SandboxClientError as error:
            problem = str(error)
        if window is not self.window:
            return
        # The log of a running job appears with its first output.
        if problem or (window.missing and job.state.is_over):
            await self._show_saved(job, problem or "log not found in the sandbox")
        else:
            self.load_state, self._state = LOADED, ""
        self._done()

    async def _show_saved(self, job: Job, problem: str) -> None:
        session, window = self.services.platform.session, self.window
        saved = None
        if session is not None:
            try:
                saved = await session.jobs.logs.saved(job.key, self.stream)
            except OSError as error:
                problem = f"{problem}; {describe(error)}"
        if window is not self.window:
            return
        if saved is None:
            self.load_state = failed(problem)
            return
        text, start, total = saved
        lines = await asyncio.to_thread(text.split, "\n")
        if window is self.window and window is not None:
            window.lines, window.start, window.total = lines, start, total
            self.load_state, self._from_storage, self._state = LOADED, True, "cached copy (deleted in the sandbox)"

    async def _read_more(self) -> None:
        window = self.window
        if window is None:
            return
        known = len(window.lines)
        try:
            growth = await window.read_more()
        except SandboxClientError as error:
            if window is self.window:
                self._pause = SLOW_SECONDS
                if self.load_state.is_loaded:
                    self._state = clean(str(error))
                else:
                    self.load_state = failed(str(error))
                self._done()
            return
        if window is not self.window:
            return
        gone = window.missing and bool(known)
        self._state = "log deleted in the sandbox" if gone else ""
        if not window.missing or self.job is None or not self.job.state.is_over:
            self.load_state = LOADED
        news = growth.after or growth.replaced
        self._pause = QUICK_SECONDS if news else min(SLOW_SECONDS, self._pause * 1.5)
        # The last line may have grown.
        self._done(0 if growth.replaced else max(0, known - growth.dropped - 1), -growth.dropped)

    async def _read_before(self) -> None:
        window = self.window
        if window is None:
            return
        known, first = len(window.lines), window.lines[:1]
        try:
            growth = await window.read_before()
        except SandboxClientError as error:
            self._state = clean(str(error))
            growth = Growth()
        if window is self.window:
            same = known if window.lines[growth.before : growth.before + 1] == first else 0
            self._done(same, growth.before)

    def _done(self, same: int = 0, shift: int = 0) -> None:
        self.is_busy = False
        if self.is_mounted:
            self._draw(same, shift)
            cast("AppScreen", self.screen).run_flow(self._find_metrics(), "job-metrics", exclusive=True)

    async def _find_metrics(self) -> None:
        """Find the numbers that the log repeats, beside the event loop."""
        window, lines = self.window, self._lines[-LINES:]
        metrics = await asyncio.to_thread(metrics_of, lines)
        if window is self.window:
            self._show_metrics(metrics)

    def _show_metrics(self, metrics: Sequence[JobMetric]) -> None:
        text = self.query_one("#job-metrics", TextPanel)
        pieces = metric_pieces(metrics, max(1, self.content_size.width - 1))
        text.display = bool(pieces)
        text.show(content(" ", *pieces) if pieces else Content(""))

    # Drawing

    def _draw(self, same: int = 0, shift: int = 0) -> None:
        self._lines = self.window.lines if self.window is not None else []
        # Without lines one says why there are none.
        self.view.show(len(self._lines) or 1, same=same, shift=shift)
        self._draw_frame()

    def _draw_frame(self) -> None:
        if not self.is_mounted:
            return
        job, window = self.job, self.window
        if job is None or window is None:
            show_frame(self, "Log", "")
            return
        name = clean(job.sandbox_name or job.key.sandbox_id)
        parts = [self._fetching or self._state] if self._fetching or self._state else []
        if not self.load_state.is_loaded:
            show_frame(self, f"{job.key.job_id} · {name} · {self.stream}", " · ".join(parts))
            return
        running = job.state is JobState.RUNNING and not self._from_storage
        parts.append("● follow" if self.view.following and running else "paused" if running else job.state.value)
        parts.append("wrap on" if self.view.wrap else "wrap off")
        held = short_size(max(0, window.total - window.start))
        parts.append(f"{len(window.lines):,} lines, {held} of {short_size(window.total)}")
        if window.skipped:
            parts.append(f"{short_size(window.skipped)} skipped")
        if self._search.needle:
            parts.append(f"search: {clean(self._search.needle)} {self._search.search.status}".rstrip())
        show_frame(self, f"{job.key.job_id} · {name} · {self.stream}", " · ".join(parts))

    def _line(self, number: int) -> list[Piece]:
        if number >= len(self._lines):
            return [] if number or self._lines else self._empty_line()
        return self._search.marked([Piece(self._lines[number])])

    def _empty_line(self) -> list[Piece]:
        job = self.job
        if job is None:
            return []
        if unknown := load_pieces(self.load_state, "log", self.services.key_of("jobs.follow")):
            return unknown
        return [Piece(f" No output {'on' if job.state.is_over else 'yet on'} {self.stream}", "dim")]

    def _most_cells(self, number: int) -> int:
        return most_cells(self._lines[number]) if number < len(self._lines) else 0

    def _searched(self) -> Searched:
        def redraw() -> None:
            self.view.refresh()
            self._draw_frame()

        return Searched(
            Lines.of(len(self._lines), lambda line: self._lines[line]),
            self.view.cursor,
            self.view.following,
            lambda line: self.view.go_to_text(line, self._search.needle),
            redraw,
        )
