"""Lines are wrapped anew when the width changes: as tmux does it, and without losing or mixing up any text."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandtui.terminal import PLAIN, Emulation, Pen, TerminalText
from sandtui.terminal.lines import StoredLine
from sandtui.terminal.rewrap import cells_in, rewrap
from tests.terminal.judge import SIZE, VERDICTS
from tests.terminal.resizes import RESIZES
from tests.terminal.tmux import Tmux, our_screen, same_screen, version

BLANKS_FIRST = "blank lines below the cursor make room before anything scrolls away, as in kitty and VTE"
WE_DIFFER = {
    "one line, narrower": BLANKS_FIRST,
    "back from the other screen": "tmux parts a line between scrollback and screen once it had the other screen",
}


def settle(terminal, rows=1_000_000):
    settling = terminal.settling()
    while not settling.is_ready:
        settling.step(rows)
    settling.commit()


def scrollback(terminal):
    text = TerminalText(terminal)
    settle(terminal)
    return [text.plain(line) for line in range(text.first, text.top)]


def everything(terminal):
    """Return all text, what only the width has broken joined."""
    text = TerminalText(terminal)
    settle(terminal)
    return text.copy(text.first, text.end - 1)


@pytest.mark.parametrize("name", RESIZES)
def test_what_is_wrapped_again_is_as_in_tmux(name):
    verdict = json.loads(VERDICTS.read_text())[f"resized: {name}"]
    data, sizes = RESIZES[name]
    terminal = our_screen(data, *SIZE)
    for size in sizes:
        terminal.resize(*size)
    problems = same_screen(terminal, verdict)
    if not terminal.is_alternate and scrollback(terminal) != verdict["scrollback"]:
        problems.append(f"tmux's scrollback is {verdict['scrollback']}, ours {scrollback(terminal)}")
    if name in WE_DIFFER:
        assert problems, f"{name} is as in tmux now: take it off the list"
    else:
        assert not problems, "\n".join(problems[:5])


def test_the_verdicts_are_those_of_tmux():
    verdicts = json.loads(VERDICTS.read_text())
    if version() != verdicts["version"]:
        pytest.skip(f"{verdicts['version']} is not installed")
    with Tmux(*SIZE) as tmux:
        for name in list(RESIZES)[::5]:
            wanted = {key: value for key, value in verdicts[f"resized: {name}"].items() if key != "crc"}
            assert tmux.show_resized(*RESIZES[name]) == wanted, f"another tmux wraps {name} otherwise"


def without_ends(terminal):
    """Return all lines of text without the blanks at their ends: those are not kept when lines are broken elsewhere."""
    return [line.rstrip() for line in everything(terminal).split("\n")]


WORDS = st.text("ab \u6f22\u5b57e\u0301", max_size=90)
STYLED = st.tuples(st.sampled_from(["", "\x1b[31m", "\x1b[42m", "\x1b[0m"]), WORDS).map("".join)
LINES = st.lists(STYLED, max_size=25)
WIDTHS = st.lists(st.integers(2, 60), min_size=1, max_size=4)


@settings(deadline=None)
@given(LINES, WIDTHS, st.integers(2, 12))
def test_any_widths_and_back_leave_the_same_text(lines, widths, height):
    terminal = Emulation(30, height)
    # Blanks that fill a row by themselves at the end of a line would make it a row shorter, and move the cursor.
    terminal.feed("\r\n".join(line + "|" for line in lines).encode())
    before, cursor = without_ends(terminal), terminal.cursor
    for width in [*widths, 30]:
        terminal.resize(width, height)
        assert len(terminal.grid.rows) == height
        assert all(len(row.chars) == len(row.pens) == width for row in terminal.grid.rows)
    assert without_ends(terminal) == before
    assert terminal.cursor == cursor


@settings(deadline=None)
@given(LINES, st.lists(st.tuples(st.integers(2, 60), st.integers(1, 15)), min_size=1, max_size=4))
def test_what_was_never_wrapped_is_what_is_wrapped_again(lines, sizes):
    data = "".join(line + "\r\n" for line in lines).encode()
    resized = Emulation(30, 8)
    resized.feed(data)
    for size in sizes:
        resized.resize(*size)
    fresh = Emulation(*sizes[-1])
    fresh.feed(data)
    assert everything(resized).split() == everything(fresh).split()


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, st.sampled_from([PLAIN, Pen(fg=1), Pen(bg=2)])), min_size=1, max_size=8), WIDTHS)
def test_no_row_is_wider_than_the_width_and_each_cell_keeps_its_pen(pieces, widths):
    terminal = Emulation(1000, 1)
    for text, pen in pieces:
        terminal.grid.pen = pen
        terminal.grid.write(text)
    line = terminal.grid.rows[0]
    rows = [line.compact()]
    wanted = [(char, pen) for char, pen in zip(line.chars, line.pens, strict=True)]
    for width in widths:
        rows = rewrap(rows, width)
        assert all(cells_in(row) <= width for row in rows)
        got = [cell for row in rows for cell in cells_of_row(row)]
        assert got == wanted[: len(got)]
        assert all(cell[0] == " " for cell in wanted[len(got) :])


def cells_of_row(row: StoredLine):
    line = row.line(0)
    return list(zip(line.chars, line.pens, strict=True))[: cells_in(row)]


def test_the_rest_of_a_long_scrollback_is_wrapped_in_slices():
    terminal = Emulation(80, 24)
    terminal.feed(b"".join(b"%05d %s\r\n" % (n, b"x" * 90) for n in range(4000)))
    text = TerminalText(terminal)
    terminal.resize(40, 24)
    assert len(terminal.history) < 8100, "only what comes into view is wrapped at once"
    assert text.plain(text.end - 2) == "x" * 16
    settling = terminal.settling()
    settling.step(3000)
    terminal.feed(b"meanwhile\r\n" * 30)
    assert not settling.is_ready
    while not settling.is_ready:
        settling.step(700)
    assert len(terminal.history) < 8100
    settling.commit()
    assert len(terminal.history) == 10_000, "the oldest have gone, as there are more now"
    assert all(len(row.text) <= 40 for row in terminal.history)
    last = [text.plain(line) for line in range(text.end - 34, text.end - 30)]
    assert last == ["03999 " + "x" * 34, "x" * 40, "x" * 16, "meanwhile"]


def test_what_was_made_for_another_width_is_dropped():
    terminal = Emulation(80, 24)
    terminal.feed(b"".join(b"%05d %s\r\n" % (n, b"x" * 90) for n in range(200)))
    terminal.resize(40, 24)
    old = terminal.settling()
    old.step(1000)
    terminal.resize(60, 24)
    old.commit()
    settle(terminal, 7)
    assert {len(row.text) for row in terminal.history} == {60, 36}
    terminal.resize(50, 24)
    gone = terminal.settling()
    gone.step(1000)
    terminal.feed(b"\x1b[3J")
    gone.commit()
    assert not terminal.history


@settings(deadline=None)
@given(st.integers(1, 400), st.sampled_from([7, 33, 200]))
def test_a_line_longer_than_all_keeps_its_text(length, width):
    terminal = Emulation(10, 5)
    words = b" ".join(b"w%d" % n for n in range(length * 20))
    terminal.feed(words)
    for columns in (width, 10):
        terminal.resize(columns, 5)
        settle(terminal)
    assert words.decode().endswith(everything(terminal))
    assert len(everything(terminal)) >= min(len(words), 90_000)


def test_what_is_read_is_found_again():
    terminal = Emulation(80, 24)
    terminal.feed(b"".join(b"%04d %s\r\n" % (n, b"x" * (n % 200)) for n in range(500)))
    text = TerminalText(terminal)

    def line_of(start):
        return next(line for line in range(text.first, text.end) if text.plain(line).startswith(start))

    first, second = text.mark(line_of("0317")), text.mark(line_of("0317") + 1)
    for width in (33, 120, 80):
        terminal.resize(width, 24)
        assert text.find(first) == line_of("0317"), "before the rest is wrapped"
        settle(terminal)
        assert text.find(first) == line_of("0317")
        assert text.find(second) == line_of("0317") + 80 // width
    assert text.mark(line_of("0317")) == first


def test_what_comes_back_into_a_higher_window_has_its_width():
    terminal = Emulation(30, 8)
    terminal.feed(b"aaa\r\n")
    for size in ((3, 1), (2, 1), (2, 2), (2, 3)):
        terminal.resize(*size)
    assert [TerminalText(terminal).plain(line) for line in range(TerminalText(terminal).top, 3)][-3:] == ["aa", "a", ""]


def test_lines_that_are_moved_apart_are_not_joined():
    terminal = Emulation(10, 5)
    terminal.feed(b"a" * 15 + b"\x1b[2;1H\x1b[L" + b"new")
    terminal.resize(30, 5)
    assert [row.strip() for row in everything(terminal).split("\n")] == ["a" * 10, "new", "a" * 5]


def test_the_cursor_that_a_program_will_go_back_to_moves_along():
    terminal = Emulation(20, 6)
    terminal.feed(b"y" * 50 + b"\r\n$ vi\r\n\x1b[?1049h\x1b[Hin vi")
    terminal.resize(30, 6)
    terminal.feed(b"\x1b[?1049l$ ")
    assert everything(terminal).split("\n") == ["y" * 50, "$ vi", "$"]
