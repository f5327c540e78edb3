"""The manual, opened at the page about the current screen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.fleet.text.search import Lines, Search
from sandtui.manual import TOPICS, terminal_page, title
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.manual import page_lines
from sandtui.ui.rendering.text import Content, Piece, Role, content
from sandtui.ui.theme.roles import RoleView

TOPIC_OF_SCOPE: Mapping[str, str] = {
    "app": "start",
    "activity": "activity",
    "fleet": "fleet",
    "bulk": "fleet",
    "detail": "fleet",
    "checkpoints": "checkpoints",
    "compare": "checkpoints",
    "volumes": "checkpoints",
    "create": "create",
    "launch": "create",
    "console": "console",
    "output": "console",
    "fanout": "fan-out",
    "results": "fan-out",
    "files": "files",
    "queue": "files",
    "preview": "files",
    "log": "logs",
    "ports": "ports",
    "jobs": "jobs",
    "job_log": "jobs",
    "terminal": "shells",
    "shell": "shells",
    "recordings": "shells",
    "player": "shells",
}
"""The page about each scope of the registry."""

ROLE_OF_STYLE: Mapping[str, Role] = {
    "markdown.h1": "bright",
    "markdown.h2": "key",
    "markdown.h3": "key",
    "markdown.code": "info",
    "markdown.code_block": "info",
    "markdown.item.bullet": "key",
    "markdown.item.number": "key",
    "markdown.strong": "bright",
    "markdown.table.border": "dim",
    "markdown.table.header": "dim",
    "markdown.link": "text",
    "markdown.link_url": "dim",
}

PAGES_KEPT = 16
"""Pages that are kept as they were laid out."""

KEYS = "/ search · n N next or previous match · ] [ page · esc close"


class ManualView(RoleView, can_focus=True):
    """A scrolling page. It is laid out in a thread, because that would block the event loop."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"manual-view--match"}
    DEFAULT_CSS = "ManualView { overflow: hidden scroll; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "up", show=False),
        Binding("down,j,enter", "scroll_down", "down", show=False),
        Binding("pageup", "page_up", "page up", show=False),
        Binding("pagedown,space", "page_down", "page down", show=False),
        Binding("home,g", "scroll_home", "first", show=False),
        Binding("end,G", "scroll_end", "last", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="manual")
        self._text = ""
        self._strips: list[Strip] = []
        self._match: int | None = None

    def show(self, text: str) -> None:
        """Show a page from its beginning."""
        self._text, self._match = text, None
        self.scroll_to(y=0, animate=False, immediate=True, force=True)
        self._lay_out()

    def find(self, needle: str, step: int) -> bool:
        """Go to the next match of a text, or with ``step`` -1 to the previous one; return whether there is one."""
        lines = Lines.of(len(self._strips), lambda index: self._strips[index].text)
        cursor = self._match if self._match is not None else self.scroll_offset.y - 1
        self._match = Search(needle).go(lines, cursor, step)
        if self._match is not None and not 0 <= self._match - self.scroll_offset.y < self.size.height:
            self.scroll_to(y=self._match - self.size.height // 3, animate=False, immediate=True, force=True)
        self.refresh()
        return self._match is not None

    def on_resize(self) -> None:
        self._lay_out()

    def notify_style_update(self) -> None:
        """Use the colors of the new theme."""
        super().notify_style_update()
        if self.is_mounted:
            self._lay_out()

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        if self._text and width > 0:
            styles = tuple((name, self.role_style(role)) for name, role in ROLE_OF_STYLE.items())
            self.run_worker(self._show_lines(self._text, width, styles), group="manual", exclusive=True)

    async def _show_lines(self, text: str, width: int, styles: tuple[tuple[str, Style], ...]) -> None:
        self._strips = await asyncio.to_thread(_strips, text, width, styles)
        self.virtual_size = Size(width, len(self._strips))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        index = self.scroll_offset.y + y
        base = self.rich_style
        strip = self._strips[index] if index < len(self._strips) else Strip([Segment("")])
        if index == self._match:
            base += self.get_component_rich_style("manual-view--match", partial=True)
        return strip.apply_style(base).adjust_cell_length(self.size.width, base)


class ManualDialog(Dialog[None]):
    """Shows a page of the manual; keys turn to the other pages."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,f1", "close", "close", show=False),
        Binding("slash", "search", "search", show=False),
        Binding("n", "find(1)", "next match", show=False),
        Binding("N", "find(-1)", "previous match", show=False),
        Binding("right_square_bracket,right,l", "turn(1)", "next page", show=False),
        Binding("left_square_bracket,left,h", "turn(-1)", "previous page", show=False),
    ]
    AUTO_FOCUS = "#manual"

    def __init__(self, topic: str) -> None:
        super().__init__()
        self._topic = topic
        self._needle = ""

    def compose(self) -> Iterable[Widget]:
        with Vertical(id="dialog", classes="manual"):
            yield ManualView()
            field = Input(placeholder="search", id="manual-search", compact=True)
            field.display = False
            yield field
            yield Static(content(Piece(KEYS, "dim")), id="dialog-keys")

    def on_mount(self) -> None:
        self._show()

    def action_close(self) -> None:
        """Close the search, then the manual."""
        field = self.query_one("#manual-search", Input)
        if field.display:
            self._end_search(field)
        else:
            self.dismiss(None)

    def action_search(self) -> None:
        field = self.query_one("#manual-search", Input)
        field.display = True
        field.value = ""
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._end_search(event.input)
        self._needle = event.value.strip()
        self.action_find(1)

    def action_find(self, step: int) -> None:
        if not self._needle:
            self.action_search()
        elif self.query_one(ManualView).find(self._needle.lower(), step):
            self._show_hint(KEYS)
        else:
            self._show_hint(f"No match for {self._needle} on this page")

    def action_turn(self, step: int) -> None:
        self._topic = TOPICS[(TOPICS.index(self._topic) + step) % len(TOPICS)]
        self._show()

    def _show(self) -> None:
        self.query_one("#dialog").border_title = Content(f"Manual: {title(self._topic)}")
        self._show_hint(KEYS)
        # The heading is the title of the dialog.
        self.query_one(ManualView).show(terminal_page(self._topic, commands=False).partition("\n")[2])

    def _show_hint(self, text: str) -> None:
        self.query_one("#dialog-keys", Static).update(content(Piece(text, "dim")))

    def _end_search(self, field: Input) -> None:
        field.display = False
        self.query_one(ManualView).focus()


@lru_cache(maxsize=PAGES_KEPT)
def _strips(text: str, width: int, styles: tuple[tuple[str, Style], ...]) -> list[Strip]:
    """Lay out a page, which takes a fifth of a second; its reader often comes back to it."""
    return [Strip(line) for line in page_lines(text, width, dict(styles))]
