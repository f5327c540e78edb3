"""`sandtui checkpoint`, `fork`, `create --checkpoint` and `diff`, against a real platform and against refusals."""

import json

import pytest

from tests.cli.fleet_server import row


@pytest.fixture
def box(platform_process, clean_home, monkeypatch, sandtui):
    """Return the name of a running sandbox with some files."""
    monkeypatch.setenv("PRIME_API_KEY", platform_process.api_key)
    monkeypatch.setenv("PRIME_API_BASE_URL", platform_process.base_url)
    assert sandtui("create", "--name", "source", "--label", "kept", "--memory", "1", "--wait").code == 0
    done = sandtui("run", "source", "--", "sh", "-c", "cd /workspace && echo one > a && echo two > b && mkdir d")
    assert done.code == 0, done.err
    yield "source"
    for name in ("source", "status:running"):
        sandtui("rm", name, "--yes")
    sandtui("checkpoint", "rm", "--sandbox", "source", "--yes")


def lines(done):
    return [json.loads(line) for line in done.lines]


def test_from_a_checkpoint_to_forks_and_their_differences(box, sandtui):
    (taken,) = lines(sandtui("checkpoint", "take", box, "-o", "jsonl"))
    assert (taken["state"], taken["sandbox"], taken["depth"]) == ("DURABLE", "source", 0)
    assert sandtui("checkpoint", "ls", box, "-o", "name").lines == [taken["id"]]
    assert sandtui("run", box, "--", "sh", "-c", "cd /workspace && echo uno > a && rm b && echo new > d/n").code == 0
    done = sandtui("diff", taken["id"], box, "/workspace", "-o", "jsonl")
    assert done.code == 0, done.err
    found = {each["path"]: (each["change"], each["what"]) for each in lines(done)}
    assert found == {
        "/workspace/a": ("changed", "content"),
        "/workspace/b": ("removed", None),
        "/workspace/d/n": ("added", None),
    }
    done = sandtui("diff", taken["id"], box, "/workspace/a", "--patch", "--exit-code", "--color", "always")
    assert done.code == 1
    assert "\x1b[31m-one\x1b[0m" in done.lines
    assert "\x1b[32m+uno\x1b[0m" in done.lines
    done = sandtui("fork", box, "--count", "2", "--name", "try-{i:02}", "--wait", "-o", "jsonl")
    assert done.code == 0, done.err
    ready = [each for each in lines(done) if each["state"] == "ready"]
    assert sorted(each["name"] for each in ready) == ["try-01", "try-02"]
    (one,) = lines(sandtui("get", "try-02", "-o", "jsonl"))
    assert one["memory_gb"] == 1
    assert "kept" in one["labels"]
    assert sandtui("run", "try-02", "--", "grep", "-q", "uno", "/workspace/a").code == 0
    assert sandtui("diff", box, "try-01").lines == []
    assert sandtui("checkpoint", "rm", taken["id"]).lines == [taken["id"]]
    assert sandtui("checkpoint", "rm", taken["id"]).code == 1
    (newest,) = lines(sandtui("checkpoint", "ls", "-o", "jsonl"))
    assert sandtui("create", "--checkpoint", newest["id"], "--name", "again", "--wait").code == 0
    assert sandtui("run", "again", "--", "grep", "-q", "new", "/workspace/d/n").code == 0
    # The sandboxes that read checkpoints are gone again.
    assert "#sandtui-diff" not in sandtui("ls", "-o", "wide").out
    assert not [each for each in lines(sandtui("ls", "-o", "jsonl")) if "sandtui-diff" in each["labels"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fork", "nope"], "no sandbox named"),
        (["fork", "try-1", "--count", "0"], "--count"),
        (["fork", "try-1", "--memory", "lots"], "--memory"),
        (["fork", "try-1", "--name", "x" * 101], "--name"),
        (["create", "--checkpoint", "c", "--image", "x"], "--image and --checkpoint"),
        (["create", "--checkpoint", "c", "--disk", "7"], "--disk and --checkpoint"),
        (["create", "--checkpoint", ""], "--checkpoint"),
        (["create", "--checkpoint", "c" * 65], "--checkpoint"),
        (["checkpoint", "rm"], "name checkpoints"),
        (["checkpoint", "rm", "c", "--sandbox", "x"], "name checkpoints"),
        (["checkpoint", "rm", "--sandbox", "try-1"], "add --yes"),
        (["checkpoint", "take", "nope"], "no sandbox named"),
        (["diff", "try-1", "try-1", "relative"], "not an absolute path"),
        (["diff", "try-1", "status:running"], "not a name"),
        (["diff", "try-1", "nope"], "no sandbox named"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_done(fleet, sandtui, words, said):
    fleet.rows = [row(1)]
    done = sandtui(*words)
    assert done.code == 2
    assert said in done.err
    assert not [each for each in fleet.requests if each.startswith(("POST", "DELETE"))]


def test_a_dry_run_of_a_fork_takes_no_checkpoint(fleet, sandtui):
    fleet.rows = [row(1, labels=["a"], cpuCores=4, environmentVars={"TOKEN": "sesame"})]
    done = sandtui("fork", "try-1", "--count", "2", "--dry-run", "-o", "jsonl")
    assert done.code == 0, done.err
    first, second = lines(done)
    assert (first["name"], second["name"]) == ("try-1-fork-1", "try-1-fork-2")
    assert (first["cpu_cores"], first["labels"][0], first["state"]) == (4, "a", "planned")
    assert not {"environment_vars", "docker_image", "disk_size_gb"} & set(first)
    assert not [each for each in fleet.requests if each.startswith("POST")]


@pytest.mark.parametrize("status", [404, 409, 501])
def test_a_platform_that_takes_no_checkpoint(fleet, sandtui, status):
    fleet.rows = [row(1)]
    fleet.broken[f"POST /sandbox/{fleet.rows[0]['id']}/checkpoints"] = status, {"detail": "not today"}
    for words in (["fork", "try-1"], ["checkpoint", "take", "try-1"]):
        done = sandtui(*words)
        assert done.code == 1
        assert "not today" in done.err
    assert fleet.created == []


def test_a_failed_checkpoint_makes_no_fork(fleet, sandtui):
    fleet.rows = [row(1)]
    begun = {"id": "c1", "sandbox_id": fleet.rows[0]["id"], "state": "PENDING", "depth": 0, "docker_image": "i"}
    fleet.broken[f"POST /sandbox/{fleet.rows[0]['id']}/checkpoints"] = 201, begun
    fleet.broken["GET /sandbox/checkpoints/c1"] = 200, {**begun, "state": "FAILED", "error": "the disk is full"}
    done = sandtui("fork", "try-1", "--count", "3")
    assert done.code == 1
    assert "the disk is full" in done.err
    assert fleet.created == []
