"""Sizes as people read them: one scale for all, with or without a digit after the point."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.ui.rendering.units import counted, number, short_size, size_text

FACTORS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@pytest.mark.parametrize(
    ("size", "long", "short"),
    [
        (0, "0 B", "0 B"),
        (999, "999 B", "999 B"),
        (1000, "1.0 kB", "1.0 kB"),
        (9_940, "9.9 kB", "9.9 kB"),
        (9_960, "10.0 kB", "10 kB"),
        (88_400, "88.4 kB", "88 kB"),
        (999_600, "999.6 kB", "1.0 MB"),
        (999_960, "1.0 MB", "1.0 MB"),
        (1_234_567, "1.2 MB", "1.2 MB"),
        (10**9, "1.0 GB", "1.0 GB"),
        (5 * 10**15, "5000.0 TB", "5000 TB"),
    ],
)
def test_a_size_in_both_forms(size, long, short):
    assert size_text(size) == long
    assert short_size(size) == short


@pytest.mark.parametrize("form", [size_text, short_size])
@given(size=st.integers(0, 10**16))
def test_what_is_read_is_near_what_it_is(form, size):
    text, unit = form(size).split()
    value = float(text)
    assert value < 1000 or unit == "TB"
    assert value >= 1 or unit == "B"
    assert abs(value * FACTORS[unit] - size) <= max(0.051 * FACTORS[unit], 0.051 * size)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4, "4"),
        (0.5, "0.5"),
        (10.25, "10.25"),
        (0, "0"),
        (1_600_000, "1,600,000"),
        (123456.7, "123,456.7"),
        (1e300, "1e+300"),
    ],
)
def test_numbers_of_any_fleet_are_written_out(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0 cores"), (0.5, "0.5 cores"), (1, "1 core"), (2, "2 cores")])
def test_one_of_a_thing_is_named_in_the_singular(value, text):
    assert counted(value, "core") == text
