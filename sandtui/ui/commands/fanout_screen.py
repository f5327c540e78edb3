"""One command on many sandboxes: the command line, a line for each sandbox, and what they said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
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
from sandtui.fleet.commands.line.completion import ask, columns
from sandtui.fleet.commands.line.history import PastCommand
from sandtui.fleet.commands.line.masking import told
from sandtui.fleet.commands.line.timeouts import TIMEOUTS, next_timeout
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory.bulk import State
from sandtui.fleet.inventory.bulk_plan import TYPE_THE_COUNT_ABOVE, make_plan
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.commands.command_line import CommandLine
from sandtui.ui.commands.fanout import Results, counts, ends, short_time, tail_pieces, target_pieces
from sandtui.ui.commands.fanout_keys import FanOutKeys
from sandtui.ui.commands.past_commands import search_commands
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.text import Content, Piece, width_of
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView

PAINT_SECONDS = 0.15


class FanOutScreen(FanOutKeys):
    """A command line for many sandboxes. What runs goes on when the screen is left."""

    SCOPE = "fanout"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("fanout"), *bindings("results")]
    AUTO_FOCUS = "#command"

    def __init__(self, services: Services, rows: Sequence[Row], fan_out: FanOut | None = None) -> None:
        super().__init__(services, rows)
        self.fan_out = fan_out
        self._timeout = TIMEOUTS[1]
        self._confirmed = False
        self._past: list[str] = []
        self._made = Bodies()
        self._bodies: dict[Answer, Body] = {}
        self._painting: Timer | None = None
        self._comparing = False
        self._offer: tuple[str, ...] = ()
        self._offered_for = ""
        self._watched: Target | None = None
        self._tail: list[TailLine] = []

    def compose_body(self) -> Iterable[Widget]:
        """Target line, sandboxes beside results, command line."""
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
        return ends(self.fan_out), [Piece(short_time(self.fan_out.seconds()), "dim")]

    def on_mount(self) -> None:
        """Show what ran last, when it is still wanted."""
        super().on_mount()
        search_commands(self.services, "", "", self.whenever_open(self._remember))
        if self.fan_out is not None:
            self.listen(self.fan_out, "on_change", self.changed)
            self.results_view.focus()
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Lay out anew."""
        super().on_resize(event)
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
        """What was offered is for another text."""
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
            self.stop_listening(self.fan_out)
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
            self.stop_listening(self.fan_out)
        self.fan_out = fan_out
        self.listen(fan_out, "on_change", self.changed)
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
        if fan_out is not None and not self._comparing:
            answers = {target.output for target in fan_out.targets if target.output is not None}
            if not answers <= self._bodies.keys() or standard_of(fan_out.targets) != self._made.standard:
                self._comparing = True
                self.run_flow(self._compare(fan_out), "fan-out lines")

    async def _compare(self, fan_out: FanOut) -> None:
        """Make the lines of what has come, off the loop."""
        try:
            made = await asyncio.to_thread(self._made.of, list(fan_out.targets))
            if fan_out is self.fan_out:
                self._bodies = made
        finally:
            self._comparing = False
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
        """Follow the sandbox under the cursor."""
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
        return self.marked_hits(self.results.line(number, max(20, self.results_view.text_width)))

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
