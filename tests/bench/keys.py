"""From a key to the first and to the last paint, on every screen of the real program: ``python -m tests.bench.keys``.

The program runs in a pseudo-terminal beside a platform: with a fleet of 200 that rests, and with one of 10,000 that
changes. What the header shows counts seconds, and is left out.
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
from tests.bench.report import report
from tests.conftest import PlatformProcess, start_platform

COLUMNS, LINES = 120, 36
ROUNDS, WARM_UP = 10, 2
FLEETS = {"": (200, False), "10,000 that change: ": (10_000, True)}

QUIET_SECONDS = 0.2
"""A key is done when nothing more comes for so long."""

BURST_SECONDS = 0.1
"""What comes after a longer pause is not the key's effect: a second that has passed, a sandbox that has started."""

LONGEST_SECONDS = 10.0

LIFE = """
import asyncio, os
from sandtui.client import AsyncSandboxClient, Config
from sandtui.fleet.inventory.demo import Life

async def live():
    config = Config(api_key=os.environ["PRIME_API_KEY"], base_url=os.environ["PRIME_BASE_URL"])
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        await Life(client, 7).run()

asyncio.run(live())
"""


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
        changes: list[float] = []
        shows = before
        for at, picture in pictures:
            if picture != shows:
                if changes and at - changes[-1] > BURST_SECONDS:
                    break
                changes.append(at)
            shows = picture
        first, last = (changes[0], changes[-1]) if changes else (start, start)
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
    """A key, its name in the table, what the screen shows in the end, and the bars of the first and the last paint."""

    name: str
    keys: bytes
    shown: str = ""
    last: float | None = None
    first: float | None = None
    reactions: list[Reaction] = field(default_factory=list)


ESCAPE, KITTY_ESCAPE, TAB, ENTER = b"\x1b", b"\x1b[27u", b"\t", b"\r"
F3, DOWN, PAGE_DOWN = b"\x1bOR", b"\x1b[B", b"\x1b[6~"
ESCAPE_MS, PAINT_MS, TAB_MS = 35.0, 50.0, 33.0


def opened(name: str, keys: bytes, shown: str) -> Iterator[Step]:
    """Yield the steps that open a screen or a dialog from the list of sandboxes, and leave it."""
    yield Step(f"open {name}", keys, shown, PAINT_MS)
    yield Step(f"Escape from {name}", ESCAPE, HOME, first=ESCAPE_MS)


HOME = "Sandboxes "
"""What only the list of sandboxes shows, behind a dialog too."""


def steps() -> list[Step]:
    """Return the walk through the program: it begins and ends on the list of sandboxes."""
    return [
        *(Step("down", DOWN, last=PAINT_MS) for _ in range(3)),
        Step("page down", PAGE_DOWN, last=PAINT_MS),
        Step("to the first row", b"g", last=PAINT_MS),
        Step("reverse sort", b"O", last=PAINT_MS),
        Step("reverse sort", b"O", last=PAINT_MS),
        Step("to the first row", b"g", last=PAINT_MS),
        Step("focus the filter", b"/", last=PAINT_MS),
        *(Step("type in the filter", bytes([letter]), last=PAINT_MS) for letter in b" roll" + b"\x7f" * 5),
        Step("Escape from the filter", ESCAPE, first=ESCAPE_MS),
        Step("open the form", b"n", "New sandbox", PAINT_MS),
        *(Step("Tab in the form", TAB, last=PAINT_MS, first=TAB_MS) for _ in range(6)),
        Step("Escape from the form", ESCAPE, HOME, first=ESCAPE_MS),
        Step("open the form", b"n", "New sandbox", PAINT_MS),
        Step("Escape of the kitty protocol", KITTY_ESCAPE, HOME, first=ESCAPE_MS),
        Step("open the console", b"x", "Command", PAINT_MS),
        Step("run in the console", b"echo hi\r", "hi"),
        Step("Escape in the console", ESCAPE, first=ESCAPE_MS),
        Step("leave the console", ESCAPE, HOME, PAINT_MS),
        *opened("the details", ENTER, "Live"),
        *opened("jobs", b"b", "Background jobs"),
        *opened("ports", b"p", "Exposed ports"),
        *opened("the log", b"L", "log"),
        *opened("files", b"f", "Transfers"),
        *opened("recordings", b"R", "Recordings"),
        *opened("the activity", b"5", "Activity"),
        *opened("help", b"?", "Keyboard shortcuts"),
        *opened("the manual", F3, "Manual:"),
        *opened("the palette", b"\x10", "Search"),
        *opened("the command line", b":", "Command"),
        *opened("the views", b"v", "Views"),
        *opened("the groups", b"z", "Group by"),
        *opened("the columns", b"c", "Columns"),
        *opened("the copy menu", b"Y", "Copy"),
    ]


def walk(terminal: ProgramTerminal, rounds: int) -> list[Step]:
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
            terminal.rest(0.05)
    return walked


def tell(walked: list[Step], setting: str) -> None:
    """Report the first paint where it has a bar, and the last one otherwise or too."""
    for name in dict.fromkeys(step.name for step in walked):
        same = [step for step in walked if step.name == name]
        found = [reaction for step in same for reaction in step.reactions]
        size = statistics.median(each.size for each in found)
        used = statistics.median(each.processor for each in found)
        title = f"{setting}{name}"
        first, last = [each.first for each in found], [each.last for each in found]
        note = f"{spread(first)}; {size / 1000:.1f} kB, {used:.0f} ms of processor"
        if same[0].first is not None:
            report(f"{title}, first paint", statistics.median(first), "ms", at_most=same[0].first, note=note)
        if same[0].last is not None or same[0].first is None:
            note = spread(last) if same[0].first is not None else f"{spread(last)}, first {note}"
            report(f"{title}, last paint", statistics.median(last), "ms", at_most=same[0].last, note=note)


def spread(values: list[float]) -> str:
    """Return the 95th percentile and the maximum."""
    ordered = sorted(values)
    return f"95 % {ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]:.0f}, at most {ordered[-1]:.0f}"


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


def measure(setting: str, rounds: int) -> None:
    """Walk through the program beside one fleet, and report."""
    fleet, changes = FLEETS[setting]
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name, contextlib.ExitStack() as ending:
        folder = Path(name)
        process, platform = start_platform(
            folder / "state", "--driver", "simulated", "--fleet", str(fleet), "--seed", "7"
        )
        ending.callback(process.wait, timeout=60)
        ending.callback(process.terminate)
        environment = environment_of(folder, platform)
        if changes:
            life = subprocess.Popen([sys.executable, "-c", LIFE], env=environment)
            ending.callback(life.wait)
            ending.callback(life.terminate)
        terminal = ProgramTerminal([sys.executable, "-m", "sandtui"], environment)
        ending.callback(terminal.close)
        terminal.until("live")
        # Only what runs has files and a console.
        terminal.press(b"/status:running\r", "of")
        terminal.rest(3)
        tell(walk(terminal, rounds), setting)


def main() -> int:
    """Measure beside each fleet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quiet", action="store_true", help="only with the fleet that rests")
    arguments = parser.parse_args()
    for setting in FLEETS:
        if not (arguments.quiet and FLEETS[setting][1]):
            measure(setting, arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
