"""One line of the create form: a label, an input, and the hint or the error beside it."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Static

from sandtui.fleet.creation.form import FormField
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.creation.pair_rows import PairRows
from sandtui.ui.rendering.text import Content, Piece, content
from sandtui.ui.widgets.suggest_input import Choices, SuggestInput

PAIRS = frozenset({"environment_vars", "secrets"})
MANY = frozenset({"labels"})


class FieldLine(Horizontal):
    """A field. ``value`` is its text in the syntax of the form, whichever widget it is typed into."""

    def __init__(self, field: FormField, value: str, choices: Choices) -> None:
        super().__init__(classes="field-line -pairs" if field.id in PAIRS else "field-line")
        self.field = field
        self._shown: Piece | None = None
        identity = f"field-{field.id}"
        self._editor: PairRows | SuggestInput
        if field.id in PAIRS:
            self._editor = PairRows(value, secret=field.secret, id=identity)
        else:
            self._editor = SuggestInput(value, choices, many=field.id in MANY, id=identity)

    def compose(self) -> Iterable[Widget]:
        yield Static(Content(f"{self.field.label:<12}"), classes="field-label")
        yield self._editor
        yield Static(classes="field-words")

    @property
    def value(self) -> str:
        """The text of the field, in the syntax of the form."""
        return self._editor.text if isinstance(self._editor, PairRows) else self._editor.value

    @value.setter
    def value(self, value: str) -> None:
        if isinstance(self._editor, PairRows):
            self._editor.text = value
        else:
            self._editor.value = value

    def focus_field(self) -> None:
        """Focus the field."""
        if isinstance(self._editor, PairRows):
            self._editor.focus_first()
        else:
            self._editor.focus()

    def show_words(self, problem: str | None, note: Piece | None = None) -> None:
        """Show the error; or else the note, the suggestions while the field has the focus, or the hint."""
        if problem:
            piece = Piece(f"✖ {clean(problem)}", "bad")
        elif note is not None:
            piece = note
        elif self.has_focus_within and isinstance(self._editor, SuggestInput) and (offered := self._editor.offered):
            piece = Piece("↓ " + clean("  ".join(offered)), "info")
        else:
            piece = Piece(self.field.hint, "dim")
        if piece != self._shown:
            self._shown = piece
            self.query_one(".field-words", Static).update(content(piece))
            self.set_class(bool(problem), "-problem")
