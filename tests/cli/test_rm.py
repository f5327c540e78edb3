"""`sandtui rm`: what is deleted, what is asked, and what it says of what was left undone."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.cli.fleet_server import row
from tests.e2e.terminal import Terminal

PROGRAM = [sys.executable, "-m", "sandtui"]


def names(fleet):
    return [each["name"] for each in fleet.rows]


@pytest.fixture
def twenty(fleet):
    fleet.rows = [row(number, labels=["run=42"] if number > 5 else ["keep"]) for number in range(1, 21)]
    return fleet


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["try-1"], 19),
        (["sbx_0001abcd", "try-2", "sbx_0003"], 17),
        (["#run=42"], 5),
        (["try-1", "#run=42"], 4),
        (["--all"], 0),
    ],
)
def test_what_is_named_is_deleted(twenty, sandtui, words, left):
    done = sandtui("rm", *words, "--yes")
    assert (done.code, done.err) == (0, "")
    assert len(twenty.rows) == left
    assert len(done.lines) == 20 - left
    assert all(line.endswith("\tdeleted") for line in done.lines)


@pytest.mark.parametrize("words", [["try-1"], ["#run=42"], ["--all"]])
def test_nothing_is_deleted_where_nobody_can_be_asked(twenty, sandtui, words):
    done = sandtui("rm", *words)
    assert (done.code, done.out) == (2, "")
    assert "add --yes" in done.err
    assert len(twenty.rows) == 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing to delete"),
        (["--all", "try-1"], "cannot be combined"),
        (["try"], 'no sandbox named "try"'),
        (["#nosuch"], "no active sandbox matches the filter: #nosuch"),
        ([""], "an empty text names no sandbox"),
        (["#a", "#b"], "several filters"),
    ],
)
def test_what_means_nothing_deletes_nothing(twenty, sandtui, words, said):
    done = sandtui("rm", "--yes", *words)
    assert done.code == 2
    assert said in done.err
    assert len(twenty.rows) == 20


def test_a_plain_word_is_a_name_and_never_a_filter(twenty, sandtui):
    """`rm web` must not delete web-1 to web-9."""
    assert sandtui("rm", "--yes", "try-").code == 2
    assert len(twenty.rows) == 20


def test_what_has_ended_can_not_be_deleted(fleet, sandtui):
    fleet.rows = [row(1, status="TERMINATED")]
    done = sandtui("rm", "try-1", "--yes")
    assert done.code == 2
    assert "1 sandbox has ended" in done.err


def test_a_dry_run_prints_what_would_be_deleted(twenty, sandtui):
    done = sandtui("rm", "#keep", "--dry-run", "-o", "name")
    assert done.lines == [f"try-{number}" for number in range(1, 6)]
    assert len(twenty.rows) == 20
    assert sandtui("--read-only", "rm", "#keep", "--dry-run").code == 0


def test_a_failure_of_one_does_not_stop_the_others(twenty, sandtui):
    twenty.broken["DELETE /sandbox/sbx_0002abcd"] = (409, {"detail": "it is being saved"})
    done = sandtui("rm", "try-1", "try-2", "try-3", "--yes", "-o", "json")
    assert done.code == 1
    found = {each["name"]: each for each in json.loads(done.out)}
    assert {name: each["state"] for name, each in found.items()} == {
        "try-1": "done",
        "try-2": "failed",
        "try-3": "done",
    }
    assert "it is being saved" in found["try-2"]["error"]
    assert found["try-1"]["error"] is None
    assert "1 of 3 failed" in done.err


def test_ctrl_c_says_what_was_left_undone(twenty):
    reached, released = threading.Event(), threading.Event()

    def hold(method, path):
        if method == "DELETE":
            reached.set()
            released.wait(30)

    twenty.on_request = hold
    words = ["rm", "--yes", "try-1", "try-2", "#keep"]
    with subprocess.Popen(
        [*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    ) as process:
        assert reached.wait(30)
        process.send_signal(signal.SIGINT)
        released.set()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted: 0 done, 5 interrupted" in said


@pytest.mark.parametrize(
    ("words", "question", "answer", "left"),
    [
        (["try-1"], "Delete it? [y/N]", "y", 19),
        (["try-1"], "Delete it? [y/N]", "n", 20),
        (["try-1", "try-2"], "Delete them? [y/N]", "yes", 18),
        (["#run=42"], "Type 15 to delete them:", "15", 5),
        (["#run=42"], "Type 15 to delete them:", "y", 20),
    ],
)
async def test_the_question_is_that_of_the_dashboard(twenty, words, question, answer, left):
    async with Terminal([*PROGRAM, "rm", *words], dict(os.environ)) as terminal:
        shown = await terminal.until(question)
        assert "This cannot be undone." in shown
        assert "try-" in shown
        await terminal.press(*answer, "enter")
        if left == 20:
            await terminal.until("nothing was changed")
        assert await terminal.ended() == (2 if left == 20 else 0)
    assert len(twenty.rows) == left
