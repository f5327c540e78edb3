"""Whether something is written, under which name, and what is said when it is not."""

import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sandtui
from sandtui import saving
from sandtui.saving import (
    already_exists,
    check_new_file,
    check_new_path,
    free_name,
    numbered,
    replace_private,
    typed_path,
    with_home,
    write_new,
)


@pytest.fixture
def taken(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "taken"
    match request.param:
        case "file":
            path.write_text("old")
        case "folder":
            path.mkdir()
        case "link":
            (tmp_path / "other").write_text("old")
            path.symlink_to(tmp_path / "other")
        case "broken link":
            path.symlink_to(tmp_path / "nowhere")
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


KINDS = ["file", "folder", "link", "broken link"]


@pytest.mark.parametrize("taken", KINDS, indirect=True)
def test_whatever_has_the_name_is_refused_and_stays(taken: Path) -> None:
    before, names = os.lstat(taken), names_in(taken.parent)
    assert check_new_path(taken) == check_new_file(f" {taken} ") == already_exists(taken)
    with pytest.raises(FileExistsError, match="choose another name"):
        write_new(taken, ["new"])
    assert os.lstat(taken) == before
    assert names_in(taken.parent) == names


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "enter a file name"),
        ("  ", "enter a file name"),
        ("missing/log.txt", "no such directory: missing"),
        ("plain/log.txt", "no such directory: plain"),
        ("x" * 300 + "/log.txt", "no such directory: " + "x" * 300),
        ("a\0b/log.txt", "no such directory: a\0b"),
        ("log.txt", ""),
        ("x" * 300, ""),  # the system says why when it is written
    ],
)
def test_what_cannot_be_written_is_reported_before(tmp_path: Path, monkeypatch, text: str, problem: str) -> None:
    (tmp_path / "plain").write_text("")
    monkeypatch.chdir(tmp_path)
    assert check_new_file(text) == problem


def test_a_tilde_is_the_home_directory(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert typed_path(" ~/log.txt ") == tmp_path / "log.txt"
    for text in ("~nobody-of-that-name/x", "~\0", "~\0/x"):
        assert typed_path(text) == with_home(Path(text)) == Path(text)


def test_no_path_of_a_user_is_expanded_where_an_unknown_name_is_an_error() -> None:
    package = Path(sandtui.__file__).parent
    modules = package.rglob("*.py")
    found = {str(each.relative_to(package)) for each in modules if ".expanduser()" in each.read_text("utf-8")}
    # The others tell which setting names the directory.
    assert found == {"saving.py", "cli/connect.py", "local/commands.py"}


@given(st.text())
def test_any_text_is_judged_without_an_error(text: str) -> None:
    assert isinstance(check_new_file(text), str)


def test_a_new_file_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    write_new(path, ["a\r\n", "\udc80"])
    assert path.read_bytes() == b"a\r\n\xed\xb2\x80"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["log.txt"]


def test_an_error_half_way_leaves_nothing(tmp_path: Path) -> None:
    def texts():
        yield "a"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_new(tmp_path / "log.txt", texts())
    assert names_in(tmp_path) == []


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    write_new(path, ["a"])
    assert path.read_text() == "a"


@pytest.mark.parametrize("links", [True, False])
def test_what_came_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch, links: bool) -> None:
    path = tmp_path / "log.txt"
    if not links:

        def refuse(*_: object) -> None:
            raise PermissionError("no links here")

        monkeypatch.setattr(saving.os, "link", refuse)

    def texts():
        path.write_text("somebody's")
        yield "ours"

    with pytest.raises(FileExistsError, match="choose another name"):
        write_new(path, texts())
    assert path.read_text() == "somebody's"
    assert names_in(tmp_path) == ["log.txt"]


def test_of_many_that_write_one_new_file_one_does(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    written: list[str] = []

    def write(name: str) -> None:
        try:
            write_new(path, [name])
        except FileExistsError:
            return
        written.append(name)

    threads = [threading.Thread(target=write, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_text()] == written


@pytest.mark.parametrize("how", [KeyboardInterrupt, MemoryError, OSError])
def test_an_interrupted_replacement_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch, how) -> None:
    path = tmp_path / "f"
    replace_private(path, "old")

    def interrupted(_: object) -> None:
        raise how

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(how):
        replace_private(path, "new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("f", "old")]


def test_replacing_keeps_the_old_file_when_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "state"
    replace_private(path, "old")
    replace_private(path, "new", durable=False)
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(OSError):
        replace_private(tmp_path / "missing" / "state", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        replace_private(tmp_path / "folder", "x")
    assert names_in(tmp_path) == ["folder", "state"]


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [
        ("a.txt", [], "a.txt"),
        ("a.txt", ["a.txt"], "a-1.txt"),
        ("a.txt", ["a.txt", "a-1.txt", "a-3.txt"], "a-2.txt"),
        ("a", ["a"], "a-1"),
        (".hidden", [".hidden"], ".hidden-1"),
        ("a.tar.gz", ["a.tar.gz"], "a.tar-1.gz"),
    ],
)
def test_the_first_free_number(name: str, taken: list[str], free: str) -> None:
    assert free_name(name, taken.__contains__) == free


@given(name=st.text("ab-1.", min_size=1, max_size=5), taken=st.sets(st.text("ab-1.", min_size=1, max_size=7)))
def test_a_free_name_is_free_and_a_numbered_one_is_another(name: str, taken: set[str]) -> None:
    assert free_name(name, taken.__contains__) not in taken
    assert (free_name(name, taken.__contains__) == name) is (name not in taken)
    other = numbered(name, taken.__contains__)
    assert other not in taken
    assert other != name
