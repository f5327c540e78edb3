"""Commands that run something in the sandboxes, against the real local platform."""

import json
import os
import sys

import pytest

from tests import commands

SANDTUI = [sys.executable, "-m", "sandtui"]


@pytest.fixture
def run(platform_process, tmp_path):
    def call(*arguments, **more):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PRIME_API_KEY": platform_process.api_key,
            "PRIME_API_BASE_URL": platform_process.base_url,
            **more,
        }
        return commands.run(arguments, env=environment)

    return call


def test_a_day_by_command_line_alone(run):
    made = run("create", "--name", "day-{i}", "--count", "3", "--label", "day=1", "--command", "echo hello; sleep 600")
    assert made.returncode == 0, made.stderr
    waited = run("wait", "#day=1", "--timeout", "60s", "-o", "name")
    assert (waited.returncode, sorted(waited.stdout.split())) == (0, ["day-1", "day-2", "day-3"])

    used = run("top", "#day=1", "-o", "json")
    assert used.returncode == 0, used.stderr
    for each in json.loads(used.stdout):
        assert each["memory_used_bytes"] > 0
        assert each["cpu_used_cores"] is None or 0 <= each["cpu_used_cores"] < 64

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
