"""What can't be kept is told at the start, in words and with something that helps."""

import os
import pwd
import sqlite3

import pytest

from sandtui.cli.program import main
from sandtui.config.journal import LaunchJournal
from sandtui.config.paths import Paths
from sandtui.config.state_check import check_state
from sandtui.directories import DirectoryError, user_directory
from sandtui.local.settings import LocalError, PlatformSettings, default_state_dir


def told(state, config=None):
    with pytest.raises(OSError) as caught:
        check_state(Paths(config or state, state))
    text = str(caught.value)
    assert "Errno" not in text
    return text


def test_a_state_directory_that_works_says_nothing(tmp_path):
    state = tmp_path / "deep" / "state"
    check_state(Paths(tmp_path, state))
    assert list(state.iterdir()) == []
    check_state(Paths(tmp_path, state))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("file", "{0}/file is not a directory"),
        ("file/deep/state", "{0}/file is not a directory"),
        ("dangling", "{0}/dangling is not a directory"),
        ("circle/state", "Too many levels of symbolic links"),
        ("x" * 300, "File name too long"),
        ("/proc/nope/state", "No such file or directory"),
        ("/dev/null/state", "/dev/null is not a directory"),
    ],
)
def test_each_way_in_which_it_cannot_be_made(tmp_path, place, words):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    text = told(tmp_path / place)
    assert words.format(tmp_path) in text
    assert text.endswith("Set XDG_STATE_HOME to a directory that you can write to.")


@pytest.mark.parametrize("number", [13, 30, 28])
def test_what_only_writing_shows(tmp_path, monkeypatch, number):
    def touch(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pathlib.Path.touch", touch)
    assert os.strerror(number) in told(tmp_path)


@pytest.mark.parametrize("name", ["activity", "commands", "jobs", "journal", "transfers"])
def test_a_damaged_or_newer_database_is_named(tmp_path, name):
    path = tmp_path / f"{name}.sqlite3"
    path.write_bytes(os.urandom(5000))
    assert f"{path} cannot be used: it is damaged or not a database. Move it away" in told(tmp_path)
    path.unlink()
    path.mkdir()
    assert f"{path} cannot be used: it is a directory" in told(tmp_path)
    path.rmdir()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    assert f"{path} was written by a newer sandtui" in told(tmp_path)
    assert "XDG_STATE_HOME" in told(tmp_path)


def test_a_database_that_another_process_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("sandtui.config.database.CHECK_SECONDS", 0.05)
    journal = LaunchJournal(tmp_path / "journal.sqlite3")
    journal.begin("launch", "here", [])
    journal.close()
    check_state(Paths(tmp_path, tmp_path))
    other = sqlite3.connect(tmp_path / "journal.sqlite3", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert "journal.sqlite3 is locked by another process" in told(tmp_path)
    other.close()
    check_state(Paths(tmp_path, tmp_path))


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_a_user_without_a_home(monkeypatch, capsys, home):
    def nobody(_):
        raise KeyError("no such user")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME")
    if home is not None:
        monkeypatch.setenv("HOME", home)
    with pytest.raises(DirectoryError, match="Set HOME or XDG_STATE_HOME"):
        user_directory("state")
    with pytest.raises(LocalError, match="Set HOME or XDG_DATA_HOME"):
        PlatformSettings()
    for words in (["keys"], ["create", "python"], ["run", "x", "--", "true"], ["local", "status"], ["cp", "a", "b:c"]):
        assert main(words) in {1, 2}
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "Set HOME or XDG_" in shown.err


def test_the_variable_is_enough_without_a_home(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("HOME")
    for kind in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: (_ for _ in ()).throw(KeyError()))
    assert default_state_dir() == tmp_path / "DATA" / "sandtui" / "platform"
    assert main(["config", "path"]) == 0
    assert main(["create", "nope"]) == 2
    assert "no preset" in capsys.readouterr().err.lower()


def test_a_launch_needs_its_journal(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("PRIME_API_KEY", "k")
    monkeypatch.setenv("PRIME_API_BASE_URL", "http://127.0.0.1:9")
    assert main(["create", "python"]) == 2
    assert f"{tmp_path}/file is not a directory" in capsys.readouterr().err
    assert main(["--log", "keys"]) == 2
    assert "cannot write the log" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["serve", "--driver", "simulated"], ["local", "env"]])
@pytest.mark.parametrize("how", ["option", "variable"])
def test_the_platform_tells_how_to_choose_another(monkeypatch, tmp_path, capsys, words, how):
    (tmp_path / "file").write_text("in the way")
    if how == "option":
        words = [*words, "--state-dir", str(tmp_path / "file" / "x")]
    else:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    assert main(words) == 1
    shown = capsys.readouterr().err
    assert f"{tmp_path}/file is not a directory" in shown
    assert "set XDG_DATA_HOME" in shown
    assert "--state-dir" in shown
