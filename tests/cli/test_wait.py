"""`sandtui wait`: what ends it, and what it says of those that did not get there."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.cli.fleet_server import row


def later(fleet, polls, **statuses):
    """Change statuses when the fleet has been polled so many times."""
    asked = []

    def on_request(method, path):
        if path == "/sandbox/status:batchGet":
            asked.append(path)
            if len(asked) == polls:
                for each in fleet.rows:
                    each["status"] = statuses.get(each["name"].replace("-", "_"), each["status"])

    fleet.on_request = on_request


def test_it_ends_when_all_are_running(fleet, sandtui):
    fleet.rows = [row(1), row(2, status="PENDING"), row(3, status="PROVISIONING")]
    later(fleet, 2, try_2="RUNNING", try_3="RUNNING")
    done = sandtui("wait", "#run=42", "-o", "jsonl")
    assert done.code == 0
    found = [json.loads(line) for line in done.lines]
    assert [each["name"] for each in found] == ["try-1", "try-2", "try-3"]
    assert all(each["met"] and each["status"] == "RUNNING" for each in found)


def test_what_runs_already_is_asked_for_once(fleet, sandtui):
    fleet.rows = [row(1), row(2)]
    assert sandtui("wait", "#run=42").code == 0
    assert len(fleet.requests) == 1


def test_one_that_ended_instead_is_a_failure(fleet, sandtui):
    fleet.rows = [row(1, status="PENDING"), row(2, status="PENDING")]
    later(fleet, 1, try_1="ERROR", try_2="RUNNING")
    done = sandtui("wait", "try-1", "try-2", "--for", "running", "-o", "json")
    assert done.code == 1
    assert [each["met"] for each in json.loads(done.out)] == [False, True]
    assert "1 of 2 ended instead" in done.err


def test_one_that_failed_before_the_wait_is_a_failure_and_one_of_another_day_is_not(fleet, sandtui):
    fleet.rows = [row(1), row(2, status="TERMINATED"), row(3, status="TIMEOUT")]
    assert sandtui("wait", "#run=42").code == 0
    fleet.rows.append(row(4, status="ERROR", errorType="OOM_KILLED"))
    done = sandtui("wait", "#run=42")
    assert done.code == 1
    assert "try-4\tERROR\tOOM_KILLED" in done.out
    fleet.rows = fleet.rows[1:3]
    assert sandtui("wait", "#run=42").code == 2
    assert sandtui("wait", "try-2").code == 1, "who is named is meant"


@pytest.mark.parametrize("end", ["ERROR", "TERMINATED", "TIMEOUT"])
def test_every_end_is_an_end(fleet, sandtui, end):
    fleet.rows = [row(1)]
    later(fleet, 1, try_1=end)
    done = sandtui("wait", "try-1", "--for", "ended")
    assert done.code == 0
    assert end in done.out


def test_a_deleted_sandbox_has_ended(fleet, sandtui):
    fleet.rows = [row(1)]
    fleet.on_request = lambda method, path: fleet.rows.clear() if path == "/sandbox/status:batchGet" else None
    done = sandtui("wait", "try-1", "--for", "ended")
    assert done.code == 0
    assert "DELETED" in done.out


def test_waiting_for_the_end_of_those_that_have_ended_is_no_mistake(fleet, sandtui):
    fleet.rows = [row(1, status="TERMINATED")]
    assert sandtui("wait", "#run=42", "--for", "ended").code == 0


def test_a_platform_without_batch_status_is_asked_one_by_one(fleet, sandtui):
    fleet.rows = [row(1, status="PENDING"), row(2, status="PENDING")]
    fleet.broken["POST /sandbox/status:batchGet"] = (404, {"detail": "no such path"})

    def on_request(method, path):
        if path == "/sandbox/status:batchGet":
            for each in fleet.rows:
                each["status"] = "RUNNING"

    fleet.on_request = on_request
    assert sandtui("wait", "#run=42").code == 0


def test_not_in_time_is_a_failure_and_names_what_is_left(fleet, sandtui):
    fleet.rows = [row(1), row(2, status="PENDING")]
    done = sandtui("wait", "try-1", "try-2", "--timeout", "0.2s")
    assert done.code == 1
    assert done.lines[0].split("\t")[1] == "try-1"
    assert "timed out: 1 of 2 done; not running: try-2" in done.err


def test_ctrl_c_names_what_is_left(fleet):
    fleet.rows = [row(1), row(2, status="PENDING")]
    words = [sys.executable, "-m", "sandtui", "wait", "try-1", "try-2"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        assert b"try-1" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted: 1 of 2 done; not running: try-2" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["try-1", "--for", "runing"], 'did you mean "running"?'),
        (["try-1", "--for", "lunch"], "use running, ended or 'job done'"),
        (["try-1", "--timeout", "soon"], "'soon' is not a duration"),
        (["#nosuch"], "matches the filter: #nosuch"),
        (["nosuch"], 'no sandbox named "nosuch"'),
        ([], "required: NAME|ID|QUERY"),
    ],
)
def test_mistakes(fleet, sandtui, words, said):
    fleet.rows = [row(1)]
    done = sandtui("wait", *words)
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize(
    ("typed", "seconds"), [("90", 90), ("90s", 90), ("1.5", 1.5), ("10m", 600), ("1h30m", 5400), ("2d", 172800)]
)
def test_durations(typed, seconds):
    from sandtui.cli.program import read

    assert read(["wait", "x", "--timeout", typed]).timeout == seconds
