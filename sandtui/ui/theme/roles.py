"""The theme's style of each role, for widgets that draw their own lines."""

from __future__ import annotations

from typing import get_args

from rich.segment import Segment
from rich.style import Style
from textual.scroll_view import ScrollView
from textual.style import Style as VisualStyle

from sandtui.ui.rendering.text import STYLES, Piece, Role
from sandtui.ui.theme.ink import ink_style

ROLES: tuple[Role, ...] = get_args(Role)


class RoleView(ScrollView):
    """A scrolled view whose lines are pieces with roles."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._role_styles: dict[Role, Style] = {}

    def notify_style_update(self) -> None:
        """Clear the cached styles: the theme has changed."""
        super().notify_style_update()
        self._role_styles.clear()

    def role_style(self, role: Role) -> Style:
        """Return the style of a role in the current theme, without a background."""
        style = self._role_styles.get(role)
        if style is None:
            # With a component class for each role, Textual would restyle ten more nodes of each view again and again.
            on_view = VisualStyle(background=self.background_colors[1])
            drawn = (on_view + VisualStyle.parse(STYLES[role], self.app.theme_variables)).rich_style
            style = Style(color=drawn.color, bold=drawn.bold or None, strike=drawn.strike or None)
            self._role_styles[role] = style
        return style

    def segments(self, pieces: list[Piece], base: Style) -> list[Segment]:
        """Return the pieces as segments, drawn on a base style."""
        return [Segment(piece.text, self._style(piece, base)) for piece in pieces if piece.text]

    def _style(self, piece: Piece, base: Style) -> Style:
        role = self.role_style(piece.role)
        if base.reverse:
            # A bar in reverse video is one bar: colors would turn into backgrounds, one for each piece.
            return base + Style(bold=role.bold, strike=role.strike)
        style = base + role
        return style if piece.ink is None else style + ink_style(piece.ink)
