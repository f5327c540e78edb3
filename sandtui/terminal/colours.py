"""What a terminal says when a program asks for its colours: by it vim, fzf and delta decide between dark and light."""

from __future__ import annotations

from dataclasses import dataclass

_LEVELS = (0, 95, 135, 175, 215, 255)


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours in use, each as ``0xRRGGBB``; ``palette`` has the first sixteen."""

    foreground: int
    background: int
    cursor: int
    palette: tuple[int, ...]

    def special(self, number: int) -> int | None:
        """Return what OSC 10, 11 or 12 asks for."""
        return {10: self.foreground, 11: self.background, 12: self.cursor}.get(number)

    def indexed(self, number: int) -> int | None:
        """Return a colour of the palette of 256: the first are the theme's, the others are xterm's."""
        if 0 <= number < 16:
            return self.palette[number]
        if 16 <= number < 232:
            red, green, blue = (number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6
            return _LEVELS[red] << 16 | _LEVELS[green] << 8 | _LEVELS[blue]
        return (8 + 10 * (number - 232)) * 0x010101 if 232 <= number < 256 else None


def spec(colour: int) -> str:
    """Return a colour as XParseColor reads it, and as every terminal answers."""
    return "rgb:" + "/".join(f"{colour >> shift & 255:02x}" * 2 for shift in (16, 8, 0))
