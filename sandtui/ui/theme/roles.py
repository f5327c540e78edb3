"""The theme's colours for each role, for widgets that draw their lines themselves."""

from __future__ import annotations

from typing import ClassVar, get_args

from rich.segment import Segment
from rich.style import Style
from textual.scroll_view import ScrollView

from sandtui.ui.rendering.text import STYLES, Piece, Role
from sandtui.ui.theme.ink import ink_style

ROLES: tuple[Role, ...] = get_args(Role)


def role_css(widget: str) -> str:
    """Return the style sheet of a widget's component classes, one for each role."""
    rules = []
    for role in ROLES:
        *attributes, colour = STYLES[role].split()
        style = f"text-style: {' '.join(attributes)};" if attributes else ""
        rules.append(f"{widget} > .role--{role} {{ color: {colour}; {style} }}")
    return "\n".join(rules)


class RoleView(ScrollView):
    """A scrolled view whose lines are pieces with roles."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"role--{role}" for role in ROLES}

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._role_styles: dict[Role, Style] = {}

    def notify_style_update(self) -> None:
        """Forget the styles: the theme has changed."""
        super().notify_style_update()
        self._role_styles.clear()

    def role_style(self, role: Role) -> Style:
        """Return the style of a role in the theme that is in use, without a background."""
        style = self._role_styles.get(role)
        if style is None:
            style = self.get_component_rich_style(f"role--{role}", partial=True)
            self._role_styles[role] = style
        return style

    def segments(self, pieces: list[Piece], base: Style) -> list[Segment]:
        """Return the segments that draw some pieces on a base style."""
        return [Segment(piece.text, self._style(piece, base)) for piece in pieces if piece.text]

    def _style(self, piece: Piece, base: Style) -> Style:
        style = base + self.role_style(piece.role)
        return style if piece.ink is None else style + ink_style(piece.ink)
