"""``make test-all`` finds the Pythons that can be used, and only those."""

import sys

import pytest

from tests import interpreters


def program(path, output="", code=0, mode=0o755):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{output}'\nexit {code}\n")
    path.chmod(mode)
    return path


def test_only_what_runs_and_is_supported_is_found(tmp_path):
    path, other, pyenv = tmp_path / "path", tmp_path / "other", tmp_path / "pyenv"
    program(path / "python3.11", "pyenv: python3.11: command not found", 127)
    program(path / "python3.12", "3.12 pypy /pypy")
    program(path / "python3.13", "3.13 cpython /somewhere/with a blank/python")
    program(path / "python3.14", "3.14 cpython /unused", mode=0o644)
    program(other / "python3.13", "3.13 cpython /later on the path")
    program(pyenv / "versions" / "3.11.9" / "bin" / "python3.11", "3.11 cpython /pyenv/python3.11")
    program(tmp_path / "given", "3.14 cpython /given")
    old = program(tmp_path / "old", "3.9 cpython /old")
    environ = {
        "PATH": f"{path}:{other}:{tmp_path / 'missing'}",
        "PYENV_ROOT": str(pyenv),
        "PYTHONS": f"{tmp_path / 'given'}:{old}:{tmp_path / 'missing'}",
    }
    assert interpreters.find(environ) == {
        "3.11": "/pyenv/python3.11",
        "3.13": "/somewhere/with a blank/python",
        "3.14": "/given",
    }


def test_this_interpreter_is_found():
    version = "{}.{}".format(*sys.version_info)
    assert version in interpreters.VERSIONS
    assert version in interpreters.find({"PYTHONS": sys.executable})


def test_what_is_not_found_is_named(monkeypatch, capsys):
    monkeypatch.setattr(interpreters, "find", lambda environ, wanted: {"3.12": "/a/python"})
    assert interpreters.main(["--list"]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert {"Python 3.12  /a/python", "Python 3.14  not found"} <= set(lines)


@pytest.mark.parametrize(("code", "verdict"), [(0, "passed"), (2, "FAILED (exit code 2)")])
def test_a_failure_is_reported_by_the_exit_code_also_in_a_terminal(tmp_path, monkeypatch, capfd, code, verdict):
    program(tmp_path / "make", "ran in $(stty size 2>/dev/null)", code)
    (tmp_path / "make").write_text(f'#!/bin/sh\nstty size < /dev/tty\necho "$@"\nexit {code}\n')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(interpreters, "find", lambda environ, wanted: {"3.12": "/a b/python"})
    assert interpreters.main(["--terminal", "--only", "3.12"]) == (code != 0)
    shown = capfd.readouterr().out.replace("\r", "")
    assert f"Python 3.12  {verdict}\n" in shown
    assert "36 120\n" in shown
    assert "test PYTHON=/a b/python VENV=.venv-3.12 WITH=env HOME=/dev/null\n" in shown
