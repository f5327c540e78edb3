"""Panels: the framed parts of a screen. The frame of the focused one is highlighted."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

PANEL = "panel"
ACTIVE = "-active"


def mark_active(widget: Widget) -> None:
    """Mark the panels around a widget that got or lost the focus.

    ``:focus-within`` in the stylesheet would make Textual restyle everything in a panel each time the focus moves
    inside it: 20 ms for each Tab in the create form.
    """
    for node in widget.ancestors_with_self:
        if not isinstance(node, Widget) or not node.has_class(PANEL):
            continue
        if node.has_class(ACTIVE) is not node.has_focus_within:
            node.set_class(node.has_focus_within, ACTIVE, update=False)
            # Its frame alone looks different: Textual would style all that is in it anew.
            node.app.stylesheet.apply(node)


def show_frame(panel: Widget, title: str, subtitle: str | None = None) -> None:
    """Set the texts in the frame of a panel, literally.

    Textual draws all of a panel when they are set, even to what they are.
    """
    if panel.border_title != Content(title).markup:
        panel.border_title = Content(title)
    if subtitle is not None and panel.border_subtitle != Content(subtitle).markup:
        panel.border_subtitle = Content(subtitle)
