"""The frame of a dialog: as large as its content, and no larger than the window."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.geometry import Size
from textual.layout import ArrangeResult
from textual.layouts.vertical import VerticalLayout
from textual.widget import Widget
from textual.widgets import Button, Input, Static, TextArea

from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Content, Piece, content, width_of

BODY = "dialog-body"
"""The class of the part that scrolls when not all fits."""

FIELD_WIDTH = 62
TEXT_WIDTH = 94
"""Longer lines of text are hard to read; a list of paths may be wider."""

LEAST_WIDTH = 36


class DialogLayout(VerticalLayout):
    """From top to bottom; if there is no room for all, the body is what gets smaller."""

    name = "dialog"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        placed = super().arrange(parent, children, size, greedy)
        if not size.height or not placed:
            return placed
        missing = placed[-1].region.bottom + placed[-1].margin.bottom - size.height
        moved = 0
        for index, each in enumerate(placed):
            region = each.region.translate((0, -moved))
            if missing > 0 and each.widget.has_class(BODY):
                moved = min(missing, max(0, region.height - 1))
                missing -= moved
                region = region.shrink((0, 0, moved, 0))
            placed[index] = each._replace(region=region)
        return placed


class DialogBox(Vertical):
    """Frames a dialog. One child may be the body, with the class :data:`BODY`.

    With ``wide`` it may be as wide as the window. With ``steady`` it does not shrink while what it shows changes. The
    title may come from outside.
    """

    def __init__(self, title: str = "", *, classes: str = "", wide: bool = False, steady: bool = False) -> None:
        super().__init__(id="dialog", classes=classes)
        self.border_title = Content(clean(title))
        self._wide, self._steady = wide, steady
        self._largest = Size(0, 0)
        self._body_layout = DialogLayout()

    @property
    def layout(self) -> DialogLayout:
        """How the parts are placed."""
        return self._body_layout

    # Parts that are as wide or high as the box do not make it as large as the window.
    _has_relative_children_width = False
    _has_relative_children_height = False

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Return the width of the widest part."""
        parts = [_width(each, container, viewport) for each in self.displayed_children]
        title = self.border_title.plain if isinstance(self.border_title, Content) else str(self.border_title or "")
        width = max(LEAST_WIDTH, width_of(title) + 2, *parts)
        width = min(width, container.width if self._wide else TEXT_WIDTH)
        if self._steady:
            width = max(width, self._largest.width)
            self._largest = Size(width, self._largest.height)
        return width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the height of all parts."""
        height = super().get_content_height(container, viewport, width)
        if self._steady:
            height = max(height, self._largest.height)
            self._largest = Size(self._largest.width, height)
        return height


def text_body(*texts: Content) -> VerticalScroll:
    """Return a body of text, which scrolls with the arrow keys."""
    return VerticalScroll(*map(Static, texts), classes=BODY, can_focus=False)


DEFAULT = "answers-enter"
"""The class of the button that has the focus when the dialog opens."""


def confirm_buttons(yes: str, keys: str, *, danger: bool) -> Horizontal:
    """Return Cancel, a button that confirms, and the keys. With ``danger`` enter cancels, otherwise it confirms."""
    return Horizontal(
        Button("Cancel", id="cancel", compact=True, classes=DEFAULT if danger else ""),
        Button(
            yes, id="confirm", variant="error" if danger else "primary", compact=True, classes="" if danger else DEFAULT
        ),
        Static(content(Piece(keys, "dim")), id="dialog-keys"),
        id="dialog-buttons",
    )


def confirm_keys(*, danger: bool) -> str:
    """Return what the keys of a question do."""
    return "y confirm · enter/esc cancel" if danger else "enter/y confirm · esc cancel"


def _width(widget: Widget, container: Size, viewport: Size) -> int:
    if isinstance(widget, Input | TextArea):
        width = FIELD_WIDTH
    elif isinstance(widget, Horizontal):
        width = sum(_of_all(widget, container, viewport))
    elif widget.is_container:
        width = max(_of_all(widget, container, viewport), default=0)
    else:
        width = widget.get_content_width(container, viewport)
    scroll_bar = widget.styles.scrollbar_size_vertical if widget.has_class(BODY) else 0
    return width + widget.styles.gutter.width + widget.styles.margin.width + scroll_bar


def _of_all(widget: Widget, container: Size, viewport: Size) -> Iterable[int]:
    return [_width(each, container, viewport) for each in widget.displayed_children]
