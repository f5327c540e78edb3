"""A creation that nobody waits for any more leaves no sandbox without a handle."""

import asyncio
import json
import logging
from contextlib import aclosing

import httpx
import pytest

from sandtui.client import APIClient, AsyncSandboxClient, Config, CreateSandboxRequest, SandboxClient
from sandtui.client.flows import creation
from tests.client.fakes import KEY, SANDBOX

CONFIG = Config(api_key=KEY, base_url="http://platform.test")


class Slow(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """A platform that makes each sandbox when it is let; ``made`` and ``deleted`` are names."""

    def __init__(self):
        self.made, self.deleted = [], []
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request):
        if request.method == "POST":
            self.asked.set()
            await self.go.wait()
        return self.handle_request(request)

    def handle_request(self, request):
        if request.method == "DELETE":
            self.deleted.append(request.url.path.rpartition("/")[2])
            return httpx.Response(200, json={"success": True, "message": "deleted"})
        name = json.loads(request.content)["name"]
        self.made.append(name)
        return httpx.Response(200, json={**SANDBOX, "id": name, "name": name})


def wanted(*names):
    return [CreateSandboxRequest(name=name, docker_image="python:3.11-slim") for name in names]


@pytest.fixture
async def slow():
    return Slow()


@pytest.fixture
async def client(slow):
    async with AsyncSandboxClient(config=CONFIG, transport=slow, keep_tokens=False) as client:
        yield client


async def cancelled(slow, flow):
    """Cancel a creation while the platform is at work, let it answer, and wait for the end."""
    task = asyncio.ensure_future(flow)
    await slow.asked.wait()
    task.cancel()
    await asyncio.sleep(0)
    slow.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_abandoned_sandbox_is_reported(slow, client):
    told = []
    await cancelled(slow, client.create(*wanted("one"), on_abandoned=told.append))
    assert [sandbox.id for sandbox in told] == slow.made == ["one"]
    assert slow.deleted == []


async def test_an_abandoned_sandbox_is_deleted_on_request(slow, client):
    told = []
    await cancelled(slow, client.create(*wanted("one"), on_abandoned=told.append, delete_abandoned=True))
    assert slow.made == slow.deleted == ["one"]
    assert told == []


async def test_the_log_names_it_when_nobody_asked(slow, client, caplog):
    with caplog.at_level(logging.WARNING, "sandtui.client"):
        await cancelled(slow, client.create(*wanted("one")))
    assert "sandbox one was created" in caplog.text


async def test_a_platform_that_does_not_answer_is_not_waited_for(slow, client, monkeypatch):
    monkeypatch.setattr(creation, "ABANDON_SECONDS", 0.01)
    told = asyncio.Queue()
    task = asyncio.ensure_future(client.create(*wanted("one"), on_abandoned=told.put_nowait))
    await slow.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    slow.go.set()
    assert (await told.get()).id == "one", "it comes late, and is told"


async def test_what_is_cancelled_twice_is_reported_too(slow, client):
    told = asyncio.Queue()
    task = asyncio.ensure_future(client.create(*wanted("one"), on_abandoned=told.put_nowait))
    await slow.asked.wait()
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    slow.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await told.get()).id == "one"


@pytest.mark.parametrize("delete", [False, True])
async def test_leaving_create_many_reports_or_deletes_the_rest(slow, client, delete):
    names = [f"box-{number}" for number in range(8)]
    slow.go.set()
    told, yielded = [], []
    many = client.create_many(wanted(*names), 4, on_abandoned=told.append, delete_abandoned=delete)
    async with aclosing(many) as outcomes:
        async for outcome in outcomes:
            yielded.append(outcome.unwrap().id)
            break
    left = {sandbox.id for sandbox in told} | set(slow.deleted)
    assert left == set(slow.made) - set(yielded)
    assert left
    assert bool(slow.deleted) is delete


@pytest.mark.parametrize("delete", [False, True])
async def test_cancelling_create_many_reports_or_deletes_the_rest(slow, client, delete):
    told = []

    async def create():
        many = client.create_many(wanted("a", "b", "c"), on_abandoned=told.append, delete_abandoned=delete)
        async with aclosing(many) as outcomes:
            async for _ in outcomes:
                pass

    await cancelled(slow, create())
    assert sorted(slow.made) == sorted(slow.deleted if delete else [sandbox.id for sandbox in told])


def test_leaving_many_of_the_blocking_client():
    slow = Slow()
    told = []
    with SandboxClient(APIClient(config=CONFIG, transport=slow), keep_tokens=False) as client:
        many = client.create_many(wanted(*"abcdef"), 3, on_abandoned=told.append)
        first = next(many).unwrap().id
        many.close()
    assert sorted([first, *(sandbox.id for sandbox in told)]) == sorted(slow.made)
