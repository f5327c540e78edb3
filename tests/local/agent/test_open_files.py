"""What processes have open, where the system has a /proc to tell."""

import os
import sys
from pathlib import Path

import pytest

from sandtui.local.agent.children import open_files
from sandtui.local.agent.usage import unlinked

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc")


def test_what_a_process_has_open_is_found(tmp_path: Path) -> None:
    path = tmp_path / "open"
    with path.open("w"):
        targets = {os.path.realpath(each) for each in open_files([os.getpid()])}
    assert str(path.resolve()) in targets
    assert str(path.resolve()) not in {os.path.realpath(each) for each in open_files([os.getpid()])}


def test_a_process_that_has_ended_has_nothing_open() -> None:
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    os.waitpid(pid, 0)
    assert list(open_files([pid])) == []


def test_a_file_without_a_name_counts_once_however_often_it_is_open(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    before = unlinked([os.getpid()], device)
    path = tmp_path / "unnamed"
    with path.open("wb") as file:
        file.write(bytes(1_000_000))
        file.flush()
        other = os.dup(file.fileno())
        try:
            assert unlinked([os.getpid()], device) == before
            path.unlink()
            size = os.fstat(other).st_blocks * 512
            assert unlinked([os.getpid()], device) == before + size
        finally:
            os.close(other)
    assert unlinked([os.getpid()], device) == before
