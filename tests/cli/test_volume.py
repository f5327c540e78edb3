"""`sandtui volume` and `--volume`, against a real platform and against what is wrong."""

import json

import pytest

from sandtui.client import APIClient, NotOfferedError, SandboxClient
from tests.cli.fleet_server import row


@pytest.fixture
def real(platform_process, clean_home, monkeypatch, sandtui):
    """Point to a platform with volumes."""
    monkeypatch.setenv("PRIME_API_KEY", platform_process.api_key)
    monkeypatch.setenv("PRIME_API_BASE_URL", platform_process.base_url)
    try:
        with SandboxClient(APIClient()) as client:
            client.volumes.list()
    except NotOfferedError as refusal:
        pytest.skip(str(refusal))
    yield
    sandtui("rm", "#volumes", "--yes")
    sandtui("volume", "rm", "data")


def test_a_version_for_others(real, sandtui):
    assert sandtui("volume", "create", "data", "-o", "name").lines == ["data"]
    assert sandtui("volume", "create", "data").code == 1
    common = ["--label", "volumes", "--wait"]
    assert sandtui("create", "--name", "writer", "--volume", "data:/data", *common).code == 0
    assert sandtui("run", "writer", "--", "sh", "-c", "echo one > /data/a").code == 0
    published = sandtui("volume", "publish", "writer", "data")
    assert published.code == 0, published.err
    (listed,) = [json.loads(line) for line in sandtui("volume", "ls", "-o", "jsonl").lines]
    assert (listed["name"], [listed["head_checkpoint_id"]]) == ("data", published.lines)
    made = sandtui("create", "--name", "reader", "--volume", "data:/in/put:ro", *common)
    assert made.code == 0, made.err
    assert sandtui("run", "reader", "--", "grep", "-q", "one", "/in/put/a").code == 0
    assert sandtui("volume", "publish", "reader", "data").code == 1
    assert sandtui("volume", "rm", "data").code == 1
    assert sandtui("rm", "#volumes", "--yes").code == 0
    assert sandtui("volume", "rm", "data").lines == ["data"]
    assert sandtui("volume", "ls").lines == []


@pytest.mark.parametrize(
    "words", [["data"], ["data:relative"], [":/a"], ["data:/a:rx"], ["a:/a", "a:/b"], ["a:/a", "b:/a"]]
)
def test_mounts_that_are_none(fleet, sandtui, words):
    fleet.rows = [row(1)]
    options = [part for word in words for part in ("--volume", word)]
    for command in (["create"], ["fork", "try-1"]):
        done = sandtui(*command, *options)
        assert done.code == 2
        assert "--volume" in done.err
    assert fleet.created == []
