import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.clock import ManualClock
from sandtui.config.recordings import RecordingStore
from sandtui.fleet.recordings.asciicast import parse_event, parse_header
from sandtui.fleet.recordings.player import LONGEST_PAUSE, Player
from sandtui.fleet.recordings.recorder import Recorder

NOW = datetime(2026, 11, 24, 14, 14, 30, tzinfo=UTC)
HEADER = '{"version": 2, "width": 40, "height": 6, "timestamp": 1}\n'


class ListTape:
    def __init__(self):
        self.text = ""
        self.finished = 0

    def append(self, text):
        self.text += text

    def finish(self):
        self.finished += 1


@pytest.fixture
def clock():
    return ManualClock(NOW)


@given(st.lists(st.tuples(st.floats(0, 5), st.binary(max_size=30)), max_size=20))
def test_what_was_shown_is_played_again(steps):
    from sandtui.terminal import Emulation

    clock, tape, terminal = ManualClock(NOW), ListTape(), Emulation(40, 6)
    recorder = Recorder(tape, clock, terminal.size, "a [/b] title")
    for seconds, data in steps:
        clock.advance(seconds)
        recorder.output(data)
        terminal.feed(data)
    recorder.stop()
    player = Player.read(tape.text)
    player.seek(player.length)
    assert player.at_end
    # What ends in the middle of a character is not a character, there or here.
    shown = [player.text.plain(line) for line in range(player.text.first, player.text.end)]
    from sandtui.terminal import TerminalText

    text = TerminalText(terminal)
    assert shown == [text.plain(line) for line in range(text.first, text.end)]
    assert player.header.title == "a [/b] title"


def test_the_file_is_asciicast(clock):
    tape = ListTape()
    recorder = Recorder(tape, clock, (80, 24), "t")
    clock.advance(1.5)
    recorder.output("é".encode()[:1])
    recorder.output("é".encode()[1:] + b"\x1b[31m")
    recorder.resized((100, 30))
    recorder.stop()
    recorder.stop()
    recorder.output(b"too late")
    header, *events = map(json.loads, tape.text.splitlines())
    assert header["version"] == 2
    assert (header["width"], header["height"], header["timestamp"]) == (80, 24, int(NOW.timestamp()))
    assert events == [[1.5, "o", "é\x1b[31m"], [1.5, "r", "100x30"]]
    assert tape.finished == 1


def test_long_pauses_are_shortened_and_jumps_go_both_ways():
    lines = "".join(f'[{at}, "o", "{at}\\r\\n"]\n' for at in (1, 2, 3600, 3601))
    player = Player.read(HEADER + lines)
    assert player.length == 1 + 1 + LONGEST_PAUSE + 1
    player.advance(2.5)
    assert player.text.plain(player.text.top + 1) == "2"
    player.seek(0.5)
    assert player.text.plain(player.text.top) == ""
    player.paused = True
    player.advance(100)
    assert player.position == 0.5
    player.paused = False
    player.faster(1)
    player.advance(1)
    assert player.position == 2.5
    player.seek(10**9)
    assert player.at_end
    assert player.text.plain(player.text.top + 3) == "3601"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("nonsense", "not JSON"),
        ('{"version": 1, "width": 1, "height": 1}', "version 2"),
        ('{"version": 2}', "size"),
        ('{"version": 2, "width": 1000000, "height": 3}', "size"),
        ('{"version": 2, "width": "80", "height": 3}', "size"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_not_a_recording_says_why(text, words):
    with pytest.raises(ValueError, match=words):
        Player.read(text)


@given(st.text(max_size=60))
def test_any_line_is_an_event_or_nothing(line):
    event = parse_event(line)
    assert event is None or event.at >= 0


@pytest.mark.parametrize(
    "line", ["", "[]", "[1]", '[1, "i", "typed"]', '[NaN, "o", ""]', '[-1, "o", ""]', '["1", "o", ""]', '[1, "o", 2]']
)
def test_broken_lines_are_left_out(line):
    assert parse_event(line) is None


def test_files_are_private_and_complete_under_their_name(tmp_path, clock):
    store = RecordingStore(tmp_path / "recordings")
    problems = []
    tape = store.new_tape(NOW, "shell in ../../etc [x]", problems.append)
    recorder = Recorder(tape, clock, (80, 24), "shell")
    recorder.output(b"hello")
    recorder.flush()
    other = store.new_tape(NOW, "shell in ../../etc [x]", problems.append)
    recorder.stop()
    assert problems == []
    (found,) = store.list()
    assert found.path == tape.path
    assert found.path.parent == tmp_path / "recordings"
    assert found.path.stat().st_mode & 0o777 == 0o600
    assert found.path.parent.stat().st_mode & 0o777 == 0o700
    assert parse_header(store.read(found.path).splitlines()[0]).title == "shell"
    assert not found.unfinished
    other.finish()
    assert len(store.list()) == 1, "a recording of nothing leaves no file"
    store.delete(found.path)
    assert store.list() == []


def test_a_cut_off_recording_is_found_and_a_full_disk_told(tmp_path, clock):
    store = RecordingStore(tmp_path)
    tape = store.new_tape(NOW, "cut", lambda _: None)
    tape.append(HEADER + '[1, "o", "x"]\n[2, "o"')
    # It is written by a thread.
    while not ((rows := store.list()) and store.read(rows[0].path).endswith('"o"')):
        time.sleep(0.005)
    (found,) = rows
    assert found.unfinished
    assert Player.read(store.read(found.path)).length == 1.0
    problems = []
    blocked = RecordingStore(tmp_path / "file" / "below")
    (tmp_path / "file").write_text("")
    tape = blocked.new_tape(NOW, "full", problems.append)
    tape.append("x")
    tape.append("y")
    tape.finish()
    assert len(problems) == 1
