"""The shell's bars: floods against other emulations, keys while flooded, memory, and the echo over SSH.

``python -m tests.bench.terminal``
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyte

from sandtui.terminal import Emulation, TerminalText
from sandtui.ui.rendering.terminal import style_of
from tests.bench.report import drifted, report
from tests.bench.terminal_apps import LogApp, ShellApp, key_latency
from tests.bench.terminal_echo import echo_over_ssh
from tests.conftest import start_platform

COLUMNS, LINES, HISTORY = 120, 36, 10_000
PIECE = 64 * 1024
LEAST_OVER_PYTE, MOST_KEY_MS, MOST_OF_LOG, MOST_DRIFT = 5.0, 50.0, 0.5, 0.2
MEMORY_MB = 30

Feed = Callable[[bytes], object]


def floods() -> dict[str, tuple[bytes, int, float]]:
    """Return each flood: a part of it, how often it comes, and the share that the slow peers get."""
    words = "The quick brown fox jumps over the lazy dog and runs on until the line has an end 0123456789"
    text = "".join(f"{number:8} {words[: 20 + number * 7 % 70]}\r\n" for number in range(20_000)).encode()
    short = "".join(f"line {number}\r\n" for number in range(200_000)).encode()
    colour = "".join(
        f"\x1b[38;5;{number % 256}m{number:6}\x1b[0m \x1b[1;3{number % 8};48;2;{number % 200};20;40mword\x1b[m "
        + ("\r\n" if number % 9 == 8 else "")
        for number in range(60_000)
    ).encode()
    frames = "".join(
        "\x1b[H"
        + "".join(
            f"\x1b[{line + 1};1H\x1b[3{line % 8}m{f'row {line} of frame {frame} ' * 5:.100}\x1b[K"
            for line in range(LINES)
        )
        for frame in range(300)
    ).encode()
    return {
        "100 MB of text": (text, 100_000_000 // len(text), 0.4),
        "200,000 short lines": (short, 1, 0.1),
        "heavy colour": (colour, 1, 0.1),
        "full-screen redraws": (frames, 1, 0.3),
    }


def rate(feed: Feed, data: bytes, times: int = 1) -> float:
    """Return MB for a second of the processor: what else the machine does is not counted."""
    start = time.process_time()
    for _ in range(times):
        for place in range(0, len(data), PIECE):
            feed(data[place : place + PIECE])
    return len(data) * times / 1e6 / (time.process_time() - start)


def of_pyte() -> tuple[pyte.HistoryScreen, Feed]:
    """Return pyte with its history."""
    screen = pyte.HistoryScreen(COLUMNS, LINES, history=HISTORY)
    return screen, pyte.ByteStream(screen).feed


def of_bittty() -> Feed | None:
    """Return the fastest pure Python emulation that we know of, which has no scrollback."""
    try:
        from bittty import Board
    except ImportError:
        return None
    return Board(width=COLUMNS, height=LINES).feed_host_data


def drawn_too(terminal: Emulation) -> Feed:
    """Return what feeds and then makes styles of every line in view, as the widget does once a frame."""
    text = TerminalText(terminal)
    from rich.style import Style

    base, kept, last = Style.parse("white on black"), {}, [0.0]

    def feed(data: bytes) -> None:
        for place in range(0, len(data), 16 * 1024):
            terminal.feed(data[place : place + 16 * 1024])
        now = time.perf_counter()
        if now - last[0] >= 1 / 30:
            last[0] = now
            for line in range(text.top, text.end):
                for run in text.runs(line):
                    if run.pen not in kept:
                        kept[run.pen] = style_of(run.pen, base)

    return feed


def tmux_rate(data: bytes, times: int) -> float | None:
    """Return MB/s of tmux, whose pane runs ``cat``."""
    if shutil.which("tmux") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path, server = Path(folder, "flood"), ["tmux", "-S", str(Path(folder, "socket")), "-f", "/dev/null"]
        path.write_bytes(data)
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        files = " ".join([str(path)] * times)
        tmux = " ".join(server)
        # The answer to a question comes when all before it has been read.
        script = f"stty raw -echo; {tmux} wait-for go; cat {files}; printf '\\033[5n'; dd bs=1 count=4 >/dev/null 2>&1; {tmux} wait-for -S done"  # noqa: E501
        start_server = [*server, "new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), "sh", "-c", script]
        subprocess.run(start_server, check=True, env=env)
        try:
            time.sleep(0.3)
            start = time.perf_counter()
            subprocess.run([*server, "wait-for", "-S", "go"], check=True, env=env)
            subprocess.run([*server, "wait-for", "done"], check=True, env=env)
            return len(data) * times / 1e6 / (time.perf_counter() - start)
        finally:
            subprocess.run([*server, "kill-server"], check=False, env=env, stderr=subprocess.DEVNULL)


def same_screen(data: bytes) -> bool:
    """Return whether ours and pyte show the same text after some of a flood: speed counts only then."""
    ours, (screen, feed) = Emulation(COLUMNS, LINES), of_pyte()
    ours.feed(data)
    feed(data)
    text = TerminalText(ours)
    return [text.plain(line) for line in range(text.top, text.end)] == [line.rstrip() for line in screen.display]


def throughput() -> None:
    """Print MB/s for each flood."""
    print(f"MB for a second of the processor (tmux: by the clock), {COLUMNS}x{LINES}, {HISTORY:,} lines of scrollback")
    for name, (data, times, share) in floods().items():
        part = data[: data.rfind(b"\n", 0, max(1, int(len(data) * share))) + 1 or int(len(data) * share)]
        assert same_screen(part), f"{name}: the screens differ"
        first_pyte = rate(of_pyte()[1], part)
        ours = [rate(Emulation(COLUMNS, LINES, HISTORY).feed, data, times) for _ in range(3)]
        drawn = rate(drawn_too(Emulation(COLUMNS, LINES, HISTORY)), data, times)
        bittty = of_bittty()
        other = rate(bittty, part) if bittty is not None else None
        pyte_rate = statistics.mean((first_pyte, second_pyte := rate(of_pyte()[1], part)))
        ratio = statistics.median(ours) / pyte_rate
        figures = {"with styles": drawn, "bittty": other, "pyte": pyte_rate, "tmux": tmux_rate(data, times)}
        note = ", ".join(f"{peer} {value:.2f}" for peer, value in figures.items() if value is not None)
        note = f"ours {statistics.median(ours):.1f}, {note} MB/s"
        void = drifted(first_pyte, second_pyte, MOST_DRIFT)
        report(f"{name}, speed of pyte", ratio, "x", at_least=LEAST_OVER_PYTE, void=void, note=note)


def memory() -> None:
    """Print how much a terminal grows after its scrollback is full."""
    terminal = Emulation(COLUMNS, LINES, HISTORY)
    for name, (data, _, _) in floods().items():
        while len(terminal.history) < HISTORY and b"\n" in data:
            terminal.feed(data)
        terminal.feed(data)
        before = resident_mb()
        fed = 0
        while fed < MEMORY_MB * 1e6:
            terminal.feed(data)
            fed += len(data)
        report(f"memory, {name}, {MEMORY_MB} MB more", resident_mb() - before, "MB")


def resident_mb() -> float:
    """Return the memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def keys() -> None:
    """Print the latency of keys while a flood comes through a pipe, in our shell and in Textual's Log."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flood")
        for name, (data, _, _) in list(floods().items())[:3]:
            path.write_bytes(data)
            log, ours, ours_2, log_2 = [await key_latency(kind(path)) for kind in (LogApp, ShellApp, ShellApp, LogApp)]
            mine, theirs = sorted(ours.keys + ours_2.keys), sorted(log.keys + log_2.keys)
            late, log_late = _late(mine), _late(theirs)
            void = drifted(_late(sorted(log.keys)), _late(sorted(log_2.keys)), MOST_DRIFT)
            note = f"median {statistics.median(mine):.1f}, at most {mine[-1]:.1f} ms; {ours.mb_per_second:.1f} MB/s"
            report(f"a key while flooded, {name}, 95 %", late, "ms", at_most=MOST_KEY_MS, note=note)
            note = f"median {statistics.median(theirs):.1f}, 95 % {log_late:.1f} ms; {log.mb_per_second:.1f} MB/s"
            report("  of Textual's Log", late / log_late, "x", at_most=MOST_OF_LOG, void=void, note=note)


def _late(values: list[float]) -> float:
    return values[min(len(values) - 1, int(len(values) * 0.95))]


def main() -> None:
    """Measure and print."""
    wanted = sys.argv[1:] or ["throughput", "memory", "keys", "echo"]
    if "throughput" in wanted:
        throughput()
    if "memory" in wanted:
        memory()
    if "keys" in wanted:
        print("milliseconds from a key to the painted frame that answers it: median, 95th percentile, maximum")
        asyncio.run(keys())
    if "echo" in wanted:
        with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as folder:
            process, platform = start_platform(Path(folder, "state"))
            try:
                asyncio.run(echo_over_ssh(platform))
            finally:
                process.terminate()
                process.wait(timeout=30)


if __name__ == "__main__":
    main()
