"""Runs every measurement, one after the other, and prints one table of their rows and bars: ``make bench``.

``python -m tests.bench [NAME ...]`` runs those that are named. It ends with 1 when a bar is missed or a measurement
fails. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import ROWS_VARIABLE
from tests.bench.report import BenchRow, read_rows, table

BENCHES = {
    "round_trips": "A command in a sandbox",
    "start": "From the command to the first frame and the live fleet",
    "command_line": "The command line beside the official one",
    "sandboxes": "Real sandboxes: create, hold, delete",
    "checkpoints": "Checkpoints, and forks beside creates",
    "cycles": "The platform under load",
    "neighbours": "A command beside a sandbox that takes all it can get",
    "isolation": "What isolation costs",
    "local": "The local platform",
    "client": "The client beside the official SDK and curl",
    "launch": "A launch by the dashboard",
    "fleet": "The table of the fleet beside DataTable",
    "fleet_live": "The fleet in a terminal",
    "keys": "From a key to the first and the last paint",
    "web": "The dashboard in a browser",
    "terminal": "The shell's emulation",
    "files": "Files beside curl, the SDK and tar",
    "fanout": "One command in many sandboxes",
    "jobs": "Jobs, logs and forwarded ports",
}
LONGEST_SECONDS = 1800.0


def measure(name: str, rows: Path) -> tuple[list[BenchRow], str]:
    """Run one bench; return its rows, and what went wrong."""
    environment = {**os.environ, ROWS_VARIABLE: str(rows), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", f"tests.bench.{name}"]
    try:
        code = subprocess.run(command, env=environment, timeout=LONGEST_SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        return read_rows(rows), f"not measured to the end: it took more than {LONGEST_SECONDS:,.0f} s"
    return read_rows(rows), f"not measured to the end: it ended with {code}" if code else ""


def main(names: list[str]) -> int:
    """Run the named benches or all; return 1 when something is missed."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    done = []
    load = os.getloadavg()[0]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as folder:
        for name in names or BENCHES:
            print(f"\n== {BENCHES[name]} ({name})", flush=True)
            rows, problem = measure(name, Path(folder, name))
            done.append((BENCHES[name], rows, problem))
    print(f"\n{'=' * 40} after {(time.perf_counter() - began) / 60:.0f} minutes; load before it: {load:.1f}")
    print(table(done))
    return int(any(problem or any(row.missed for row in rows) for _, rows, problem in done))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
