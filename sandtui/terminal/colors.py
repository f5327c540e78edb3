"""The terminal's reply to a query for its colors, with which vim, fzf and delta detect a dark or light background."""

from __future__ import annotations

from dataclasses import dataclass

_LEVELS = (0, 95, 135, 175, 215, 255)


@dataclass(frozen=True, slots=True)
class Colors:
    """The current colors, each as ``0xRRGGBB``; ``palette`` has the first sixteen."""

    foreground: int
    background: int
    cursor: int
    palette: tuple[int, ...]

    def special(self, number: int) -> int | None:
        """Return the color that OSC 10, 11 or 12 queries, or None."""
        return {10: self.foreground, 11: self.background, 12: self.cursor}.get(number)

    def indexed(self, number: int) -> int | None:
        """Return a color of the 256-color palette: the first sixteen are the theme's, the rest xterm's."""
        if 0 <= number < 16:
            return self.palette[number]
        if 16 <= number < 232:
            red, green, blue = (number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6
            return _LEVELS[red] << 16 | _LEVELS[green] << 8 | _LEVELS[blue]
        return (8 + 10 * (number - 232)) * 0x010101 if 232 <= number < 256 else None


def spec(color: int) -> str:
    """Return a color in the format of XParseColor, as terminals reply."""
    return "rgb:" + "/".join(f"{color >> shift & 255:02x}" * 2 for shift in (16, 8, 0))
