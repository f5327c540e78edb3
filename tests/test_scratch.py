"""Temporary directories end with their owner, however that ends."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sandtui.scratch import GRACE_SECONDS, OWNER_FILE, remove_orphans, remove_scratch, scratch_directory

HOLDER = """
import signal, sys
from sandtui.cli.signals import ending_like_ctrl_c
from sandtui.scratch import scratch_directory

def command():
    with scratch_directory("held") as folder:
        (folder / "file").write_text("x")
        print(folder, flush=True)
        signal.pause()
    return 0

sys.exit(ending_like_ctrl_c(command))
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def hold(*, ignoring=()):
    """Start a command that holds a scratch directory; return the process and the directory."""

    def begin():
        for number in ignoring:
            signal.signal(number, signal.SIG_IGN)

    command = [sys.executable, "-c", HOLDER]
    # The handlers are set between fork and exec on purpose: a shell does the same.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=begin)
    return process, Path(process.stdout.readline().strip())


def age(folder):
    past = time.time() - 2 * GRACE_SECONDS
    os.utime(folder / OWNER_FILE, (past, past))


@pytest.mark.parametrize("ignoring", [(), (signal.SIGINT,)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_command_cleans_up_first(temporary, number, ignoring):
    process, folder = hold(ignoring=ignoring)
    with process:
        assert folder.parent == temporary
        process.send_signal(number)
        assert process.wait(30) == 128 + number
    assert not folder.exists()


def test_what_a_killed_command_left_is_removed_by_the_next(temporary):
    process, killed = hold()
    with process:
        process.kill()
    living, held = hold()
    with living:
        age(killed)
        age(held)
        with scratch_directory("next") as folder:
            assert sorted(temporary.iterdir()) == sorted([held, folder])
        living.kill()
    age(held)
    remove_orphans()
    assert list(temporary.iterdir()) == []


def test_only_what_is_ours_is_removed(temporary):
    mine = temporary / "sandtui-notes"
    mine.mkdir()
    young = temporary / "sandtui-young"
    young.mkdir()
    (young / OWNER_FILE).touch()
    linked = temporary / "sandtui-linked"
    linked.mkdir()
    (linked / OWNER_FILE).symlink_to(mine)
    other = temporary / "other"
    other.mkdir()
    (other / OWNER_FILE).touch()
    age(other)
    remove_orphans()
    remove_scratch(mine)
    assert sorted(temporary.iterdir()) == sorted([mine, young, linked, other])
