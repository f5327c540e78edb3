"""What the keys do on the results of a fan-out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from pathlib import Path

from sandtui.fleet.commands.fanout import FanOut
from sandtui.fleet.commands.fanout.save import save
from sandtui.fleet.inventory.bulk import State
from sandtui.fleet.inventory.query import QueryError, parse
from sandtui.fleet.inventory.row import Row, seconds
from sandtui.fleet.text.log_lines import find, split
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.commands.command_line import CommandLine
from sandtui.ui.commands.fanout import Fold, Results
from sandtui.ui.commands.history_dialog import HistoryDialog
from sandtui.ui.commands.past_commands import search_commands
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.rendering.text import Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView

NEEDS_RUN = frozenset({
    "cancel", "retry", "mark", "save", "fold", "group", "failures", "search", "wrap", "copy", "copy_answer",
    "next_hit", "previous_hit",
})  # fmt: skip


class FanOutKeys(AppScreen):
    """The actions of the fan-out screen; the screen itself lays out and draws."""

    fan_out: FanOut | None

    def __init__(self, services: Services, rows: Sequence[Row]) -> None:
        super().__init__(services)
        self.rows = sorted(rows, key=lambda row: row.name_key)
        self.together = True
        self.failures_only = False
        self.live = False
        self.folds: dict[Hashable, Fold] = {}
        self.results = Results([], {}, {}, [])
        self.wanted = ""
        self._needle = ""

    @property
    def results_view(self) -> OutputView:
        """Where the answers are."""
        return self.query_one("#results", OutputView)

    def show(self, fan_out: FanOut) -> None:
        """Show a run."""
        raise NotImplementedError

    def run_shown(self) -> None:
        """Run what is shown."""
        raise NotImplementedError

    def take(self, rows: Sequence[Row]) -> None:
        """Have the next command run in these."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw the results as they are wanted now."""
        raise NotImplementedError

    def set_timeout(self) -> None:
        """Take the next time that each may take."""
        raise NotImplementedError

    def marked_hits(self, pieces: list[Piece]) -> list[Piece]:
        """Return pieces with what was looked for marked."""
        if not self._needle:
            return pieces
        return [
            Piece(text, "busy" if hit else piece.role)
            for piece in pieces
            for text, hit in split(piece.text, self._needle)
        ]

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

    # Typing

    def action_interrupt(self) -> None:
        """Ask no more sandboxes and stop what runs."""
        if self.fan_out is not None:
            self.fan_out.cancel()

    def action_cancel(self) -> None:
        """Ask no more sandboxes and stop what runs."""
        self.action_interrupt()

    def action_timeout(self) -> None:
        """Change the seconds that each may take."""
        self.set_timeout()

    def action_job(self) -> None:
        """Start what is typed, or what was run, in the background of each."""
        typed = self.query_one(CommandLine).text.strip()
        command = typed or (self.fan_out.command if self.fan_out is not None else "")
        if command:
            self.services.bulk.start_job(self.rows, command)
        else:
            self.services.notifier.notify("Type the command first.", "warning")

    def action_history(self) -> None:
        """Search the commands that were run."""
        field = self.query_one(CommandLine)

        def answered(command: str | None) -> None:
            if command:
                field.put(command)
                field.focus()

        now, search = self.services.clock.now(), partial(search_commands, self.services)
        self.app.push_screen(HistoryDialog(None, field.text.strip(), now, search), answered)

    def action_targets(self) -> None:
        """Ask for the sandboxes anew."""
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
        """Take what is marked in the fleet."""
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
        """Go to the command line."""
        self.query_one(CommandLine).focus()

    def action_back(self) -> None:
        """From typing to the results; from there back to the screen before."""
        if self.query_one(CommandLine).has_focus and len(self.results):
            self.results_view.focus()
        else:
            self.app.pop_screen()

    # Results

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
        """Fold equal answers together, or show each sandbox alone."""
        self.together = not self.together
        self.redraw()

    def action_failures(self) -> None:
        """Show what failed only, or all."""
        self.failures_only = not self.failures_only
        self.redraw()

    def action_wrap(self) -> None:
        """Cut long lines to the window, or not."""
        wrap = not self.results_view.wrap
        for name in ("#results", "#live"):
            self.query_one(name, OutputView).wrap = wrap
        self.services.notifier.notify("Long lines are wrapped." if wrap else "Long lines are cut.")

    def action_live(self) -> None:
        """Have the next command answered line by line by containers too, or no more."""
        self.live = not self.live
        if self.live:
            self.services.notifier.notify(
                "The next command takes SSH: line by line, 16 at a time, as the user that SSH logs in."
            )
        self.redraw()

    def action_retry(self) -> None:
        """Run it again where it failed."""
        if self.fan_out is not None and (count := self.fan_out.prepare_retry()):
            self.services.notifier.notify(f"Running it again in {count:,}.")
            self.run_shown()

    def action_mark(self) -> None:
        """Mark those that failed, for the next action."""
        if self.fan_out is not None:
            failed = [target.id for target in self.fan_out.failed]
            self.services.navigator.mark(failed)
            self.services.notifier.notify(f"Marked the {len(failed):,} on which it failed.")

    def action_save(self) -> None:
        """Write all that was said."""
        fan_out = self.fan_out
        if fan_out is None:
            return

        def answered(name: str | None) -> None:
            if name:
                path = Path(name).expanduser()
                self.services.files.save(path, lambda: save(fan_out, path))

        def check(name: str) -> str:
            path = Path(name.strip()).expanduser()
            if not name.strip():
                return "a name is missing"
            if path.exists():
                return f"{path} is there already: choose another name"
            return "" if path.parent.is_dir() else f"there is no folder {path.parent}"

        self.app.push_screen(ValueDialog("Save all answers", "a new folder or .jsonl file", "answers", check), answered)

    def action_search(self) -> None:
        """Ask what to look for."""

        def answered(needle: str | None) -> None:
            if needle:
                self._needle = needle
                self.results_view.refresh()
                self._go(self.results_view.cursor, 1)

        self.app.push_screen(ValueDialog("Search", "a text", "error", lambda _: "", self._needle), answered)

    def action_next_hit(self) -> None:
        """Go to the next line that holds it."""
        self._go(self.results_view.cursor + 1, 1)

    def action_previous_hit(self) -> None:
        """Go to the line before that holds it."""
        self._go(self.results_view.cursor - 1, -1)

    def action_copy(self) -> None:
        """Copy what is selected, or the line under the cursor."""
        selected = self.get_selected_text()
        if selected:
            self.services.clipboard.copy_text(selected)
        else:
            self.services.clipboard.copy(self.results_view.plain(self.results_view.cursor).strip())

    def action_copy_answer(self) -> None:
        """Copy the whole answer under the cursor."""
        each = self.results.group_at(self.results_view.cursor)
        if each is None:
            return
        body = self.results.body(each.key)
        lines = [each.problem] if each.answer is None else []
        lines += [line.text for line in body.lines] if body is not None else []
        self.services.clipboard.copy_lines(lines, f"{len(lines):,} lines")

    def _go(self, start: int, step: int) -> None:
        view = self.results_view
        texts = [view.plain(number) for number in range(len(self.results))]
        line = find(texts, self._needle, start, step)
        if line is None:
            key = self.services.key_of("results.search")
            self.services.notifier.notify(
                f"{self._needle} is not there." if self._needle else f"{key} asks what to look for."
            )
        else:
            view.go_to_text(line, self._needle)
