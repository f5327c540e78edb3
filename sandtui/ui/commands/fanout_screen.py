"""One command on many sandboxes: the command line, a line for each sandbox, and what they said."""

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
from sandtui.fleet.commands.fanout import Answer, FanOut, Target, group
from sandtui.fleet.commands.fanout.bodies import Bodies, standard_of
from sandtui.fleet.commands.fanout.differences import Body
from sandtui.fleet.commands.fanout.live import TailLine
from sandtui.fleet.commands.fanout.save import save
from sandtui.fleet.commands.line.completion import ask, columns
from sandtui.fleet.commands.line.history import PastCommand
from sandtui.fleet.commands.line.masking import told
from sandtui.fleet.commands.line.timeouts import TIMEOUTS, next_timeout
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory.bulk import State
from sandtui.fleet.inventory.bulk_plan import TYPE_THE_COUNT_ABOVE, make_plan
from sandtui.fleet.inventory.query import QueryError, parse
from sandtui.fleet.inventory.row import Row, seconds
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.text.search import Lines
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.commands.command_line import CommandLine
from sandtui.ui.commands.fanout import Fold, Results, counts, ends, short_time, tail_pieces, target_pieces
from sandtui.ui.commands.past_commands import ask_history, search_commands
from sandtui.ui.dialogs.new_file import ask_new_file
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.dialogs.search import SearchControl, Searched
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.text import Content, Piece, width_of
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView

NEEDS_RUN = frozenset({
    "cancel", "retry", "mark", "save", "fold", "group", "failures", "search", "wrap", "copy", "copy_answer",
    "next_hit", "previous_hit",
})  # fmt: skip

PAINT_SECONDS = 0.15


class FanOutScreen(AppScreen):
    """A command line for many sandboxes. What runs goes on when the screen is left."""

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
        self.folds: dict[Hashable, Fold] = {}
        self.results = Results([], {}, {}, [])
        self.wanted = ""
        self._search = SearchControl(self, services, "results", "Search the answers", self._searched)
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
        self._watched: Target | None = None
        self._tail: list[TailLine] = []
        self._stop_listening: Callable[[], None] = lambda: None

    def compose_body(self) -> Iterable[Widget]:
        yield ChromeLine(id="target")
        with Horizontal(id="fan-body"):
            with Vertical(id="fan-targets", classes="panel"):
                yield OutputView(self._target_line, follows=False, id="targets")
            with Vertical(id="fan-answers"):
                with Vertical(id="fan-results", classes="panel"):
                    yield OutputView(self._result_line, follows=False, id="results")
                with Vertical(id="fan-live", classes="panel"):
                    yield OutputView(self._live_line, id="live")
        with Vertical(id="command-panel", classes="panel -lines"):
            yield CommandLine(self._history, "a command for all of them", id="command")

    def crumbs(self) -> list[str]:
        """Fleet, exec on so many."""
        return ["Fleet", f"Exec ({len(self.rows):,})"]

    def hint_scopes(self) -> tuple[str, ...]:
        """While typing only control keys are ours."""
        return ("fanout",) if self.query_one(CommandLine).has_focus else ("results", "fanout")

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell how the command ended how often, or what a path can go on with."""
        if self._offer:
            where = f"  in {clean(self.rows[0].sandbox.name)}"
            names = columns(self._offer, self.size.width - width_of(where) - 4)
            return [Piece(names, "info"), Piece(where, "dim")], []
        if self.fan_out is None:
            words = f"enter runs it in {len(self.rows):,} sandboxes · nothing is sent until then"
            return [Piece(words, "dim")], []
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
        """Let the times of what runs grow."""
        super().tick()
        if self.fan_out is not None and not self.fan_out.is_over:
            self._draw()

    def on_command_line_submitted(self, message: CommandLine.Submitted) -> None:
        """Run it in all, after a question when they are many."""
        message.stop()
        if self.fan_out is not None and not self.fan_out.is_over:
            key = self.services.key_of("fanout.interrupt")
            self.services.notifier.notify(f"The last command still runs: {key} stops it.", "warning")
            return
        if self._confirmed or len(self.rows) <= TYPE_THE_COUNT_ABOVE:
            self._start(message.text)
            return
        plan = make_plan(plans.RUN, self.rows, 0, message.text)
        connection = self.services.platform.connection

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self._confirmed = True
                self._start(message.text)

        where = connection.label if connection is not None else ""
        self.app.push_screen(PlanDialog(plan, where, self.services.clock.now()), answered)

    def on_command_line_completion_wanted(self, message: CommandLine.CompletionWanted) -> None:
        """Ask the first sandbox what the path may go on with; on an empty line tab goes to the results."""
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
            self.services.notifier.notify(f"Nothing could be completed: {error}", "warning")
            return
        field = self.query_one(CommandLine)
        if not field.complete(before, completion.insert):
            return
        self._offer, self._offered_for = completion.names if len(completion.names) > 1 else (), field.text
        self.update_news()

    def take(self, rows: Sequence[Row]) -> None:
        """Have the next command run in these; what the last one said is among the earlier runs."""
        self.rows = sorted(rows, key=lambda row: row.name_key)
        self._confirmed = False
        if self.fan_out is not None:
            self._stop_listening()
            self.fan_out = None
        self._draw()
        self.query_one(CommandLine).focus()

    def changed(self) -> None:
        """Draw soon: hundreds of answers come in a second, a few drawings are enough."""
        if self._painting is None:
            self._painting = self.set_timer(PAINT_SECONDS, self._draw)

    def show(self, fan_out: FanOut) -> None:
        """Show a run, live when it is."""
        if self.fan_out is not None:
            self._stop_listening()
        self.fan_out = fan_out
        self._stop_listening = self.listen(fan_out.on_change, self.changed)
        self.folds.clear()
        self._made, self._bodies = Bodies(), {}
        self.results_view.restart()
        self.results = Results([], {}, {}, [])
        self._draw()

    def set_timeout(self) -> None:
        """Take the next time that each may take."""
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
            self.services.notifier.refuse(f"None of them runs any more: {key} chooses others.", "run")
            return
        self.services.command_history.add("", f"{len(running):,} sandboxes", command)
        self.show(session.fan_out(command, running, self._timeout, live=self.live))
        with self.services.notifier.doing(f"run › {len(running):,} sandboxes › {told(command)}"):
            self.run_shown()

    def run_shown(self) -> None:
        """Run what is shown, from its beginning or on what failed."""
        if self.fan_out is not None:
            self.services.work.start(self.fan_out.run(), "fan-out")

    def redraw(self) -> None:
        """Draw the results as they are wanted now."""
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
        """Make the lines of what has come, off the loop."""
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
            signs = None
            if self.size.width < 100:
                signs = self.fan_out.targets, max(10, view.text_width - 2)
            running = [target for target in self.fan_out.targets if target.state is State.RUNNING]
            now = self.services.clock.monotonic()
            self.results = Results(
                groups, self._bodies, self.folds, self._earlier(), running, signs, now, self.services.key_of
            )
        view.show(len(self.results))
        again = self.results.find(before)
        if again is not None and again != view.cursor:
            view.keep(again)

    def _draw_live(self) -> None:
        """Show the end of what the sandbox under the cursor has said, while it runs."""
        self._watched = self._find_watched()
        panel = self.query_one("#fan-live")
        panel.display = self._watched is not None
        if self._watched is None or self._watched.live is None:
            return
        self._tail = self._watched.live.tail
        panel.border_title = Content(f"{clean(self._watched.name)} so far")
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
        if self.failures_only:
            left.append(Piece("  ! failures only", "busy"))
        if self.live:
            left.append(Piece("  live over SSH", "busy"))
        if not self.together:
            left.append(Piece("  each alone", "busy"))
        right = counts(fan_out) if fan_out is not None else [Piece("nothing run yet ", "dim")]
        self.query_one("#target", ChromeLine).show(left, right)
        count = len(fan_out.targets) if fan_out is not None else len(self.rows)
        self.query_one("#fan-targets").border_title = Content(f"sandboxes {count:,}")
        panel = self.query_one("#fan-results")
        command = clean(fan_out.command.replace("\n", " ↵ ")) if fan_out is not None else "results"
        panel.border_title = Content(f"$ {command}" if fan_out is not None else command)
        panel.border_subtitle = Content(f"{len(self.results):,} lines")
        line = self.query_one("#command-panel")
        line.border_title = Content(f"command · {len(self.rows):,} sandboxes")
        line.border_subtitle = Content("sh -c")

    def _target_line(self, number: int) -> list[Piece]:
        width = max(20, self.query_one("#targets").size.width)
        if self.fan_out is not None:
            return target_pieces(self.fan_out.targets[number], self.services.clock.monotonic(), width)
        return [Piece(" · ", "dim"), Piece(clean(self.rows[number].sandbox.name), "dim")]

    def _result_line(self, number: int) -> list[Piece]:
        return self._search.marked(self.results.line(number, max(20, self.results_view.text_width)))

    def _live_line(self, number: int) -> list[Piece]:
        return tail_pieces(self._tail[number]) if number < len(self._tail) else []

    def _remember(self, found: Sequence[PastCommand]) -> None:
        self._past = [past.command for past in reversed(found)]

    def _history(self) -> list[str]:
        session = self.services.platform.session
        runs = session.fan_outs if session is not None else []
        return list(dict.fromkeys([*self._past, *(run.command for run in runs)]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """ctrl+c copies, as everywhere, while nothing runs."""
        if action == "interrupt" and self.has_selection:
            return self.fan_out is not None and not self.fan_out.is_over
        return super().check_action(action, parameters)

    @property
    def results_view(self) -> OutputView:
        """Where the answers are."""
        return self.query_one("#results", OutputView)

    def why_not(self, action: str) -> str:
        """Return that nothing runs, has failed or was answered."""
        fan_out, key = self.fan_out, self.services.key_of
        if action == "interrupt":
            idle = (fan_out is None or fan_out.is_over) and not self.has_selection
            return f"No command is running here. {key('app.quit')} quits." if idle else ""
        if fan_out is None and action in NEEDS_RUN:
            return f"Nothing was run yet: {key('results.type')} goes to the command line."
        if fan_out is None:
            return ""
        if action == "cancel" and fan_out.is_over:
            return "The command is over: there is nothing to stop."
        if action in {"retry", "mark"} and not fan_out.is_over:
            return f"The command still runs: wait for its end, or stop it with {key('results.cancel')}."
        if action in {"retry", "mark"} and not fan_out.failed:
            return "None of them has failed."
        if action == "save" and fan_out.count(State.WAITING):
            return f"Some have not been asked yet: wait for them, or stop with {key('results.cancel')}."
        if action == "fold":
            return self._why_not_fold(fan_out)
        if action == "copy_answer" and self.results.group_at(self.results_view.cursor) is None:
            return "There is no answer under the cursor."
        return ""

    def _why_not_fold(self, fan_out: FanOut) -> str:
        targets = self.query_one("#targets", OutputView)
        if targets.has_focus:
            target = fan_out.targets[targets.cursor] if targets.cursor < len(fan_out.targets) else None
            answered = target is not None and self.results.line_of(target) is not None
            return "" if answered else "This sandbox has not answered yet."
        place = self.results.place(self.results_view.cursor)
        if place is not None and place.what == "live":
            return "This sandbox has not answered yet."
        if place is None or (place.key is None and place.what != "earlier"):
            return "There is no answer under the cursor."
        return ""

    def action_interrupt(self) -> None:
        if self.fan_out is not None:
            self.fan_out.cancel()

    def action_cancel(self) -> None:
        self.action_interrupt()

    def action_timeout(self) -> None:
        self.set_timeout()

    def action_job(self) -> None:
        typed = self.query_one(CommandLine).text.strip()
        command = typed or (self.fan_out.command if self.fan_out is not None else "")
        if command:
            self.services.bulk.start_job(self.rows, command)
        else:
            self.services.notifier.notify("Type the command first.", "warning")

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

        def answered(text: str | None) -> None:
            if text:
                self.wanted = text
                self.take(matching(text))

        title = "Sandboxes for the next command"
        self.app.push_screen(ValueDialog(title, "a query", "#run=42 name~^rollout", check, self.wanted), answered)

    def action_marked(self) -> None:
        if self._still_runs():
            return
        running = [row for row in self.services.navigator.marked if row.status == "RUNNING"]
        if running:
            self.take(running)
        else:
            mark = self.services.key_of("fleet.mark")
            self.services.notifier.refuse(f"No running sandbox is marked: {mark} marks them in the fleet.", "marked")

    def _still_runs(self) -> bool:
        runs = self.fan_out is not None and not self.fan_out.is_over
        if runs:
            key = self.services.key_of("results.cancel")
            self.services.notifier.refuse(f"The last command still runs: {key} stops it.", "sandboxes")
        return runs

    def action_type(self) -> None:
        self.query_one(CommandLine).focus()

    def action_back(self) -> None:
        """From typing to the results; from there back to the screen before."""
        if self.query_one(CommandLine).has_focus and len(self.results):
            self.results_view.focus()
        else:
            self.app.pop_screen()

    def action_fold(self) -> None:
        """Show more of an answer or less of it, or an earlier run; from a sandbox go to its answer."""
        targets = self.query_one("#targets", OutputView)
        if targets.has_focus:
            if self.fan_out is not None and targets.cursor < len(self.fan_out.targets):
                line = self.results.line_of(self.fan_out.targets[targets.cursor])
                if line is not None:
                    self.results_view.focus()
                    self.results_view.go_to(line)
            return
        place = self.results.place(self.results_view.cursor)
        if place is None:
            return
        if place.what == "earlier":
            self.show(self.results.earlier(place.number))
        elif place.key is not None:
            now = self.folds.get(place.key, Fold.PREVIEW)
            self.folds[place.key] = now.after(self.results.body(place.key))
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
        self.services.notifier.notify("Long lines are wrapped." if wrap else "Long lines are cut.")

    def action_live(self) -> None:
        self.live = not self.live
        if self.live:
            self.services.notifier.notify(
                "The next command takes SSH: line by line, 16 at a time, as the user that SSH logs in."
            )
        self.redraw()

    def action_retry(self) -> None:
        if self.fan_out is not None and (count := self.fan_out.prepare_retry()):
            self.services.notifier.notify(f"Running it again in {count:,}.")
            self.run_shown()

    def action_mark(self) -> None:
        if self.fan_out is not None:
            failed = [target.id for target in self.fan_out.failed]
            self.services.navigator.mark(failed)
            self.services.notifier.notify(f"Marked the {len(failed):,} on which it failed.")

    def action_save(self) -> None:
        fan_out = self.fan_out
        if fan_out is None:
            return

        def write(path: Path) -> None:
            self.services.files.save(path, lambda: save(fan_out, path))

        ask_new_file(self.app, "Save all answers", "answers", write, label="a new folder or .jsonl file")

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
