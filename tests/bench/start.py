"""From the command to the first painted frame and to the live fleet, in a real terminal.

Beside the first frame, a Textual app that shows one line; beside the fleet, the least that shows one with the same
libraries, and the official command's list. All run in turn, with files in the disk's cache and byte code compiled;
the platform runs already, as for everyone who opens the dashboard for the second time. A frame is painted when its
text has reached the terminal.
"""

from __future__ import annotations

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
from fcntl import ioctl
from pathlib import Path

from tests.bench.report import report
from tests.conftest import start_platform

ROUNDS, WARM_UP, PEER_ROUNDS = 15, 2, 5
LIVE, LIVE_MS = b"live", 300
PRIME = Path(__file__).parents[2] / ".interop" / "prime-0.18.0" / "bin" / "prime"
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


def shown_after(command: list[str], environment: dict[str, str], *texts: bytes) -> list[float]:
    """Return the milliseconds from the start of a program until each text has come to its terminal, in this order.

    Raises:
        TimeoutError: one did not come.
    """
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover
        os.execvpe(command[0], command, environment)
    times = []
    try:
        ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        came = b""
        for text in texts:
            while text not in came:
                if time.perf_counter() - began > LONGEST_SECONDS:
                    raise TimeoutError(f"{text!r} did not come: {came[-500:]!r}")
                if select.select([terminal], [], [], 0.1)[0]:
                    came += os.read(terminal, 65536)
            times.append((time.perf_counter() - began) * 1000)
        return times
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def listed_after(environment: dict[str, str]) -> float:
    """Return the milliseconds that the official command line takes to list the fleet."""
    began = time.perf_counter()
    done = subprocess.run([str(PRIME), "sandbox", "list"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "sbx_" in done.stdout, done.stderr[-1000:] + done.stdout[-1000:]
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Measure both in turn."""
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name:
        folder = Path(name)
        trivial = folder / "trivial.py"
        trivial.write_text(TRIVIAL)
        process, platform = start_platform(folder / "state", "--driver", "simulated", "--fleet", "60", "--seed", "7")
        home = {f"XDG_{kind}_HOME": name for kind in ("CONFIG", "STATE", "CACHE", "DATA")}
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PRIME_")},
            **home,
            "HOME": name,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "PRIME_API_KEY": platform.api_key,
            "PRIME_BASE_URL": platform.base_url,
            "PRIME_API_BASE_URL": platform.base_url,
        }
        programs = {
            "sandtui": ([sys.executable, "-m", "sandtui"], [b"sandtui", LIVE]),
            "one line": ([sys.executable, str(trivial)], [b"first frame"]),
            "least": ([sys.executable, str(Path(__file__).with_name("start_peer.py"))], [b"first frame", b"live"]),
        }
        times: dict[str, list[list[float]]] = {each: [] for each in programs}
        listed: list[float] = []
        try:
            for turn in range(WARM_UP + ROUNDS):
                for each, (command, shown) in programs.items():
                    took = shown_after(command, environment, *shown)
                    if turn >= WARM_UP:
                        times[each].append(took)
                if PRIME.exists() and turn < WARM_UP + PEER_ROUNDS:
                    listed.append(listed_after(environment))
        finally:
            process.terminate()
            process.wait(timeout=60)
    ours, peer = (statistics.median(took[0] for took in times[each]) for each in ("sandtui", "one line"))
    note = f"{ours:.0f} ms; an app of one line {peer:.0f} ms"
    report("first frame, of an app of one line", ours / peer, "x", at_most=MOST_OF_PEER, note=note)
    live = [took[1] for took in times["sandtui"]]
    note = f"{min(live):.0f} to {max(live):.0f} ms"
    report("from the command to the live fleet", statistics.median(live), "ms", at_most=LIVE_MS, note=note)
    least = statistics.median(took[1] for took in times["least"])
    note = f"{least:.0f} ms for one request and three columns"
    report("  of the least with Textual, httpx, pydantic", statistics.median(live) / least, "x", note=note)
    if listed:
        report("`prime sandbox list` of the same fleet", statistics.median(listed[1:]), "ms")


if __name__ == "__main__":
    main()
