"""The tests' own environment: whatever the machine, the user and the terminal are."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import environment

ROOT = Path(__file__).parents[1]

TASTES = {
    "COLUMNS": "7",
    "LINES": "3",
    "HOME": "/nonexistent",
    "XDG_CONFIG_HOME": "/nonexistent/config",
    "XDG_STATE_HOME": "/nonexistent/state",
    "LC_ALL": "tr_TR.ISO-8859-9",
    "LANG": "C",
    "PYTHONIOENCODING": "latin-1",
    "TZ": "Asia/Kathmandu",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "EDITOR": "vi",
    "HTTP_PROXY": "http://proxy.invalid:1",
    "SSH_AUTH_SOCK": "/nonexistent/agent",
    "TMUX": "/tmp/tmux,1,0",
    "PRIME_API_KEY": "a key of the user's",
    "SANDTUI_PROFILE": "mine",
    "PYTEST_ADDOPTS": "--color=no",
    "USER": "somebody",
    "LOGNAME": "somebody",
}

PROBE = """
import json, os, subprocess, sys, time
from pathlib import Path


def test_probe(request):
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    child = json.loads(subprocess.run([sys.executable, "-c", show], capture_output=True, check=True).stdout)
    found = {"child": child, "zone": time.tzname[0], "encoding": sys.getfilesystemencoding()}
    found["umask"] = os.umask(0o022)
    Path(os.environ["PYTEST_PROBE"]).write_text(json.dumps(found))
"""


@pytest.mark.parametrize("workers", ["0", "1"], ids=["alone", "xdist"])
def test_nothing_of_the_user_reaches_a_test(tmp_path, workers):
    (tmp_path / "conftest.py").write_text("from tests import environment\nenvironment.reset()\n")
    (tmp_path / "test_probe.py").write_text(PROBE)
    report = tmp_path / "report.json"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "xdist",
        "-n",
        workers,
        "-c",
        os.devnull,
        "--rootdir",
        tmp_path,
        tmp_path,
    ]
    result = subprocess.run(
        [*map(str, command), "-p", "no:cacheprovider"],
        env={
            **os.environ,
            **TASTES,
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PROBE": str(report),
        },
        umask=0o077,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(report.read_text())
    child = found["child"]
    assert not [name for name in environment.unwanted(child) if name not in {*environment.FIXED, "HOME", "PYTHONPATH"}]
    assert {name: child.get(name) for name in environment.FIXED} == environment.FIXED
    assert Path(child["HOME"]).name.startswith("sandtui-home-")
    assert (found["zone"], found["encoding"], found["umask"]) == ("UTC", "utf-8", 0o022)


def test_the_size_of_the_terminal_is_forgotten_also_where_python_does_not_see_it():
    environment.forget_size()
    os.putenv("COLUMNS", "7")
    environment.forget_size()
    shown = subprocess.run(["sh", "-c", 'echo "<$COLUMNS>"'], capture_output=True, text=True)
    assert shown.stdout == "<>\n"


def test_each_test_has_a_time_limit(request):
    assert float(os.environ["PYTEST_TIMEOUT"]) > 0
    assert request.config.pluginmanager.has_plugin("timeout"), "pytest-timeout is not installed: run `make test`"


def test_what_the_tests_start_takes_ctrl_c_though_a_background_job_ignores_it():
    """``make test &`` in a script: a shell without job control starts it with SIGINT ignored."""
    code = (
        "import signal, subprocess, sys; from tests import environment; environment.reset();"
        "subprocess.run([sys.executable, '-c', 'import signal; signal.raise_signal(signal.SIGINT)'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert "KeyboardInterrupt" in result.stderr
