"""What the dashboard keeps, from the command line: saved views, the activity, and the dashboard itself at a sandbox."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from sandtui import __version__
from sandtui.config.activity import SqliteActivity
from sandtui.config.paths import Paths
from sandtui.fleet.activity.entry import ActivityEntry
from sandtui.fleet.inventory.preferences import Preferences
from sandtui.fleet.inventory.saved_views import BUILT_IN, SavedView
from tests.cli.fleet_server import row
from tests.e2e.terminal import Terminal

PROGRAM = [sys.executable, "-m", "sandtui"]


@pytest.fixture
def saved():
    preferences = Preferences()
    preferences.keep_view(SavedView("g", "big ones", "#gpu", "name", False, "label"))
    path = Paths.of_user().fleet
    path.parent.mkdir(parents=True)
    path.write_text(preferences.dump())


def test_views_are_listed_without_a_platform(saved, sandtui):
    found = json.loads(sandtui("view", "-o", "json").out)
    assert [each["name"] for each in found] == ["big ones", *(view.name for view in BUILT_IN)]
    assert found[0] == {
        "key": "g",
        "name": "big ones",
        "query": "#gpu",
        "sort": "name",
        "descending": False,
        "group": "label",
    }


@pytest.mark.parametrize("name", ["g", "big ones", "Big Ones"])
def test_a_view_is_used_by_its_key_or_name(saved, fleet, sandtui, name):
    fleet.rows = [row(1, labels=["gpu"], name="b"), row(2, labels=["gpu"], name="a"), row(3)]
    assert sandtui("view", name, "-o", "name").lines == ["a", "b"]


def test_a_view_that_sorts_downwards_does_so_here(saved, fleet, sandtui):
    fleet.rows = [row(1, status="ERROR"), row(2, status="ERROR")]
    newest = [each["name"] for each in sorted(fleet.rows, key=lambda each: each["createdAt"], reverse=True)]
    assert sandtui("view", "failed", "-o", "name").lines == newest


def test_an_unknown_view_suggests_the_nearest(saved, sandtui):
    assert 'no view "expirng"; did you mean "expiring"?' in sandtui("view", "expirng").err


@pytest.fixture
def activity():
    now = datetime.now(UTC)
    entries = [
        ActivityEntry(now - timedelta(hours=3), "work", "did", "Delete try-1"),
        ActivityEntry(now - timedelta(minutes=5), "work", "error", "try-2 not deleted: HF_TOKEN=sesame"),
        ActivityEntry(now, "home", "information", "Deleted try-3\x1b[31m."),
    ]
    store = SqliteActivity(Paths.of_user().activity)
    for entry in entries:
        store.add(entry)
    store.close()
    return entries


def test_events_are_lines_of_json_oldest_first(activity, sandtui):
    done = sandtui("events")
    found = [json.loads(line) for line in done.lines]
    assert [each["kind"] for each in found] == ["did", "error", "information"]
    assert found[0]["time"] == activity[0].moment.isoformat()
    assert "sesame" not in done.out
    assert "\x1b" not in sandtui("events", "-o", "table").out


@pytest.mark.parametrize(
    ("words", "count"), [(["--since", "1h"], 2), (["-n", "1"], 1), (["not", "deleted"], 1), (["nothing like it"], 0)]
)
def test_events_are_narrowed(activity, sandtui, words, count):
    assert len(sandtui("events", *words).lines) == count


def test_no_activity_is_no_mistake(sandtui):
    done = sandtui("events")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_events_are_followed(activity):
    with subprocess.Popen([*PROGRAM, "events", "-f", "-n", "1"], stdout=subprocess.PIPE, env=os.environ) as process:
        assert b"Deleted try-3" in process.stdout.readline()
        store = SqliteActivity(Paths.of_user().activity)
        store.add(ActivityEntry(datetime.now(UTC), "home", "did", "Delete try-4"))
        store.close()
        assert b"Delete try-4" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130


def test_the_version_has_three_names(sandtui):
    for words in (["version"], ["-V"], ["--version"], ["ls", "-V"]):
        done = sandtui(*words)
        assert (done.code, done.out) == (0, f"sandtui {__version__}\n")
    assert json.loads(sandtui("version", "-o", "json").out)["version"] == __version__


async def test_open_shows_the_sandbox_in_the_dashboard(fleet):
    fleet.rows = [row(1), row(2, name="trainer", labels=["here=it"])]
    async with Terminal([*PROGRAM, "open", "trainer"], dict(os.environ)) as terminal:
        await terminal.until("Fleet › trainer")
        await terminal.press("escape")
        await terminal.until("try-1")
        await terminal.press("ctrl+q")
        assert await terminal.ended() == 0


def test_open_of_an_unknown_sandbox_opens_nothing(fleet, sandtui, monkeypatch):
    monkeypatch.setattr("sandtui.cli.dashboard.on_terminal", lambda *_: True)
    fleet.rows = [row(1)]
    done = sandtui("open", "try-2")
    assert done.code == 2
    assert "did you mean try-1?" in done.err


def test_open_without_a_terminal_is_a_sentence(fleet, sandtui):
    done = sandtui("open", "try-1")
    assert done.code == 2
    assert "needs a terminal" in done.err
    assert fleet.requests == []


def test_watching_prints_what_is_new_and_what_changes(fleet):
    fleet.rows = [row(1), row(2, status="PENDING"), row(3, labels=["other"])]
    words = [*PROGRAM, "ls", "#run=42", "--watch", "-o", "jsonl"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:

        def printed():
            found = json.loads(process.stdout.readline())
            return found["name"], found["status"]

        assert {printed(), printed()} == {("try-1", "RUNNING"), ("try-2", "PENDING")}
        fleet.rows[1]["status"] = "RUNNING"
        assert printed() == ("try-2", "RUNNING")
        fleet.rows.append(row(4))
        assert printed() == ("try-4", "RUNNING")
        fleet.rows[0]["status"] = "TERMINATED"
        assert printed() == ("try-1", "TERMINATED"), "once more, though it no longer matches"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr.read() == b""


@pytest.mark.parametrize("more", [["-o", "json"], ["--sort", "name"]])
def test_watching_can_not_wait_for_the_end(fleet, sandtui, more):
    assert sandtui("ls", "--watch", *more).code == 2
    assert fleet.requests == []
