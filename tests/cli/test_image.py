"""`sandtui image`, against a real platform on which an image is only a name."""

import json

import pytest


@pytest.fixture
def real(platform_process, clean_home, monkeypatch, sandtui):
    """Point to the platform; nothing is left on it."""
    monkeypatch.setenv("PRIME_API_KEY", platform_process.api_key)
    monkeypatch.setenv("PRIME_API_BASE_URL", platform_process.base_url)
    yield
    sandtui("rm", "#images", "--yes")
    for options in ([], ["--platform"]):
        sandtui("image", "rm", *sandtui("image", "ls", "-o", "name", *options).lines)


def test_a_copy_from_its_making_to_its_end(real, sandtui):
    copied = sandtui("image", "transfer", "ghcr.io/org/tools:v3", "--as", "mine")
    assert (copied.code, copied.lines) == (0, ["prime/usr_local/mine:latest"]), copied.err
    assert "only a name here" in copied.err
    assert sandtui("create", "--image", copied.lines[0], "--name", "made", "--label", "images", "--wait").code == 0
    assert sandtui("image", "update", "mine:latest", "--tag", "v3", "--public").code == 0
    (listed,) = [json.loads(line) for line in sandtui("image", "ls", "-o", "jsonl", "--search", "MINE").lines]
    assert (listed["full_image_path"], listed["status"], listed["visibility"]) == (
        "prime/usr_local/mine:v3",
        "COMPLETED",
        "PUBLIC",
    )
    assert sandtui("image", "rm", "mine:v3", "mine:v4").code == 1
    assert sandtui("image", "ls").lines == []
    detached = sandtui("image", "transfer", "ubuntu:22.04", "debian:12", "debian:12", "--detach")
    assert (detached.code, len(detached.lines)) == (1, 2)
    assert "duplicate" in detached.err
    assert sandtui("image", "cancel", "img_0").code == 1
    assert sorted(sandtui("image", "ls", "--platform", "-o", "name").lines) == ["debian:12", "ubuntu:22.04"]


def test_what_is_refused(real, sandtui, tmp_path):
    assert sandtui("image", "build", "mine", str(tmp_path)).code == 1
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    refused = sandtui("image", "build", "mine", str(tmp_path))
    assert refused.code == 1
    assert "--driver engine" in refused.err
    for words in (["transfer", "a/b,c/d"], ["transfer", "a", "b", "--as", "c"], ["build", "a/b"], ["update", "a:1"]):
        assert sandtui("image", *words).code == 2, words
    assert sandtui("image", "rm", "no-tag").code == 1
