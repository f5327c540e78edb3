"""Whether the owner of a lease is gone: asked of the system where it can be seen, of a file where it can't."""

import errno
import os
import subprocess
import sys
import time
from dataclasses import replace
from itertools import count

import pytest

from sandtui import leases
from sandtui.leases import LeaseFiles, LeaseJudge, mark_of, new_mark, read_mark, without_lease


@pytest.fixture
def files(tmp_path):
    return LeaseFiles(tmp_path / "leases")


@pytest.fixture
def seconds(monkeypatch):
    """Return a monotonic clock that the test moves."""
    clock = [100.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: clock[0])
    return clock


def elsewhere(grace=600):
    """Return the mark of a process that can't be seen from here."""
    return replace(new_mark(grace), boot="0123456789ab", host="far-away")


def silent_for(files, mark, age):
    path = files.folder / f"lease-{mark.token}.lock"
    moment = time.time() - age
    os.utime(path, (moment, moment))


def test_a_label_is_read_as_it_was_written():
    mark = new_mark(90)
    assert read_mark(mark.label) == mark
    assert mark_of(["run=42", mark.label]) == mark
    assert without_lease(["run=42", mark.label, "lease=car"]) == ["run=42", "lease=car"]
    assert str(os.getpid()) in mark.owner


@pytest.mark.parametrize(
    "label",
    [
        "lease=car",
        "lease=../../etc/passwd:me@host:1:2:3:4",
        "lease=0123456789abcdef:m\x1b[31m@host:1:2:abc:600",
        "lease=0123456789abcdef:me@host:99999999999999:2:abc:600",
        "lease=0123456789abcdef:me@host:1:2:abc:600\n",
    ],
)
def test_a_label_of_somebody_else_is_no_lease(label):
    assert read_mark(label) is None


def test_a_living_process_is_told_by_its_label_alone(files):
    assert LeaseJudge(files).judge(new_mark(600)).gone == ""


def test_a_process_that_has_ended_is_gone_and_so_is_one_whose_pid_is_used_again(files):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        mark = replace(new_mark(600), pid=process.pid, start=leases.process_start(process.pid))
        assert not LeaseJudge(files).judge(mark).gone
        assert "has ended" in LeaseJudge(files).judge(replace(mark, start="1")).gone
        process.communicate(b"\n")
    assert "has ended" in LeaseJudge(files).judge(mark).gone


def test_the_end_of_a_lease_is_noted_although_its_process_goes_on(files):
    mark = new_mark(600)
    descriptor = files.take(mark, "run=42")
    assert not LeaseJudge(files).judge(mark).gone
    files.end(mark)
    assert LeaseJudge(files).judge(mark).gone == "its lease has ended"
    os.close(descriptor)


def test_who_can_not_be_asked_is_left_alone(files):
    verdict = LeaseJudge(files).judge(elsewhere())
    assert (verdict.gone, verdict.doubt) == ("", "far-away can't be asked from here")
    assert "said to be gone" in LeaseJudge(files, gone_hosts=["far-away"]).judge(elsewhere()).gone


def test_a_lock_outlives_every_clock(files):
    mark = elsewhere()
    descriptor = files.take(mark, "run=42")
    silent_for(files, mark, 10_000)
    assert LeaseJudge(files).judge(mark) == leases.Verdict()
    os.close(descriptor)
    assert LeaseJudge(files).judge(mark).wait > 0


@pytest.mark.parametrize("age", [10_000, -10_000])
def test_silence_counts_only_when_it_lasts_while_it_is_watched(files, seconds, age):
    """A clock that jumps makes every file look silent, or of the future, until the next sign of life."""
    mark = elsewhere()
    os.close(files.take(mark, "run=42"))
    judge = LeaseJudge(files)
    silent_for(files, mark, age)
    assert judge.judge(mark).wait == pytest.approx(20)
    silent_for(files, mark, age - 10)
    seconds[0] += 25
    assert not judge.judge(mark).gone, "it gave a sign of life meanwhile"
    seconds[0] += 25
    assert "silent" in judge.judge(mark).gone
    silent_for(files, mark, 1)
    assert judge.judge(mark) == leases.Verdict(), "it is back"


def test_a_jump_of_this_machine_s_clock_changes_nothing(files, monkeypatch):
    mark = elsewhere()
    os.close(files.take(mark, "run=42"))
    hours = count(3600 * 24, 3600)
    monkeypatch.setattr(leases.time, "time", lambda: float(next(hours)))
    assert LeaseJudge(files).judge(mark) == leases.Verdict(), "the clock of the file system tells"


def test_two_hosts_with_one_run_are_two_leases(files, seconds):
    near, far = new_mark(600), elsewhere()
    for mark in (near, far):
        os.close(files.take(mark, "run=42"))
    silent_for(files, far, 10_000)
    judge = LeaseJudge(files)
    judge.judge(far)
    seconds[0] += 30
    assert judge.judge(far).gone
    assert not judge.judge(near).gone


def test_a_full_disk_takes_no_lease_file_and_leaves_none(files, monkeypatch):
    mark = new_mark(600)

    def full(*_):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(leases.os, "write", full)
    descriptor = files.take(mark, "run=42")
    files.touch(descriptor)
    os.close(descriptor)
    monkeypatch.setattr(leases.Path, "rename", full)
    with pytest.raises(OSError):
        files.take(new_mark(600), "run=42")
    assert [path.name for path in files.folder.iterdir()] == [f"lease-{mark.token}.lock"]


def test_old_files_go_and_held_ones_stay(files):
    old, held = elsewhere(), elsewhere()
    os.close(files.take(old, "a"))
    descriptor = files.take(held, "b")
    for mark in (old, held):
        silent_for(files, mark, leases.KEPT_SECONDS + 100)
    os.close(files.take(new_mark(600), "c"))
    assert files.beat(old) is None
    assert files.beat(held) is not None
    os.close(descriptor)
