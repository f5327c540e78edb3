"""Rows of KEY and value for variables and secrets; a ``.env`` file can be pasted."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterable

from textual import events
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from sandtui.fleet.creation.values import FieldProblem, dotenv, env_file, looks_secret, split_words

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
        text = event.text.strip()
        rows = self.query_ancestor(PairRows)
        if "\n" in text:
            event.prevent_default()
            event.stop()
            rows.add_pairs(dotenv(event.text))
        elif text.startswith("@") and not self.value:
            event.prevent_default()
            event.stop()
            self.value = text
            if isinstance(self.parent, PairRow):
                rows.read_file(self.parent)


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
    def path(self) -> str:
        """The path of the file that it stands for, if it does."""
        key = self.key.value.strip()
        return key[1:] if key.startswith("@") and not self.value.value else ""

    @property
    def looks_secret(self) -> bool:
        """Whether the variable is probably a secret."""
        return looks_secret(self.key.value, self.value.value)

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

    class Expanded(Message):
        """A file was read into rows."""

        def __init__(self, path: str, count: int) -> None:
            super().__init__()
            self.path, self.count = path, count

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

    def focus_row(self, index: int) -> None:
        """Focus a row, the first is 0."""
        self._rows[index if index < len(self._rows) else 0].key.focus()

    @property
    def secret_looking(self) -> list[str]:
        """The names of variables that are probably secrets."""
        return [] if self._secret else [row.key.value for row in self._rows if row.looks_secret]

    def take_secret_looking(self) -> list[str]:
        """Remove the variables that are probably secrets, and return them as ``KEY=value``."""
        rows = [row for row in self._rows if row.looks_secret]
        taken = [f"{row.key.value}={row.value.value}" for row in rows]
        for row in rows:
            row.key.value = row.value.value = ""
        self._prune()
        return taken

    def read_file(self, row: PairRow) -> None:
        """Read the file that a row of variables names into rows. Secrets keep the reference, which can be saved."""
        if row.path and not self._secret and row in self._rows:
            self.run_worker(self._expand(row, row.path), group="expand", exit_on_error=False)

    async def _expand(self, row: PairRow, path: str) -> None:
        try:
            pairs = await asyncio.to_thread(env_file, path)
        except FieldProblem:
            # It stays as it is: the form shows what is wrong with it.
            return
        if pairs and self.is_attached and row in self._rows and row.path == path:
            had_focus = self.screen.focused in (row.key, row.value)
            row.key.value = ""
            self.add_pairs(pairs)
            if had_focus:
                # At once: the row is about to go.
                self.screen.set_focus(self._rows[-1].key)
            self._prune()
            self.post_message(self.Expanded(path, len(pairs)))

    def add_pairs(self, pairs: Iterable[str]) -> None:
        """Add ``KEY=value`` words as rows; an existing key gets the new value."""
        by_key = {row.key.value: row for row in self._rows if row.key.value}
        fresh: dict[str, str] = {}
        for pair in pairs:
            key, _, value = pair.partition("=")
            if key in by_key:
                by_key[key].value.value = value
            else:
                fresh[key] = value
        if not fresh:
            return
        last = self._rows.pop()
        added = [PairRow(key, value, secret=self._secret) for key, value in fresh.items()]
        self._rows += [*added, last]
        if self.is_attached:
            self.mount_all(added, before=last)
            self._mark()

    def on_input_changed(self, event: Input.Changed) -> None:
        row = event.input.parent
        if not isinstance(row, PairRow) or row not in self._rows:
            return
        if self._secret:
            row.value.password = not row.value.value.startswith(REFERENCES)
        if not self._rows[-1].is_empty:
            self._add_empty()
        self._mark()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        row = event.input.parent
        if isinstance(row, PairRow):
            self.read_file(row)

    def _mark(self) -> None:
        for row in self._rows:
            row.key.set_class(not self._secret and row.looks_secret, "-secret")

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        row = event.widget.parent
        if isinstance(row, PairRow):
            self.read_file(row)
        self.call_after_refresh(self._prune)

    def on_mount(self) -> None:
        self._mark()

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
