"""From a key to the first and to the last paint, on every screen of the real program: ``python -m tests.bench.keys``.

The program runs in a pseudo-terminal, beside a platform with a fleet that rests and with one of 10,000 that changes. A
key's last paint is the end of all that it changes on the screen; the header, which counts seconds, is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path

import pyte

from tests.bench.fleet_live import processor
from tests.conftest import PlatformProcess, start_platform

COLUMNS, LINES = 120, 36
ROUNDS, WARM_UP = 10, 2

QUIET_SECONDS = 0.25
"""What comes this long after a key without output in between is not its effect."""

LONGEST_SECONDS = 10.0
TICK = 1.0


class ProgramTerminal:
    """A program in a pseudo-terminal; what it writes is kept with the time at which it came."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self.pid, self._master = pty.fork()
        if self.pid == 0:  # pragma: no cover
            os.execvpe(command[0], list(command), environment)
        ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.written = 0

    def close(self) -> None:
        """End the program."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._master)

    @property
    def text(self) -> str:
        """The screen."""
        return "\n".join(self._screen.display)

    def until(self, shown: str, seconds: float = 60) -> None:
        """Read until the screen shows a text."""
        end = time.perf_counter() + seconds
        while shown not in self.text:
            assert time.perf_counter() < end, f"{shown!r} did not come:\n{self.text}"
            self._show(self._read(0.05))

    def rest(self, seconds: float) -> None:
        """Read for a while."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._show(self._read(left))

    def press(self, keys: bytes, shown: str) -> Reaction:
        """Press a key; return when it was answered, and when all of its effect was on the screen."""
        before = self._picture()
        used = processor(self.pid)
        start = time.perf_counter()
        os.write(self._master, keys)
        came: list[tuple[float, bytes]] = []
        pictures: list[tuple[float, object]] = []
        end = start + LONGEST_SECONDS
        fed, wanted = 0, not shown
        while True:
            now = time.perf_counter()
            last = came[-1][0] if came else start
            if (wanted and now - last > QUIET_SECONDS and now - start > QUIET_SECONDS) or now > end:
                break
            if data := self._read(0.01):
                came.append((time.perf_counter(), data))
            elif not wanted:
                # Nothing more is there: the emulation takes no time from the program.
                fed = self._feed(came, fed, pictures)
                wanted = shown in self.text
        used = processor(self.pid) - used
        self._feed(came, fed, pictures)
        if not wanted:
            raise AssertionError(f"{shown!r} did not come:\n{self.text}")
        final = self._picture()
        changes = [at for at, picture in pictures if picture != before]
        first = changes[0] if changes else start
        last = first
        for (_, earlier), (at, picture) in zip([(start, before), *pictures], pictures, strict=False):
            if picture != earlier:
                last = at
        del final
        return Reaction((first - start) * 1000, (last - start) * 1000, sum(len(data) for _, data in came), used * 1000)

    def _feed(self, came: list[tuple[float, bytes]], fed: int, pictures: list[tuple[float, object]]) -> int:
        for at, data in came[fed:]:
            self._stream.feed(data)
            pictures.append((at, self._picture()))
        return len(came)

    def _picture(self) -> object:
        """Return all that is seen below the header."""
        buffer = self._screen.buffer
        return [[buffer[line][column] for column in range(COLUMNS)] for line in range(1, LINES)]

    def _show(self, data: bytes) -> None:
        if data:
            self._stream.feed(data)

    def _read(self, seconds: float) -> bytes:
        if not select.select([self._master], [], [], seconds)[0]:
            return b""
        data = os.read(self._master, 1 << 16)
        self.written += len(data)
        return data


@dataclass(frozen=True)
class Reaction:
    """Milliseconds to the first and the last paint, the bytes written, and milliseconds of processor."""

    first: float
    last: float
    size: int
    processor: float


@dataclass
class Step:
    """A key, what it is called in the table, and what the screen shows in the end."""

    name: str
    keys: bytes
    shown: str = ""
    bar: float | None = None
    reactions: list[Reaction] = field(default_factory=list)


ESCAPE, TAB, ENTER = b"\x1b", b"\t", b"\r"


def steps() -> list[Step]:
    """Return the walk through the program: it begins and ends on the list of sandboxes."""
    back = "Sandboxes "
    return [
        Step("open form", b"n", "New sandbox", 50),
        *(Step("Tab in the form", TAB, "", 50) for _ in range(6)),
        Step("Escape from the form", ESCAPE, back, 35),
        Step("open console", b"x", "Command", 50),
        Step("run in the console", b"echo hi\r", "hi", None),
        Step("Escape in the console", ESCAPE, "", 35),
        Step("leave the console", ESCAPE, back, 50),
        Step("open jobs", b"b", "Jobs", 50),
        Step("leave jobs", ESCAPE, back, 35),
        Step("open ports", b"p", "Ports", 50),
        Step("leave ports", ESCAPE, back, 35),
        Step("open help", b"?", "Keyboard", 50),
        Step("close help", ESCAPE, back, 35),
        Step("open palette", b"\x10", "Search", 50),
        Step("close palette", ESCAPE, back, 35),
    ]


def walk(terminal: ProgramTerminal, rounds: int, log: bool = False) -> list[Step]:
    """Press all keys some times; return the steps with what was measured."""
    walked = steps()
    for turn in range(WARM_UP + rounds):
        for step in walked:
            try:
                reaction = terminal.press(step.keys, step.shown)
            except AssertionError as error:
                raise AssertionError(f"{step.name}: {error}") from None
            if turn >= WARM_UP:
                step.reactions.append(reaction)
            if log and turn >= WARM_UP:
                print(step.name, reaction, file=sys.stderr)
            terminal.rest(0.1)
    return walked


def told(walked: list[Step]) -> Iterator[str]:
    """Yield a line for each kind of step."""
    names = dict.fromkeys(step.name for step in walked)
    yield f"{'':<26} {'first paint':^20}  {'last paint':^20}  {'bytes':>7} {'cpu ms':>7}"
    for name in names:
        found = [reaction for step in walked if step.name == name for reaction in step.reactions]
        first, last = [each.first for each in found], [each.last for each in found]
        size = statistics.median(each.size for each in found)
        used = statistics.median(each.processor for each in found)
        yield f"{name:<26} {spread(first)}  {spread(last)}  {size:7.0f} {used:7.1f}"


def spread(values: list[float]) -> str:
    """Return median, 95th percentile and maximum."""
    ordered = sorted(values)
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"{statistics.median(ordered):6.1f} {late:6.1f} {ordered[-1]:6.1f}"


def environment_of(folder: Path, platform: PlatformProcess) -> dict[str, str]:
    """Return the environment of the program: a home of its own."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("PRIME_")},
        **{f"XDG_{kind}_HOME": str(folder) for kind in ("CONFIG", "STATE", "CACHE", "DATA")},
        "HOME": str(folder),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
        "PRIME_API_KEY": platform.api_key,
        "PRIME_BASE_URL": platform.base_url,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--fleet", type=int, default=200)
    parser.add_argument("--program", default="-m sandtui")
    parser.add_argument("--log", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name:
        folder = Path(name)
        process, platform = start_platform(
            folder / "state", "--driver", "simulated", "--fleet", str(arguments.fleet), "--seed", "7"
        )
        try:
            terminal = ProgramTerminal([sys.executable, *arguments.program.split()], environment_of(folder, platform))
            try:
                terminal.until("live")
                terminal.rest(2)
                print(*told(walk(terminal, arguments.rounds, arguments.log)), sep="\n")
            finally:
                terminal.close()
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
    return 0


if __name__ == "__main__":
    sys.exit(main())
