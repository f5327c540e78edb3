"""The levels of the map's measures."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.inventory.heat import LEVELS, MEASURES
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.usage import GIGABYTE, Measured
from tests.fleet.factory import NOW, sandbox

BY_ID = {measure.id: measure for measure in MEASURES}


def level(measure, row):
    return BY_ID[measure].level(row, NOW.timestamp())


def row(**fields):
    return Row.of(sandbox(1, **fields), 1)


def test_each_level_has_a_name():
    for measure in MEASURES[1:]:
        assert len(measure.names) == LEVELS
        assert measure.unknown


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(0, 0), (1, 1), (9, 1), (10, 2), (59, 2), (60, 3), (240, 4), (720, 5), (1440, 6), (10079, 6), (10080, 7)],
)
def test_age_rises_with_time(minutes, expected):
    assert level("age", row(created_at=NOW - timedelta(minutes=minutes))) == expected
    assert level("age", row(created_at=None)) is None


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(-3, 7), (1, 7), (2, 6), (9, 6), (10, 5), (29, 5), (30, 4), (60, 3), (240, 2), (720, 1), (1440, 0)],
)
def test_less_time_left_is_more_heat(minutes, expected):
    started = NOW - timedelta(minutes=10)
    assert level("left", row(started_at=started, timeout_minutes=10 + minutes)) == expected
    if minutes > 0:
        assert BY_ID["left"].names[expected].startswith("<") == (expected > 0)


def test_what_has_no_end_has_no_level():
    assert level("left", row(timeout_minutes=0)) is None
    assert level("left", row(status="ERROR")) is None


@given(st.floats(0, 100), st.integers(0, 100 * GIGABYTE))
def test_what_was_measured_has_a_level_and_all_else_none(cores, memory):
    measured = replace_measured(row(cpu_cores=4, memory_gb=8), Measured(NOW, cores, memory))
    assert level("cpu", measured) == min(7, int(cores / 4 * 8))
    assert level("memory", measured) == min(7, int(memory / GIGABYTE))
    assert level("cpu", row()) is level("memory", row()) is None
    assert level("cpu", replace_measured(row(), Measured(NOW, None, 1))) is None


def replace_measured(found, measured):
    return replace(found, measured=measured)
