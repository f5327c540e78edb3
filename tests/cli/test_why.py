"""`sandtui why`: of a run of which 30 of 200 die of three causes, and of one sandbox."""

import json
from datetime import UTC, datetime

import pytest

from sandtui.config.deaths import DeathFile
from sandtui.config.paths import Paths
from sandtui.fleet.deaths.death import Death
from sandtui.fleet.inventory.row import Row
from tests.cli.fleet_server import row
from tests.fleet.factory import sandbox

CAUSES = [("OOM_KILLED", "big", 18), ("IMAGE_PULL_FAILED", "typo", 4), ("TIMEOUT", "slow", 8)]


@pytest.fixture
def run_of_200(fleet):
    dead = [
        {"status": "ERROR", "errorType": kind, "dockerImage": image, "terminatedAt": "2026-11-24T15:00:00Z"}
        for kind, image, count in CAUSES
        for _ in range(count)
    ]
    fleet.rows = [row(number, **fields) for number, fields in enumerate([*dead, *([{}] * 170)], 1)]
    return fleet


def test_a_run_is_told_by_cause(run_of_200, sandtui):
    done = sandtui("why", "#run=42", "-o", "json")
    assert done.code == 0
    assert "30 of 200 died" in done.err
    found = [(line["cause"], line["count"], line["image"]) for line in json.loads(done.out)]
    assert found == [
        ("out of memory at 2 GB", 18, "big"),
        ("lifetime of 1h over", 8, "slow"),
        ("image pull failed", 4, "typo"),
    ]
    assert sandtui("why", "#run=43").code == 2


def test_what_was_not_kept_is_asked_of_the_platform(run_of_200, sandtui):
    run_of_200.logs[run_of_200.rows[0]["id"]] = "step 1\nKilled\n"
    done = sandtui("why", "try-1")
    assert done.code == 0
    for words in ("out of memory at 2 GB", "OOM_KILLED", "the end of its log:\nstep 1\nKilled", "(not watched)"):
        assert words in done.out
    assert "has not ended" in sandtui("why", "try-200").err
    assert sandtui("why", "nobody").code == 2


def test_what_was_kept_is_told_without_the_platform(clean_home, sandtui, monkeypatch):
    monkeypatch.setenv("PRIME_API_KEY", "key-of-this-test")
    monkeypatch.setenv("PRIME_API_BASE_URL", "http://127.0.0.1:1")
    file = DeathFile(Paths.of_user().deaths)
    kept = sandbox(1, status="ERROR", error_type="DISK_FULL", terminated_at=datetime(2026, 11, 24, 15, tzinfo=UTC))
    file.save([Death.of(Row.of(kept, 1), "there", seen=True).with_log(["no \x1b[1mspace"])])
    file.close()
    done = sandtui("why", "rollout-0001")
    assert (done.code, "disk full" in done.out, "\x1b" in done.out) == (0, True, False)
    record = json.loads(sandtui("why", "sbx_0001", "-o", "json").out)
    assert (record["cause"], record["context"], record["seen"]) == ("disk full", "there", True)
    assert "disk full" in sandtui("why").out
