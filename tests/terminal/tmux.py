"""tmux as the judge of terminal emulation: what its screen shows after some bytes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from sandtui.terminal import Emulation
from sandtui.terminal.pen import BOLD, DIM, HIDDEN, ITALIC, REVERSE, STRIKE, UNDERLINE

FOUND = shutil.which("tmux")
SHOWN = BOLD | DIM | ITALIC | UNDERLINE | REVERSE | HIDDEN | STRIKE


def version() -> str:
    """Return tmux's own name and version; empty when there is none."""
    return subprocess.run([FOUND, "-V"], capture_output=True, text=True, check=True).stdout.strip() if FOUND else ""


class Tmux:
    """A tmux of its own with one pane, into which bytes are written as if a program had printed them."""

    def __init__(self, columns: int = 40, lines: int = 10) -> None:
        self.columns, self.lines = columns, lines
        self._cases = 0

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="sandtui-tmux-")
        folder = Path(self._folder.name)
        self._fifo = folder / "bytes"
        os.mkfifo(self._fifo)
        self._command = [str(FOUND), "-S", str(folder / "socket"), "-f", "/dev/null"]
        # With the fifo opened for both ways the reader never sees an end.
        reader = f"stty raw -echo; exec cat <>{self._fifo}"
        self.run("new-session", "-d", "-x", str(self.columns), "-y", str(self.lines), "sh", "-c", reader)
        self.run("set-option", "-g", "status", "off")
        self.run("resize-window", "-x", str(self.columns), "-y", str(self.lines))
        self._pipe = os.open(self._fifo, os.O_RDWR)
        return self

    def __exit__(self, *_: object) -> None:
        self.run("kill-server")
        os.close(self._pipe)
        self._folder.cleanup()

    def run(self, *arguments: str) -> str:
        """Run a command of tmux and return what it says."""
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        done = subprocess.run([*self._command, *arguments], env=env, capture_output=True, text=True, check=True)
        return done.stdout

    def show(self, data: bytes) -> dict[str, object]:
        """Return lines with their colours as tmux writes them, the cursor and whether the other screen is shown."""
        self._cases += 1
        self._write(b"\x1b[?1049l\x1bc\x1b[3J" + data)
        # A string that is still open ends here, and a title says that all before it was read.
        self._write(f"\x18\x1b\\\x1b]2;case {self._cases}\x1b\\".encode())
        deadline = time.monotonic() + 10
        while (title := self.run("display-message", "-p", "#{pane_title}").strip()) != f"case {self._cases}":
            assert time.monotonic() < deadline, f"tmux did not take the bytes: {title!r}"
            time.sleep(0.005)
        place = self.run("display-message", "-p", "#{cursor_x} #{cursor_y} #{alternate_on} #{history_size}").split()
        lines = self.run("capture-pane", "-e", "-p", "-N").split("\n")[: self.lines]
        return {"lines": lines, "cursor": [int(place[0]), int(place[1])], "alternate": place[2] == "1"}

    def show_resized(self, data: bytes, sizes: Sequence[tuple[int, int]]) -> dict[str, object]:
        """Return what :meth:`show` does after changes of the size, and all lines of the scrollback as text."""
        self.show(data)
        for columns, lines in sizes:
            self.run("resize-window", "-x", str(columns), "-y", str(lines))
        place = self.run("display-message", "-p", "#{cursor_x} #{cursor_y} #{alternate_on} #{history_size}").split()
        shown = self.run("capture-pane", "-e", "-p", "-N").split("\n")[: sizes[-1][1]]
        kept = self.run("capture-pane", "-p", "-S", "-", "-E", "-1").split("\n")[:-1]
        self.run("resize-window", "-x", str(self.columns), "-y", str(self.lines))
        verdict = {"lines": shown, "cursor": [int(place[0]), int(place[1])], "alternate": place[2] == "1"}
        return {**verdict, "scrollback": [line.rstrip() for line in kept] if int(place[3]) else []}

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._pipe, data) :]


def cells(rows, width):
    """Return text and looks of every cell, so that different ways to write the same screen are equal."""
    return [
        [
            (char, pen.fg, pen.bg, pen.flags & SHOWN if char != " " else pen.flags & (REVERSE | UNDERLINE))
            for char, pen in zip(row.chars[:width], row.pens[:width], strict=True)
        ]
        for row in rows
    ]


def expected_cells(lines, width):
    """Return the cells of lines that tmux has written: colours and graphics go on from line to line."""
    shown = []
    state = b""
    for text in lines:
        terminal = Emulation(width + 1, 2)
        terminal.feed(b"\x1b)0" + state + text.encode())
        line, end = terminal.grid.rows[0], terminal.cursor[0]
        state += b"".join(re.findall(rb"\x1b\[[0-9;:]*m|[\x0e\x0f]", text.encode()))
        # Of what is right of the last cell tmux only tells that it is blank, not its colour.
        shown.append([*cells([line], end)[0], *[(" ", ...)] * (width - end)])
    return shown


def same_screen(terminal, shown):
    """Return what differs between our terminal and what tmux has shown; nothing when they are the same."""
    width = terminal.grid.width
    problems = []
    pairs = zip(expected_cells(shown["lines"], width), cells(terminal.grid.rows, width), strict=True)
    for y, (wanted, got) in enumerate(pairs):
        for x, (want, have) in enumerate(zip(wanted, got, strict=True)):
            if want != have and not (want == (" ", ...) and have[0] == " "):
                problems.append(f"line {y} column {x}: tmux has {want}, we have {have}")
    if [terminal.grid.x, terminal.grid.y] != shown["cursor"]:
        problems.append(f"tmux's cursor is at {shown['cursor']}, ours at {[terminal.grid.x, terminal.grid.y]}")
    if terminal.is_alternate != shown["alternate"]:
        problems.append("only one of the two shows the alternate screen")
    return problems


def our_screen(data: bytes, columns: int, lines: int, piece: int | None = None) -> Emulation:
    """Return our terminal after the same bytes, fed in pieces of some size."""
    terminal = Emulation(columns, lines)
    step = piece or len(data) or 1
    for place in range(0, len(data), step):
        terminal.feed(data[place : place + step])
    return terminal
