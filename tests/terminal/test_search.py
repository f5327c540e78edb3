"""Searching a terminal's text: what the width has broken is found as it was written."""

from hypothesis import given
from hypothesis import strategies as st

from sandtui.terminal import Emulation, TerminalText


def text_of(data, width=10, height=4):
    terminal = Emulation(width, height)
    terminal.feed(data if isinstance(data, bytes) else data.encode())
    return TerminalText(terminal)


def hits(text, needle):
    """Return the lines on which the needle begins."""
    return [line for line in range(text.first, text.end) if text.holds(line, needle)]


def test_a_word_over_the_edge_is_found_and_shown_on_both_lines():
    text = text_of("0123456needle and\r\nmore\r\n$ ")
    assert hits(text, "needle") == [0]
    assert text.matches(0, "needle") == [(7, 10)]
    assert text.matches(1, "needle") == [(0, 3)]
    assert text.last_line(0, "needle") == 1
    assert hits(text, "Needle") == []
    assert text.matches(1, "Needle") == []


def test_a_word_over_several_lines_is_found():
    text = text_of("x" * 9 + "abcdefghijklmnopqrstuvwxyz!\r\n$ ")
    assert hits(text, "abcdefghijklmnopqrstuvwxyz") == [0]
    shown = [text.matches(line, "abcdefghijklmnopqrstuvwxyz") for line in range(4)]
    assert shown == [[(9, 10)], [(0, 10)], [(0, 10)], [(0, 5)]]
    assert text.last_line(0, "abcdefghijklmnopqrstuvwxyz") == 3


def test_a_line_break_of_the_program_divides_words():
    text = text_of("0123456nee\r\ndle\r\n$ ")
    assert hits(text, "needle") == []
    assert text.matches(0, "needle") == []


def test_wide_characters_that_had_no_room_are_found():
    # The second 漢 does not fit in the last cell of the first line, which stays blank.
    text = text_of("abcdefg日漢字 end\r\n$ ")
    assert text.is_wrapped(0)
    assert hits(text, "日漢字") == [0]
    assert text.matches(0, "日漢字") == [(7, 9)]
    assert text.matches(1, "日漢字") == [(0, 4)]
    assert hits(text, "漢字") == [1]
    assert text.matches(0, "漢字") == []


def test_blanks_at_the_edge_belong_to_the_text():
    text = text_of("abcdefgh  ij\r\n$ ")
    assert hits(text, "h  ij") == [0]
    assert text.matches(1, "h  ij") == [(0, 2)]
    assert hits(text, "hij") == []


def test_what_left_the_screen_is_found_over_the_edge_too():
    text = text_of("0123456needle\r\n" + "line\r\n" * 20)
    assert text.first == 0 < text.top
    assert hits(text, "needle") == [0]
    assert text.matches(1, "needle") == [(0, 3)]
    # One part has left the screen, the other has not.
    text = text_of("0123456needle\r\nb\r\nc\r\nd")
    assert text.top == 1
    assert hits(text, "needle") == [0]
    assert [text.matches(line, "needle") for line in (0, 1)] == [[(7, 10)], [(0, 3)]]


def test_letters_that_grow_in_lower_case_do_not_move_what_is_shown():
    text = text_of("İİ needle")
    assert text.matches(0, "needle") == [(3, 9)]


WRITTEN = st.lists(st.text(alphabet="ab 日e", min_size=0, max_size=40), min_size=1, max_size=6)


@given(WRITTEN, st.text(alphabet="ab日e", min_size=1, max_size=12), st.integers(2, 17))
def test_what_was_written_is_found_at_any_width(lines, needle, width):
    text = text_of("\r\n".join(lines), width, 6)
    written = sum(line[at:].startswith(needle) for line in lines for at in range(len(line)))
    begun = 0
    for line in range(text.first, text.end):
        cells = sum(run.cells for run in text.runs(line))
        for start, end in text.matches(line, needle):
            assert 0 <= start < end <= cells
    for line in hits(text, needle):
        before = {(start, end) for start, end in text.matches(line, needle)}
        assert before
        begun += 1
    assert (begun > 0) is (written > 0)
    assert begun <= written


@given(WRITTEN, st.text(alphabet="ab日e", min_size=1, max_size=12), st.integers(4, 17))
def test_what_is_shown_as_found_is_what_was_looked_for(lines, needle, width):
    text = text_of("\r\n".join(lines), width, 6)
    wide = text_of("\r\n".join(lines), 100, 6)

    def cells(text):
        shown = ""
        for line in range(text.first, text.end):
            row = "".join(run.text for run in text.runs(line))
            spread = "".join(c + "\0" * (c == "日") for c in row)
            shown += "".join(spread[start:end] for start, end in text.matches(line, needle))
        return shown.replace("\0", "")

    if not any(needle[:at] == needle[-at:] for at in range(1, len(needle))):
        assert cells(text) == cells(wide)
