"""A multi-line command input with history, continuation and completion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from sandtui.fleet.commands.line.continuation import goes_on
from sandtui.fleet.text.sanitize import clean


class CommandLine(TextArea):
    """Enter runs a complete command; up and down on the first and last line go through ``history`` (oldest first)."""

    DEFAULT_CSS = """
    CommandLine {
        height: auto; max-height: 8; padding: 0 1; background: $background;
        &:focus { background: $panel; }
        &.-textual-compact { border: none; padding: 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j", "newline", "new line", show=False),
        Binding("tab", "complete", "complete", show=False),
    ]

    @dataclass
    class Submitted(Message):
        """A complete command was submitted."""

        text: str

    @dataclass
    class CompletionWanted(Message):
        """Tab was pressed; ``before`` is the text up to the cursor."""

        before: str

    def __init__(self, history: Callable[[], Sequence[str]], placeholder: str, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(
            id=id,
            placeholder=placeholder,
            compact=True,
            soft_wrap=True,
            highlight_cursor_line=False,
            tab_behavior="focus",
        )
        self._history = history
        self._place = 0
        self._typed = ""

    def put(self, text: str) -> None:
        """Replace the text and move the cursor to its end."""
        self.text = "\n".join(map(clean, text.split("\n")))
        self.move_cursor(self.document.end)

    def restart(self) -> None:
        """Clear the text and go back to the newest history entry."""
        self._place = 0
        self._typed = ""
        self.text = ""

    @property
    def before_cursor(self) -> str:
        """The text up to the cursor."""
        return self.get_text_range((0, 0), self.cursor_location)

    def complete(self, before: str, rest: str) -> bool:
        """Insert a completion; return False if the text has changed meanwhile."""
        if self.before_cursor != before:
            return False
        if rest:
            self.insert(rest)
        return True

    def on_key(self, event: events.Key) -> None:
        """Handle Enter before the text area does."""
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.action_submit()

    def on_paste(self, event: events.Paste) -> None:
        """Insert pasted lines unchanged; never run them automatically."""
        event.stop()
        event.prevent_default()
        lines = event.text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
        self.insert("\n".join(clean(line.expandtabs(4)) for line in lines))

    def action_submit(self) -> None:
        """Run the command, or insert a newline if it is incomplete."""
        if goes_on(self.text):
            self.action_newline()
        elif self.text.strip():
            self.post_message(self.Submitted(self.text))

    def action_newline(self) -> None:
        self.insert("\n")

    def action_complete(self) -> None:
        self.post_message(self.CompletionWanted(self.before_cursor))

    def action_cursor_up(self, select: bool = False) -> None:
        """Move up; on the first line go to the previous history entry."""
        if select or self.cursor_location[0] > 0:
            super().action_cursor_up(select)
        else:
            self._walk(1)

    def action_cursor_down(self, select: bool = False) -> None:
        """Move down; on the last line go to the next history entry."""
        if select or self.cursor_location[0] < self.document.line_count - 1:
            super().action_cursor_down(select)
        else:
            self._walk(-1)

    def _walk(self, step: int) -> None:
        commands = self._history()
        index = max(0, min(self._place + step, len(commands)))
        if index == self._place:
            return
        if self._place == 0:
            self._typed = self.text
        self._place = index
        self.put(commands[-index] if index else self._typed)
