import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.terminal import PLAIN, TRUE, Emulation, Pen, TerminalText
from sandtui.terminal.colors import Colors
from sandtui.terminal.emulation import MAX_STRING
from sandtui.terminal.keys import focus_bytes, key_bytes, mouse_bytes, paste_bytes
from sandtui.terminal.modes import Modes
from sandtui.terminal.pen import BOLD, REVERSE, UNDERLINE, sgr
from sandtui.terminal.redraw import redraw
from tests.terminal.sequences import SEQUENCES


def shown(terminal):
    text = TerminalText(terminal)
    return [text.plain(line) for line in range(text.top, text.end)]


def whole(terminal):
    text = TerminalText(terminal)
    return [(text.runs(line), text.is_wrapped(line)) for line in range(text.first, text.end)]


def fed(data, columns=20, lines=4, **more):
    terminal = Emulation(columns, lines, **more)
    terminal.feed(data)
    return terminal


@pytest.mark.parametrize(
    ("codes", "pen"),
    [
        ("", PLAIN),
        ("1;31", Pen(fg=1, flags=BOLD)),
        ("38;5;200", Pen(fg=200)),
        ("38;5;999", PLAIN),
        ("38;2;1;2;3", Pen(fg=TRUE + 0x010203)),
        ("48:2::1:2:3", Pen(bg=TRUE + 0x010203)),
        ("38;2;300;0;0;4", Pen(flags=UNDERLINE)),
        ("97;107", Pen(fg=15, bg=15)),
        ("7;27", PLAIN),
        ("38", PLAIN),
        ("99999999999999999999999", PLAIN),
    ],
)
def test_colours_of_every_notation(codes, pen):
    assert sgr(PLAIN, codes) == pen


pieces = st.one_of(
    st.sampled_from(list(SEQUENCES.values())),
    st.binary(max_size=40),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace")),
    st.builds(
        lambda prefix, numbers, final: b"\x1b[" + prefix + ";".join(map(str, numbers)).encode() + final,
        st.sampled_from([b"", b"?", b">", b"="]),
        st.lists(st.integers(0, 200), max_size=4),
        st.sampled_from([bytes([code]) for code in range(0x40, 0x7F)]),
    ),
    st.sampled_from([b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[3;6r", b"\x1b[?6h", b"\x1b[?7l", b"\x1b[4h", b"\r\n" * 5]),
)
streams = st.lists(pieces, max_size=12).map(b"".join)


@given(streams, st.lists(st.integers(1, 50), min_size=1), st.integers(1, 60), st.integers(1, 20))
def test_any_bytes_cut_anywhere_give_the_same_screen(data, cuts, columns, lines):
    at_once, cut = Emulation(columns, lines, history=50), Emulation(columns, lines, history=50)
    at_once.feed(data)
    place = turn = 0
    while place < len(data):
        step = cuts[turn % len(cuts)]
        cut.feed(data[place : place + step])
        place, turn = place + step, turn + 1
    assert whole(cut) == whole(at_once)
    assert (cut.cursor, cut.title, cut.replies, cut.modes) == (
        at_once.cursor,
        at_once.title,
        at_once.replies,
        at_once.modes,
    )


@given(streams, st.lists(st.tuples(st.integers(-5, 80), st.integers(-5, 30)), max_size=4))
def test_whatever_comes_the_screen_is_whole(data, sizes):
    terminal = Emulation(30, 8, history=20)
    for size in [(30, 8), *sizes]:
        terminal.resize(*size)
        terminal.feed(data)
        grid = terminal.grid
        assert len(grid.rows) == grid.height
        for row in grid.rows:
            assert len(row.chars) == len(row.pens) == grid.width
            assert all(char == "" or char[0] >= " " for char in row.chars)
            assert row.wide or "" not in row.chars
            assert row.styled or all(pen is PLAIN for pen in row.pens)
        assert 0 <= grid.x <= grid.width and 0 <= grid.y < grid.height
        assert 0 <= grid.top <= grid.bottom < grid.height
        assert len(terminal.history) <= 20


@given(st.lists(st.text("ab |", max_size=50), max_size=40), st.integers(1, 25), st.integers(1, 10))
def test_the_fast_way_for_whole_lines_is_the_slow_one(texts, columns, lines):
    fast = Emulation(columns, lines, history=30)
    slow = Emulation(columns, lines, history=30)
    for terminal in (fast, slow):
        terminal.feed(b"before\x1b[32m")
    fast.feed("".join(text + "\r\n" for text in texts).encode())
    for text in texts:
        slow.feed(text.encode())
        slow.feed(b"\r")
        slow.feed(b"\n")
    assert whole(fast) == whole(slow)
    assert fast.cursor == slow.cursor


@given(streams)
def test_a_redrawn_screen_is_the_same(data):
    terminal = Emulation(40, 10)
    terminal.feed(data)
    again = Emulation(40, 10)
    again.feed(redraw(terminal))
    for row, other in zip(terminal.grid.rows, again.grid.rows, strict=True):
        assert row.chars == other.chars
        assert [pen[:3] for pen in row.pens] == [pen[:3] for pen in other.pens]
    assert again.cursor == terminal.cursor


def test_scrollback_keeps_numbers_as_more_comes():
    terminal = fed(b"".join(b"line %d\r\n" % number for number in range(100)), history=50)
    text = TerminalText(terminal)
    assert (text.first, text.top, text.end) == (47, 97, 101)
    assert text.plain(60) == "line 60"
    terminal.feed(b"more\r\n")
    assert text.plain(60) == "line 60"
    assert text.plain(47) == ""
    assert [line for line in range(text.first, text.end) if text.holds(line, "line 5")] == list(range(50, 60))
    assert not any(text.holds(line, "LINE") for line in range(text.first, text.end))
    assert text.copy(58, 60) == "line 58\nline 59\nline 60"


def test_lines_that_only_the_width_broke_are_copied_as_one():
    terminal = fed(b"x" * 45 + b"\r\nnext")
    text = TerminalText(terminal)
    assert text.copy(text.first, text.end - 1) == "x" * 45 + "\nnext"


def test_the_other_screen_has_no_scrollback():
    terminal = fed(b"a\r\n" * 30 + b"\x1b[?1049h" + b"b\r\n" * 30)
    text = TerminalText(terminal)
    assert text.first == text.top
    terminal.feed(b"\x1b[?1049l")
    assert text.end - text.first == 31


def test_growing_takes_lines_back_from_the_scrollback():
    terminal = fed(b"\r\n".join(b"%d" % number for number in range(10)))
    terminal.resize(20, 6)
    assert shown(terminal) == ["4", "5", "6", "7", "8", "9"]
    terminal.resize(20, 2)
    assert shown(terminal) == ["8", "9"]
    assert terminal.cursor == (1, 1)


def test_erasing_takes_the_background_along():
    terminal = fed(b"abc\x1b[44m\x1b[K\x1b[7m\x1b[2;1H\x1b[J")
    assert terminal.grid.rows[0].pens[3:] == [Pen(bg=4)] * 17
    assert terminal.grid.rows[3].pens == [Pen(bg=4)] * 20
    assert REVERSE & terminal.grid.pen.flags


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (b"\x1b[5n", b"\x1b[0n"),
        (b"ab\r\n\x1b[6n", b"\x1b[2;1R"),
        (b"\x1b[c", b"\x1b[?62;22c"),
        (b"\x1b[>c", b"\x1b[>1;10;0c"),
        (b"\x1b[?2004$p", b"\x1b[?2004;2$y"),
        (b"\x1b[?2004h\x1b[?2004$p", b"\x1b[?2004;1$y"),
        (b"\x1b[?31337$p", b"\x1b[?31337;0$y"),
        (b"\x1b[18t", b"\x1b[8;4;20t"),
        (b"\x1b[21t\x1b[14t\x1b[8;99;99t", b""),
        (b"\x1b]52;c;?\x07", b""),
        (b"\x1b]11;?\x07\x1b]4;1;?\x1b\\", b""),
        (b"\x1bP$qm\x1b\\\x1bP+q544e\x1b\\", b""),
        (b"\x1b[>0q\x1b[?u", b""),
    ],
)
def test_queries_of_the_program_are_answered(question, answer):
    assert fed(question).take_replies() == answer


def test_who_never_reads_the_answers_does_not_fill_the_memory():
    terminal = fed(b"\x1b[c" * 200_000)
    assert len(terminal.replies) < 70_000


def test_titles_links_and_the_clipboard():
    terminal = Emulation(40, 4)
    wanted = []
    terminal.on_clipboard = wanted.append
    terminal.feed(b"\x1b]2;a\x1b[31mb\x07")
    assert terminal.title == "a", "an escape ends a title"
    terminal.feed(b"\x1b[m")
    terminal.feed("\x1b]0;t\u202ex".encode() + b"y" * 1000 + b"\x07")
    assert terminal.title.startswith("t\ufffdxy")
    assert len(terminal.title) == 200
    terminal.feed(b"\x1b]52;c;aGVsbG8=\x07\x1b]52;c;?\x07\x1b]52;c;@@@\x07")
    assert wanted == ["hello"]
    for address, kept in [
        ("https://a.b/c", True),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("https://a.b/\u202e", False),
        ("vscode://x", False),
    ]:
        terminal.feed(f"\x1b[H\x1b]8;;{address}\x07L\x1b]8;;\x07".encode())
        assert (terminal.grid.rows[0].pens[0].link == address) is kept
    assert terminal.grid.pen is PLAIN


@pytest.mark.parametrize(
    "start", [b"\x1b]52;c;", b"\x1b]0;", b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX", b"\x1b[", b"a" + "\u0301".encode()]
)
def test_what_never_ends_does_not_fill_the_memory(start):
    terminal = Emulation(40, 10, history=100)
    terminal.feed(start)
    tracemalloc.start()
    for _ in range(48):
        terminal.feed(b"1" * 65536)  # three megabytes in all
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * MAX_STRING
    terminal.feed(b"\x18\x1b\\\x1b[2J\x1b[Hback")
    assert shown(terminal)[0] == "back"


def test_the_scrollback_is_bounded():
    terminal = Emulation(80, 24, history=200)
    line = b"\x1b[31mx\x1b[32my" * 30 + b"\r\n"
    terminal.feed(line * 400)
    tracemalloc.start()
    terminal.feed(line * 200)
    before, _ = tracemalloc.get_traced_memory()
    terminal.feed(line * 2_000)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(terminal.history) == 200
    assert after < before * 1.2


@pytest.mark.parametrize(
    ("key", "character", "sent"),
    [
        ("a", "a", b"a"),
        ("A", "A", b"A"),
        ("é", "é", "é".encode()),
        ("question_mark", "?", b"?"),
        ("plus", "+", b"+"),
        ("enter", "\r", b"\r"),
        ("tab", "\t", b"\t"),
        ("shift+tab", None, b"\x1b[Z"),
        ("escape", "\x1b", b"\x1b"),
        ("backspace", "\x7f", b"\x7f"),
        ("space", " ", b" "),
        ("ctrl+c", "\x03", b"\x03"),
        ("ctrl+q", None, b"\x11"),
        ("ctrl+@", "\x00", b"\x00"),
        ("ctrl+right_square_bracket", "\x1d", b"\x1d"),
        ("ctrl+underscore", "\x1f", b"\x1f"),
        ("up", None, b"\x1b[A"),
        ("ctrl+left", None, b"\x1b[1;5D"),
        ("shift+end", None, b"\x1b[1;2F"),
        ("delete", None, b"\x1b[3~"),
        ("ctrl+pageup", None, b"\x1b[5;5~"),
        ("f1", None, b"\x1bOP"),
        ("shift+f1", None, b"\x1b[1;2P"),
        ("f12", None, b"\x1b[24~"),
        ("alt+b", None, b"\x1bb"),
        ("alt+enter", None, b"\x1b\r"),
        ("super+x", None, b"x"),
        ("f99", None, b""),
    ],
)
def test_keys_become_bytes(key, character, sent):
    assert key_bytes(key, character, Modes()) == sent


def test_keys_in_application_mode():
    assert key_bytes("up", None, Modes(application_cursor=True)) == b"\x1bOA"
    assert key_bytes("ctrl+up", None, Modes(application_cursor=True)) == b"\x1b[1;5A"


@given(st.text())
def test_a_pasted_text_cannot_end_its_brackets(text):
    sent = paste_bytes(text, Modes(bracketed_paste=True))
    assert sent.startswith(b"\x1b[200~")
    assert sent.endswith(b"\x1b[201~")
    assert b"\x1b" not in sent[6:-6]
    assert paste_bytes("a\r\nb\n", Modes()) == b"a\rb\r"


@pytest.mark.parametrize(
    ("mode", "sgr_on", "event", "sent"),
    [
        (0, True, ("press", 1, 2, 3), b""),
        (1000, True, ("press", 1, 2, 3), b"\x1b[<0;3;4M"),
        (1000, True, ("release", 1, 2, 3), b"\x1b[<0;3;4m"),
        (1000, False, ("press", 3, 2, 3), b"\x1b[M\x22#$"),
        (1000, False, ("release", 3, 2, 3), b"\x1b[M##$"),
        (1000, False, ("press", 1, 500, 3), b""),
        (1000, True, ("move", 1, 2, 3), b""),
        (1002, True, ("move", 1, 2, 3), b"\x1b[<32;3;4M"),
        (1002, True, ("move", 0, 2, 3), b""),
        (1003, True, ("move", 0, 2, 3), b"\x1b[<35;3;4M"),
        (1000, True, ("scroll", 1, 0, 0), b"\x1b[<64;1;1M"),
        (1000, True, ("scroll", 2, 0, 0), b"\x1b[<65;1;1M"),
        (9, False, ("release", 1, 2, 3), b""),
    ],
)
def test_mouse_events_are_encoded(mode, sgr_on, event, sent):
    assert mouse_bytes(*event, Modes(mouse=mode, mouse_sgr=sgr_on)) == sent


def test_focus_is_reported_when_it_is_asked_for():
    assert focus_bytes(True, Modes()) == b""
    assert focus_bytes(False, Modes(focus_events=True)) == b"\x1b[O"


THEME = Colors(0xD5DAF0, 0x16161E, 0xFFFFFF, tuple(range(16)))


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (b"\x1b]11;?\x07", b"\x1b]11;rgb:1616/1616/1e1e\x07"),
        (b"\x1b]10;?\x1b\\", b"\x1b]10;rgb:d5d5/dada/f0f0\x1b\\"),
        (
            b"\x1b]10;?;?;?;?\x07",
            b"\x1b]10;rgb:d5d5/dada/f0f0\x07\x1b]11;rgb:1616/1616/1e1e\x07\x1b]12;rgb:ffff/ffff/ffff\x07",
        ),
        (b"\x1b]4;7;?;232;?\x07", b"\x1b]4;7;rgb:0000/0000/0707\x07\x1b]4;232;rgb:0808/0808/0808\x07"),
        (b"\x1b]4;208;?\x07", b"\x1b]4;208;rgb:ffff/8787/0000\x07"),
        (b"\x1b]11;#ff0000\x07\x1b]4;1;red\x07\x1b]13;?\x07\x1b]4;256;?;x;?;?\x07\x1b]4\x07\x1b]104\x07", b""),
    ],
)
def test_a_program_learns_the_colours_of_the_theme(asked, answer):
    terminal = fed(b"")
    terminal.colors = lambda: THEME
    terminal.feed(asked)
    assert terminal.take_replies() == answer
    assert shown(terminal) == [""] * 4


def test_without_a_theme_no_colour_is_reported():
    terminal = fed(b"\x1b]11;?\x07\x1b]4;1;?\x07")
    assert terminal.take_replies() == b""


def test_questions_without_end_do_not_fill_the_memory():
    terminal = fed(b"")
    terminal.colors = lambda: THEME
    for _ in range(100):
        terminal.feed(b"\x1b]4" + b";1;?" * 5000 + b"\x07")
    assert len(terminal.take_replies()) < 80_000
