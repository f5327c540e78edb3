"""The environment of every test: the same on each machine, whoever runs the tests and from where."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable

# What names this machine's own facilities, or belongs to the test runner. All else is the user's taste, also
# PYTHONDONTWRITEBYTECODE: the programs that the tests start would all be compiled again, hundreds of times.
KEPT = {"CI", "DOCKER_HOST", "LD_LIBRARY_PATH", "PATH", "PYTHONPYCACHEPREFIX", "TMPDIR"}
KEPT_PREFIXES = ("HYPOTHESIS_", "PYTEST_", "TEXTUAL_SNAPSHOT_")
OPTIONS = "PYTEST_ADDOPTS"

FIXED = {
    "COLORTERM": "truecolor",
    "LC_ALL": "C.UTF-8",
    "SANDTUI_GLYPHS": "unicode",
    "TERM": "xterm-256color",
    "TEXTUAL_ANIMATIONS": "none",
    "TZ": "UTC",
}

# Seconds for each test, far above what the slowest takes on a loaded machine; pytest-timeout reads it.
LIMIT = "180"

# GNU readline puts these into the C library's environment, behind the back of ``os.environ``.
SIZE = ("COLUMNS", "LINES")


def unwanted(names: Iterable[str]) -> list[str]:
    """Return the variables that no test may see; pytest has read its own options by then."""
    return [name for name in names if name not in KEPT and not (name.startswith(KEPT_PREFIXES) and name != OPTIONS)]


def reset() -> None:
    """Replace this process's environment by the tests' own, with an empty home.

    Call it before anything of Textual is imported: it reads some variables only once.
    """
    home = tempfile.mkdtemp(prefix="sandtui-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    for name in unwanted(list(os.environ)):
        del os.environ[name]
    forget_size()
    os.environ.update(FIXED, HOME=home)
    os.environ.setdefault("PYTEST_TIMEOUT", LIMIT)
    sys.dont_write_bytecode = False
    os.umask(0o022)
    time.tzset()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell without job control has its background commands ignore ctrl+c, and every child inherits that.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def forget_size() -> None:
    """Remove the terminal's size from what child processes inherit."""
    for name in SIZE:
        os.environ.pop(name, None)
        os.unsetenv(name)
