"""Runs frameworks that use the platform's sandboxes, each in its own environment, against a fresh local platform.

Usage: ``python -m tests.interop.frameworks ENVIRONMENT...``, each ``verifiers-VERSION`` or ``harbor-VERSION``. The last
line of each counts its cases.
"""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

from tests.interop.prime import ROOT, platform_environment

SECONDS = 300
USERS = ("", "nobody")
"""Whom the agent of a harbor task runs as."""


def verifiers(name: str, environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Run the cases of verifiers; return what went wrong with each, empty for nothing."""
    program = ROOT / "tests" / "interop" / "verifiers_runtime.py"
    done = run([python(name), program], environment, folder)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"case"')]
    return {row["case"]: row.get("error", "") for row in rows} or {"start": done.stderr}


def harbor(name: str, environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Let harbor's oracle solve a task for each kind of user; return what went wrong with each."""
    results = {}
    for user in USERS:
        case = f"task of {user or 'root'}"
        task = make_task(folder / "tasks" / (user or "root"), user)
        program = python(name).with_name("harbor")
        words = [python(name), program, "run", "-p", task, "-a", "oracle", "-e", "prime", "--quiet"]
        jobs = folder / f"jobs-{user or 'root'}"
        done = run([*words, "-o", jobs], environment, folder)
        rewards = [path.read_text().strip() for path in jobs.rglob("reward.txt")]
        results[case] = "" if rewards == ["1"] else f"{rewards} {done.stdout}{done.stderr}"
    return results


def make_task(task: Path, user: str) -> Path:
    """Write a task that is solved by a program in the sandbox's own Python."""
    config = f"""\
        version = "1.0"
        [agent]
        {f'user = "{user}"' if user else ""}
        [environment]
        docker_image = "python:3.11-slim"
        """
    solve = """\
        #!/bin/bash
        set -e
        whoami > /tmp/answer
        bash -lc 'python -c "print(6 * 7)"' >> /tmp/answer
        """
    test = f"""\
        #!/bin/bash
        mkdir -p /logs/verifier
        [ "$(cat /tmp/answer)" = "$(printf '{user or "root"}\\n42')" ]
        echo $((! $?)) > /logs/verifier/reward.txt
        """
    for path, text in (
        ("task.toml", config),
        ("instruction.md", "Write who you are and 42 into /tmp/answer."),
        ("solution/solve.sh", solve),
        ("tests/test.sh", test),
        ("environment/.keep", ""),
    ):
        file = task / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        file.chmod(0o755)
    return task


def python(name: str) -> Path:
    """Return the interpreter of an environment."""
    return ROOT / ".interop" / name / "bin" / "python"


def run(words: list[str | Path], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program with a home of its own."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_PROXY": "127.0.0.1", **environment}
    return subprocess.run(words, env=surroundings, cwd=home, capture_output=True, text=True, timeout=SECONDS)


def main(names: list[str]) -> int:
    """Run all; return 1 when something failed."""
    failed = 0
    for name in names:
        work: Callable[..., dict[str, str]] = harbor if name.startswith("harbor") else verifiers
        with (
            tempfile.TemporaryDirectory(prefix="sandtui-framework-") as folder,
            platform_environment(Path(folder)) as environment,
        ):
            results = work(name, environment, Path(folder))
        for case, error in results.items():
            if error:
                print(f"{name} {case}: {error}")
        good = sum(not error for error in results.values())
        failed += len(results) - good
        print(f"{name}: {good} of {len(results)} cases", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
