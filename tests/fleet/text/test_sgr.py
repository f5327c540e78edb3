import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.text.sgr import PLAIN, Ink, ink_after, styled


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ("plain", [("plain", PLAIN)]),
        ("\x1b[31mred\x1b[0m x", [("red", Ink(color=1)), (" x", PLAIN)]),
        ("\x1b[1;92mok\x1b[m", [("ok", Ink(color=10, bold=True))]),
        ("\x1b[38;5;208mx\x1b[39;48;2;1;2;3my", [("x", Ink(208)), ("y", Ink(None, (1, 2, 3)))]),
        ("\x1b[38:2::255:0:9mx", [("x", Ink((255, 0, 9)))]),
        ("\x1b[38:5:9mx\x1b[4:3my", [("x", Ink(9)), ("y", Ink(9, underline=True))]),
        ("\x1b[38;5mx\x1b[38;2;1mz", [("xz", PLAIN)]),
        ("\x1b[5;8mnot hidden", [("not hidden", PLAIN)]),
        ("50%\r\x1b[32m100%\x1b[0m\r", [("100%", Ink(2))]),
        ("\x1b[31m50%\r100%\r\x1b[K\r", [("100%", Ink(1))]),
        ("a\x1b[1m\tb", [("a", PLAIN), ("       b", Ink(bold=True))]),
        ("\x1b]0;title\x07x", [("␛]0;title␇x", PLAIN)]),
        ("\x1b[2J\x1b[31mx", [("␛[2J", PLAIN), ("x", Ink(1))]),
    ],
)
def test_colours_and_nothing_else(line, pieces):
    assert styled(line) == pieces


def test_colours_last_over_lines():
    assert ink_after("\x1b[31mred", PLAIN) == Ink(1)
    assert styled("still", Ink(1)) == [("still", Ink(1))]


CODES = st.sampled_from(
    ["\x1b[", "31m", "\x1b[0m", "\x1b]52;c;", "\x07", "\x9b", "\r", "\t", "\x1b[38;2;", "K", "\u202e"]
)


@given(st.lists(CODES | st.text(max_size=8), max_size=12).map("".join))
def test_nothing_that_could_reach_a_terminal_passes(line):
    line = line.replace("\n", " ")
    shown = "".join(text for text, _ in styled(line))
    assert clean(shown) == shown


WHOLE = st.lists(
    st.sampled_from(
        ["a", "\x1b[0m", "\x1b[m", "\x1b[1;31m", "\x1b[0;4m", "\x1b[38;5;9m", "\x1b[22m", "\x1b[K", "\x1b[0K"]
    ),
    max_size=10,
)


@given(WHOLE, WHOLE)
def test_colours_go_on_where_a_line_ends(first, second):
    one, two = "".join(first), "".join(second)
    assert ink_after(two, ink_after(one, PLAIN)) == ink_after(one + two, PLAIN) == styled(f"{one}{two}|")[-1][1]
