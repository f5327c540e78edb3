"""Whether a file's lock is held, as seen from outside."""

import fcntl
import multiprocessing
import os
from pathlib import Path

import pytest

from sandtui.locks import is_held


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "lock"
    path.touch()
    return path


def test_a_lock_is_held_until_its_holder_lets_go(path: Path) -> None:
    assert not is_held(path)
    with path.open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert is_held(path)
    assert not is_held(path)


def test_who_asks_is_no_holder_to_others_who_ask(path: Path) -> None:
    with path.open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not is_held(path)


def test_asking_lets_go_again(path: Path) -> None:
    assert not is_held(path)
    with path.open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)


def hold_and_die(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def test_the_lock_of_a_process_that_ended_is_not_held(path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=hold_and_die, args=(path,))
    process.start()
    process.join()
    assert not is_held(path)


def test_a_file_that_can_not_be_asked_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        is_held(tmp_path / "missing")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError):
        is_held(tmp_path / "link")
