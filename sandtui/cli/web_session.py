"""The program of one session of ``sandtui web``: a dashboard in the terminal that the web server gives it."""

from __future__ import annotations

import fcntl
import json
import sys
import termios
from contextlib import suppress
from typing import Any


def main() -> int:
    """Run the dashboard that the only argument describes; return its exit code."""
    chosen: dict[str, Any] = json.loads(sys.argv[1])
    # Makes it the terminal of this session, so that its size changes and its end are noticed.
    with suppress(OSError):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    if chosen["read_only"] and chosen["fleet"] is None:
        from sandtui.cli.dashboard import open_confined
        from sandtui.cli.options import Options

        return open_confined(Options(chosen["local"], chosen["profile"], read_only=True), chosen["labels"])
    from sandtui.cli.program import main as run

    return run(words_of(chosen))


def words_of(chosen: dict[str, Any]) -> list[str]:
    """Return the command line of the dashboard."""
    words = ["demo", "--fleet", str(chosen["fleet"])] if chosen["fleet"] is not None else []
    words += ["--local"] * bool(chosen["local"])
    words += ["--profile", chosen["profile"]] if chosen["profile"] else []
    if chosen["read_only"]:
        words += ["--read-only", "--confined", *(f"--label={label}" for label in chosen["labels"])]
    return words


if __name__ == "__main__":
    sys.exit(main())
