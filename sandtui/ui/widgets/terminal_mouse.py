"""The mouse over a terminal: to the program if it has asked for it, else it scrolls and follows links."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.widget import Widget

from sandtui.terminal import Emulation, TerminalText
from sandtui.terminal.keys import key_bytes, mouse_bytes

WHEEL_LINES = 3


class TerminalMouse(Widget):
    """The part of :class:`TerminalView` that handles the mouse; with shift held it is always the screen's."""

    text: TerminalText
    typing: bool
    send: Callable[[bytes], None]

    @property
    def terminal(self) -> Emulation:
        """What is shown."""
        return self.text.terminal

    @property
    def top(self) -> int:
        """The number of the first line in view."""
        raise NotImplementedError

    def scroll_lines(self, step: int) -> None:
        """Scroll the view."""
        raise NotImplementedError

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Press."""
        if self._tell("press", event.button, event):
            self.capture_mouse()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go."""
        self.release_mouse()
        self._tell("release", event.button, event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move."""
        self._tell("move", event.button, event)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Turn the wheel up."""
        self._wheel(event, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Turn the wheel down."""
        self._wheel(event, 1)

    def on_click(self, event: events.Click) -> None:
        """Follow a link, with ctrl held."""
        if event.ctrl and not self.terminal.modes.mouse:
            from sandtui.ui.widgets.terminal_view import TerminalView

            place = 0
            for run in self.text.runs(self.top + event.y):
                if place <= event.x < place + run.cells and run.pen.link:
                    self.post_message(TerminalView.LinkChosen(run.pen.link))
                place += run.cells

    def _wheel(self, event: events.MouseEvent, step: int) -> None:
        event.stop()
        modes = self.terminal.modes
        if self._tell("scroll", 1 if step < 0 else 2, event):
            return
        if self.typing and self.terminal.is_alternate and modes.alternate_scroll:
            # Programs like less have no scrollback here: the wheel moves their text, as in xterm.
            self.send(key_bytes("up" if step < 0 else "down", None, modes) * WHEEL_LINES)
        else:
            self.scroll_lines(step * WHEEL_LINES)

    def _tell(self, kind: str, button: int, event: events.MouseEvent) -> bool:
        if not self.typing or event.shift:
            return False
        modes = self.terminal.modes
        # A program is told of its own cells only, wherever a drag has gone.
        x, y = max(0, min(event.x, self.size.width - 1)), max(0, min(event.y, self.size.height - 1))
        if kind in {"press", "release"} and not 1 <= button <= 3:
            return False
        data = mouse_bytes(kind, button, x, y, modes, alt=event.meta, control=event.ctrl)
        if data:
            event.stop()
            self.send(data)
        return bool(data)
