"""``sandtui create`` as a script would call it, against the real local platform."""

import json
import sys

import pytest

SANDTUI = [sys.executable, "-m", "sandtui"]


def rows(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_fleet_from_a_preset(run):
    result = run("create", "rollouts", "--count", "3", "--set", "labels=cli", "--wait")
    assert (result.returncode, result.stderr) == (0, "")
    ready = [row for row in rows(result) if row["state"] == "ready"]
    assert sorted(row["name"] for row in ready) == ["rollout-001", "rollout-002", "rollout-003"]
    assert len(rows(result)) == 6, "each is told when it is made and when it answers"
    assert len({row["id"] for row in ready}) == 3


def test_a_preset_of_ones_own_with_a_secret(run, tmp_path):
    (tmp_path / "mine.toml").write_text('name = "mine"\nsecrets = "TOKEN=@env:SOME_TOKEN"\n')
    result = run("create", str(tmp_path / "mine.toml"), SOME_TOKEN="hunter2-canary")
    assert result.returncode == 0
    assert [row["state"] for row in rows(result)] == ["created"]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"hunter2-canary" not in written
    assert "hunter2-canary" not in result.stdout + result.stderr


def test_a_dry_run_makes_nothing(run):
    result = run(
        "create", "python", "--set", "matrix=memory_gb=1,2", "--dry-run", PRIME_API_BASE_URL="http://127.0.0.1:9"
    )
    assert result.returncode == 0
    assert [row["memory_gb"] for row in rows(result)] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing-like-it"], "no preset"),
        (["python", "--set", "colour=red"], "expected FIELD=VALUE, with one of these fields: name, docker_image"),
        (["python", "--set", "memory_gb=999"], "must be 0.1 to 64"),
        (["python", "--count", "0"], "count"),
        (["/no/such/file.toml"], "no preset"),
    ],
)
def test_wrong_usage_is_reported_and_nothing_is_made(run, arguments, words):
    result = run("create", *arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_a_wrong_key_is_a_failure_in_the_row(run):
    result = run("create", "python", PRIME_API_KEY="wrong")
    assert result.returncode == 1
    assert "PRIME_API_KEY" in rows(result)[0]["error"]
    assert "Traceback" not in result.stderr
