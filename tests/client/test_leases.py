"""Leases of both clients: every sandbox that is created under one says whose it is, also in a forked process."""

import asyncio
import json
import logging
import os

import httpx
import pytest

from sandtui.client import (
    APIClient,
    AsyncSandboxClient,
    Config,
    CreateSandboxRequest,
    InvalidRequestError,
    SandboxClient,
)
from sandtui.leases import VARIABLE, LeaseFiles, LeaseJudge, mark_of, new_mark
from tests.client.fakes import KEY, SANDBOX

CONFIG = Config(api_key=KEY, base_url="http://platform.test")


class Recording(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """A platform that keeps the labels of what it is asked for."""

    def __init__(self):
        self.labels = []

    async def handle_async_request(self, request):
        return self.handle_request(request)

    def handle_request(self, request):
        self.labels.append(json.loads(request.content)["labels"])
        return httpx.Response(200, json={**SANDBOX, "id": f"sbx_{len(self.labels)}"})


def wanted(*labels):
    return CreateSandboxRequest(name="one", docker_image="python:3.11-slim", labels=list(labels))


@pytest.fixture
def platform():
    return Recording()


@pytest.fixture
def client(platform):
    with SandboxClient(APIClient(config=CONFIG, transport=platform), keep_tokens=False) as client:
        yield client


@pytest.fixture
def judge(tmp_path):
    return LeaseJudge(LeaseFiles(tmp_path))


async def test_what_is_created_in_the_block_carries_the_lease(platform, tmp_path, judge):
    async with AsyncSandboxClient(config=CONFIG, transport=platform, keep_tokens=False) as client:
        async with client.lease("run=42", grace=90, folder=tmp_path):
            outcomes = [each async for each in client.create_many([wanted("a"), wanted("run=42")])]
            marks = {mark_of(labels) for labels in platform.labels}
            (mark,) = marks
            assert (mark.pid, mark.grace) == (os.getpid(), 90)
            assert not judge.judge(mark).gone
        await client.create(wanted("later"))
    assert all(outcome.error is None for outcome in outcomes)
    assert sorted(labels[:-1] for labels in platform.labels[:2]) == [["a", "run=42"], ["run=42"]]
    assert platform.labels[2] == ["later"]
    assert judge.judge(mark).gone == "its lease has ended"


def test_the_innermost_lease_counts_and_a_copied_one_does_not(platform, client, tmp_path):
    with client.lease("run=1", folder=tmp_path), client.lease("run=2", folder=tmp_path) as inner:
        client.create(wanted("a", new_mark(1).label))
        assert platform.labels[-1] == ["a", *inner.labels]
    client.create(wanted("a", new_mark(1).label))
    assert platform.labels[-1] == ["a"]


def test_a_forked_process_takes_its_own_and_does_not_end_that_of_its_parent(platform, client, tmp_path, judge):
    read, write = os.pipe()
    with client.lease("run=42", folder=tmp_path) as lease:
        client.create(wanted())
        pid = os.fork()
        if pid == 0:
            with os.fdopen(write, "w") as out:
                client.create(wanted())
                out.write(platform.labels[-1][-1])
                lease.__exit__(None, None, None)
            os._exit(0)
        os.close(write)
        assert os.waitpid(pid, 0)[1] == 0
        with os.fdopen(read) as found:
            (child,) = filter(None, [mark_of([found.read()])])
        parent = mark_of(platform.labels[0])
        assert (child.pid, parent.pid) == (pid, os.getpid())
        assert judge.judge(child).gone
        assert not judge.judge(parent).gone


def test_without_a_file_the_label_has_to_do(platform, client, tmp_path, judge, caplog):
    (tmp_path / "full").write_text("")
    with caplog.at_level(logging.WARNING, "sandtui.client"), client.lease("run=42", folder=tmp_path / "full"):
        client.create(wanted())
    assert "has no file" in caplog.text
    assert not judge.judge(mark_of(platform.labels[0])).gone, "this process lives"


def test_a_program_under_sandtui_lease_inherits_its_labels(platform, client, monkeypatch):
    monkeypatch.setenv(VARIABLE, json.dumps(["run=7", new_mark(600).label]))
    client.create(wanted("a", "run=7"))
    assert platform.labels[-1][:2] == ["a", "run=7"]
    assert mark_of(platform.labels[-1]).pid == os.getpid()
    monkeypatch.setenv(VARIABLE, "nonsense")
    with pytest.raises(InvalidRequestError, match="SANDTUI_LEASE"):
        client.create(wanted())
    assert len(platform.labels) == 1


@pytest.mark.parametrize(("label", "grace"), [("", 60), (" x", 60), ("run=1", 0), ("run=1", float("nan"))])
def test_a_lease_that_makes_no_sense_is_refused(client, label, grace):
    with pytest.raises(InvalidRequestError):
        client.lease(label, grace)


def test_signs_of_life_are_given(platform, client, tmp_path):
    files = LeaseFiles(tmp_path)
    with client.lease("run=42", grace=1, folder=tmp_path) as lease:
        mark = mark_of(lease.labels)
        first = files.beat(mark)

        async def beats():
            async with asyncio.timeout(30):
                while files.beat(mark) == first:
                    await asyncio.sleep(0.02)

        asyncio.run(beats())
