"""Charts of characters: they keep to their width, show what is larger as larger, and draw any number."""

from collections import Counter
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.ui.rendering.charts import BARS, Span, divided, latest, length, plot, spans, spark, stacked, trend, upright
from sandtui.ui.rendering.stacked import FILLS, status_bar
from sandtui.ui.rendering.status import STATUS_STYLES
from sandtui.ui.rendering.text import Piece, cut, width_of

anything = st.floats() | st.integers(-5, 10**18)
widths = st.integers(-2, 200)
counts = st.lists(st.integers(0, 10**6), max_size=12)


def text(pieces):
    return "".join(piece.text for piece in pieces)


@given(st.lists(anything, max_size=80))
def test_a_spark_has_a_bar_for_each_value_and_the_largest_a_full_one(values):
    drawn = spark(values)
    assert len(drawn) == len(values)
    assert set(drawn) <= set(BARS)
    real = [value for value in values if 0 < value < inf]
    if real:
        assert drawn[values.index(max(real))] == BARS[-1]


@given(st.lists(anything, max_size=80), widths)
def test_the_latest_values_are_drawn_between_their_smallest_and_largest(values, width):
    drawn = latest(values, width)
    real = [value for value in values if -inf < value < inf][-width:] if width > 0 else []
    assert len(drawn) == len(real)
    if real and min(real) < max(real):
        assert drawn[real.index(max(real))] == BARS[-1]
        assert drawn[real.index(min(real))] == BARS[0]


@given(st.lists(anything, max_size=300), widths)
def test_a_trend_has_all_values_in_its_width(values, width):
    real = [value for value in values if -inf < value < inf]
    assert len(trend(values, width)) == min(len(real), max(0, width))


def test_a_trend_goes_where_its_values_go():
    assert trend(range(800), 8) == BARS
    assert trend([5, *range(800, 0, -1)], 4) == "█▆▃▁"


@given(st.lists(st.integers(0, 10**6), max_size=9), st.integers(1, 9), st.integers(0, 3), st.integers(1, 5))
def test_upright_bars_stand_on_one_line(values, wide, gap, height):
    rows = upright(values, wide, gap, height)
    assert [len(row) for row in rows] == [len(values) * (wide + gap)] * height
    for index, value in enumerate(values):
        cells = [row[index * (wide + gap)] for row in rows]
        assert (cells[-1] != " ") == bool(value)


@given(st.lists(anything, max_size=80), widths, st.integers(0, 8), anything)
def test_a_plot_keeps_to_its_size_and_ends_with_the_latest(values, width, height, top):
    rows = plot(values, width, height, top)
    assert len(rows) == height
    assert all(len(row) == max(0, width) for row in rows)
    if values and width > 0 and height:
        assert rows[-1].endswith(tuple(BARS))


def test_a_plot_has_as_many_eighths_as_its_values():
    assert plot([1, 2, 3, 4], 4, 2, 4) == ["  ▄█", "▄███"]
    assert plot([4, 0], 5, 1, 8) == ["   ▄▁"]
    assert plot([], 3, 2) == ["   ", "   "]


@given(anything, anything, widths)
def test_a_bar_is_never_longer_than_its_room_and_shows_what_is_more_than_nothing(value, top, width):
    drawn = length(value, top, width)
    assert len(drawn) <= max(0, width)
    if width > 0 and 0 < value < inf and 0 < top < inf:
        assert drawn


def test_bars_are_exact_to_half_a_cell():
    assert [length(value, 8, 4) for value in (0, 1, 2, 3, 8, 9)] == ["", "╸", "━", "━╸", "━━━━", "━━━━"]


@given(counts, widths)
def test_a_divided_width_is_used_up_and_no_part_is_lost_while_there_is_room(found, width):
    cells = divided(found, width)
    assert len(cells) == len(found)
    assert min(cells, default=0) >= 0
    present = [count for count in found if count]
    assert sum(cells) == (max(0, width) if present else 0)
    if 0 < len(present) <= width:
        assert all(bool(cell) == bool(count) for cell, count in zip(cells, found, strict=True))
    for cell, count in zip(cells, found, strict=True):
        # What is more has at least as much, but for one cell of rounding.
        assert all(cell <= other + 1 for other, more in zip(cells, found, strict=True) if more >= count)


def test_a_divided_width_is_in_proportion():
    assert divided([50, 25, 25], 8) == [4, 2, 2]
    assert divided([1, 10_000], 10) == [1, 9]
    assert sum(divided([1] * 9, 4)) == 4


@given(st.dictionaries(st.sampled_from([*STATUS_STYLES, "NEW", "\x1b[31m"]), st.integers(0, 10**6)), st.integers(0, 90))
def test_a_status_bar_fills_its_width_and_each_status_has_a_texture(found, width):
    drawn = status_bar(Counter(found), width)
    assert width_of(text(drawn)) == (width if any(found.values()) else 0)
    assert text(drawn).isprintable()


def test_statuses_are_told_apart_without_color():
    active = ("RUNNING", "PENDING", "PAUSED", "DELETING", "ERROR", "TERMINATED")
    assert len({FILLS[status] for status in active}) == len(active)
    bar = status_bar(Counter(RUNNING=2, ERROR=1, TIMEOUT=1), 8)
    assert text(bar) == "▄▄▄▄✖✖░░"
    assert stacked([(0, "x", "dim")], 5) == []


times = st.floats(allow_nan=True) | st.floats(0, 1000)


@given(st.lists(st.tuples(times, times), max_size=6), times, st.integers(0, 120))
def test_spans_of_time_keep_to_their_line(parts, total, width):
    drawn = spans([Span(start, end, "=", "info") for start, end in parts], total, width)
    assert width_of(text(drawn)) == width


def test_spans_follow_each_other_and_are_at_least_a_cell():
    parts = [Span(0, 5, "·", "dim"), Span(5, 5.01, "-", "busy"), Span(5.01, 10, "=", "good")]
    assert text(spans(parts, 10, 10)) == "·····====="
    assert text(spans(parts[:2], 10, 10)) == "·····-    "
    assert text(spans([Span(9, 20, "=", "good")], 10, 10)) == "         ="


@pytest.mark.parametrize("value", [nan, inf, -inf, -1.0])
def test_what_is_no_amount_is_drawn_as_nothing(value):
    assert spark([value, 1]) == "▁█"
    assert length(value, 1, 4) == ""
    assert plot([value, 1], 2, 1) == ["▁█"]


@given(st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=9), max_size=6), widths)
def test_a_cut_line_keeps_to_its_width_and_says_that_it_was_cut(texts, width):
    pieces = [Piece(each) for each in texts]
    drawn, whole = text(cut(pieces, width)), "".join(texts)
    assert width_of(drawn) <= max(0, width)
    if width_of(whole) <= width:
        assert drawn == whole
    elif width > 1:
        assert drawn.endswith("…")
