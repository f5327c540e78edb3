"""Commands that run something in the sandboxes, against the real local platform."""

import json

import pytest

from sandtui.cli.cp import FIELDS as CP_FIELDS
from sandtui.cli.run import FIELDS as RUN_FIELDS
from sandtui.cli.top import USAGE


@pytest.fixture
def three(run):
    assert run("create", "--name", "fields-{i}", "--count", "3", "--label", "fields=1", "--wait").returncode == 0
    yield
    assert run("rm", "#fields=1", "--yes").returncode == 0


def test_the_json_of_commands_and_copies_is_what_help_says(run, three, tmp_path):
    lines = run("run", "#fields=1", "-o", "jsonl", "--", "echo out; echo err >&2; exit 3").stdout.splitlines()
    assert len(lines) == 3
    assert all(set(json.loads(line)) <= set(RUN_FIELDS) for line in lines)
    assert {json.loads(line)["exit_code"] for line in lines} == {3}
    (tmp_path / "file").write_text("text")
    copied = run("cp", "-o", "jsonl", str(tmp_path / "file"), "fields-1:/tmp/file")
    assert set(json.loads(copied.stdout)) == set(CP_FIELDS) - {"error"}
    for name, fields in (("run", RUN_FIELDS), ("cp", CP_FIELDS)):
        described = run(name, "--help").stdout
        assert all(f"\n  {field} " in described for field in fields)


def test_fail_fast_stops_at_the_first_failure(run, three):
    done = run("run", "#fields=1", "--fail-fast", "-j", "1", "--json", "--", "false")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert "stopped at a failure: 1 ended, " in done.stderr


def test_mistyped_names_are_suggested_wherever_one_is_taken(run, three):
    for words in (
        ["run", "fields-4", "--", "true"],
        ["cp", "fields-4:/x", "."],
        ["sync", ".", "fields-4:/x"],
        ["rm", "fields-4"],
        ["logs", "fields-4"],
        ["get", "fields-4"],
    ):
        done = run(*words)
        assert done.returncode == 2, words
        assert "fields-4" in done.stderr and "did you mean fields-" in done.stderr, done.stderr


def test_a_day_by_command_line_alone(run):
    made = run("create", "--name", "day-{i}", "--count", "3", "--label", "day=1", "--command", "echo hello; sleep 600")
    assert made.returncode == 0, made.stderr
    waited = run("wait", "#day=1", "--timeout", "60s", "-o", "name")
    assert (waited.returncode, sorted(waited.stdout.split())) == (0, ["day-1", "day-2", "day-3"])

    used = run("top", "#day=1", "-o", "json")
    assert used.returncode == 0, used.stderr
    for each in json.loads(used.stdout):
        assert set(each) == set(USAGE.fields)
        assert each["memory_used_bytes"] > 0
        assert each["cpu_used_cores"] is None or 0 <= each["cpu_used_cores"] < 64

    named = [json.loads(line) for line in run("logs", "#day=1", "-n", "1", "-o", "jsonl").stdout.splitlines()]
    assert all(set(each) == {"id", "name", "line"} for each in named)
    logs = run("logs", "#day=1")
    assert sorted(line for line in logs.stdout.splitlines() if line.endswith("hello")) == [
        "[day-1] hello",
        "[day-2] hello",
        "[day-3] hello",
    ]

    assert "no jobs" in run("wait", "day-1", "--for", "job done").stdout
    started = "setsid sh -c 'sleep 0.2; echo $? > /tmp/job_0000abcd.exit' sh /tmp/job_0000abcd.exit >/dev/null 2>&1 &"
    job = f"touch /tmp/job_0000abcd.stdout.log; {started}"
    assert run("run", "name:day-1", "--", job).returncode == 0
    done = run("wait", "day-1", "--for", "job done", "--timeout", "60s", "-o", "jsonl")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "done")
    assert run("run", "name:day-1", "--", "echo 3 > /tmp/job_0000abcd.exit").returncode == 0
    failed = run("wait", "day-1", "--for", "job done")
    assert failed.returncode == 1
    assert "job 0000abcd: exit 3" in failed.stdout

    gone = run("rm", "#day=1", "--yes", "-o", "name")
    assert (gone.returncode, len(gone.stdout.split())) == (0, 3)
    assert run("wait", *gone.stdout.split(), "--for", "ended").returncode == 0
    assert run("ls", "#day=1").returncode == 2
