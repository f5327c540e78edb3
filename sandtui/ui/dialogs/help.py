"""Keyboard shortcuts of the screen, generated from the registry of actions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from sandtui.fleet.actions import GLOBAL, Action
from sandtui.fleet.actions.grammar import KeyGroup, group_of
from sandtui.fleet.keymap import Keymap, key_label
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.text import Content, Piece, content
from sandtui.ui.widgets.option_menu import OptionMenu

MANUAL = "app.manual"
MOST_WIDTH = 122
FRAME = 12
"""Cells of the dialog that are not text: border, padding, the gap between the columns, two scroll bars."""
FRAME_LINES = 7
"""Lines that are not help: border, padding, search, keys."""
MIN_KEY_WIDTH, MAX_KEY_WIDTH = 7, 14
MOVING = (
    ("j k ↑ ↓", "Next and previous line"),
    ("g G home end", "First and last line"),
    ("pgup pgdn", "Previous and next page"),
)
"""Keys of every list."""

Section = tuple[str, list["Entry"]]


class Entry:
    """One line of help. ``id`` is empty if it cannot be run from here."""

    def __init__(self, keys: str, text: str, id: str = "") -> None:  # noqa: A002
        self.keys, self.text, self.id = keys, text, id

    def matches(self, words: Sequence[str]) -> bool:
        """Whether it holds all words."""
        text = f"{self.keys} {self.text} {self.id}".lower()
        return all(word in text for word in words)


class HelpDialog(Dialog[str]):
    """Returns the id of the action to run, or an empty text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", show=False),
        Binding("q,question_mark,f1", "close", "close", show=False),
        Binding("f3", "manual", "manual", show=False),
        Binding("slash", "search", "search", show=False),
        Binding("left,h", "column(0)", "left column", show=False),
        Binding("right,l,tab", "column(1)", "right column", show=False),
    ]
    AUTO_FOCUS = "#help-left"

    def __init__(self, actions: list[Action], keymap: Keymap) -> None:
        super().__init__()
        self._actions = actions
        self._keymap = keymap
        self._taken = {key for action in actions if action.scope != GLOBAL for key in keymap.of(action)}
        self._drawn: tuple[int, str] | None = None

    def compose(self) -> Iterable[Widget]:
        with Vertical(id="dialog", classes="help") as dialog:
            dialog.border_title = Content("Keyboard shortcuts")
            search = Input(placeholder="search keys and actions", compact=True, id="help-search")
            search.display = False
            yield search
            with Horizontal(id="help-columns"):
                yield OptionMenu(id="help-left", compact=True)
                yield OptionMenu(id="help-right", compact=True)
            yield Static(content(Piece("enter run · / search · f3 manual · esc close", "dim")), id="dialog-keys")

    def on_mount(self) -> None:
        self._fill()

    def on_resize(self) -> None:
        self._fill()

    @on(Input.Changed)
    def _search_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._fill()

    @on(Input.Submitted)
    def _search_ended(self, event: Input.Submitted) -> None:
        """Go to the first match."""
        event.stop()
        self._columns[0].focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(event.option.id or "")

    def on_descendant_focus(self) -> None:
        """Show the cursor in the focused column only."""
        for column in self._columns:
            if not column.has_focus:
                column.highlighted = None
            elif column.highlighted is None:
                column.action_first()

    def action_search(self) -> None:
        search = self.query_one("#help-search", Input)
        search.display = True
        search.focus()

    def action_column(self, index: int) -> None:
        if self._columns[index].option_count:
            self._columns[index].focus()

    def action_manual(self) -> None:
        self.dismiss(MANUAL)

    def action_back(self) -> None:
        """End the search, then close."""
        search = self.query_one("#help-search", Input)
        if search.display:
            search.value, search.display = "", False
            self._columns[0].focus()
        else:
            self.dismiss("")

    def action_close(self) -> None:
        self.dismiss("")

    @property
    def _columns(self) -> tuple[OptionMenu, OptionMenu]:
        return self.query_one("#help-left", OptionMenu), self.query_one("#help-right", OptionMenu)

    def _fill(self) -> None:
        search = self.query_one("#help-search", Input).value
        width = (min(MOST_WIDTH, self.app.size.width * 95 // 100) - FRAME) // 2
        if self._drawn == (width, search):
            return
        self._drawn = (width, search)
        words = search.lower().split()
        sections = [(title, [each for each in entries if each.matches(words)]) for title, entries in self._sections()]
        sections = [(title, entries) for title, entries in sections if entries]
        keys = max((len(each.keys) for _, entries in sections for each in entries), default=0)
        key_width = min(max(keys, MIN_KEY_WIDTH), MAX_KEY_WIDTH) + 2
        halves = _halves(sections, width - key_width)
        for column, part in zip(self._columns, halves, strict=True):
            column.clear_options()
            column.add_options(self._options(part, key_width, width))
            if column.has_focus:
                column.action_first()
        height = max(_height(part, width - key_width) for part in halves)
        self.query_one("#help-columns").styles.height = max(3, min(height, self.app.size.height - FRAME_LINES))
        if not sections:
            self._columns[0].add_option(Option(content(Piece("No matches", "dim")), disabled=True))

    def _sections(self) -> Iterable[Section]:
        yield from (
            (
                str(group),
                [
                    *(self._entry(each) for each in self._actions if each.scope != GLOBAL and group_of(each) is group),
                    *(Entry(keys, text) for keys, text in MOVING if group is KeyGroup.MOVE),
                ],
            )
            for group in KeyGroup
        )
        yield "Global", [self._entry(each) for each in self._actions if each.scope == GLOBAL]

    def _entry(self, action: Action) -> Entry:
        # A global key that the screen uses for something else is left out.
        own = [key for key in self._keymap.of(action) if action.scope != GLOBAL or key not in self._taken]
        keys = " ".join(map(key_label, own)) or (f":{action.command}" if action.command else "")
        return Entry(keys, action.help, action.id)

    @staticmethod
    def _options(sections: Sequence[Section], key_width: int, width: int) -> Iterable[Option]:
        for number, (title, entries) in enumerate(sections):
            if number:
                yield Option(content(Piece(" ")), disabled=True)
            yield Option(content(Piece(title, "bright")), disabled=True)
            for entry in entries:
                lines = wrap(entry.text, max(10, width - key_width))
                # No-break spaces, because Textual strips ordinary ones at the start of a line.
                text = ("\n" + "\N{NO-BREAK SPACE}" * key_width).join(lines)
                keys = f"{entry.keys:<{key_width - 1}} "
                pieces = (Piece(keys, "key"), Piece(text, "text" if entry.id else "dim"))
                yield Option(content(*pieces), id=entry.id or None, disabled=not entry.id)


def _halves(sections: Sequence[Section], width: int) -> tuple[Sequence[Section], Sequence[Section]]:
    """Return the sections of the left and of the right column, of about the same height."""
    heights = [_height([section], width) for section in sections]
    best = min(range(len(sections) + 1), key=lambda split: (max(sum(heights[:split]), sum(heights[split:])), -split))
    return sections[:best], sections[best:]


def _height(sections: Sequence[Section], width: int) -> int:
    """Return the number of lines, with a heading and a blank line for each section."""
    return sum(2 + sum(len(wrap(each.text, max(10, width))) for each in entries) for _, entries in sections)
