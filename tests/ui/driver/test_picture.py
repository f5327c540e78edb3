"""What is written to the terminal makes it show what Textual would have drawn in full, and nothing is written twice."""

from itertools import pairwise

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip

from sandtui.ui.driver.picture import Picture
from tests.probes import ChopsUpdate, LayoutUpdate

SIZE = Size(12, 3)
CUTS = [0, 4, 9, 12]
STYLES = [
    None,
    Style.parse("red on blue"),
    Style.parse("bold red on blue"),
    Style.parse("#102030 on #405060"),
    Style.parse("#102030 on black"),
    Style.parse("reverse underline"),
    Style.parse("bright_green"),
    Style(color="red", link="https://example.com"),
]
CONSOLE = Console(color_system="truecolor", force_terminal=True)


@st.composite
def strips(draw, width):
    segments = []
    while width:
        text = draw(st.text("ab │é界", min_size=1, max_size=4))
        text = Segment(text).split_cells(width)[0].text if cell_len(text) > width else text
        width -= cell_len(text)
        segments.append(Segment(text, draw(st.sampled_from(STYLES))))
    return Strip(segments)


@st.composite
def lines(draw):
    return {first: draw(strips(last - first)) for first, last in pairwise(CUTS)}


@st.composite
def updates(draw):
    chops = [draw(lines()) for _ in range(SIZE.height)]
    if draw(st.booleans()):
        return LayoutUpdate([chop.values() for chop in chops], SIZE.region)
    spans = []
    for y in range(SIZE.height):
        first = draw(st.integers(0, SIZE.width - 1))
        # Not in the middle of a wide character, of which terminals show the rest in ways of their own.
        spans.append((y, first, draw(st.sampled_from([cut for cut in CUTS if cut > first]))))
    chosen = sorted(draw(st.lists(st.sampled_from(spans), min_size=1, unique=True)))
    return ChopsUpdate(chops, chosen, [CUTS[1:]] * SIZE.height)


class Shown:
    """A terminal."""

    def __init__(self):
        self.screen = pyte.Screen(SIZE.width, SIZE.height)
        self.screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.Stream(self.screen)

    def write(self, text):
        self._stream.feed(text)

    @property
    def cells(self):
        return [[self.screen.buffer[y][x] for x in range(SIZE.width)] for y in range(SIZE.height)]


def changes(picture, update):
    written = picture.changes(update, SIZE, ColorSystem.TRUECOLOR)
    return "" if written is None else written.render_segments(CONSOLE)


def picture_of(text, style="white on black"):
    return LayoutUpdate([[Strip([Segment(text.ljust(SIZE.width), Style.parse(style))])]] * SIZE.height, SIZE.region)


@given(st.lists(updates(), min_size=1, max_size=5))
def test_the_terminal_shows_what_would_be_drawn_in_full(many):
    picture, ours, full = Picture(), Shown(), Shown()
    for update in many:
        ours.write(changes(picture, update))
        full.write(update.render_segments(CONSOLE))
        assert ours.cells == full.cells


@given(updates())
def test_nothing_is_written_twice(update):
    picture = Picture()
    assert changes(picture, update)
    assert changes(picture, update) == ""


def test_only_what_differs_is_written():
    picture = Picture()
    changes(picture, picture_of("one"))
    strip = Strip([Segment("one", Style.parse("white on black")), Segment("two      ", Style.parse("red on black"))])
    update = LayoutUpdate(
        [[strip], *[[Strip([Segment("one         ", Style.parse("white on black"))])]] * 2], SIZE.region
    )
    written = changes(picture, update)
    assert written.count("two") == 1
    assert "\x1b[2;" not in written
    assert "\x1b[3;" not in written


@pytest.mark.parametrize("reason", ["forgotten", "resized"])
def test_everything_is_written_again_when_the_terminal_may_show_something_else(reason):
    picture = Picture()
    first = changes(picture, picture_of("one"))
    if reason == "forgotten":
        picture.forget()
    else:
        picture.changes(LayoutUpdate([], Region(0, 0, 1, 1)), Size(1, 1), ColorSystem.TRUECOLOR)
    assert changes(picture, picture_of("one")) == first


def test_text_whose_width_terminals_disagree_about_moves_nothing():
    """A terminal that takes two cells for a sign that we take for one must not keep what was moved by it."""
    picture = Picture()
    changes(picture, picture_of("a⚠️b"))
    written = changes(picture, picture_of("a⚠️c"))
    assert "a⚠️c" in written
