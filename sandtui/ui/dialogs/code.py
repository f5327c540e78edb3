"""Shows a form or a launch as code, ready to copy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from sandtui.fleet.text.sanitize import clean_lines
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import BODY, DialogBox
from sandtui.ui.rendering.text import Content, Piece, content, lines


@dataclass(frozen=True, slots=True)
class CodeText:
    """The code in one language; ``key`` copies it."""

    key: str
    title: str
    text: str


class CodeDialog(Dialog[str]):
    """Returns the text to copy, or an empty text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "close", show=False),
        *(Binding(str(number), f"choose({number})", "copy", show=False) for number in range(1, 5)),
    ]

    def __init__(self, texts: Sequence[CodeText]) -> None:
        super().__init__()
        self._texts = texts

    def compose(self) -> Iterable[Widget]:
        with DialogBox("Export", wide=True):
            yield VerticalScroll(Static(self._all()), classes=BODY)
            keys = " · ".join(f"{text.key} copy {text.title}" for text in self._texts)
            yield Static(content(Piece(f"{keys} · esc close", "dim")), id="dialog-keys")

    def action_choose(self, number: int) -> None:
        for text in self._texts:
            if text.key == str(number):
                self.dismiss(text.text)

    def action_close(self) -> None:
        self.dismiss("")

    def _all(self) -> Content:
        rows: list[Content] = []
        for text in self._texts:
            rows.append(content(Piece(f"{text.key}  {text.title}", "key")))
            rows += [content(Piece(_indented(line))) for line in clean_lines(text.text)]
            rows.append(content(""))
        return lines(rows)


def _indented(line: str) -> str:
    """Return a line with its indentation protected: Textual strips leading spaces."""
    bare = line.lstrip(" ")
    return "\N{NO-BREAK SPACE}" * (len(line) - len(bare)) + bare
