import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.text.sanitize import clean, clean_line, clean_lines, output_line

ANY_TEXT = st.text(alphabet=st.characters(), max_size=200)
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_safe(text):
    return not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in BIDI for c in text)


@given(ANY_TEXT)
def test_nothing_that_moves_the_cursor_gets_through(text):
    assert is_safe(clean(text))
    assert is_safe(clean_line(text))
    assert is_safe(output_line(text))
    assert all(is_safe(line) for line in clean_lines(text))


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"]), max_size=100))
def test_ordinary_text_is_left_alone(text):
    assert clean(text) == text


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing(text):
    assert clean(clean(text)) == clean(text)


def test_what_is_replaced_stays_visible():
    assert clean("a\x1b[31mb\x07\x7f\x9b") == "a␛[31mb␇␡\ufffd"
    assert clean("x\u202etxt.exe") == "x\ufffdtxt.exe"
    assert clean("\ud800") == "\ufffd"
    assert clean("[red]x[/]") == "[red]x[/]", "markup is not ours to interpret"


def test_text_is_split_into_lines_without_control_characters():
    assert clean_lines("a\tb\r\nc\n") == ["a       b", "c"]
    assert clean_lines("10%\r50%\r100%\n") == ["100%"]
    assert clean_lines("") == []
    assert clean_lines("\n\n") == ["", ""]


def test_colours_are_left_out_of_output_and_nothing_else():
    assert output_line("\x1b[1;31mred\x1b[0m and \x1b[38:5:3mmore\x1b[K") == "red and more"
    assert output_line("\x1b]0;title\x07\x1b[2J") == "␛]0;title␇␛[2J"
    assert output_line("\x1b[\x1b[0m31m") == "␛[31m", "what is left is drawn, never sent"
