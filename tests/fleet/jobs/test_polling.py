"""Jobs of every generation, and of hostile sandboxes, found by one command in a real shell."""

import os
import shlex
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client.flows.jobs import launch_script
from sandtui.client.models.jobs import BackgroundJob
from sandtui.fleet.jobs.job import JobKey, JobState
from sandtui.fleet.jobs.poll import MAX_JOBS, new_delimiter, parse_poll, poll_command
from sandtui.fleet.jobs.termination import kill_command
from tests.fleet.jobs.job_shells import Shells, kill_all

JOB = "0a1b2c3d"
OUT, ERR, EXIT = f"/tmp/job_{JOB}.stdout.log", f"/tmp/job_{JOB}.stderr.log", f"/tmp/job_{JOB}.exit"
LAUNCH = f"/tmp/job_{JOB}.launch"


def oldest(command):
    inner = f"({command}); echo $? > {EXIT}"
    return f"nohup sh -c {shlex.quote(inner)} > {OUT} 2> {ERR} &"


def older(command):
    inner = f"({command}) > {OUT} 2> {ERR}; echo $? > {EXIT}"
    return f"nohup sh -c {shlex.quote(inner)} < /dev/null > /dev/null 2>&1 &"


def newer(command):
    inner = f"({command}) > {OUT} 2> {ERR}; echo $? > {EXIT}"
    return f"{{ mkdir {LAUNCH} && nohup sh -c {shlex.quote(inner)}; }} < /dev/null > /dev/null 2>&1 &"


def newest(command):
    inner = (
        f"echo $$ > {LAUNCH}/pid || exit 1; echo started; exec > /dev/null 2>&1; "
        f"({command}) > {OUT} 2> {ERR}; echo $? > {EXIT}"
    )
    return (
        f"mkdir {LAUNCH} || {{ test -d {LAUNCH}; exit; }}; ack=$(nohup sh -c {shlex.quote(inner)} < /dev/null 2>&1 &); "
        'test "$ack" = started'
    )


def ours(command):
    return launch_script(BackgroundJob.of("sbx_0001", JOB), command, None, {"KEY": "it's (a) secret"})


LAUNCHES = pytest.mark.parametrize("launch", [oldest, older, newer, newest, ours], ids=lambda launch: launch.__name__)


@pytest.fixture(params=["sh", "bash"])
def shells(tmp_path, request):
    made = Shells(tmp_path)
    made.shell = request.param
    yield made
    kill_all(tmp_path)


def poll(shells, leave_out=()):
    mark = new_delimiter()
    done = shells.run(poll_command(mark, leave_out))
    assert not done.stderr
    return parse_poll(done.stdout.decode("utf-8", "replace"), mark, "sbx_0001", datetime.now(UTC))


def poll_until(shells, condition):
    for _ in range(100):
        found = poll(shells)
        if found.jobs and condition(found.jobs[0]):
            return found.jobs[0]
        time.sleep(0.01)
    raise AssertionError(found)


@LAUNCHES
def test_a_job_of_each_generation_from_start_to_end(shells, launch):
    go = shells.tmp() / "go"
    command = "echo step 1/2; while [ ! -e /tmp/go ]; do sleep 0.02; done; echo step 2/2; echo bad >&2; (exit 3)"
    shells.run(launch(command))
    job = poll_until(shells, lambda job: job.last_line == "step 1/2")
    assert job.state is JobState.RUNNING
    assert job.key == JobKey("sbx_0001", JOB)
    assert job.command == command
    assert abs(job.started - datetime.now(UTC)) < timedelta(seconds=60)
    assert job.stdout_size == 9
    go.touch()
    # Files are listed before they are read: of an exit file that comes in between, the code is known before the time.
    job = poll_until(shells, lambda job: job.state.is_over and job.ended is not None)
    assert (job.state, job.exit_code, job.last_line, job.stderr_size) == (JobState.FAILED, 3, "step 2/2", 4)


def family(parent):
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return list(map(int, children))


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@LAUNCHES
def test_stopping_ends_everything_a_job_started_and_leaves_an_exit_code(shells, launch):
    child = shells.tmp() / "child"
    command = "sh -c 'trap \"\" TERM; sleep 300 & sleep 301 & echo $$ > /tmp/child; wait' & sleep 302"
    shells.run(launch(command))
    poll_until(shells, lambda job: job.state is JobState.RUNNING and child.exists() and child.read_text())
    pids = [int(child.read_text()), *family(int(child.read_text()))]
    assert len(pids) == 3
    quick = kill_command(JOB).replace("-lt 50", "-lt 3")
    assert shells.run(quick).stdout == b"stopped\n"
    job = poll_until(shells, lambda job: job.state.is_over)
    assert (job.state, job.exit_code in {137, 143}) == (JobState.FAILED, True)
    assert not any(is_alive(pid) for pid in pids)
    assert shells.run(quick).stdout == b"over\n"


@pytest.mark.parametrize("launch", [older, newest], ids=lambda launch: launch.__name__)
def test_a_job_whose_process_was_killed_is_lost(shells, launch, monkeypatch):
    monkeypatch.setattr("sandtui.fleet.jobs.poll.GRACE_SECONDS", 0.0)
    shells.run(launch("sleep 300"))
    poll_until(shells, lambda job: job.state is JobState.RUNNING)
    kill_all(shells.tmp())
    job = poll_until(shells, lambda job: job.state.is_over)
    assert (job.state, job.exit_code) == (JobState.LOST, None)
    assert "process gone" in job.note
    assert shells.run(kill_command(JOB)).stdout == b"gone\n"


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (b"", "empty"),
        (b"garbage", "invalid exit file"),
        (b"9" * 5000, "invalid exit file"),
        (b"\xff\x00\x1b[31m", "invalid exit file"),
    ],
)
def test_an_exit_file_that_holds_anything_else(shells, content, note):
    path = shells.tmp() / f"job_{JOB}.exit"
    path.write_bytes(content)
    os.utime(path, (1, 1))
    (job,) = poll(shells).jobs
    assert (job.state, job.exit_code) == (JobState.LOST, None)
    assert note in job.note


def test_an_exit_file_that_is_only_half_written_counts_as_running(shells):
    (shells.tmp() / f"job_{JOB}.exit").touch()
    assert poll(shells).jobs[0].state is JobState.RUNNING


def test_invalid_names_are_skipped(shells):
    place = shells.tmp()
    for name in (
        "job_x.exit",
        "job_0A1B2C3D.exit",
        "job_0a1b2c3d4.exit",
        "job_;id>x.exit",
        "-rf",
        "job_\n.exit",
        "a b",
    ):
        (place / name).touch()
    (place / "job_0a1b2c3e.stdout.log").mkdir()
    (place / "job_0a1b2c3f.stdout.log").symlink_to("/dev/zero")
    os.mkfifo(place / "job_0a1b2c40.exit")
    found = {job.key.job_id: job for job in poll(shells).jobs}
    assert set(found) == {"0a1b2c3e", "0a1b2c3f", "0a1b2c40"}
    assert all(job.size == 0 and job.last_line == "" for job in found.values())


def test_a_log_is_read_at_its_end_only_and_cannot_pretend_to_be_the_answer(shells):
    path = shells.tmp() / f"job_{JOB}.stdout.log"
    with path.open("wb") as file:
        file.truncate(6_000_000_000)
        file.seek(0, 2)
        file.write(b"\n@000000000000 exit 0a1b2c3d 0\n==> x <==\n\x1b]0;title\x07[/red] \xff\xfe 30%\r 50%\r")
    started = time.monotonic()
    (job,) = poll(shells).jobs
    assert time.monotonic() - started < 20
    assert (job.state, job.exit_code) == (JobState.RUNNING, None)
    assert job.last_line == " 50%"
    assert job.stdout_size > 6_000_000_000


def test_a_sandbox_full_of_jobs_is_reported_in_parts(shells):
    place = shells.tmp()
    for number in range(MAX_JOBS * 2 + 5):
        (place / f"job_{number:08x}.exit").write_text("0\n")
    seen: set[str] = set()
    for turn in range(3):
        found = poll(shells, sorted(seen))
        assert found.more is (turn < 2)
        assert all(job.state is JobState.DONE for job in found.jobs)
        seen |= {job.key.job_id for job in found.jobs}
    assert len(seen) == MAX_JOBS * 2 + 5
    assert poll(shells, sorted(seen)[:400]).jobs == ()


def test_without_stat_and_proc_less_is_reported(tmp_path):
    shells = Shells(tmp_path)
    tools = shells.tmp() / "bin"
    tools.mkdir()
    for name in ("ls", "grep", "head", "cut", "tail", "date", "cat"):
        (tools / name).symlink_to(shutil.which(name))
    place = shells.tmp()
    (place / f"job_{JOB}.stdout.log").write_text("hello\n")
    (place / "job_00000001.exit").write_text("1\n")
    mark = new_delimiter()
    text = poll_command(mark).replace("/proc", "/tmp/nothing")
    done = shells.run(f"PATH=/tmp/bin; export PATH\n{text}")
    found = {job.key.job_id: job for job in parse_poll(done.stdout.decode(), mark, "s", datetime.now(UTC)).jobs}
    assert (found[JOB].state, found[JOB].stdout_size, found[JOB].started) == (JobState.RUNNING, 6, None)
    assert (found["00000001"].state, found["00000001"].exit_code) == (JobState.FAILED, 1)


def test_an_answer_that_broke_off_is_not_complete(shells):
    mark = new_delimiter()
    assert not parse_poll("", mark, "s", datetime.now(UTC)).complete
    assert not parse_poll(f"\n@{mark} now 1\n@{mark} job 0a1b2c3d ", mark, "s", datetime.now(UTC)).complete


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["now", "up", "hz", "proc", "tail", "stat", "files", "job", "pid", "alive", "exit", "last"]
            ),
            st.sampled_from(["", "12 ", "0a1b2c3d ", "x "]),
            st.text(max_size=60) | st.just("job_0a1b2c3d.exit 5 9 0 regular file\n") | st.just("(x) S " + "1 " * 30),
        ),
        max_size=12,
    )
)
def test_any_answer_is_read(parts):
    text = "".join(f"\n@m {kind} {head}{body}" for kind, head, body in parts)
    for job in parse_poll(text, "m", "s", datetime.now(UTC)).jobs:
        assert len(job.key.job_id) == 8
        assert job.seconds(datetime.now(UTC)) is None or job.seconds(datetime.now(UTC)) >= 0
