"""A pytest plugin: a skipped test can't be overlooked.

Each run ends with every reason and how many tests it skipped. With ``--expected-skips FILE`` a reason that no pattern
in the file matches fails the run. The file has one pattern (as in ``fnmatch``) in each line; ``#`` begins a comment.
"""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

UNEXPECTED = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--expected-skips", metavar="FILE", type=Path, help="fail on a skip whose reason is not in this file"
    )


def read_patterns(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def reasons(config: pytest.Config) -> Counter[str]:
    """Count the skipped tests by reason; also those that xdist's workers skipped."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    found: Counter[str] = Counter()
    for report in reporter.stats.get("skipped", []) if reporter is not None else []:
        detail = report.longrepr
        text = detail[2] if isinstance(detail, tuple) else str(detail)
        found[" ".join(text.removeprefix("Skipped: ").split())] += 1
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    path: Path | None = session.config.getoption("expected_skips")
    if path is None or hasattr(session.config, "workerinput"):
        return
    patterns = read_patterns(path)
    unexpected = [
        reason for reason in reasons(session.config) if not any(fnmatchcase(reason, pattern) for pattern in patterns)
    ]
    session.config.stash[UNEXPECTED] = unexpected
    if unexpected and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = reasons(config)
    if not found:
        return
    unexpected = config.stash.get(UNEXPECTED, [])
    terminalreporter.section(f"{found.total()} skipped", yellow=True)
    for reason, count in found.most_common():
        note = "  UNEXPECTED" if reason in unexpected else ""
        terminalreporter.line(f"{count:>5}  {reason}{note}", yellow=not note, red=bool(note))
    if unexpected:
        path = config.getoption("expected_skips")
        terminalreporter.line(f"FAILED: {len(unexpected)} reason(s) for skipping not listed in {path}", red=True)
