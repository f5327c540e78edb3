"""Rows of KEY and value for variables and secrets; a ``.env`` file can be pasted."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from textual import events
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input

from sandtui.fleet.creation.values import FieldProblem, dotenv, split_words

REFERENCES = ("@env:", "@file:")


class _PairInput(Input):
    """A field of a row. ``=`` in the key moves to the value; pasted lines become rows."""

    async def _on_key(self, event: events.Key) -> None:
        row = self.parent
        if not isinstance(row, PairRow) or self is not row.key or event.character is None:
            return
        # Keys that were typed ahead arrive here although the cursor has moved to the value.
        late = self.screen.focused is row.value and event.is_printable
        if late:
            row.value.insert_text_at_cursor(event.character)
        elif event.character == "=" and not self.value.startswith("@"):
            self.screen.set_focus(row.value)
        if late or event.character == "=":
            event.stop()
            event.prevent_default()

    def _on_paste(self, event: events.Paste) -> None:
        if "\n" in event.text.strip():
            event.prevent_default()
            event.stop()
            rows = self.query_ancestor(PairRows)
            rows.add_pairs(dotenv(event.text))


class PairRow(Horizontal):
    """One key and one value."""

    DEFAULT_CSS = """
    PairRow { height: 1; & > .pair-key { width: 2fr; } & > .pair-value { width: 3fr; margin-left: 1; } }
    """

    def __init__(self, key: str, value: str, *, secret: bool) -> None:
        super().__init__()
        masked = secret and not value.startswith(REFERENCES)
        example = "value or @env:NAME" if secret else "value"
        self.key = _PairInput(key, compact=True, placeholder="KEY or @.env", classes="pair-key")
        self.value = _PairInput(value, compact=True, placeholder=example, classes="pair-value", password=masked)

    def compose(self) -> Iterable[Widget]:
        yield self.key
        yield self.value

    @property
    def is_empty(self) -> bool:
        """Whether both fields are empty."""
        return not (self.key.value or self.value.value)

    @property
    def word(self) -> str:
        """The row as one word of the form's text."""
        key, value = self.key.value, self.value.value
        if not value and (key.startswith("@") or "=" in key):
            return shlex.quote(key)
        return f"{shlex.quote(key) if key else ''}={shlex.quote(value) if value else ''}"


class PairRows(Vertical):
    """All rows, and an empty one below them. ``text`` holds them as ``KEY=value`` words."""

    DEFAULT_CSS = "PairRows { height: auto; }"

    def __init__(self, text: str, *, secret: bool, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._secret = secret
        self._rows = self._read(text)

    def compose(self) -> Iterable[Widget]:
        yield from self._rows

    @property
    def text(self) -> str:
        """All rows, secrets included."""
        return " ".join(row.word for row in self._rows if not row.is_empty)

    @text.setter
    def text(self, text: str) -> None:
        if text != self.text:
            old, self._rows = self._rows, self._read(text)
            self.remove_children(old)
            self.mount(*self._rows)

    def focus_first(self) -> None:
        """Focus the first row."""
        self._rows[0].key.focus()

    def add_pairs(self, pairs: Iterable[str]) -> None:
        """Add ``KEY=value`` words as rows; an existing key gets the new value."""
        by_key = {row.key.value: row for row in self._rows}
        for pair in pairs:
            key, _, value = pair.partition("=")
            if key in by_key:
                by_key[key].value.value = value
                continue
            row = self._rows[-1]
            row.key.value, row.value.value = key, value
            by_key[key] = row
            self._add_empty()

    def on_input_changed(self, event: Input.Changed) -> None:
        row = event.input.parent
        if not isinstance(row, PairRow) or row not in self._rows:
            return
        if self._secret:
            row.value.password = not row.value.value.startswith(REFERENCES)
        if not self._rows[-1].is_empty:
            self._add_empty()

    def on_descendant_blur(self, _: events.DescendantBlur) -> None:
        self.call_after_refresh(self._prune)

    def _prune(self) -> None:
        focused = self.screen.focused if self.is_attached else None
        for row in self._rows[:-1]:
            if row.is_empty and focused not in (row.key, row.value):
                self._rows.remove(row)
                row.remove()

    def _add_empty(self) -> None:
        row = PairRow("", "", secret=self._secret)
        self._rows.append(row)
        if self.is_attached:
            self.mount(row)

    def _read(self, text: str) -> list[PairRow]:
        try:
            words = split_words(text)
        except FieldProblem:
            words = [text]
        rows = []
        for word in words:
            key, _, value = ("", "", "") if word.startswith("@") else word.partition("=")
            rows.append(PairRow(key or word, value, secret=self._secret))
        return [*rows, PairRow("", "", secret=self._secret)]
