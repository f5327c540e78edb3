"""A section of the create form. Folded it is one line, and its fields are composed when it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.widget import Widget

from sandtui.fleet.creation.form import VARIABLES
from sandtui.fleet.creation.values import names_of
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.creation.form_field import FieldLine
from sandtui.ui.rendering.text import Content, Piece, content, fit_middle, width_of

FOLDED_SIGN = "▸"
VALUE_WIDTH = 24
"""Cells of a value that a folded section names."""


class SectionLine(Widget, can_focus=True):
    """The line of a folded section: what differs from the defaults, or what is wrong."""

    DEFAULT_CSS = """
    SectionLine {
        height: 1; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis;
        &:focus { background: $primary 15%; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space,right", "open", "open", show=False)]

    class Opened(Message):
        """The user wants to see the fields."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, name: str) -> None:
        super().__init__()
        self._title = name
        self._pieces: list[Piece] = []

    def show(self, pieces: list[Piece]) -> None:
        """Show what the section holds."""
        if pieces != self._pieces:
            self._pieces = pieces
            self.refresh()

    def render(self) -> Content:
        return content(Piece(f"{FOLDED_SIGN} {self._title}", "bright"), Piece("  "), *self._pieces)

    def essentials(self) -> list[Region]:
        """Return all of the line while it has the focus."""
        return [Region(0, 0, *self.size)] if self.has_focus else []

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        self.post_message(self.Opened(self._title))


class FormSection:
    """The fields under one heading."""

    def __init__(self, name: str, lines: Sequence[FieldLine], *, is_folded: bool) -> None:
        self.name, self.lines, self.is_folded = name, lines, is_folded
        self.heading = self._new_heading()

    def widgets(self) -> Sequence[Widget]:
        """Return what is composed at first."""
        return [self.heading] if self.is_folded else self.lines

    @property
    def has_focus(self) -> bool:
        """Whether the focus is in it."""
        if self.is_folded:
            return self.heading.has_focus
        return any(line.has_focus_within for line in self.lines)

    def focus(self) -> None:
        """Focus the first field, or the line of a folded section."""
        if self.is_folded:
            self.heading.focus()
        else:
            self.lines[0].focus_field()
            # As much of it as there is room for, its heading in any case.
            self.lines[-1].scroll_visible(animate=False)
            self.lines[0].scroll_visible(animate=False)

    @property
    def is_at_start(self) -> bool:
        """Whether the focus is where :meth:`focus` puts it."""
        return self.is_folded or self.lines[0].has_focus_within

    async def open(self, form: Widget) -> None:
        """Show the fields."""
        if not self.is_folded:
            return
        self.is_folded = False
        if self.lines[0].is_composed:
            for line in self.lines:
                line.display = True
        else:
            await form.mount(*self.lines, after=self.heading)
        await self.heading.remove()

    async def fold(self, form: Widget) -> None:
        """Hide the fields behind one line."""
        if self.is_folded:
            return
        self.is_folded = True
        self.heading = self._new_heading()
        await form.mount(self.heading, before=self.lines[0])
        for line in self.lines:
            line.display = False

    def _new_heading(self) -> SectionLine:
        heading = SectionLine(self.name)
        heading.set_class(self.lines[0].has_class("-spaced"), "-spaced")
        return heading

    def draw(self, problems: Mapping[str, str]) -> None:
        """Show on the line of a folded section what it holds."""
        if self.is_folded:
            self.heading.show(self._summary(problems))

    def _summary(self, problems: Mapping[str, str]) -> list[Piece]:
        wrong = [
            Piece(f"✖ {line.field.label}: {clean(problems[line.field.id])}", "bad")
            for line in self.lines
            if line.field.id in problems
        ]
        if wrong:
            return wrong[:1]
        changed = [line for line in self.lines if line.value.strip() != line.field.default]
        if changed:
            pieces = []
            for line in changed:
                value = _shown(line)
                value = fit_middle(value, VALUE_WIDTH) if width_of(value) > VALUE_WIDTH else value
                pieces += [Piece(f"{line.field.label.lower()} ", "dim"), Piece(f"{value}  ", "key")]
            return pieces
        return [Piece(", ".join(line.field.label.lower() for line in self.lines), "dim")]


def _shown(line: FieldLine) -> str:
    """Return what the line of a folded section says of a field; of variables, whose values may be secret, the names."""
    if line.field.secret:
        return "set"
    text = clean(line.value.strip())
    if line.field.id == VARIABLES:
        return " ".join(names_of(text)) or "none"
    return text or "none"
