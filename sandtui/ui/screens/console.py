"""The console of one sandbox: type a command, see what it prints and how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import Worker

from sandtui.fleet.console import Console, Run
from sandtui.fleet.row import Row
from sandtui.fleet.sanitize import clean
from sandtui.ui.keymap import bindings
from sandtui.ui.render.console import line_pieces, run_state_pieces
from sandtui.ui.render.status import status_pieces
from sandtui.ui.render.text import Content, Piece
from sandtui.ui.screens.base import AppScreen
from sandtui.ui.widgets.line import ChromeLine
from sandtui.ui.widgets.output_view import OutputView

TIMEOUT_SECONDS = 300


class CommandInput(Input):
    """The command line: up and down walk through the history."""

    def __init__(self, console: Console) -> None:
        super().__init__(placeholder="a command for the sandbox's shell", compact=True, id="command")
        self._commands = console
        self._place = 0

    def on_key(self, event: events.Key) -> None:
        """Walk through the history."""
        if event.key not in {"up", "down"}:
            return
        event.stop()
        event.prevent_default()
        commands = self._commands.history
        if not commands:
            return
        self._place = max(0, min(self._place + (1 if event.key == "up" else -1), len(commands)))
        self.value = commands[-self._place] if self._place else ""
        self.cursor_position = len(self.value)

    def restart_history(self) -> None:
        """Begin at the newest command again."""
        self._place = 0


class ConsoleScreen(AppScreen):
    """A console on one sandbox. Its output stays when it is left and opened again."""

    SCOPE = "console"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("console"), *bindings("output")]
    AUTO_FOCUS = "#command"

    def __init__(self, sandbox_id: str) -> None:
        super().__init__()
        self.sandbox_id = sandbox_id
        self._worker: Worker[Run] | None = None
        self._way: Worker[None] | None = None
        self._stale = False

    def compose_body(self) -> Iterable[Widget]:
        """Target line, output, command line."""
        yield ChromeLine(id="target")
        with Vertical(id="output-panel", classes="panel"):
            yield OutputView(self._line, id="output")
        with Vertical(id="command-panel", classes="panel"):
            yield CommandInput(self.console)

    @property
    def console(self) -> Console:
        """The console that is shown."""
        session = self.bridge.session
        if session is None:
            raise RuntimeError("there is no connection")
        return session.console(self.sandbox_id)

    def crumbs(self) -> list[str]:
        """Fleet, the sandbox, exec."""
        return ["Fleet", self._title(), "Exec"]

    def hint_scopes(self) -> tuple[str, ...]:
        """While typing only control keys are ours."""
        typing = self.query_one("#command", Input).has_focus
        return ("console",) if typing else ("output", "console")

    def on_mount(self) -> None:
        """Show what was run here before."""
        self.console.on_change = self._changed
        self._way = self.bridge.open_console(self.console)
        super().on_mount()
        self._draw()

    def on_unmount(self) -> None:
        """Stop listening; a command that runs goes on, over the way that it came."""
        if self.bridge.session is not None:
            self.console.on_change = lambda: None
            if self._way is not None and self.console.running is None:
                self._way.cancel()

    def tick(self) -> None:
        """Let the time of a running command grow."""
        super().tick()
        self._draw_state()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Run the command."""
        event.stop()
        command = event.value
        if not command.strip():
            return
        if self.console.running is not None:
            self.dashboard.say("A command is still running here: ctrl+c stops it.", "warning")
            return
        field = self.query_one(CommandInput)
        field.value = ""
        field.restart_history()
        self.query_one(OutputView).follow()
        self._worker = self.bridge.run_command(self.console, command, TIMEOUT_SECONDS)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """ctrl+c copies, as everywhere, while nothing runs; letters are typed, not keys, in the field."""
        if action == "interrupt":
            return self.console.running is not None
        return True

    def action_interrupt(self) -> None:
        """Stop the command that is running."""
        if self._worker is not None:
            self._worker.cancel()
        else:
            self.app.workers.cancel_group(self.app, f"console {self.sandbox_id}")

    def action_clear(self) -> None:
        """Empty the view."""
        self.console.clear()

    def action_type(self) -> None:
        """Go to the command line."""
        self.query_one("#command", Input).focus()

    def action_follow(self) -> None:
        """Go to the end of the output."""
        self.query_one(OutputView).follow()

    def action_copy(self) -> None:
        """Copy the line under the cursor."""
        line = self.query_one(OutputView).cursor
        if 0 <= line < len(self.console.lines):
            self.dashboard.copy(clean(self.console.lines[line].text))

    def action_back(self) -> None:
        """From typing to the output; from there back to the screen before."""
        output = self.query_one(OutputView)
        if self.query_one("#command", Input).has_focus and self.console.lines:
            output.focus()
        else:
            self.app.pop_screen()

    def _line(self, number: int) -> list[Piece]:
        console = self.console
        if number >= len(console.lines):
            return []
        line = console.lines[number]
        # Runs are numbered from 1 and never removed, so the number is the place.
        return line_pieces(line, console.runs[line.run - 1])

    def _changed(self) -> None:
        if not self._stale:
            self._stale = True
            self.call_later(self._draw)

    def _draw(self) -> None:
        self._stale = False
        if not self.is_mounted:
            return
        self.query_one(OutputView).show(len(self.console.lines))
        self._draw_state()

    def _draw_state(self) -> None:
        row = self._row()
        left = [Piece(" ")]
        if row is not None:
            left += [*status_pieces(row.status), Piece(f"  {clean(row.sandbox.name)}", "bright")]
            left.append(Piece(f"  {clean(row.sandbox.docker_image)}", "dim"))
        left.append(Piece(f"  timeout {TIMEOUT_SECONDS}s", "dim"))
        left.append(Piece("  live" if self.console.live else "  output at the end", "dim"))
        state = run_state_pieces(self.console, self.bridge.clock.monotonic())
        self.query_one("#target", ChromeLine).show(left, [*state, Piece(" ")])
        output = self.query_one("#output-panel")
        output.border_title = Content("output")
        count = f"{len(self.console.lines):,} lines"
        if self.console.dropped:
            count = f"first {self.console.dropped:,} lines dropped · {count}"
        output.border_subtitle = Content(f"{count}")
        command = self.query_one("#command-panel")
        command.border_title = Content(f"command · {self._title()}")
        command.border_subtitle = Content("sh -c")

    def _row(self) -> Row | None:
        session = self.bridge.session
        return session.store.get(self.sandbox_id) if session is not None else None

    def _title(self) -> str:
        row = self._row()
        return clean(row.sandbox.name if row is not None else self.sandbox_id)
