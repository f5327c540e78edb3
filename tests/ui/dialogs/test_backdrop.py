"""What is seen behind a dialog is what Textual draws there."""

from rich.segment import ControlType, Segment
from rich.style import Style
from textual.color import Color
from textual.renderables.background_screen import BackgroundScreen

from sandtui.ui.rendering.backdrop import Backdrop

SEGMENTS = [
    Segment("plain"),
    Segment("coloured", Style.parse("bold #ff8000 on #102030")),
    Segment("ground", Style.parse("on #102030")),
    Segment("link", Style(color="#80ff00", link="https://example.com", meta={"@click": "quit"})),
    Segment("coloured again", Style.parse("bold #ff8000 on #102030")),
    Segment("", None, [(ControlType.HOME,)]),
]


def test_text_is_dimmed_as_textual_does_it():
    for color in (Color(0, 0, 0, 0.6), Color(255, 255, 255, 0.3), Color(0, 0, 0, 0)):
        assert list(Backdrop.process_segments(SEGMENTS, color)) == list(
            BackgroundScreen.process_segments(SEGMENTS, color)
        )


def test_nothing_behind_a_dialog_is_a_link():
    drawn = list(Backdrop.process_segments(SEGMENTS, Color(0, 0, 0, 0.6)))
    assert all(segment.style.link is None and not segment.style.meta for segment in drawn if segment.style)
