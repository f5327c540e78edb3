"""A text as a QR code, two of its squares in each character."""

from __future__ import annotations

from sandtui.ui.rendering.text import Content

QUIET = 2
"""Light squares around the code: readers need some, and a terminal has little room."""

_HALVES = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}


def qr_code(text: str) -> list[Content]:
    """Return the lines of the code.

    Light squares are drawn and dark ones left out, white on black, so that it can be read without colours too.

    Raises:
        ValueError: the text is too long for a code.
    """
    import segno

    try:
        rows = [list(row) for row in segno.make_qr(text, error="l").matrix_iter(border=QUIET)]
    except segno.DataOverflowError as error:
        raise ValueError("it is too long for a QR code") from error
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    drawn: list[Content] = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        line = "".join(_HALVES[not top, not low] for top, low in zip(upper, lower, strict=True))
        drawn.append(Content.styled(line, "white on black"))
    return drawn
