"""What the keys do on the output of a console."""

from __future__ import annotations

from pathlib import Path

from sandtui.config.paths import write_new
from sandtui.fleet.commands.console import Console
from sandtui.fleet.text.log_lines import find_among, split
from sandtui.fleet.text.sanitize import clean, output_line
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.commands.command_line import CommandLine
from sandtui.ui.commands.console import line_pieces
from sandtui.ui.commands.console_rows import ConsoleRows
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.rendering.text import Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView

NEEDS_OUTPUT = frozenset({"fold", "fold_all", "rerun", "copy", "copy_output", "save", "search"})


class ConsoleKeys(AppScreen):
    """The actions on the output; the console's screen itself lays out, runs and draws."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._needle = ""

    @property
    def console(self) -> Console:
        """The console that is shown."""
        raise NotImplementedError

    @property
    def rows(self) -> ConsoleRows:
        """Its lines as rows of the screen."""
        raise NotImplementedError

    @property
    def output_view(self) -> OutputView:
        """Where the rows are."""
        return self.query_one("#output", OutputView)

    @property
    def line_at_cursor(self) -> int | None:
        """The number of the line under the cursor."""
        row = self.output_view.cursor
        line = self.rows.line(row) if row < len(self.rows) else -1
        return line if 0 <= line < len(self.console.lines) else None

    def draw(self) -> None:
        """Draw what has changed."""
        raise NotImplementedError

    def run_command(self, command: str) -> bool:
        """Run a command, unless one runs; return whether it was begun."""
        raise NotImplementedError

    def marked_hits(self, pieces: list[Piece]) -> list[Piece]:
        """Return pieces with what was looked for marked."""
        if not self._needle:
            return pieces
        parts = ((piece, text, hit) for piece in pieces for text, hit in split(piece.text, self._needle))
        return [Piece(text, "key") if hit else Piece(text, piece.role, piece.ink) for piece, text, hit in parts]

    def why_not(self, action: str) -> str:
        """Return that there is no output yet, or that its end is followed already."""
        if action in NEEDS_OUTPUT and not self.console.lines:
            return f"Nothing was run yet: {self.services.key_of('output.type')} goes to the command line."
        if action == "interrupt" and self.console.running is None and not self.has_selection:
            return f"No command is running here. {self.services.key_of('app.quit')} quits."
        if action == "clear" and not self.console.lines:
            return "There is no output to clear."
        if action == "follow" and self.output_view.following:
            return "The end of the output is followed already."
        return ""

    def action_type(self) -> None:
        """Go to the command line."""
        self.query_one(CommandLine).focus()

    def action_follow(self) -> None:
        """Go to the end of the output."""
        self.output_view.follow()

    def action_fold(self) -> None:
        """Show of the command under the cursor its line only, or all again."""
        line = self.line_at_cursor
        if line is not None:
            number = self.console.lines[line].run
            self.console.folded ^= {number}
            self._fold_at(self._first_line(number) if number in self.console.folded else line)

    def action_fold_all(self) -> None:
        """Fold the output of all commands, or open it."""
        line = self.line_at_cursor
        numbers = {run.number for run in self.console.runs}
        self.console.folded = set() if self.console.folded else numbers
        if line is not None:
            self._fold_at(self._first_line(self.console.lines[line].run) if self.console.folded else line)

    def action_wrap(self) -> None:
        """Cut long lines to the window, or not."""
        view = self.output_view
        view.wrap = not view.wrap
        self.services.notifier.notify("Long lines are wrapped." if view.wrap else "Long lines are cut.")

    def action_search(self) -> None:
        """Ask what to look for."""

        def answered(needle: str | None) -> None:
            if needle:
                self._needle = needle
                self.output_view.refresh()
                self._go(self.line_at_cursor or 0, -1)

        self.app.push_screen(ValueDialog("Search the output", "a text", "error", lambda _: "", self._needle), answered)

    def action_next_hit(self) -> None:
        """Go to the next line that holds it."""
        self._go((self.line_at_cursor or 0) + 1, 1)

    def action_previous_hit(self) -> None:
        """Go to the line before that holds it."""
        self._go((self.line_at_cursor or 0) - 1, -1)

    def action_rerun(self) -> None:
        """Run the command under the cursor again."""
        line = self.line_at_cursor
        if line is not None:
            self.run_command(self.console.runs[self.console.lines[line].run - 1].command)

    def action_copy(self) -> None:
        """Copy what is selected, or the line under the cursor."""
        selected, line = self.get_selected_text(), self.line_at_cursor
        if selected:
            self.services.clipboard.copy_text(selected)
        elif line is not None:
            self.services.clipboard.copy(output_line(self.console.lines[line].text))

    def action_copy_output(self) -> None:
        """Copy all that the command under the cursor printed."""
        line = self.line_at_cursor
        if line is not None:
            number = self.console.lines[line].run
            texts = [output_line(each.text) for each in self.console.output_of(number)]
            self.services.clipboard.copy_lines(texts, f"{len(texts):,} lines of run {number}")

    def action_save(self) -> None:
        """Write all that is kept here to a file."""
        lines, runs = list(self.console.lines), list(self.console.runs)

        def answered(name: str | None) -> None:
            if name:
                path = Path(name).expanduser()

                def write() -> str:
                    texts = ("".join(piece.text for piece in line_pieces(line, runs[line.run - 1])) for line in lines)
                    write_new(path, "\n".join(texts) + "\n")
                    return f"{len(lines):,} lines of output"

                self.services.files.save(path, write)

        def check(name: str) -> str:
            return "" if name.strip() else "a file is missing"

        self.app.push_screen(ValueDialog("Save the output", "a new file", "console.txt", check), answered)

    def _first_line(self, number: int) -> int:
        return next((place for place, line in enumerate(self.console.lines) if line.run == number), 0)

    def _fold_at(self, line: int) -> None:
        """Draw with other lines folded; unless the end is followed a line stays where it was seen."""
        self.draw()
        if not self.output_view.following:
            self.output_view.keep(self.rows.row_of(line))

    def _go(self, start: int, step: int) -> None:
        lines = self.console.lines
        found = find_among(len(lines), lambda place: output_line(lines[place].text), self._needle, start, step)
        if found is None:
            key = self.services.key_of("output.search")
            words = f"{clean(self._needle)} is not in the output." if self._needle else f"{key} asks what to look for."
            self.services.notifier.notify(words)
            return
        self.console.folded -= {lines[found].run}
        self.draw()
        self.output_view.go_to_text(self.rows.row_of(found), self._needle)
