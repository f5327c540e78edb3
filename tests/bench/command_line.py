"""The command line: a list beside the official command's, the first row of a large fleet, and a completion.

The programs run in turn against a platform that runs already, with byte code compiled.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.report import report
from tests.conftest import start_platform

ROUNDS, WARM_UP = 11, 2
PRIME = Path(__file__).parents[2] / ".interop" / "prime-0.18.0" / "bin" / "prime"
SANDTUI = [sys.executable, "-m", "sandtui"]
SMALL, LARGE = 12, 10_000
MOST_OF_PRIME, COMPLETION_MS = 0.5, 100


def took(command: list[str], environment: dict[str, str]) -> float:
    """Return the milliseconds that a command takes."""
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0 and done.stdout, done.stderr[-1000:]
    return (time.perf_counter() - began) * 1000


def first_row_and_all(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return the milliseconds until the first row is out, and until the last."""
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        first = time.perf_counter() - began
        count = 1 + sum(1 for _ in process.stdout)
    assert process.returncode == 0 and count >= LARGE * 0.9, f"{count} rows"
    return first * 1000, (time.perf_counter() - began) * 1000


def with_fleet(size: int, measure: object) -> None:
    """Run a measurement against a simulated fleet."""
    assert callable(measure)
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name:
        options = ("--driver", "simulated", "--fleet", str(size), "--seed", "7")
        process, platform = start_platform(Path(name, "state"), *options)
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PRIME_", "XDG_"))},
            "HOME": name,
            "TERM": "dumb",
            "PRIME_API_KEY": platform.api_key,
            "PRIME_BASE_URL": platform.base_url,
            "PRIME_API_BASE_URL": platform.base_url,
        }
        try:
            measure(environment)
        finally:
            process.terminate()
            process.wait(timeout=60)


def small(environment: dict[str, str]) -> None:
    """Compare the lists of a small fleet."""
    programs = {"sandtui": [*SANDTUI, "ls"]} | ({"prime": [str(PRIME), "sandbox", "list"]} if PRIME.exists() else {})
    times: dict[str, list[float]] = {each: [] for each in programs}
    for turn in range(WARM_UP + ROUNDS):
        for each, command in programs.items():
            if (milliseconds := took(command, environment)) and turn >= WARM_UP:
                times[each].append(milliseconds)
    ours = statistics.median(times["sandtui"])
    if "prime" not in times:
        report("`sandtui ls` of a small fleet", ours, "ms")
        return
    theirs = statistics.median(times["prime"])
    note = f"{ours:.0f} ms; `prime sandbox list` {theirs:.0f} ms"
    report("`sandtui ls`, of `prime sandbox list`", ours / theirs, "x", at_most=MOST_OF_PRIME, note=note)


def large(environment: dict[str, str]) -> None:
    """Measure the list of a large fleet, and the completion of its names."""
    everything = [*SANDTUI, "ls", "--all"]
    first_row_and_all(everything, environment)
    times = [first_row_and_all(everything, environment) for _ in range(3)]
    note = f"all after {statistics.median(whole for _, whole in times):,.0f} ms"
    report(f"first row of {LARGE:,} sandboxes", statistics.median(first for first, _ in times), "ms", note=note)
    took([*SANDTUI, "ls"], environment)
    completion = [*SANDTUI, "__complete", "targets", "#run="]
    ordered = sorted(took(completion, environment) for _ in range(WARM_UP + ROUNDS))
    report("completion of a label, of that fleet", statistics.median(ordered), "ms", at_most=COMPLETION_MS)


if __name__ == "__main__":
    with_fleet(SMALL, small)
    with_fleet(LARGE, large)
