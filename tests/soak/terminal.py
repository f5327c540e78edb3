"""The terminal of the soak test: draws what comes, remembers which modes are on, and may be slow or rude."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandtui.terminal import Emulation

UNPAINTED = "\N{REPLACEMENT CHARACTER}"
"""Stands where nothing was drawn since :meth:`Terminal.wipe`."""

RECENT = 200_000
"""Bytes of output that are kept for a report."""

_MODE = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")
_KITTY = re.compile(rb"\x1b\[([<>])([0-9;]*)u")
_QUERY = re.compile(rb"\x1b\[\?(2026|2048)\$p")
_ALTERNATE = 1049
_AT_REST = {_ALTERNATE: False, 25: True, 7: True, 1000: False, 1002: False, 1003: False, 1004: False, 1006: False}
_AT_REST |= {1015: False, 1016: False, 2004: False, 2026: False, 2048: False}


class Modes:
    """The modes of a terminal, read from what is written to it."""

    def __init__(self) -> None:
        self.on = dict(_AT_REST)
        self.kitty = {False: 0, True: 0}
        self._rest = b""

    @property
    def is_alternate(self) -> bool:
        """Whether a program has the whole screen."""
        return self.on[_ALTERNATE]

    def feed(self, data: bytes) -> None:
        """Read output."""
        text = self._rest + data
        end = 0
        found = sorted([*_MODE.finditer(text), *_KITTY.finditer(text)], key=lambda match: match.start())
        for match in found:
            end = match.end()
            if match.re is _MODE:
                for number in match[1].split(b";"):
                    if int(number) in self.on:
                        self.on[int(number)] = match[2] == b"h"
            else:
                count = 1 if match[1] == b">" else -int(match[2] or 1)
                self.kitty[self.is_alternate] = max(0, self.kitty[self.is_alternate] + count)
        self._rest = text[max(end, len(text) - 30) :]

    def left_over(self) -> list[str]:
        """Say what is not as a shell wants it."""
        names = [
            f"mode ?{number} is {'on' if on else 'off'}" for number, on in self.on.items() if on != _AT_REST[number]
        ]
        return names + [f"{count} kitty levels are pushed" for count in self.kitty.values() if count]


class Terminal:
    """A pseudo-terminal with a program in it."""

    def __init__(self, size: tuple[int, int], *, answers: bool) -> None:
        self.size = size
        self.modes = Modes()
        self.main_text = bytearray()
        self.recent = bytearray()
        self.is_stalled = False
        self._answers = answers
        self._screen = Emulation(*size, 200)
        self._pending = bytearray()
        self._master, self._slave = pty.openpty()
        os.set_blocking(self._master, False)
        self._set_size()
        self.before = termios.tcgetattr(self._slave)

    def start(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> subprocess.Popen[bytes]:
        """Start a program that has this for its terminal."""
        slave = self._slave

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        return subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=folder, preexec_fn=own_terminal
        )

    @property
    def is_open(self) -> bool:
        """Whether it was not closed."""
        return self._master >= 0

    @property
    def text(self) -> str:
        """The screen as it is."""
        return "\n".join("".join(row.chars).rstrip() for row in self._screen.grid.rows)

    @property
    def stty(self) -> list[object]:
        """The settings of the line."""
        return termios.tcgetattr(self._slave)

    @property
    def is_written(self) -> bool:
        """Whether all that was typed has been taken by the kernel."""
        return not self._pending

    def write(self, data: bytes) -> None:
        """Type; what the program does not take yet waits."""
        self._pending += data

    def forget_input(self) -> None:
        """Drop what was typed and not taken."""
        self._pending.clear()

    def resize(self, size: tuple[int, int]) -> None:
        """Change the window, as a terminal does that can also tell of it in band."""
        self.size = size
        self._screen.resize(*size)
        self._set_size()
        if self.modes.on[2048]:
            columns, lines = size
            self.write(f"\x1b[48;{lines};{columns};{lines * 16};{columns * 8}t".encode())

    def wipe(self) -> None:
        """Forget the screen, to see what is drawn anew."""
        columns, lines = self.size
        screen = Emulation(columns, lines, 0)
        screen.feed(b"\x1b[?1049h\x1b[?7l" if self.modes.is_alternate else b"")
        for line in range(1, lines + 1):
            screen.feed(f"\x1b[{line};1H{UNPAINTED}".encode())
        self._screen = screen

    @property
    def is_repainted(self) -> bool:
        """Whether each line was drawn since :meth:`wipe`."""
        return all(row.chars[0] != UNPAINTED for row in self._screen.grid.rows)

    def pump(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let bytes flow for some time, or until something is so; return whether it is."""
        end = time.monotonic() + seconds
        while True:
            if until is not None and until():
                return True
            left = end - time.monotonic()
            if left < 0 or not self.is_open:
                return False
            readers = [] if self.is_stalled else [self._master]
            writers = [self._master] if self._pending else []
            readable, writable, _ = select.select(readers, writers, [], min(left, 0.05))
            if readable:
                self._read()
            if writable and self.is_open:
                self._flush()

    def close(self) -> None:
        """Close the window."""
        if self.is_open:
            os.close(self._master)
            os.close(self._slave)
            self._master = -1

    def _set_size(self) -> None:
        columns, lines = self.size
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, columns * 8, lines * 16))

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return
        self.modes.feed(data)
        self.recent += data
        del self.recent[:-RECENT]
        if not self.modes.is_alternate:
            self.main_text += data
            del self.main_text[:-RECENT]
        if self._answers:
            for match in _QUERY.finditer(data):
                self.write(b"\x1b[?" + match[1] + b";2$y")
        self._screen.feed(data)
        self._screen.take_replies()

    def _flush(self) -> None:
        try:
            del self._pending[: os.write(self._master, self._pending[:1024])]
        except OSError:
            return


def shown(terminal: Terminal) -> str:
    """Return the screen for a report."""
    columns, lines = terminal.size
    return f"--- {columns}x{lines}\n{terminal.text}\n---"
