"""Search with next and previous match in any lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.text.search import COUNTED_LINES, Lines, Search, is_in, split

LINES = ["starting", "Error: one", "fine", "error: two"]

lines_of_text = st.lists(st.text("abAB", max_size=4), max_size=12)
needles = st.text("abAB", min_size=1, max_size=2)


def lines(texts, first=0):
    return Lines(first, first + len(texts), lambda number, needle: is_in(needle, texts[number - first]))


@pytest.mark.parametrize(
    ("needle", "start", "step", "line"),
    [
        ("error", 0, 1, 1),
        ("error", 2, 1, 3),
        ("error", 4, 1, 1),
        ("Error", 2, 1, 1),
        ("error", 0, -1, 3),
        ("error", -1, -1, 3),
        ("x", 0, 1, None),
        ("", 0, 1, None),
    ],
)
def test_a_text_is_found_round_the_end(needle, start, step, line):
    assert Lines.of(len(LINES), LINES.__getitem__).find(needle, start, step) == line


def test_nothing_is_found_in_nothing():
    assert lines([]).find("a", 0, 1) is None
    assert Search("a").go(lines([]), 0, 1) is None
    assert Search().go(lines(LINES), 0, 1) is None


@pytest.mark.parametrize(
    ("step", "found"), [(1, [(1, (1, 2)), (3, (2, 2)), (1, (1, 2))]), (-1, [(1, (1, 2)), (3, (2, 2))])]
)
def test_the_first_match_may_be_on_the_line_of_the_cursor(step, found):
    search = Search()
    line = search.begin("error", lines(LINES), 1, step)
    assert (line, search.place) == found[0]
    for expected in found[1:]:
        line = search.go(lines(LINES), line, step)
        assert (line, search.place) == expected


def test_a_search_without_a_match_says_no_place():
    search = Search()
    search.begin("error", lines(LINES), 0, 1)
    assert search.status == "1 of 2"
    assert search.begin("nothing", lines(LINES), 0, 1) is None
    assert search.status == ""


def test_lines_are_asked_for_only_when_they_are_looked_at():
    asked = []

    def text_of(number):
        asked.append(number)
        return "x"

    search = Search()
    assert search.begin("x", Lines.of(COUNTED_LINES + 1, text_of), 7, 1) == 7
    assert asked == [7]
    assert search.status == ""


@given(texts=lines_of_text, needle=needles, first=st.integers(-5, 100), cursor=st.integers(-200, 200), up=st.booleans())
def test_each_match_comes_once_a_round_in_order(texts, needle, first, cursor, up):
    """From any cursor, also one that is not among the lines any more."""
    step = -1 if up else 1
    held = [first + place for place, text in enumerate(texts) if is_in(needle, text)]
    search, found = Search(needle), []
    line = cursor
    for _ in held:
        line = search.go(lines(texts, first), line, step)
        assert search.place == (held.index(line) + 1, len(held))
        found.append(line)
    assert sorted(found) == held
    if held:
        at = held.index(found[0])
        assert found == [held[(at + step * count) % len(held)] for count in range(len(held))]
        # And back again.
        for before in reversed([found[-1], *found[:-1]]):
            line = search.go(lines(texts, first), line, -step)
            assert line == before or len(held) == 1
    else:
        assert search.go(lines(texts, first), cursor, step) is None


@given(texts=lines_of_text, needle=needles, cursor=st.integers(0, 11))
def test_next_is_the_nearest_below_and_previous_the_nearest_above(texts, needle, cursor):
    held = [place for place, text in enumerate(texts) if is_in(needle, text)]
    below, above = [each for each in held if each > cursor], [each for each in held if each < cursor]
    if below and cursor < len(texts):
        assert Search(needle).go(lines(texts), cursor, 1) == below[0]
    if above and cursor < len(texts):
        assert Search(needle).go(lines(texts), cursor, -1) == above[-1]


@given(st.text(max_size=30), st.text(max_size=3))
def test_the_parts_of_a_line_are_the_line(line, needle):
    parts = split(line, needle)
    assert "".join(text for text, _ in parts) == line
    exact = needle != needle.lower()
    for text, hit in parts:
        if hit and needle:
            assert (text if exact else text.lower()) == needle
