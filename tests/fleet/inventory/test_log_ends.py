"""The ends of logs: what is read, when, and what is kept of it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client import ServerError
from sandtui.clock import ManualClock
from sandtui.fleet.inventory import log_ends
from sandtui.fleet.inventory.log_ends import AGAIN_SECONDS, CHARACTERS, LINES, LONG, LONG_SECONDS, LogEnds, last_lines
from sandtui.fleet.inventory.row import Row
from tests.fleet.factory import NOW, sandbox


class Logs:
    """A platform with one log."""

    def __init__(self, text="2026-11-24T14:00:00Z one\ntwo\n"):
        self.text, self.asked = text, []
        self.error = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def get_logs(self, sandbox_id):
        self.asked.append(sandbox_id)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.text


def row(status, **fields):
    return Row.of(sandbox(1, status=status, **fields), 1)


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def logs():
    return Logs()


@pytest.fixture
def ends(logs, clock):
    return LogEnds(logs, clock)


async def test_the_log_of_what_has_ended_is_read_once(ends, clock):
    ended = row("ERROR")
    assert ends.is_due(ended)
    await ends.read(ended)
    assert ends.of(ended.id).lines == ("one", "two")
    assert ends.of(ended.id).final
    clock.advance(100_000)
    assert not ends.is_due(ended)
    assert not ends.is_due(ended, live=True)


@pytest.mark.parametrize("status", ["PENDING", "PROVISIONING", "RUNNING", "PAUSED"])
def test_a_list_asks_for_no_log_that_still_grows(ends, status):
    assert not ends.is_due(row(status))
    assert ends.is_due(row(status), live=True) is (status == "RUNNING")


def test_what_is_no_longer_listed_is_not_asked_for(ends):
    assert not ends.is_due(Row.of(sandbox(1, status="ERROR"), 1, missing=1))


async def test_a_running_log_is_read_again_and_a_long_one_more_rarely(ends, logs, clock):
    live = row("RUNNING")
    await ends.read(live)
    assert not ends.is_due(live, live=True)
    clock.advance(AGAIN_SECONDS)
    assert ends.is_due(live, live=True)
    logs.text = "x\n" * LONG
    await ends.read(live)
    clock.advance(AGAIN_SECONDS)
    assert not ends.is_due(live, live=True)
    clock.advance(LONG_SECONDS)
    assert ends.is_due(live, live=True)


async def test_after_the_end_the_log_is_read_for_the_last_time(ends):
    await ends.read(row("RUNNING"))
    ended = row("TIMEOUT")
    assert ends.is_due(ended)
    await ends.read(ended)
    assert not ends.is_due(ended)


async def test_a_failure_is_told_and_tried_again_later(ends, logs, clock):
    ended = row("ERROR")
    logs.error = ServerError("\x1b[31mno \u202eluck")
    await ends.read(ended)
    problem = ends.of(ended.id).problem
    assert "luck" in problem
    assert "\x1b" not in problem and "\u202e" not in problem
    assert not ends.is_due(ended)
    clock.advance(AGAIN_SECONDS)
    assert ends.is_due(ended)
    logs.error = None
    await ends.read(ended)
    assert not ends.of(ended.id).problem


async def test_a_slow_log_is_not_asked_for_twice_and_one_that_was_cancelled_again(ends, logs):
    ended = row("ERROR")
    logs.gate.clear()
    reading = asyncio.ensure_future(ends.read(ended))
    while not logs.asked:
        await asyncio.sleep(0)
    assert not ends.is_due(ended)
    assert ends.is_coming(ended)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert ends.is_due(ended)


async def test_the_logs_that_were_used_last_are_kept(ends, monkeypatch):
    monkeypatch.setattr(log_ends, "LOGS_KEPT", 2)
    rows = [Row.of(sandbox(number, status="ERROR"), number) for number in range(3)]
    await ends.read(rows[0])
    await ends.read(rows[1])
    ends.of(rows[0].id)
    await ends.read(rows[2])
    assert [ends.of(each.id) is not None for each in rows] == [True, False, True]


def test_blank_lines_and_carriage_returns_and_stamps_take_no_room():
    text = "2026-11-24T14:00:00Z start\n\n   \n 10%\r 50%\r100%\n\x1b[31mred\x1b[0m [/] \u202e\n\n"
    lines = last_lines(text)
    assert lines[0] == "start"
    assert lines[1] == "100%"
    assert "[/]" in lines[2] and "\x1b" not in lines[2] and "\u202e" not in lines[2]
    assert len(lines) == 3


@given(st.text(max_size=3000) | st.integers(0, 300).map(lambda count: "line\n" * count) | st.just("x" * 200_000))
def test_the_end_of_any_log_is_bounded_and_safe(text):
    lines = last_lines(text)
    assert len(lines) <= LINES
    assert all(line.strip() and len(line) <= CHARACTERS for line in lines)
    assert all(line.isprintable() for line in lines if line.isascii())


def test_a_line_that_is_cut_by_the_end_that_is_looked_at_is_left_out():
    lines = last_lines("secret " * 20_000 + "\nlast\n")
    assert lines == ("last",)
