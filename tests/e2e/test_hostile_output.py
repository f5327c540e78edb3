"""Whatever a sandbox writes, the user's own terminal gets nothing but colours, positions and harmless text.

The real dashboard runs in a pseudo-terminal; known-hostile and random streams go into a shell's pane, and every byte
that the program writes to its terminal meanwhile is looked at.
"""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandtui.terminal import Emulation, TerminalText
from tests.terminal.test_emulation import streams

COLUMNS, LINES = 100, 30
PANE = range(2, LINES - 2)

HARMLESS = re.compile(
    rb"\x1b\[[0-9;]*m"  # colours
    rb"|\x1b\[[0-9]+;[0-9]+H"  # positions
    rb"|\x1b\[\?2026[hl]"  # a frame begins or ends
    rb"|\r?\n"
)
NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]")

HOSTILE = {
    "clipboard": b"\x1b]52;c;ZXZpbA==\x07\x1b]52;p;ZXZpbA==\x1b\\",
    "title and icon": b"\x1b]0;evil\x07\x1b]1;evil\x07\x1b]2;evil\x1b\\\x1b]l evil\x1b\\\x1b[22t\x1b[21t",
    "title with an escape": b"\x1b]0;a\x1b[31mb\x9b31m\x07",
    "notifications": b"\x1b]9;evil\x07\x1b]777;notify;evil;evil\x07\x1b]99;;evil\x1b\\",
    "links": b"\x1b]8;;file:///etc/passwd\x07a\x1b]8;;javascript:x\x07b\x1b]8;;https://x.org\x07c\x1b]8;;\x07",
    "palette": b"\x1b]4;1;#000000\x07\x1b]10;#000000\x07\x1b]11;#ffffff\x07\x1b]104\x07\x1b]12;red\x07",
    "images": b"\x1bPq#0;2;0;0;0#0~~@@vv\x1b\\\x1b_Gf=24,s=1,v=1;AAAA\x1b\\\x1b]1337;File=inline=1:AAAA\x07",
    "passed through tmux": b"\x1bPtmux;\x1b\x1b]52;c;ZXZpbA==\x07\x1b\\",
    "device control": b'\x1bP1;1|17/41\x1b\\\x1bP$q"p\x1b\\\x1bP+q544e\x1b\\\x1bP!z\x1b\\',
    "device questions": b"\x05\x1b[c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\x1b[?6n\x1b[x\x1b[14t\x1b[18t\x1b[19t\x1b[>q\x1b[?u",
    "window": b"\x1b[1t\x1b[2t\x1b[3;0;0t\x1b[4;1;1t\x1b[8;1;1t\x1b[9;1t\x1b[10;1t",
    "printer": b"\x1b[5ievil\x1b[4i\x1b[?5i",
    "reset": b"\x1bc\x1b[!p\x1b[?3h\x1b[?3l\x1b[?40h",
    "other screen and scrollback": b"\x1b[?1049h\x1b[2J\x1b[?47h\x1b[3J\x1b[?1049l",
    "mouse, paste, focus": b"\x1b[?1000;1002;1003;1006;1015;2004;1004h",
    "keyboard": b"\x1b[>1u\x1b[=5u\x1b[>4;2m\x1b=\x1b[?1h\x1b[?66h\x1b[2h",
    "bells": b"\x07" * 50,
    "eight-bit controls": "\x9b31mred\x9d0;evil\x9c\x90q\x9c\x9f\x9c\x85\x84".encode() + b"\x9b31m\x9d0;evil\x9c",
    "direction": "a\u202eevil\u202c\u2066b\u2069\u200f\u061c".encode(),
    "line breakers": "a\u2028b\u2029c\u0085d\x0b\x0c".encode(),
    "joined emoji and flags": "👩\u200d👩\u200d👧 🇩🇪🇫🇷 ☂\ufe0f 1\ufe0f\u20e3 👍🏽 \U000e0041".encode(),
    "marks": ("a" + "\u0301" * 500 + "\u20dd" * 50).encode(),
    "broken text": b"\xff\xfe\xc3\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80",
    "outside of the screen": b"\x1b[9999;9999Hx\x1b[0;0Hx\x1b[-1;-1Hx\x1b[999999999999999999999Ax",
    "huge repeats": b"x\x1b[99999b\x1b[99999@\x1b[99999L\x1b[99999P\x1b[99999S\x1b[99999T\x1b[99999I\x1b[99999X",
    "cut off": b"\x1b]52;c;ZXZp",
    "cut off control": b"\x1b[31",
    "cut off string": b"\x1bPq" + b"A" * 5000,
    "tags and markup": b"[red]x[/red][@click=app.quit]y[/][/",
    "blinking and hidden": b"\x1b[5mblink\x1b[8mhidden\x1b[6mfast\x1b[0m",
    "colours without end": b"\x1b[" + b"38;2;1;2;3;" * 200 + b"mx\x1b[38;5mx\x1b[38;2;1mx",
}


class Outside:
    """The dashboard in its pseudo-terminal, and what it writes there."""

    def __init__(self, folder):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / "socket"))
        listener.listen(1)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        env = {**os.environ, "HOME": str(folder), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        command = [sys.executable, "-m", "tests.e2e.hostile_app", str(folder / "socket")]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
        )
        os.close(slave)
        self.screen = Emulation(COLUMNS, LINES)
        listener.settimeout(30)
        self.socket, _ = listener.accept()
        self.socket.setblocking(False)
        self._answered()
        self.read()
        self.frame = self.lines(set(range(LINES)) - set(PANE) - {0, 1, LINES - 2})

    def lines(self, numbers):
        """Return lines of the terminal."""
        text = TerminalText(self.screen)
        return {y: text.plain(text.top + y) for y in numbers}

    def show(self, data):
        """Have the sandbox write something, and return what the program writes to its terminal."""
        self.socket.sendall(len(data).to_bytes(4) + data)
        return self._answered() + self.read()

    def read(self):
        """Return what comes until it is quiet."""
        written = b""
        while select.select([self.master], [], [], 0.02)[0]:
            written += self._take()
        return written

    def _take(self):
        data = os.read(self.master, 65536)
        self.screen.feed(data)
        return data

    def _answered(self):
        written = b""
        deadline = time.monotonic() + 30
        while True:
            ready = select.select([self.master, self.socket], [], [], 1)[0]
            if self.master in ready:
                written += self._take()
            elif self.socket in ready:
                assert self.socket.recv(1) == b".", f"the program has ended:\n{self.lines(range(LINES))}"
                return written
            assert time.monotonic() < deadline, f"it does not answer:\n{self.lines(range(LINES))}"


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    dashboard = Outside(tmp_path_factory.mktemp("hostile"))
    yield dashboard
    dashboard.socket.close()
    # It may end before the look at what it still wrote does.
    with contextlib.suppress(OSError):
        dashboard.read()
    with contextlib.suppress(subprocess.TimeoutExpired):
        dashboard.process.wait(5)
    if dashboard.process.poll() is None:
        os.killpg(dashboard.process.pid, signal.SIGKILL)
        dashboard.process.wait()
    os.close(dashboard.master)


def check(outside, data):
    written = outside.show(b"\x18\x1b\\\x1bc" + data)
    rest = HARMLESS.sub(b"", written)
    found = NOT_TEXT.search(rest.decode("utf-8"))
    assert found is None, f"{found[0]!r} got out, after {rest[: rest.find(found[0].encode())][-40:]!r}"
    for row, column in re.findall(rb"\x1b\[([0-9]+);([0-9]+)H", written):
        assert 1 <= int(row) <= LINES and 1 <= int(column) <= COLUMNS
    assert outside.lines(outside.frame) == outside.frame, "something was drawn outside of the pane"


@pytest.mark.parametrize("name", HOSTILE)
def test_known_hostile_output(outside, name):
    check(outside, HOSTILE[name])


def test_what_was_written_is_really_seen(outside):
    outside.show(b"\x18\x1b\\\x1bc\x1b[Hseen \x1b[31mred")
    assert any("seen red" in line for line in outside.lines(PANE).values())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(streams, st.lists(st.sampled_from(list(HOSTILE.values())), max_size=4).map(b"".join)))
def test_random_output(outside, data):
    check(outside, data)
