"""What the terminal shows, so that only what differs from it is written.

Textual draws a widget, a line or the whole screen again when a part of it may have changed, with the full style of each
piece of text: 40 kB for a screen. Over a slow connection that is what a user waits for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

RESET = "\x1b[0m"


class _Span(NamedTuple):
    """Text in one style, and where it begins and ends. ``link`` is what a click on it opens."""

    start: int
    end: int
    text: str
    sgr: str
    link: str


_Line = list[_Span]


class Written(CompositorUpdate):
    """An update whose text for the terminal is known."""

    def __init__(self, text: str) -> None:
        self._text = text

    def render_segments(self, console: Console) -> str:
        return self._text


class Picture:
    """The lines of the terminal as they were written last."""

    def __init__(self) -> None:
        self._size = Size(0, 0)
        self._lines: list[_Line | None] = []
        self._drawn: list[dict[int, Strip]] = []
        """The strips that a line was drawn from, by their first column: most are drawn again as they are."""

    def forget(self) -> None:
        """Write everything the next time, because the terminal may show something else."""
        self._lines = [None] * self._size.height
        self._drawn = [{} for _ in range(self._size.height)]

    def changes(self, update: CompositorUpdate, size: Size, colors: ColorSystem | None) -> Written | None:
        """Return what to write so that the terminal shows an update; None if it does already."""
        if size != self._size:
            self._size = size
            self.forget()
        written: list[str] = []
        for y, x, strip in _strips(update):
            if y < size.height:
                written += self._draw(y, x, strip, colors or ColorSystem.TRUECOLOR)
        return Written("".join(written)) if written else None

    def _draw(self, y: int, x: int, strip: Strip, colors: ColorSystem) -> Iterable[str]:
        drawn = self._drawn[y]
        if drawn.get(x) is strip or not strip.cell_length:
            return ()
        end = x + strip.cell_length
        for other in [each for each in drawn if each < end and each + drawn[each].cell_length > x]:
            del drawn[other]
        drawn[x] = strip
        line = self._lines[y]
        new = list(_spans(strip, x, colors))
        if line is None:
            line = []
        before = {span.start: span for span in line}
        changed = [span for span in new if before.get(span.start) != span]
        if not changed:
            return ()
        after = [*_cut(line, 0, x), *new, *_cut(line, end, self._size.width)]
        self._lines[y] = after
        if any(not _is_simple(span.text) for each in (line, after) for span in each):
            # Terminals disagree about the width of such text: whatever it has moved is drawn again.
            changed = after
        return _written(y, changed)


def _strips(update: CompositorUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Yield all that an update draws, and where."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in strips:
                if strip is not None:
                    yield y, x, strip
                    x += strip.cell_length
    elif isinstance(update, ChopsUpdate):
        for y, first, last in update.spans:
            for end, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if chop is None or x > last or end <= first:
                    continue
                yield y, x, chop if end <= last else chop.crop(0, last - x)


def _spans(strip: Strip, x: int, colors: ColorSystem) -> Iterator[_Span]:
    for text, style, control in strip:
        if not text or control:
            continue
        end = x + cell_len(text)
        if style is None:
            yield _Span(x, end, text, "", "")
        else:
            sgr = style._ansi if style._ansi is not None else Strip.render_ansi(style, colors)
            yield _Span(x, end, text, sgr, f"id={style._link_id};{style._link}" if style._link else "")
        x = end


def _cut(line: _Line, first: int, last: int) -> Iterator[_Span]:
    """Yield the part of a line between two columns."""
    for span in line:
        start, end = max(span.start, first), min(span.end, last)
        if start >= end:
            continue
        if (start, end) == (span.start, span.end):
            yield span
        else:
            text = Segment(span.text).split_cells(start - span.start)[1].text
            text = Segment(text).split_cells(end - start)[0].text
            yield _Span(start, end, text, span.sgr, span.link)


def _written(y: int, spans: Sequence[_Span]) -> Iterator[str]:
    """Yield the sequences and texts that draw parts of a line."""
    at, sgr, link = -1, "", ""
    for span in spans:
        if span.start != at:
            yield f"\x1b[{y + 1};{span.start + 1}H"
        if span.link != link:
            yield f"\x1b]8;{span.link or ';'}\x1b\\"
        yield _between(sgr, span.sgr)
        yield span.text
        sgr, link = span.sgr, span.link
        at = span.end if _is_simple(span.text) else -1
    if link:
        yield "\x1b]8;;\x1b\\"
    if sgr:
        yield RESET


@lru_cache(maxsize=4096)
def _is_simple(text: str) -> bool:
    """Whether each character takes one cell, in any terminal."""
    return text.isascii() or cell_len(text) == len(text)


@lru_cache(maxsize=4096)
def _between(before: str, after: str) -> str:
    """Return the sequence that changes the style from one to another."""
    if before == after:
        return ""
    if not after:
        return RESET
    old, new = _parts(before), _parts(after)
    if old[0] != new[0]:
        return f"\x1b[0;{after}m" if before else f"\x1b[{after}m"
    changes = [
        each or default for was, each, default in zip(old[1:], new[1:], ("39", "49"), strict=True) if was != each
    ]
    return f"\x1b[{';'.join(changes)}m"


def _parts(sgr: str) -> tuple[str, str, str]:
    """Return attributes, color and background of a style."""
    codes = sgr.split(";") if sgr else []
    attributes, color, background = [], "", ""
    while codes:
        code = codes.pop(0)
        if code in ("38", "48"):
            taken = 4 if codes[:1] == ["2"] else 2
            whole, codes = ";".join([code, *codes[:taken]]), codes[taken:]
        elif not code.isdigit() or int(code) < 30 or int(code) in range(50, 90):
            attributes.append(code)
            continue
        else:
            whole = code
        if int(code) in range(40, 50) or int(code) >= 100:
            background = whole
        else:
            color = whole
    return ";".join(attributes), color, background
