import sqlite3
import stat

from sandtui.config import command_history
from sandtui.config.command_history import SqliteCommandHistory


def commands(history, text="", sandbox_id=None):
    return [past.command for past in history.search(text, sandbox_id)]


def test_each_command_once_the_newest_first_of_one_sandbox_or_all(tmp_path):
    history = SqliteCommandHistory(tmp_path / "state" / "commands.sqlite3")
    assert history.search("") == []
    assert not (tmp_path / "state").exists(), "reading makes no file"
    for sandbox_id, command in (("a", "ls"), ("b", "Make"), ("a", "pwd"), ("b", "ls"), ("a", "ls")):
        history.add(sandbox_id, f"name-{sandbox_id}", command)
    assert commands(history) == ["ls", "pwd", "Make"]
    assert commands(history, sandbox_id="b") == ["ls", "Make"]
    assert commands(history, "MAK") == ["Make"]
    assert commands(history, "%") == []
    assert history.search("pwd")[0].sandbox_name == "name-a"
    history.close()
    assert stat.S_IMODE((tmp_path / "state" / "commands.sqlite3").stat().st_mode) == 0o600


def test_it_is_bounded_and_takes_what_is_odd(tmp_path, monkeypatch):
    monkeypatch.setattr(command_history, "MAX_COMMANDS", 5)
    path = tmp_path / "commands.sqlite3"
    history = SqliteCommandHistory(path)
    for number in range(20):
        history.add("a", "n", f"echo {number}")
    assert commands(history) == [f"echo {number}" for number in range(19, 14, -1)]
    history.add("a", "n", "echo \ud800 '\"; DROP TABLE commands")
    assert "DROP" in commands(history)[0]
    history.add("a", "n", "x" * 30_000)
    history.add("a", "n", " secret")
    history.add("a", "n", "TOKEN=canary run")
    assert commands(history)[0] == "TOKEN=<hidden> run"
    history.close()
    with sqlite3.connect(path) as connection:
        assert "canary" not in "\n".join(connection.iterdump())
    connection.close()


def test_it_is_there_in_the_next_session(tmp_path):
    first = SqliteCommandHistory(tmp_path / "commands.sqlite3")
    first.add("a", "n", "ls")
    first.close()
    second = SqliteCommandHistory(tmp_path / "commands.sqlite3")
    assert commands(second) == ["ls"]
    second.close()
