"""Bytes of the terminal: whatever comes, keys are keys, text is text, and nothing raises."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from textual import events
from textual.messages import InBandWindowResize, TerminalSupportsSynchronizedOutput

from sandtui.ui.driver.input import (
    BRACKET_SECONDS,
    ESCAPE_SECONDS,
    LATE_SECONDS,
    SLOW_ESCAPE_SECONDS,
    AltKey,
    CommittedText,
    InputReader,
)


def read(*pieces, wait=True):
    """Feed pieces of bytes; return what was read, with all time over when nothing more comes."""
    reader, now, found = InputReader(0.03), 0.0, []
    for piece in pieces:
        found += reader.feed(piece, now)
    while wait and reader.deadline is not None:
        now = reader.deadline
        found += reader.expire(now)
    return found


def named(found):
    return [event.key if isinstance(event, events.Key) else type(event).__name__ for event in found]


def typed(found):
    return "".join(event.text if isinstance(event, events.Paste) else event.character or "" for event in found)


def read_slowly(reader, pieces, gap, start=0.0):
    """Feed pieces with pauses between; return what was read, as of one thread that waits for bytes or the deadline."""
    found, now = [], start
    for piece in pieces:
        while reader.deadline is not None and reader.deadline <= now:
            found += reader.expire(reader.deadline)
        found += reader.feed(piece, now)
        now += gap
    while reader.deadline is not None:
        found += reader.expire(reader.deadline)
    return found


def characters(text):
    return [bytes([byte]) for byte in text]


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"a", ["a"]),
        (b"\r", ["enter"]),
        (b"\t", ["tab"]),
        (b"\x7f", ["backspace"]),
        (b"\x1b", ["escape"]),
        (b"\x1b\x1b", ["escape", "escape"]),
        (b"\x1b[A", ["up"]),
        (b"\x1bOA", ["up"]),
        (b"\x1bOM", ["enter"]),
        (b"\x1b[1;5C", ["ctrl+right"]),
        (b"\x1b[3~", ["delete"]),
        (b"\x1b[3$", ["shift+delete"]),
        (b"\x1b[[A", ["f1"]),
        (b"\x1b[Z", ["shift+tab"]),
        (b"\x1b[13u", ["enter"]),
        (b"\x1b[57414u", ["enter"]),
        (b"\x1b[27u", ["escape"]),
        (b"\x1b[106;5u", ["ctrl+j"]),
        (b"\x1b[97;1:1;97u", ["a"]),
        (b"\x1b[97:65;2;65u", ["A"]),
        (b"\x1b[223::115;;223u", ["ß"]),
        (b"\x1b[97;;1114112u", ["a"]),
        (b"\x1b\x1b[A", ["escape", "up"]),
    ],
)
def test_bytes_become_keys(data, keys):
    assert named(read(data)) == keys


@pytest.mark.parametrize("data", [b"\xe9", b"\xe9\xe9\xff", b"\xc3", b"\x1b\xe9", b"\xf0\x9f"])
def test_bytes_that_are_no_utf8_are_no_key_and_hide_none(data):
    assert named(read(data + b"b"))[-1:] == ["b"]
    assert not any(isinstance(event, events.Key) and event.character == "\ufffd" for event in read(data + b"b"))


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b[1114112u",
        b"\x1b[55296u",
        b"\x1b[55296;;55296u",
        b"\x1b[" + b"9" * 5000 + b"u",
        b"\x1b[<99999999999;1;1M",
        b"\x1b[<0;" + b"9" * 400 + b";1M",
        b"\x1b[48;99999999;99999999;1;1t",
        b"\x1b[48;0;0;0;0t",
        b"\x1b[97;1:3u",
        b"\x1b[?1;2c",
        b"\x1b[>0;276;0c",
        b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",
        b"\x1b]11;rgb:ffff/ffff/ffff\x07",
        b"\x1bP>|xterm(380)\x1b\\",
        b"\x1b_Gi=1;OK\x1b\\",
        b"\x1b[200~",
    ],
)
def test_what_means_nothing_is_dropped_alone(data):
    found = [event for event in read(data, b"x") if not isinstance(event, events.Paste)]
    assert named(found) in (["x"], [])
    assert typed(read(data, b"x")).endswith("x")


def test_a_mouse_report_of_x10_is_read_beyond_column_95():
    (event,) = read(b"\x1b[M" + bytes([32, 32 + 150, 32 + 20]))
    assert isinstance(event, events.MouseDown)
    assert (event.x, event.y, event.button) == (149, 19, 1)


def test_a_release_of_x10_is_of_the_button_that_was_pressed():
    pressed, released = read(b"\x1b[M" + bytes([34, 40, 40]), b"\x1b[M" + bytes([35, 40, 40]))
    assert isinstance(released, events.MouseUp)
    assert released.button == pressed.button == 3


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x1b[<0;10;5M", events.MouseDown),
        (b"\x1b[<0;10;5m", events.MouseUp),
        (b"\x1b[<35;10;5M", events.MouseMove),
        (b"\x1b[<64;10;5M", events.MouseScrollUp),
        (b"\x1b[<65;10;5M", events.MouseScrollDown),
        (b"\x1b[32;10;5M", events.MouseDown),
        (b"\x1b[I", events.AppFocus),
        (b"\x1b[O", events.AppBlur),
        (b"\x1b[12;40R", events.CursorPosition),
        (b"\x1b[?2026;2$y", TerminalSupportsSynchronizedOutput),
        (b"\x1b[?2048;2$y", InBandWindowResize),
        (b"\x1b[48;36;120;720;960t", events.Resize),
    ],
)
def test_reports_of_the_terminal_become_events(data, kind):
    (event,) = read(data)
    assert isinstance(event, kind)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1b[49;;20013:25991:35789:32452:25105u", "中文词组我"),
        (b"\x1b[0;;128104:8205:128105:8205:128103u", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        (
            b"\x1b[;;" + b":".join(str(ord(letter)).encode() for letter in "none of these is a key " * 20) + b"u",
            "none of these is a key " * 20,
        ),
        (b"\x1b[49;;55357:65u", "A"),
    ],
)
@pytest.mark.parametrize("cut", [False, True])
def test_text_of_an_input_method_is_text_of_any_length(data, text, cut):
    found = read(*(bytes([byte]) for byte in data)) if cut else read(data)
    assert [type(event) for event in found] == [CommittedText]
    assert found[0].text == text


def test_one_character_of_an_input_method_is_typed():
    assert typed(read(b"\x1b[0;;20013u", b"\x1b[97;;97u")) == "中a"


def test_alt_and_a_key_may_be_escape_and_a_key():
    (event,) = read(b"\x1bx")
    assert isinstance(event, AltKey)
    assert [key.key for key in event.parts] == ["escape", "x"]
    (back,) = read(b"\x1bb")
    assert back.mapped.key == "ctrl+left"


@pytest.mark.parametrize("letter", ["P", "]", "_", "O", "["])
def test_escape_and_a_letter_that_also_begins_a_sequence(letter):
    (event,) = read(b"\x1b" + letter.encode())
    assert [key.character for key in event.parts] == ["\x1b", letter]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.integers(1, 9))
def test_pasted_text_comes_whole_however_it_is_cut(text, step):
    data = b"\x1b[200~" + text.encode() + b"\x1b[201~q"
    found = read(*(data[start : start + step] for start in range(0, len(data), step)))
    assert typed(found) == text + "q"
    assert isinstance(found[0], events.Paste)


@pytest.mark.parametrize("start", [b"\x1b]8;;", b"\x1b]11;rgb:1e1e", b"\x1bP>|XTer", b"\x1b_Gi=1"])
def test_a_response_without_an_end_takes_no_key_and_no_report_with_it(start):
    assert named(read(start, b"\x1b[A\x1b[48;24;80;384;640tx")) == ["up", "Resize", "x"]


def test_a_paste_without_an_end_gives_the_keys_back():
    reader = InputReader(0.03)
    assert reader.feed(b"\x1b[200~abc", 0.0) == []
    assert typed(reader.expire(reader.deadline)) == "abc"
    assert named(reader.feed(b"q", 10.0)) == ["q"]


STARTS = [b"\x1b", b"\x1b[", b"\x1bO", b"\x1b[M", b"\x1b[<", b"\x1b[200~", b"\x1b[201~", b"\x1b]", b"\x1bP"]
SEQUENCES = st.sampled_from([*STARTS, b"u", b"~", b";"])


@given(
    st.lists(SEQUENCES | st.binary(max_size=12) | st.integers(0, 1 << 70).map(lambda n: str(n).encode()), max_size=40)
)
@example([b"\xe9", b"b"])
@example([b"\x1b[223::115;;223u"])
def test_no_bytes_raise_and_a_key_behind_them_still_arrives(pieces):
    reader, now, found = InputReader(0.03), 0.0, []
    for piece in pieces:
        found += reader.feed(piece, now)
    while reader.deadline is not None:
        now = reader.deadline
        found += reader.expire(now)
    for event in found:
        if isinstance(event, events.MouseEvent):
            assert 0 <= event.x <= 10_000
            assert 0 <= event.y <= 10_000
    assert named(reader.feed(b"q", now + 10)) == ["q"]


UNITS = [b"a", "é".encode(), b"\x1b[A", b"\x1b[1;5C", b"\x1b[<0;3;4M", b"\t", b"\r"]


@given(st.lists(st.sampled_from(UNITS), max_size=20))
def test_cutting_a_burst_anywhere_changes_nothing(units):
    data = b"".join(units)
    assert named(read(*(bytes([byte]) for byte in data))) == named(read(data))


SPLIT = {
    b"\x1b[A": ["up"],
    b"\x1b[Z": ["shift+tab"],
    b"\x1b[3~": ["delete"],
    b"\x1b[1;5C": ["ctrl+right"],
    b"\x1b[[A": ["f1"],
    b"\x1b[97;5u": ["ctrl+a"],
    b"\x1b[27u": ["escape"],
    b"\x1b[<0;10;5M": ["MouseDown"],
    b"\x1b[M !!": ["MouseDown"],
    b"\x1b[I": ["AppFocus"],
    b"\x1b[O": ["AppBlur"],
    b"\x1b[48;24;80;0;0t": ["Resize"],
    b"\x1b[200~abc\x1b[201~": ["Paste"],
    b"\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\": [],
    b"\x1bP>|xterm(390)\x1b\\": [],
}
EARLY = {"escape", "alt+left_square_bracket", "alt+right_square_bracket"}
GAPS = [ESCAPE_SECONDS * 0.9, ESCAPE_SECONDS * 1.5, BRACKET_SECONDS * 0.9, LATE_SECONDS * 0.9]


def test_escape_alone_is_a_key_after_a_moment():
    reader = InputReader(None)
    assert reader.feed(b"\x1b", 5.0) == []
    assert reader.deadline == 5.0 + ESCAPE_SECONDS
    assert named(reader.expire(5.0 + ESCAPE_SECONDS)) == ["escape"]


def test_escape_of_the_kitty_protocol_waits_for_nothing():
    reader = InputReader(None)
    assert named(reader.feed(b"\x1b[27u", 0.0)) == ["escape"]
    assert reader.deadline is None


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("data", SPLIT, ids=repr)
def test_a_sequence_whose_bytes_come_late_is_no_text(data, gap):
    for cut in range(1, len(data)):
        if data[:1] == b"\x1b" and data[1:2] == b"P" and cut == 2:
            # Alt and P, as it may be typed.
            continue
        found = read_slowly(InputReader(ESCAPE_SECONDS), [data[:cut], data[cut:]], gap)
        keys = named(found)
        # Escape, or alt and the bracket, may have been a key before the rest came.
        assert keys == SPLIT[data] or (keys[1:] == SPLIT[data] and keys[0] in EARLY), (cut, keys)


@pytest.mark.parametrize("data", [data for data in SPLIT if data[1:2] == b"["], ids=repr)
def test_a_sequence_that_comes_byte_by_byte_is_no_text(data):
    found = read_slowly(InputReader(ESCAPE_SECONDS), characters(data), BRACKET_SECONDS * 0.9)
    assert [key for key in named(found) if key != "escape"] == [key for key in SPLIT[data] if key != "escape"]


def test_once_a_sequence_came_in_pieces_escape_waits_longer():
    reader = InputReader(ESCAPE_SECONDS)
    assert named(read_slowly(reader, [b"\x1b", b"[A"], 0.1)) == ["escape", "up"]
    assert named(read_slowly(reader, [b"\x1b", b"[A"], 0.1, start=10.0)) == ["up"]
    assert reader.feed(b"\x1b", 20.0) == []
    assert reader.deadline == 20.0 + SLOW_ESCAPE_SECONDS


@pytest.mark.parametrize(
    "keys", [b"[x", b"[[", b"[", b"]", b"]x", b"OHello", b"OA", b"P", b"pA", b"_G", b"1A", b"a[A", b"[ "], ids=repr
)
def test_text_that_is_typed_after_escape_stays_text(keys):
    found = read_slowly(InputReader(ESCAPE_SECONDS), [b"\x1b", *characters(keys)], 0.12)
    assert named(found[:1]) == ["escape"]
    assert typed(found[1:]) == keys.decode()


def test_long_after_escape_everything_is_text():
    found = read_slowly(InputReader(ESCAPE_SECONDS), [b"\x1b", b"[A"], LATE_SECONDS * 1.5)
    assert named(found[:1]) == ["escape"]
    assert typed(found[1:]) == "[A"
