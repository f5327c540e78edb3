"""When sandboxes end: each active one is counted once, by the time left."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.inventory.expiry import STEPS, expiries
from sandtui.fleet.inventory.row import Row
from tests.fleet.factory import NOW, sandbox


def row(minutes_left, number=1, **fields):
    started = NOW - timedelta(minutes=100) + timedelta(minutes=minutes_left)
    found = {"status": "RUNNING", "started_at": started, "timeout_minutes": 100} | fields
    return Row.of(sandbox(number, **found), number)


def test_each_step_ends_where_the_next_begins():
    left = [-5, 0, 9, 10, 59, 60, 239, 240, 719, 720, 1439, 1440, 99_999]
    found = expiries([row(minutes, number) for number, minutes in enumerate(left)], NOW.timestamp())
    assert dict(zip((name for name, _ in STEPS), found.counts, strict=True)) == {
        "< 10m": 3, "< 1h": 2, "< 4h": 2, "< 12h": 2, "< 1d": 2, "later": 2,
    }  # fmt: skip
    assert (found.unlimited, found.total) == (0, 13)


def test_what_has_ended_or_not_begun_has_no_end_before_it():
    rows = [
        row(30, 1, status="ERROR"),
        row(30, 2, status="PENDING", started_at=None),
        row(30, 3, timeout_minutes=0),
        row(30, 4, status="PAUSED"),
    ]
    found = expiries(rows, NOW.timestamp())
    assert (sum(found.counts), found.unlimited) == (1, 1)


@given(st.lists(st.floats(-1e6, 1e6), max_size=50))
def test_none_is_lost(left):
    found = expiries([row(minutes, number) for number, minutes in enumerate(left)], NOW.timestamp())
    assert found.total == len(left)
