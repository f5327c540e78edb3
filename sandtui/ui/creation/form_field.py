"""One line of the create form: a label, an input, and the hint or the error beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from textual import events
from textual.geometry import Region, Size
from textual.widget import Widget

from sandtui.fleet.creation.form import SECRETS, VARIABLES, FormField
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.creation.pair_rows import PairRows
from sandtui.ui.rendering.text import Content, Piece, content, fit, lines
from sandtui.ui.widgets.suggest_input import Choices, SuggestInput

PAIRS = frozenset({VARIABLES, SECRETS})
MANY = frozenset({"labels", "volumes"})

OPEN_SIGN = "▾"

_ROW = re.compile(r"row (\d+)")


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
        self.reveal: Callable[[FieldLine], None] = lambda _: None
        """Opens the section of a field that is folded away, and focuses the field."""
        self.fold: Callable[[FieldLine], None] = lambda _: None
        """Folds the section of the field."""
        self._section = section
        self._words = Piece(field.hint, "dim")
        self._is_wrong = False
        self._text, self._choices = value, choices
        self._editor: PairRows | SuggestInput | None = None

    def compose(self) -> Iterable[Widget]:
        # Only now: the fields of a folded section need no widgets.
        identity = f"field-{self.field.id}"
        if self.field.id in PAIRS:
            self._editor = PairRows(self._text, secret=self.field.secret, id=identity)
        else:
            self._editor = SuggestInput(self._text, self._choices, many=self.field.id in MANY, id=identity)
        yield self._editor

    @property
    def is_composed(self) -> bool:
        """Whether it has its widgets."""
        return self._editor is not None

    @property
    def pairs(self) -> PairRows | None:
        """The rows of variables or secrets."""
        return self._editor if isinstance(self._editor, PairRows) else None

    def on_click(self, event: events.Click) -> None:
        """Fold the section at its heading."""
        if self._section and event.screen_y == self.region.y:
            event.stop()
            self.fold(self)

    def essentials(self) -> list[Region]:
        """Return the field while something is typed into it, with what is wrong beside it."""
        return [Region(0, 0, *self.size)] if self.has_focus_within else []

    def render(self) -> Content:
        """Draw what is around the input, in the margins that its style leaves."""
        if self._editor is None:
            return content("")
        left = max(0, self.size.width - self._editor.styles.margin.right + 1)
        label = Piece(fit(f"  {self.field.label}", left), "bad" if self._is_wrong else "dim")
        first, *others = self._wrapped()
        rows = [content(label).append(first), *(content(" " * left).append(row) for row in others)]
        return lines([content(Piece(f"{OPEN_SIGN} {self._section}", "bright")), *rows] if self._section else rows)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the height of the input, or of the words if they need more lines."""
        height = super().get_content_height(container, viewport, width)
        return max(height, len(self._wrapped()) + bool(self._section))

    def _wrapped(self) -> list[Content]:
        assert self._editor is not None
        return content(self._words).wrap(max(2, self._editor.styles.margin.right - 1))

    @property
    def words(self) -> str:
        """The hint or the error beside the input."""
        return self._words.text

    @property
    def value(self) -> str:
        """The text of the field, in the syntax of the form."""
        if self._editor is None:
            return self._text
        return self._editor.text if isinstance(self._editor, PairRows) else self._editor.value

    @value.setter
    def value(self, value: str) -> None:
        if self._editor is None:
            self._text = value
        elif isinstance(self._editor, PairRows):
            self._editor.text = value
        else:
            self._editor.value = value

    def focus_field(self) -> None:
        """Focus the field, of several rows the one that is wrong."""
        if self._editor is None or not self.display:
            self.reveal(self)
        elif isinstance(self._editor, PairRows):
            found = _ROW.search(self._words.text) if self._is_wrong else None
            self._editor.focus_row(int(found[1]) - 1 if found else 0)
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
        if self._editor is None:
            self._words, self._is_wrong = piece, bool(problem)
        elif piece != self._words:
            height = len(self._wrapped())
            self._words, self._is_wrong = piece, bool(problem)
            self.refresh(layout=len(self._wrapped()) != height)
