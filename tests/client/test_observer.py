"""What the client tells of its requests: to an observer and to its log; never a secret."""

import asyncio
import contextvars
import json
import logging

import httpx
import pytest

from sandtui.client import (
    APIClient,
    Config,
    ConnectionFailedError,
    CreateSandboxRequest,
    SandboxClient,
    SandboxClientError,
)
from tests.client.fakes import KEY, SANDBOX, TOKEN, FakePlatform, NoWaiting, client_of, token_reply

CAUSE = contextvars.ContextVar("cause", default="")


def watched(platform, **options):
    client = client_of(platform, **options)
    waiting = NoWaiting(client)
    reports = []
    client.observe(reports.append)
    return client, reports, waiting


async def test_a_request_is_reported_with_its_status_attempts_and_id():
    platform = FakePlatform().on(
        "GET /api/v1/sandbox/sbx_1",
        httpx.Response(503),
        httpx.Response(200, json=SANDBOX, headers={"X-Request-ID": "req-7\x1b"}),
    )
    client, reports, _ = watched(platform)
    await client.get("sbx_1")
    (report,) = reports
    assert (report.method, report.url) == ("GET", "http://platform.test/api/v1/sandbox/sbx_1")
    assert (report.status, report.attempts, report.request_id, report.problem) == (200, 2, "req-7", "")
    assert report.seconds >= 0
    assert not report.by_token
    client.observe(None)
    await client.get("sbx_1")
    assert len(reports) == 1


async def test_no_reply_and_a_cancelled_request_say_so():
    platform = FakePlatform().on("GET /api/v1/sandbox/sbx_1", httpx.ConnectError(f"no way, {KEY}"))
    client, reports, _ = watched(platform)
    with pytest.raises(ConnectionFailedError):
        await client.get("sbx_1")
    assert reports[0].status is None
    assert "no way, ***" in reports[0].problem

    def cancelled(request):
        raise asyncio.CancelledError

    platform.on("GET /api/v1/sandbox/sbx_1", cancelled)
    with pytest.raises(asyncio.CancelledError):
        await client.get("sbx_1")
    assert reports[-1].problem == "cancelled"


async def test_it_is_called_in_the_context_of_whoever_asked():
    platform = FakePlatform()
    client = client_of(platform)
    seen = []
    client.observe(lambda report: seen.append((CAUSE.get(), report.url.rpartition("/")[2])))

    async def one(name):
        CAUSE.set(name)
        await client.get("sbx_1")

    await asyncio.gather(one("a"), one("b"))
    assert sorted(seen) == [("a", "sbx_1"), ("b", "sbx_1")]


async def test_a_gateway_call_is_told_apart_and_so_is_its_token():
    route = "POST /ns/sbx_1/exec"
    platform = FakePlatform().on("POST /api/v1/sandbox/sbx_1/auth", token_reply()).on(route, httpx.Response(500))
    client, reports, _ = watched(platform)
    with pytest.raises(SandboxClientError):
        await client.execute_command("sbx_1", "true")
    assert [report.by_token for report in reports] == [False, False, True]
    assert json.loads(reports[-1].body)["command"] == "true"
    assert TOKEN in reports[-1].secrets
    assert KEY in reports[-1].secrets
    assert TOKEN not in repr(reports)
    assert KEY not in repr(reports)


async def test_the_body_of_a_create_and_its_secrets_are_reported_but_not_shown():
    platform = FakePlatform().on("POST /api/v1/sandbox", SANDBOX)
    client, reports, _ = watched(platform)
    request = CreateSandboxRequest(name="n", docker_image="i", secrets={"TOKEN": "canary-1234"})
    await client.create(request)
    assert b"canary-1234" in reports[0].body
    assert "canary-1234" in reports[0].secrets
    assert "canary-1234" not in repr(reports[0])


async def test_an_observer_that_fails_fails_no_request(caplog):
    client = client_of(FakePlatform())

    def broken(report):
        raise ValueError("broken")

    client.observe(broken)
    assert (await client.get("sbx_1")).id == "sbx_1"
    assert "the observer of requests failed" in caplog.text


async def test_the_log_tells_each_request_and_no_secret(caplog):
    caplog.set_level(logging.DEBUG, "sandtui.client")
    platform = FakePlatform().on("POST /api/v1/sandbox/sbx_1/auth", token_reply())
    platform.on("POST /ns/sbx_1/exec", httpx.ConnectError(f"{TOKEN} and {KEY}"))
    client = client_of(platform)
    NoWaiting(client)
    with pytest.raises(SandboxClientError):
        await client.execute_command("sbx_1", "echo canary-command", env={"PASSWORD": "canary-env"})
    assert "POST platform.test/api/v1/sandbox/sbx_1/auth 200" in caplog.text
    assert "POST gateway.test/ns/sbx_1/exec no response" in caplog.text
    assert not [word for word in (KEY, TOKEN, "canary") if word in caplog.text]


def test_the_blocking_clients_tell_too():
    platform = FakePlatform()
    api = APIClient(
        config=Config(api_key=KEY, base_url="http://platform.test"), transport=httpx.MockTransport(platform)
    )
    reports = []
    api.observe(reports.append)
    api.get("sandbox/sbx_1")
    client = SandboxClient(api, keep_tokens=False)
    client.observe(reports.append)
    client.get("sbx_1")
    assert [report.status for report in reports] == [200, 200]
