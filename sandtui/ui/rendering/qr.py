"""QR codes, two modules in each character cell."""

from __future__ import annotations

from sandtui.ui.rendering.text import Content

QUIET = 2
"""Width of the light border in modules: scanners need some, and a terminal has little room."""

_HALVES = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}


def qr_code(text: str) -> list[Content]:
    """Return the lines of the code.

    Light modules are drawn, white on black, and dark ones left blank, so that it is readable without colors too.

    Raises:
        ValueError: the text is too long for a QR code.
    """
    import segno

    try:
        rows = [list(row) for row in segno.make_qr(text, error="l").matrix_iter(border=QUIET)]
    except segno.DataOverflowError as error:
        raise ValueError("too long for a QR code") from error
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    drawn: list[Content] = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        line = "".join(_HALVES[not top, not low] for top, low in zip(upper, lower, strict=True))
        drawn.append(Content.styled(line, "white on black"))
    return drawn
