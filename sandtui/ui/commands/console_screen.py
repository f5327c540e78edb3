"""The console screen of one sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.worker import Worker

from sandtui.client import SandboxClientError
from sandtui.fleet.commands.console import Console, ConsoleRun
from sandtui.fleet.commands.line.completion import columns
from sandtui.fleet.commands.line.history import PastCommand
from sandtui.fleet.commands.line.redaction import redact_for_log
from sandtui.fleet.commands.line.timeouts import next_timeout
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.text.sanitize import clean, output_line
from sandtui.fleet.text.search import Lines
from sandtui.saving import write_new
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.commands.command_line import CommandLine
from sandtui.ui.commands.console import line_pieces, place_pieces, run_state_pieces
from sandtui.ui.commands.console_rows import ConsoleRows
from sandtui.ui.commands.past_commands import ask_history, search_commands
from sandtui.ui.commands.user_dialog import ask_user
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.new_file import ask_new_file
from sandtui.ui.dialogs.search import SearchControl, Searched
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.status import status_pieces
from sandtui.ui.rendering.text import Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.panel import show_frame

NEEDS_OUTPUT = frozenset({"fold", "fold_all", "rerun", "copy", "copy_output", "save", "search"})

PAINT_SECONDS = 1 / 30

STOP_AND_BEGIN_AGAIN = (
    "A running command cannot be moved to the background. It will be stopped and restarted as a job; work done so "
    "far may be repeated."
)

BEGIN_AGAIN = "Runs the last command again as a background job, without a timeout."


class ConsoleScreen(AppScreen):
    """The console of one sandbox. Its output stays when the screen is closed and reopened."""

    SCOPE = "console"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("console"), *bindings("output")]
    AUTO_FOCUS = "#command"

    def __init__(self, services: Services, sandbox_id: str) -> None:
        super().__init__(services)
        self._search = SearchControl(self, services, "output", "Search output", self._searched)
        self.sandbox_id = sandbox_id
        self._worker: Worker[ConsoleRun] | None = None
        self._live: Worker[None] | None = None
        self._painting: Timer | None = None
        self._rows: ConsoleRows | None = None
        self._offer: tuple[str, ...] = ()
        self._offered_for = ""

    def compose_body(self) -> Iterable[Widget]:
        yield ChromeLine(id="target")
        with Vertical(id="output-panel", classes="panel"):
            yield OutputView(self._row_pieces, at_most=lambda row: self.rows.most_cells(row), id="output")
        with Vertical(id="command-panel", classes="panel -lines"):
            yield CommandLine(lambda: self.console.history, "command…", id="command")

    @property
    def console(self) -> Console:
        """The console."""
        session = self.services.platform.session
        if session is None:
            raise RuntimeError("not connected")
        return session.console(self.sandbox_id)

    @property
    def rows(self) -> ConsoleRows:
        """The rows of the console."""
        if self._rows is None:
            self._rows = ConsoleRows(self.console, self.services.key_of("console.job"))
        return self._rows

    def crumbs(self) -> list[str]:
        """Return the breadcrumbs."""
        return ["Fleet", self._title(), "Exec"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Return the status line: completions, search, follow mode."""
        following = self.output_view.following
        right = [
            Piece(
                "● following" if following else f"‖ paused ({self.services.key_of('output.follow')} to follow)",
                "good" if following else "dim",
            )
        ]
        if self._offer:
            return [Piece(columns(self._offer, self.size.width - 16), "info")], right
        return self._search.status(), right

    def hint_scopes(self) -> tuple[str, ...]:
        """Return the scope; while the prompt has the focus only control keys are bound."""
        return ("console",) if self.query_one(CommandLine).has_focus else ("output", "console")

    def on_mount(self) -> None:
        self.listen(self.console.on_change, self._changed)
        self._live = self.services.work.worker(self.console.keep_open(), f"live {self.sandbox_id}", exclusive=True)
        search_commands(self.services, "", self.sandbox_id, self.whenever_open(self._remember))
        self.draw()

    def on_unmount(self) -> None:
        """Release the live connection; a running command keeps it until its end."""
        if self.services.platform.session is not None and self._live is not None and self.console.running is None:
            self._live.cancel()

    def on_output_view_following_changed(self) -> None:
        self.update_news()

    def on_screen_resume(self) -> None:
        self.draw()

    def tick(self) -> None:
        """Update the runtime of a running command."""
        super().tick()
        self._draw_state()

    def on_command_line_submitted(self, message: CommandLine.Submitted) -> None:
        message.stop()
        if self.run_command(message.text):
            self.query_one(CommandLine).restart()

    def on_command_line_completion_wanted(self, message: CommandLine.CompletionWanted) -> None:
        message.stop()
        self.run_flow(self._complete(message.before), "completion", exclusive=True)

    def on_text_area_changed(self, _: CommandLine.Changed) -> None:
        if self._offer and self.query_one(CommandLine).text != self._offered_for:
            self._offer = ()
            self.update_news()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: ctrl+c copies while nothing runs; letters go to the prompt."""
        if action == "interrupt" and self.has_selection:
            return self.console.running is not None
        return super().check_action(action, parameters)

    def run_command(self, command: str) -> bool:
        """Run a command and add it to the history, unless one is running; return whether it was started."""
        if self.console.running is not None:
            key = self.services.key_of("console.interrupt")
            self.services.notifier.notify(f"A command is still running: {key} interrupts it", "warning")
            return False
        self.output_view.follow()
        self.services.command_history.add(self.sandbox_id, self._sandbox_name(), command)
        with self.services.notifier.doing(f"run › {self._sandbox_name()} › {redact_for_log(command)}"):
            self._worker = self.services.work.worker(
                self.console.run(command, self.console.timeout), f"console {self.sandbox_id}"
            )
        return True

    def action_interrupt(self) -> None:
        if self._worker is not None and not self._worker.is_finished:
            self._worker.cancel()
        else:
            self.services.work.cancel(f"console {self.sandbox_id}")

    def action_history(self) -> None:
        ask_history(self.app, self.services, self.query_one(CommandLine), self.sandbox_id)

    def action_timeout(self) -> None:
        self.console.timeout = next_timeout(self.console.timeout)
        self._draw_state()

    def action_user(self) -> None:
        def on_result(user: str | None) -> None:
            if user is not None:
                self.console.user = user or None
                self._draw_state()

        ask_user(self.app, self.console.user, on_result)

    def action_job(self) -> None:
        """Run the typed command as a background job, or else the running or last one."""
        field = self.query_one(CommandLine)
        if command := field.text.strip():
            field.restart()
            self.services.command_history.add(self.sandbox_id, self._sandbox_name(), command)
            self.run_flow(self._start_job(command), "job")
        elif self.console.runs:
            self._ask_for_job(self.console.runs[-1])
        else:
            self.services.notifier.notify("Enter a command first", "warning")

    def action_clear(self) -> None:
        self.console.clear()

    def action_back(self) -> None:
        """Leave the prompt for the output; from there go back."""
        if self.query_one(CommandLine).has_focus and self.console.lines:
            self.output_view.focus()
        else:
            self.app.pop_screen()

    def draw(self) -> None:
        """Redraw what has changed; a view that does not follow keeps its position."""
        self._painting = None
        if not self.is_mounted or self.is_covered:
            return
        same, gone = self.rows.update()
        self.output_view.show(len(self.rows), same=same, shift=-gone)
        self._draw_state()
        self.update_news()

    async def _complete(self, before: str) -> None:
        try:
            completion = await self.console.complete(before)
        except SandboxClientError as error:
            self.services.notifier.notify(f"Completion failed: {error}", "warning")
            return
        field = self.query_one(CommandLine)
        if not field.complete(before, completion.insert):
            return
        self._offer, self._offered_for = completion.names if len(completion.names) > 1 else (), field.text
        self.update_news()

    def _ask_for_job(self, run: ConsoleRun) -> None:
        """Confirm first: the platform can't move a running command to the background, so it is restarted."""

        def on_result(yes: bool | None) -> None:
            if yes:
                self.run_flow(self._begin_as_job(run), "job")

        runs = run is self.console.running
        self.app.push_screen(
            AskDialog(
                "Run as background job",
                STOP_AND_BEGIN_AGAIN if runs else BEGIN_AGAIN,
                "Stop and restart as job" if runs else "Run as job",
                danger=runs,
            ),
            on_result,
        )

    async def _begin_as_job(self, run: ConsoleRun) -> None:
        if run is self.console.running:
            self.action_interrupt()
        await self.console.until_idle()
        self.services.command_history.add(self.sandbox_id, self._sandbox_name(), run.command)
        await self._start_job(run.command)

    async def _start_job(self, command: str) -> None:
        try:
            job_id = await self.console.start_job(command)
        except SandboxClientError as error:
            self.services.notifier.notify(f"Job not started: {error}", "error")
        else:
            if (session := self.services.platform.session) is not None:
                session.jobs.adopt(self.sandbox_id, job_id, command, self.console.carried.directory)
                session.job_watcher.want([self.sandbox_id])
            self.services.notifier.notify(f"Job {job_id} started. It keeps running after you quit")

    def _remember(self, found: Sequence[PastCommand]) -> None:
        if self.services.platform.session is not None and not self.console.past:
            self.console.past = [past.command for past in reversed(found)]

    def _row_pieces(self, row: int) -> list[Piece]:
        return self._search.marked(self.rows.pieces(row))

    def _changed(self) -> None:
        if self._painting is None:
            self._painting = self.set_timer(PAINT_SECONDS, self.draw)

    def _draw_state(self) -> None:
        if not self.is_mounted:
            return
        row = self._row()
        left = [Piece(" ")]
        if row is not None:
            left += [*status_pieces(row.status), Piece(f"  {clean(row.sandbox.name)}", "bright")]
        left += place_pieces(self.console)
        if self.console.user is not None:
            left.append(Piece(f"  as {clean(self.console.user)}", "busy"))
        left.append(Piece(f"  timeout {self.console.timeout}s", "dim"))
        left.append(Piece("  live" if self.console.live else "  output at the end", "dim"))
        if row is not None:
            left.append(Piece(f"  {clean(row.sandbox.docker_image)}", "dim"))
        state = run_state_pieces(self.console, self.services.clock.monotonic())
        self.query_one("#target", ChromeLine).show(left, [*state, Piece(" ")])
        output = self.query_one("#output-panel")
        count = f"{len(self.console.lines):,} lines"
        if self.console.dropped:
            count = f"first {self.console.dropped:,} lines dropped · {count}"
        show_frame(output, "Output", count)
        command = self.query_one("#command-panel")
        show_frame(command, f"Command · {self._title()}", "sh -c")

    def _row(self) -> Row | None:
        session = self.services.platform.session
        return session.store.get(self.sandbox_id) if session is not None else None

    def _sandbox_name(self) -> str:
        row = self._row()
        return row.sandbox.name if row is not None else self.sandbox_id

    def _title(self) -> str:
        return clean(self._sandbox_name())

    @property
    def output_view(self) -> OutputView:
        """The view of the output."""
        return self.query_one("#output", OutputView)

    @property
    def line_at_cursor(self) -> int | None:
        """The line number under the cursor."""
        row = self.output_view.cursor
        line = self.rows.line(row) if row < len(self.rows) else -1
        return line if 0 <= line < len(self.console.lines) else None

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        if action in NEEDS_OUTPUT and not self.console.lines:
            return f"No runs yet: {self.services.key_of('output.type')} focuses the prompt"
        if action == "interrupt" and self.console.running is None and not self.has_selection:
            return f"No command is running ({self.services.key_of('app.quit')} to quit)"
        if action == "clear" and not self.console.lines:
            return "No output to clear"
        if action == "follow" and self.output_view.following:
            return "Already following the output"
        return ""

    def action_type(self) -> None:
        self.query_one(CommandLine).focus()

    def action_follow(self) -> None:
        self.output_view.follow()

    def action_fold(self) -> None:
        line = self.line_at_cursor
        if line is not None:
            number = self.console.lines[line].run
            self.console.folded ^= {number}
            self._fold_at(self._first_line(number) if number in self.console.folded else line)

    def action_fold_all(self) -> None:
        line = self.line_at_cursor
        numbers = {run.number for run in self.console.runs}
        self.console.folded = set() if self.console.folded else numbers
        if line is not None:
            self._fold_at(self._first_line(self.console.lines[line].run) if self.console.folded else line)

    def action_wrap(self) -> None:
        view = self.output_view
        view.wrap = not view.wrap
        self.services.notifier.notify("Line wrap on" if view.wrap else "Line wrap off")

    def action_search(self) -> None:
        self._search.ask()

    def action_next_hit(self) -> None:
        self._search.go(1)

    def action_previous_hit(self) -> None:
        self._search.go(-1)

    def action_rerun(self) -> None:
        line = self.line_at_cursor
        if line is not None:
            self.run_command(self.console.runs[self.console.lines[line].run - 1].command)

    def action_copy(self) -> None:
        selected, line = self.get_selected_text(), self.line_at_cursor
        if selected:
            self.services.clipboard.copy_text(selected)
        elif line is not None:
            self.services.clipboard.copy(output_line(self.console.lines[line].text))

    def action_copy_output(self) -> None:
        line = self.line_at_cursor
        if line is not None:
            number = self.console.lines[line].run
            texts = [output_line(each.text) for each in self.console.output_of(number)]
            self.services.clipboard.copy_lines(texts, f"{len(texts):,} lines of run {number}")

    def action_save(self) -> None:
        lines, runs = list(self.console.lines), list(self.console.runs)

        def save(path: Path) -> None:
            def write() -> str:
                texts = ("".join(piece.text for piece in line_pieces(line, runs[line.run - 1])) for line in lines)
                write_new(path, (f"{text}\n" for text in texts))
                return f"{len(lines):,} lines of output"

            self.services.files.save(path, write)

        ask_new_file(self.app, "Save output", "console.txt", save)

    def _first_line(self, number: int) -> int:
        return next((index for index, line in enumerate(self.console.lines) if line.run == number), 0)

    def _fold_at(self, line: int) -> None:
        """Redraw after collapsing or expanding; without follow, ``line`` keeps its position on screen."""
        self.draw()
        if not self.output_view.following:
            self.output_view.keep(self.rows.row_of(line))

    def _searched(self) -> Searched:
        lines = self.console.lines

        def go_to(line: int) -> None:
            # The match may be in output that is folded.
            self.console.folded -= {lines[line].run}
            self.draw()
            self.output_view.go_to_text(self.rows.row_of(line), self._search.needle)

        def redraw() -> None:
            self.output_view.refresh()
            self.update_news()

        return Searched(
            Lines.of(len(lines), lambda line: output_line(lines[line].text)),
            self.line_at_cursor or 0,
            self.output_view.following,
            go_to,
            redraw,
        )
