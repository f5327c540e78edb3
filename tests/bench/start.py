"""From the command to the first painted frame, in a real terminal, beside a Textual app that shows one line.

Both run in turn, with files in the disk's cache and byte code compiled; the platform runs already, as for everyone who
opens the dashboard for the second time. A frame is painted when its text has reached the terminal.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from fcntl import ioctl
from pathlib import Path

from tests.bench.report import report
from tests.conftest import start_platform

ROUNDS, WARM_UP = 15, 2
MOST_OF_PEER = 1.25
LONGEST_SECONDS = 20.0

TRIVIAL = """
from textual.app import App
from textual.widgets import Static

class Trivial(App):
    def compose(self):
        yield Static("first frame")

Trivial().run()
"""


def first_frame(command: list[str], environment: dict[str, str], shown: bytes) -> float:
    """Return the milliseconds from the start of a program until a text has come to its terminal.

    Raises:
        TimeoutError: it did not come.
    """
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover
        os.execvpe(command[0], command, environment)
    try:
        ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        came = b""
        while shown not in came:
            if time.perf_counter() - began > LONGEST_SECONDS:
                raise TimeoutError(f"{shown!r} did not come: {came[-500:]!r}")
            if select.select([terminal], [], [], 0.1)[0]:
                came += os.read(terminal, 65536)
        return (time.perf_counter() - began) * 1000
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def main() -> None:
    """Measure both in turn."""
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name:
        folder = Path(name)
        trivial = folder / "trivial.py"
        trivial.write_text(TRIVIAL)
        process, platform = start_platform(folder / "state", "--driver", "simulated")
        home = {f"XDG_{kind}_HOME": name for kind in ("CONFIG", "STATE", "CACHE", "DATA")}
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PRIME_")},
            **home,
            "HOME": name,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "PRIME_API_KEY": platform.api_key,
            "PRIME_BASE_URL": platform.base_url,
        }
        programs = {
            "sandtui": ([sys.executable, "-m", "sandtui"], b"sandtui"),
            "one line": ([sys.executable, str(trivial)], b"first frame"),
        }
        times: dict[str, list[float]] = {each: [] for each in programs}
        try:
            for turn in range(WARM_UP + ROUNDS):
                for each, (command, shown) in programs.items():
                    took = first_frame(command, environment, shown)
                    if turn >= WARM_UP:
                        times[each].append(took)
        finally:
            process.terminate()
            process.wait(timeout=60)
    ours, peer = (statistics.median(times[each]) for each in programs)
    note = f"{ours:.0f} ms; an app of one line {peer:.0f} ms"
    report("first frame, of an app of one line", ours / peer, "x", at_most=MOST_OF_PEER, note=note)


if __name__ == "__main__":
    main()
