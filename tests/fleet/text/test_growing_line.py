"""Lines that are written over by carriage returns: the last state shows, however the output was cut into pieces."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client import CommandResponse
from sandtui.client.models import ReadFileResponse
from sandtui.fleet.commands.fanout.answer import Answer
from sandtui.fleet.commands.fanout.live import Live
from sandtui.fleet.jobs.log_window import LogWindow
from sandtui.fleet.text.carriage_returns import last_state
from sandtui.fleet.text.growing_line import MAX_LINE, GrowingLine, settled
from sandtui.fleet.text.output_lines import Output, OutputStream
from sandtui.fleet.text.sanitize import output_line
from sandtui.fleet.text.sgr import PLAIN, ink_after, styled

PARTS = st.sampled_from(["a", "bc", "\r", "\r", "\n", "\r\n", "日本", " ", "\x1b[31m", "\x1b[0m", "\x1b[K", "\x1b["])
TEXT = st.lists(PARTS, max_size=40).map("".join)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def in_pieces(cuts, data):
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


def naive(line):
    """Apply carriage returns one by one."""
    shown = ""
    for number, state in enumerate(line.split("\r")):
        if not number or re.sub("\x1b\\[[0-9;:]*[mK]", "", state):
            shown = state
    return shown


@given(TEXT)
def test_the_last_state_is_what_the_returns_leave_one_by_one(line):
    assert last_state(line) == naive(line)


@given(TEXT, CUTS, st.sampled_from([3, 10, 1000]))
def test_a_line_in_pieces_is_the_line_as_a_whole(line, cuts, limit):
    grown, whole = GrowingLine(limit), GrowingLine(limit)
    for piece in in_pieces(cuts, line):
        grown.feed(piece)
    whole.feed(line)
    assert (grown.text, grown.cut, grown.over) == (whole.text, whole.cut, whole.over)
    if limit == 1000:
        assert (grown.text, grown.cut) == (naive(line), 0)
        assert grown.end_ink == ink_after(line, PLAIN)
        assert styled(grown.text, grown.ink) == styled(line)


@given(TEXT, TEXT)
def test_a_line_is_joined_to_one_that_stood_before_it(first, second):
    one, other = GrowingLine(), GrowingLine()
    one.feed(first + second)
    other.feed(second)
    joined = GrowingLine()
    joined.feed(first)
    joined.feed(other.raw)
    assert joined.text == one.text
    if other.over:
        assert other.text == one.text


def test_a_line_is_bounded_whatever_is_fed():
    line = GrowingLine(1000)
    for piece in ("x" * 999, "y" * 70_000, "\x1b[31m" * 20_000, "z" * 500):
        line.feed(piece)
        assert len(line.text) + len(line.raw) <= 2002
    assert (line.text, line.cut) == ("x" * 999 + "y", 69_999 + 100_000 + 500)
    line.feed("\rnew")
    assert (line.text, line.cut) == ("new", 0)
    assert line.ink.color == 1, "what was cut has still set the colour"


BAR = b"".join(b"\rprogress %05d of 90000 bytes ....." % number for number in range(1, 3001))


@pytest.mark.parametrize("step", [1, 7, 33, 34, 35, 1000, 65536])
@pytest.mark.parametrize("end", [b"done\n", b"\r\x1b[Kdone\r\n", b"\rdone"])
def test_a_bar_that_ran_for_long_does_not_stand_still(step, end):
    data = BAR + end
    assert len(data) > MAX_LINE
    output, live = Output(), Live(50_000)
    for start in range(0, len(data), step):
        output.feed(OutputStream.STDOUT, data[start : start + step], 1)
        live.feed("stdout", data[start : start + step])
    before = "" if b"\r" in end else "progress 03000 of 90000 bytes ....."
    assert [output_line(line.text) for line in output.lines] == [f"{before}done"]
    assert output_line(live.last.text) == f"{before}done"
    answer = live.answer(0)
    assert output_line(answer.stdout.rstrip("\r\n")) == f"{before}done"
    assert (answer.cut, answer.digest) == (0, "")
    assert answer == Answer.of(CommandResponse(stdout=data.decode(), stderr="", exit_code=0), 50_000)


def test_whole_lines_are_settled_before_they_are_cut():
    output = Output()
    output.add(OutputStream.STDOUT, [BAR.decode() + "done", "next\r"], 1)
    assert [line.text for line in output.lines] == ["progress 03000 of 90000 bytes .....done", "next"]
    assert settled(BAR.decode(), 5) == "progr"


def test_answers_that_are_cut_are_told_apart_by_what_was_cut():
    def answer(text):
        return Answer.of(CommandResponse(stdout=text, stderr="", exit_code=0), 1000)

    one, other = answer("x" * 5000 + "a"), answer("x" * 5000 + "b")
    assert one != other
    assert (one.stdout, one.cut) == ("x" * 1000, 4001)
    lines = answer("line\n" * 1000)
    assert (len(lines.stdout), lines.cut) == (1000, 4000)


@given(st.lists(TEXT, min_size=1, max_size=8).map("".join), CUTS, st.integers(1, 40))
async def test_a_log_read_by_windows_is_the_log_as_a_whole(text, cuts, size):
    log = b""

    async def read(offset, length):
        start = max(0, len(log) + offset) if offset < 0 else offset
        part = log[start : start + length]
        content = part.decode("utf-8", "replace")
        return ReadFileResponse(content=content, size=len(part), total_size=len(log), offset=start, truncated=True)

    window = LogWindow(read, window=1000)
    for piece in in_pieces(cuts, text.encode()):
        log += piece
        await window.read_more()
    await window.read_more()
    assert window.lines == reference(text)
    # And from its end backwards, in windows that begin inside lines. They must not begin inside a letter or a code.
    log = text.replace("日本", "jp").replace("\x1b[31m", "").replace("\x1b[0m", "").replace("\x1b[K", "").encode()
    window = LogWindow(read, window=size)
    await window.read_end()
    while not window.at_start:
        await window.read_before()
    assert window.lines == reference(log.decode())


def reference(text):
    lines = [naive(line) for line in text.split("\n")]
    return [output_line(line) for line in (lines if lines[-1] else lines[:-1])]


async def test_a_job_log_follows_a_bar_that_ran_for_long():
    log = b"start\n"

    async def read(offset, length):
        start = max(0, len(log) + offset) if offset < 0 else offset
        part = log[start : start + length]
        return ReadFileResponse(
            content=part.decode(), size=len(part), total_size=len(log), offset=start, truncated=True
        )

    window = LogWindow(read)
    await window.read_end()
    for start in range(0, len(BAR), 9_001):
        log += BAR[start : start + 9_001]
        await window.read_more()
    log += b"done\n"
    await window.read_more()
    assert window.lines == ["start", "progress 03000 of 90000 bytes .....done"]
    again = LogWindow(read)
    await again.read_end()
    assert again.lines == ["progress 03000 of 90000 bytes .....done"]
    while not again.at_start:
        await again.read_before()
    assert again.lines == window.lines
