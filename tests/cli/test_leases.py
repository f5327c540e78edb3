"""`sandtui lease` and `sandtui reap`: a program is killed, and what it left is found, counted and deleted."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from sandtui.leases import mark_of, new_mark, read_mark
from tests.cli.fleet_server import row

PROGRAM = [sys.executable, "-m", "sandtui"]

ORCHESTRATOR = """
import sys
from sandtui.client import CreateSandboxRequest, SandboxClient
with SandboxClient() as client:
    wanted = [CreateSandboxRequest(name=f"box-{number}", docker_image="python") for number in range(200)]
    for outcome in client.create_many(wanted):
        outcome.unwrap()
    print("created", flush=True)
    sys.stdin.read()
"""


def dead_mark(**fields):
    """Return the mark of a process of this machine that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return replace(new_mark(600), pid=process.pid, start="1", **fields)


@pytest.fixture
def orphans(fleet):
    """Three orphans, one of somebody else, one whose host can't be asked, one that is in use, one without a lease."""
    gone, far = dead_mark(), replace(new_mark(600), boot="0123456789ab", host="far-away")
    of = [gone, gone, gone, dead_mark(user="somebody"), far, new_mark(600)]
    fleet.rows = [row(number, labels=["run=42", mark.label]) for number, mark in enumerate(of, 1)]
    fleet.rows.append(row(7))
    return fleet


def names(fleet):
    return [each["name"] for each in fleet.rows]


def test_reap_shows_and_deletes_what_is_orphaned_and_mine(orphans, sandtui):
    done = sandtui("reap", "--dry-run", "-o", "name")
    assert (done.code, done.lines) == (0, ["try-1", "try-2", "try-3"])
    assert "1 orphaned of other people; not deleted" in done.err
    assert "1 left alone: far-away can't be asked from here" in done.err
    assert len(orphans.rows) == 7
    assert "add --yes" in sandtui("reap").err
    assert len(orphans.rows) == 7
    assert sandtui("--read-only", "reap", "--yes").code == 2
    assert sandtui("reap", "--yes").code == 0
    assert names(orphans) == ["try-4", "try-5", "try-6", "try-7"]
    done = sandtui("reap", "--yes")
    assert (done.code, done.out) == (0, "")
    assert "no orphaned sandboxes" in done.err


def test_reap_is_narrowed_and_told_of_a_host_that_is_gone(orphans, sandtui):
    assert sandtui("reap", "name:try-2", "--yes").code == 0
    assert sandtui("reap", "--older-than", "999999d", "--yes").code == 0
    assert len(orphans.rows) == 6
    assert sandtui("reap", "--host-gone", "far-away", "--yes").code == 0
    assert names(orphans) == ["try-4", "try-6", "try-7"]
    assert "orphaned is for the dashboard" in sandtui("ls", "orphaned").err


def test_a_program_of_200_sandboxes_is_killed_and_reaped(fleet, sandtui):
    words = [*PROGRAM, "lease", "run=9", "--", sys.executable, "-c", ORCHESTRATOR]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ) as wrapper:
        assert wrapper.stdout.readline() == b"created\n"
        marks = {mark_of(each["labels"]) for each in fleet.rows}
        (mark,) = marks
        assert len(fleet.rows) == 200
        assert mark.pid != wrapper.pid, "the program owns the lease, not what started it"
        assert "no orphaned" in sandtui("reap", "--yes").err
        wrapper.kill()
        wrapper.wait()
        assert "no orphaned" in sandtui("reap", "--yes").err, "the program goes on"
        os.kill(mark.pid, signal.SIGKILL)
        wrapper.stdout.read()  # ends with the program
    assert sandtui("reap", "--dry-run", "-o", "name").lines == names(fleet)
    assert sandtui("reap", "--yes").code == 0
    assert fleet.rows == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["/nonexistent/program"], 127),
        (["/dev/null"], 126),
    ],
)
def test_the_exit_code_is_that_of_the_program(clean_home, words, code):
    done = subprocess.run([*PROGRAM, "lease", "run=1", "--", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert "the lease run=1 has ended" in done.stderr


def test_the_program_is_told_its_lease_and_asked_to_end(clean_home):
    script = "trap 'exit 5' TERM; echo $SANDTUI_LEASE; while :; do sleep 0.05; done"
    words = [*PROGRAM, "lease", "run=1", "--grace", "90s", "--", "sh", "-c", script]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as wrapper:
        label = wrapper.stdout.readline().split('"')[3]
        assert read_mark(label).grace == 90
        wrapper.send_signal(signal.SIGTERM)
        assert wrapper.wait() == 5


@pytest.mark.parametrize("words", [["lease"], ["lease", "run=1"], ["lease", " ", "--", "true"], ["lease", "a", "b"]])
def test_a_lease_needs_a_label_and_a_program(clean_home, sandtui, words):
    assert sandtui(*words).code == 2
