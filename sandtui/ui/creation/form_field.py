"""One line of the create form: a label, an input, and the hint or the error beside it."""

from __future__ import annotations

from collections.abc import Iterable

from textual.geometry import Region, Size
from textual.widget import Widget

from sandtui.fleet.creation.form import FormField
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.creation.pair_rows import PairRows
from sandtui.ui.rendering.text import Content, Piece, content, fit, lines
from sandtui.ui.widgets.suggest_input import Choices, SuggestInput

PAIRS = frozenset({"environment_vars", "secrets"})
MANY = frozenset({"labels"})


class FieldLine(Widget):
    """A field. ``value`` is its text in the syntax of the form, whichever widget it is typed into.

    It draws the label and the words beside the input itself: with a widget for each, the form would open half as fast.
    ``section`` is the heading above the first field of a section.
    """

    def __init__(self, field: FormField, value: str, choices: Choices, *, section: str = "") -> None:
        super().__init__(classes="field-line")
        self.set_class(field.id in PAIRS, "-pairs")
        self.set_class(bool(section), "-section")
        self.field = field
        self._section = section
        self._words = Piece(field.hint, "dim")
        self._is_wrong = False
        identity = f"field-{field.id}"
        self._editor: PairRows | SuggestInput
        if field.id in PAIRS:
            self._editor = PairRows(value, secret=field.secret, id=identity)
        else:
            self._editor = SuggestInput(value, choices, many=field.id in MANY, id=identity)

    def compose(self) -> Iterable[Widget]:
        yield self._editor

    def essentials(self) -> list[Region]:
        """Return the field while something is typed into it, with what is wrong beside it."""
        return [Region(0, 0, *self.size)] if self.has_focus_within else []

    def render(self) -> Content:
        """Draw what is around the input, in the margins that its style leaves."""
        left = max(0, self.size.width - self._editor.styles.margin.right + 1)
        label = Piece(fit(f"  {self.field.label}", left), "bad" if self._is_wrong else "dim")
        first, *others = self._wrapped()
        rows = [content(label).append(first), *(content(" " * left).append(row) for row in others)]
        return lines([content(Piece(self._section, "bright")), *rows] if self._section else rows)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the height of the input, or of the words if they need more lines."""
        height = super().get_content_height(container, viewport, width)
        return max(height, len(self._wrapped()) + bool(self._section))

    def _wrapped(self) -> list[Content]:
        return content(self._words).wrap(max(2, self._editor.styles.margin.right - 1))

    @property
    def words(self) -> str:
        """The hint or the error beside the input."""
        return self._words.text

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
        if piece != self._words:
            height = len(self._wrapped())
            self._words, self._is_wrong = piece, bool(problem)
            self.refresh(layout=len(self._wrapped()) != height)
