"""The screen for running one command in many sandboxes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget

from sandtui.client import SandboxClientError
from sandtui.fleet.commands.fanout import Answer, FanOut, Target, group, odd_first
from sandtui.fleet.commands.fanout.bodies import Bodies, standard_of
from sandtui.fleet.commands.fanout.differences import Body
from sandtui.fleet.commands.fanout.live import TailLine
from sandtui.fleet.commands.fanout.save import save
from sandtui.fleet.commands.line.completion import ask, columns
from sandtui.fleet.commands.line.history import PastCommand
from sandtui.fleet.commands.line.redaction import redact_for_log
from sandtui.fleet.commands.line.timeouts import TIMEOUTS, next_timeout
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory.bulk import BulkState
from sandtui.fleet.inventory.bulk_plan import TYPE_THE_COUNT_ABOVE, make_plan
from sandtui.fleet.inventory.query import QueryError, parse
from sandtui.fleet.inventory.row import Row, seconds
from sandtui.fleet.load_state import LoadPhase, LoadState
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.text.search import Lines
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.commands.command_line import CommandLine
from sandtui.ui.commands.fanout import Fold, Results, counts, ends, short_time, tail_pieces, target_pieces
from sandtui.ui.commands.past_commands import ask_history, search_commands
from sandtui.ui.commands.user_dialog import ask_user
from sandtui.ui.dialogs.new_file import ask_new_file
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.dialogs.search import SearchControl, Searched
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.loading import load_pieces
from sandtui.ui.rendering.text import Piece, width_of
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.panel import show_frame
from sandtui.ui.widgets.row_actions import RowActions

NEEDS_RUN = frozenset({
    "cancel", "retry", "mark", "save", "fold_all", "group", "failures", "search", "wrap", "copy", "copy_answer",
    "next_hit", "previous_hit",
})  # fmt: skip

PAINT_SECONDS = 0.15


class FanOutScreen(AppScreen):
    """Runs commands in many sandboxes. A run continues when the screen is closed."""

    fan_out: FanOut | None
    SCOPE = "fanout"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("fanout"), *bindings("results")]
    AUTO_FOCUS = "#command"

    def __init__(self, services: Services, rows: Sequence[Row], fan_out: FanOut | None = None) -> None:
        super().__init__(services)
        self.rows = sorted(rows, key=lambda row: row.name_key)
        self.together = True
        self.failures_only = False
        self.live = False
        self.user: str | None = None
        self.folds: dict[Hashable, Fold] = {}
        self.results = Results([], {}, {}, [])
        self.wanted = ""
        self._search = SearchControl(self, services, "results", "Search results", self._searched)
        self.fan_out = fan_out
        self._timeout = TIMEOUTS[1]
        self._confirmed = False
        self._past: list[str] = []
        self._made = Bodies()
        self._bodies: dict[Answer, Body] = {}
        self._painting: Timer | None = None
        self.is_comparing = False
        self._offer: tuple[str, ...] = ()
        self._offered_for = ""
        self._placed = False
        """Whether the user moved the cursor in the results; until then it is on the first one."""
        self._watched: Target | None = None
        self._tail: list[TailLine] = []
        self._stop_listening: Callable[[], None] = lambda: None
        self.row_actions = RowActions(services.sandboxes, self._named, "No sandbox under the cursor")
        self.row_actions.attach(self, "shell", "logs", "files", "exec", "fork", "delete")

    def compose_body(self) -> Iterable[Widget]:
        yield ChromeLine(id="target")
        with Horizontal(id="fan-body"):
            with Vertical(id="fan-targets", classes="panel"):
                yield OutputView(self._target_line, follows=False, fits=True, id="targets")
            with Vertical(id="fan-answers"):
                with Vertical(id="fan-results", classes="panel"):
                    yield OutputView(self._result_line, follows=False, id="results")
                with Vertical(id="fan-live", classes="panel"):
                    yield OutputView(self._live_line, id="live")
        with Vertical(id="command-panel", classes="panel -lines"):
            yield CommandLine(self._history, "command for all targets…", id="command")

    def crumbs(self) -> list[str]:
        """Return the breadcrumbs."""
        return ["Fleet", f"Exec ({len(self.rows):,})"]

    def hint_scopes(self) -> tuple[str, ...]:
        """Return the scope; while the prompt has the focus only control keys are bound."""
        return ("fanout",) if self.query_one(CommandLine).has_focus else ("results", "fanout")

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Return the status line: outcome counts, or completions."""
        if self._offer:
            where = f"  in {clean(self.rows[0].sandbox.name)}"
            names = columns(self._offer, self.size.width - width_of(where) - 4)
            return [Piece(names, "info"), Piece(where, "dim")], []
        if self.fan_out is None:
            text = f"enter: run in {len(self.rows):,} sandboxes"
            return [Piece(text, "dim")], []
        return [*self._search.status(), *ends(self.fan_out)], [Piece(short_time(self.fan_out.seconds()), "dim")]

    def on_mount(self) -> None:
        search_commands(self.services, "", "", self.whenever_open(self._remember))
        if self.fan_out is not None:
            self._stop_listening = self.listen(self.fan_out.on_change, self.changed)
            self.results_view.focus()
        self._draw()

    def on_resize(self, _: events.Resize) -> None:
        self.call_after_refresh(self._draw)

    def tick(self) -> None:
        """Update the runtimes."""
        super().tick()
        if self.fan_out is not None and not self.fan_out.is_over:
            self._draw()

    def on_command_line_submitted(self, message: CommandLine.Submitted) -> None:
        """Run the command in all targets, after a confirmation when there are many."""
        message.stop()
        if self.fan_out is not None and not self.fan_out.is_over:
            key = self.services.key_of("fanout.interrupt")
            self.services.notifier.notify(f"The last command is still running: {key} stops it", "warning")
            return
        if self._confirmed or len(self.rows) <= TYPE_THE_COUNT_ABOVE:
            self._start(message.text)
            return
        plan = make_plan(plans.RUN, self.rows, 0, message.text)
        connection = self.services.platform.connection

        def on_result(confirmed: bool | None) -> None:
            if confirmed:
                self._confirmed = True
                self._start(message.text)

        where = connection.label if connection is not None else ""
        self.app.push_screen(PlanDialog(plan, where, self.services.clock.now()), on_result)

    def on_command_line_completion_wanted(self, message: CommandLine.CompletionWanted) -> None:
        """Complete the path in the first sandbox; on an empty prompt, tab focuses the results."""
        message.stop()
        if not message.before.strip():
            self.results_view.focus()
        else:
            self.run_flow(self._complete(message.before), "completion", exclusive=True)

    def on_text_area_changed(self, _: CommandLine.Changed) -> None:
        if self._offer and self.query_one(CommandLine).text != self._offered_for:
            self._offer = ()
            self.update_news()

    async def _complete(self, before: str) -> None:
        session = self.services.platform.session
        if session is None:
            return
        try:
            completion = await ask(session.client, self.rows[0].id, before)
        except SandboxClientError as error:
            self.services.notifier.notify(f"Completion failed: {error}", "warning")
            return
        field = self.query_one(CommandLine)
        if not field.complete(before, completion.insert):
            return
        self._offer, self._offered_for = completion.names if len(completion.names) > 1 else (), field.text
        self.update_news()

    def take(self, rows: Sequence[Row]) -> None:
        """Set the targets of the next command; the last results move to the earlier runs."""
        self.rows = sorted(rows, key=lambda row: row.name_key)
        self._confirmed = False
        if self.fan_out is not None:
            self._stop_listening()
            self.fan_out = None
        self._draw()
        self.query_one(CommandLine).focus()

    def changed(self) -> None:
        """Schedule a redraw: hundreds of results may arrive per second, a few redraws are enough."""
        if self._painting is None:
            self._painting = self.set_timer(PAINT_SECONDS, self._draw)

    def show(self, fan_out: FanOut) -> None:
        """Show a run, with live output if available."""
        if self.fan_out is not None:
            self._stop_listening()
        self.fan_out = fan_out
        self._stop_listening = self.listen(fan_out.on_change, self.changed)
        self.folds.clear()
        self._made, self._bodies = Bodies(), {}
        self.results_view.restart()
        self._placed = False
        self.results = Results([], {}, {}, [])
        self._draw()

    def set_timeout(self) -> None:
        """Set the next timeout."""
        self._timeout = next_timeout(self._timeout)
        self._draw_frame()

    def _start(self, command: str) -> None:
        session = self.services.platform.session
        if session is None:
            return
        field = self.query_one(CommandLine)
        field.restart()
        running = [row for row in self.rows if (now := session.store.get(row.id)) is None or now.status == "RUNNING"]
        if not running:
            key = self.services.key_of("results.targets")
            self.services.notifier.refuse(f"None of them is running: {key} changes the targets", "run")
            return
        self.services.command_history.add("", f"{len(running):,} sandboxes", command)
        self.show(session.fan_out(command, running, self._timeout, live=self.live, user=self.user))
        with self.services.notifier.doing(f"run › {len(running):,} sandboxes › {redact_for_log(command)}"):
            self.run_shown()

    def run_shown(self) -> None:
        """Run the shown fan-out, or the queued part of it."""
        if self.fan_out is not None:
            self.services.work.start(self.fan_out.run(), "fan-out")

    def redraw(self) -> None:
        """Redraw the results with the current options."""
        self._draw()

    def _draw(self) -> None:
        self._painting = None
        if not self.is_mounted or self.is_covered:
            return
        fan_out = self.fan_out
        targets = self.query_one("#targets", OutputView)
        targets.show(len(fan_out.targets) if fan_out is not None else len(self.rows))
        self._draw_results()
        self._draw_live()
        self._draw_frame()
        self.update_chrome()
        if fan_out is not None and not self.is_comparing:
            answers = {target.output for target in fan_out.targets if target.output is not None}
            if not answers <= self._bodies.keys() or standard_of(fan_out.targets) != self._made.standard:
                self.is_comparing = True
                self.run_flow(self._compare(fan_out), "fan-out lines")

    async def _compare(self, fan_out: FanOut) -> None:
        """Render the results so far in a thread."""
        try:
            made = await asyncio.to_thread(self._made.of, list(fan_out.targets))
            if fan_out is self.fan_out:
                self._bodies = made
        finally:
            self.is_comparing = False
        self.changed()

    def _draw_results(self) -> None:
        view = self.results_view
        before = self.results.place(view.cursor)
        if self.fan_out is None:
            self.results = Results([], {}, {}, self._earlier())
        else:
            groups = group(self.fan_out.targets, together=self.together, failures_only=self.failures_only)
            groups = odd_first(groups) if self.together else groups
            signs = None
            if self.size.width < 100:
                signs = self.fan_out.targets, max(10, view.text_width - 2)
            running = [target for target in self.fan_out.targets if target.state is BulkState.RUNNING]
            now = self.services.clock.monotonic()
            self.results = Results(
                groups,
                self._bodies,
                self.folds,
                self._earlier(),
                running,
                signs,
                now,
                self.services.key_of,
                self._no_results(self.fan_out),
            )
        view.show(len(self.results))
        again = self.results.find(before)
        if not self._placed and (first := self.results.first_group()) is not None:
            view.point(first)
        elif again is not None and again != view.cursor:
            view.keep(again)

    def _draw_live(self) -> None:
        """Show the live output of the sandbox under the cursor."""
        self._watched = self._find_watched()
        panel = self.query_one("#fan-live")
        panel.display = self._watched is not None
        if self._watched is None or self._watched.live is None:
            return
        self._tail = self._watched.live.tail
        show_frame(panel, f"{clean(self._watched.name)} so far")
        self.query_one("#live", OutputView).show(len(self._tail))

    def _find_watched(self) -> Target | None:
        running = {target.id: target for target in self.fan_out.targets if target.live} if self.fan_out else {}
        if not running:
            return None
        targets = self.query_one("#targets", OutputView)
        chosen = self.results.speaking_at(self.results_view.cursor)
        if self.fan_out is not None and targets.has_focus and targets.cursor < len(self.fan_out.targets):
            chosen = self.fan_out.targets[targets.cursor]
        for target in (chosen, self._watched):
            if target is not None and target.id in running:
                return target
        return next(iter(running.values()))

    def on_output_view_cursor_moved(self, message: OutputView.CursorMoved) -> None:
        if message.view is self.results_view:
            self._placed = True
        if message.view.id == "targets" and message.view.has_focus and self.fan_out is not None:
            line = self.results.line_of(self.fan_out.targets[message.view.cursor])
            if line is not None:
                self.results_view.go_to(line)
        self._draw_live()

    def _earlier(self) -> list[FanOut]:
        session = self.services.platform.session
        runs = session.fan_outs if session is not None else []
        return [run for run in reversed(runs) if run is not self.fan_out]

    def _draw_frame(self) -> None:
        fan_out = self.fan_out
        left = [Piece(f" {len(self.rows):,} sandboxes", "bright"), Piece(f"  timeout {self._timeout}s", "dim")]
        if self.user is not None:
            left.append(Piece(f"  as {clean(self.user)}", "busy"))
        if self.failures_only:
            left.append(Piece("  ! failures only", "busy"))
        if self.live:
            left.append(Piece("  live over SSH", "busy"))
        if not self.together:
            left.append(Piece("  ungrouped", "busy"))
        right = counts(fan_out) if fan_out is not None else [Piece("no runs yet ", "dim")]
        self.query_one("#target", ChromeLine).show(left, right)
        count = len(fan_out.targets) if fan_out is not None else len(self.rows)
        show_frame(self.query_one("#fan-targets"), f"Sandboxes {count:,}")
        panel = self.query_one("#fan-results")
        command = clean(fan_out.command.replace("\n", " ↵ ")) if fan_out is not None else "Results"
        show_frame(panel, f"$ {command}" if fan_out is not None else command, f"{len(self.results):,} lines")
        line = self.query_one("#command-panel")
        show_frame(line, f"Command · {len(self.rows):,} sandboxes", "sh -c")

    def _target_line(self, number: int) -> list[Piece]:
        width = max(20, self.query_one("#targets").size.width)
        if self.fan_out is not None:
            return target_pieces(self.fan_out.targets[number], self.services.clock.monotonic(), width)
        return [Piece(" · ", "dim"), Piece(clean(self.rows[number].sandbox.name), "dim")]

    def _result_line(self, number: int) -> list[Piece]:
        return self._search.marked(self.results.line(number, max(20, self.results_view.text_width)))

    def _no_results(self, fan_out: FanOut) -> list[Piece]:
        """Return the line in the place of results."""
        if not fan_out.is_over:
            done = sum(target.is_over for target in fan_out.targets)
            state = LoadState(LoadPhase.LOADING, f"{done:,} of {len(fan_out.targets):,} sandboxes answered")
            return load_pieces(state, "results", "")
        return [Piece(f" None failed   {self.services.key_of('results.failures')} to show all results", "dim")]

    def _live_line(self, number: int) -> list[Piece]:
        return tail_pieces(self._tail[number]) if number < len(self._tail) else []

    def _remember(self, found: Sequence[PastCommand]) -> None:
        self._past = [past.command for past in reversed(found)]

    def _history(self) -> list[str]:
        session = self.services.platform.session
        runs = session.fan_outs if session is not None else []
        return list(dict.fromkeys([*self._past, *(run.command for run in runs)]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: ctrl+c copies while nothing runs."""
        if action == "interrupt" and self.has_selection:
            return self.fan_out is not None and not self.fan_out.is_over
        return super().check_action(action, parameters)

    @property
    def targets_view(self) -> OutputView:
        """The view of the targets."""
        return self.query_one("#targets", OutputView)

    @property
    def results_view(self) -> OutputView:
        """The view of the results."""
        return self.query_one("#results", OutputView)

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        fan_out, key = self.fan_out, self.services.key_of
        if action == "interrupt":
            idle = (fan_out is None or fan_out.is_over) and not self.has_selection
            return f"No command is running ({key('app.quit')} to quit)" if idle else ""
        if fan_out is None and action in NEEDS_RUN:
            return f"No runs yet: {key('results.type')} focuses the prompt"
        if fan_out is None:
            return self.row_actions.why_not("open_sandbox" if action == "open" else action)
        if action == "cancel" and fan_out.is_over:
            return "Nothing to stop: the command has ended"
        if action in {"retry", "mark"} and not fan_out.is_over:
            return f"The command is still running: wait for it, or press {key('results.cancel')} to stop it"
        if action in {"retry", "mark"} and not fan_out.failed:
            return "No failed sandboxes"
        if action == "save" and fan_out.count(BulkState.WAITING):
            return f"The run is not complete: wait for it, or press {key('results.cancel')} to stop it"
        if action == "open":
            return self._why_not_open()
        if action == "fold_all" and not self.results.group_keys:
            return "No results yet"
        if action == "copy_answer" and self.results.group_at(self.results_view.cursor) is None:
            return "No result under the cursor"
        return self.row_actions.why_not(action)

    def _why_not_open(self) -> str:
        index = self.results.place(self.results_view.cursor)
        folds = index is not None and (index.what == "earlier" or self._folds_at(self.results_view.cursor))
        return "" if folds and not self.targets_view.has_focus else self.row_actions.why_not("open_sandbox")

    def _folds_at(self, line: int) -> bool:
        """Whether enter expands or collapses at a line: in a group of several, on more lines, on a collapsed result."""
        each, index = self.results.group_at(line), self.results.place(line)
        if each is None or index is None or index.what == "live":
            return False
        return len(each.targets) > 1 or index.what == "more" or self.folds.get(each.key) is Fold.CLOSED

    def _named(self) -> Sequence[str]:
        """Return the sandboxes of the line under the cursor: those of a group, or the one of a target."""
        if self.targets_view.has_focus:
            targets = self.fan_out.targets if self.fan_out is not None else self.rows
            cursor = self.targets_view.cursor
            return [targets[cursor].id] if cursor < len(targets) else []
        return [target.id for target in self.results.targets_at(self.results_view.cursor)]

    def action_interrupt(self) -> None:
        if self.fan_out is not None:
            self.fan_out.cancel()

    def action_cancel(self) -> None:
        self.action_interrupt()

    def action_timeout(self) -> None:
        self.set_timeout()

    def action_user(self) -> None:
        def on_result(user: str | None) -> None:
            if user is not None:
                self.user = user or None
                self._draw_frame()

        ask_user(self.app, self.user, on_result)

    def action_job(self) -> None:
        typed = self.query_one(CommandLine).text.strip()
        command = typed or (self.fan_out.command if self.fan_out is not None else "")
        if command:
            self.services.bulk.start_job(self.rows, command, self.user or "")
        else:
            self.services.notifier.notify("Enter a command first", "warning")

    def action_history(self) -> None:
        ask_history(self.app, self.services, self.query_one(CommandLine), None)

    def action_targets(self) -> None:
        session, connection = self.services.platform.session, self.services.platform.connection
        if session is None or self._still_runs():
            return
        me = connection.config.user_id if connection is not None else None

        def matching(text: str) -> list[Row]:
            found = parse(text, me, session.history.touched).select(
                list(session.store), seconds(self.services.clock.now())
            )
            return [row for row in found if row.status == "RUNNING"]

        def check(text: str) -> str:
            try:
                return "" if matching(text) else "no running sandbox matches"
            except QueryError as error:
                return str(error)

        def on_result(text: str | None) -> None:
            if text:
                self.wanted = text
                self.take(matching(text))

        title = "Target sandboxes"
        self.app.push_screen(ValueDialog(title, "filter", "#run=42 name~^rollout", check, self.wanted), on_result)

    def action_marked(self) -> None:
        if self._still_runs():
            return
        running = [row for row in self.services.navigator.marked if row.status == "RUNNING"]
        if running:
            self.take(running)
        else:
            mark = self.services.key_of("fleet.mark")
            self.services.notifier.refuse(
                f"No running sandboxes are marked: press {mark} in the fleet to mark some", "marked"
            )

    def _still_runs(self) -> bool:
        runs = self.fan_out is not None and not self.fan_out.is_over
        if runs:
            key = self.services.key_of("results.cancel")
            self.services.notifier.refuse(f"The last command is still running: {key} stops it", "sandboxes")
        return runs

    def action_type(self) -> None:
        self.query_one(CommandLine).focus()

    def action_back(self) -> None:
        """Leave the prompt for the results; from there go back."""
        if self.query_one(CommandLine).has_focus and len(self.results):
            self.results_view.focus()
        else:
            self.app.pop_screen()

    def action_open(self) -> None:
        """Open the sandbox of the line; expand or collapse a group of several; show an earlier run."""
        line = self.results_view.cursor
        index = self.results.place(line)
        if self.targets_view.has_focus or index is None:
            self.row_actions.run("open_sandbox")
        elif index.what == "earlier":
            self.show(self.results.earlier(index.number))
        elif self._folds_at(line):
            now = self.folds.get(index.key, Fold.PREVIEW)
            self._fold(index.key, now.after(self.results.body(index.key)))
        else:
            self.row_actions.run("open_sandbox")

    def on_output_view_edge_reached(self, message: OutputView.EdgeReached) -> None:
        """Collapse the result under the cursor at the left edge, and expand it at the right one."""
        each = self.results.group_at(self.results_view.cursor)
        if message.view is self.results_view and each is not None:
            now = self.folds.get(each.key, Fold.PREVIEW)
            if message.step > 0:
                self._fold(each.key, Fold.PREVIEW if now is Fold.CLOSED else Fold.OPEN)
            else:
                self._fold(each.key, Fold.PREVIEW if now is Fold.OPEN else Fold.CLOSED)

    def action_fold_all(self) -> None:
        """Collapse all results, or expand them if all are collapsed."""
        keys = self.results.group_keys
        closed = all(self.folds.get(key) is Fold.CLOSED for key in keys)
        self.folds.update(dict.fromkeys(keys, Fold.PREVIEW if closed else Fold.CLOSED))
        self.redraw()

    def _fold(self, key: Hashable, fold: Fold) -> None:
        self.folds[key] = fold
        self.redraw()

    def action_group(self) -> None:
        self.together = not self.together
        self.redraw()

    def action_failures(self) -> None:
        self.failures_only = not self.failures_only
        self.redraw()

    def action_wrap(self) -> None:
        wrap = not self.results_view.wrap
        for name in ("#results", "#live"):
            self.query_one(name, OutputView).wrap = wrap
        self.services.notifier.notify("Line wrap on" if wrap else "Line wrap off")

    def action_live(self) -> None:
        self.live = not self.live
        if self.live:
            self.services.notifier.notify("Live output on: next command runs over SSH, 16 at a time")
        self.redraw()

    def action_retry(self) -> None:
        if self.fan_out is not None and (count := self.fan_out.prepare_retry()):
            self.services.notifier.notify(f"Retrying in {count:,} sandboxes")
            self.run_shown()

    def action_mark(self) -> None:
        if self.fan_out is not None:
            failed = [target.id for target in self.fan_out.failed]
            self.services.navigator.mark(failed)
            self.services.notifier.notify(f"Marked {len(failed):,} failed sandboxes")

    def action_save(self) -> None:
        fan_out = self.fan_out
        if fan_out is None:
            return

        def write(path: Path) -> None:
            self.services.files.save(path, lambda: save(fan_out, path))

        ask_new_file(self.app, "Save results", "answers", write, label="new directory or .jsonl file")

    def action_search(self) -> None:
        self._search.ask()

    def action_next_hit(self) -> None:
        self._search.go(1)

    def action_previous_hit(self) -> None:
        self._search.go(-1)

    def action_copy(self) -> None:
        selected = self.get_selected_text()
        if selected:
            self.services.clipboard.copy_text(selected)
        else:
            self.services.clipboard.copy(self.results_view.plain(self.results_view.cursor).strip())

    def action_copy_answer(self) -> None:
        each = self.results.group_at(self.results_view.cursor)
        if each is None:
            return
        body = self.results.body(each.key)
        lines = [each.problem] if each.answer is None else []
        lines += [line.text for line in body.lines] if body is not None else []
        self.services.clipboard.copy_lines(lines, f"{len(lines):,} lines")

    def _searched(self) -> Searched:
        view = self.results_view

        def redraw() -> None:
            view.refresh()
            self.update_news()

        return Searched(
            Lines.of(len(self.results), view.plain),
            view.cursor,
            view.following,
            lambda line: view.go_to_text(line, self._search.needle),
            redraw,
        )
