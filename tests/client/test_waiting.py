"""Waiting for sandboxes: nobody waits for another, and no wait is without end."""

import asyncio
import json

import httpx
import pytest

from sandtui.client import (
    APIClient,
    APIError,
    Config,
    PermissionDeniedError,
    SandboxClient,
    SandboxNotRunningError,
    SandboxOOMError,
)
from tests.client.fakes import SANDBOX, FakePlatform, NoWaiting, client_of, token_reply

BATCH = "POST /api/v1/sandbox/status:batchGet"
GET = "GET /api/v1/sandbox/sbx_1"
AUTH = "POST /api/v1/sandbox/sbx_1/auth"
EXEC = "POST /ns/sbx_1/exec"
DONE = {"stdout": "", "stderr": "", "exit_code": 0}


class SlowGateway:
    """Two sandboxes: ``bad`` runs at once and does not answer until told, ``good`` runs a little later."""

    def __init__(self, hold):
        self.hold = hold
        self.polls = 0

    def answer(self, request):
        path = request.url.path
        if path.endswith(":batchGet"):
            self.polls += 1
            rows = [
                {"sandbox_id": each, "status": "RUNNING" if each == "bad" or self.polls > 1 else "PENDING"}
                for each in json.loads(request.content)["sandbox_ids"]
            ]
            return httpx.Response(200, json={"statuses": rows, "errors": []})
        if path.endswith("/auth"):
            return httpx.Response(200, json={**token_reply(), "job_id": path.split("/")[4]})
        if path.endswith("/exec"):
            return httpx.Response(200, json=DONE)
        return httpx.Response(200, json={**SANDBOX, "id": path.split("/")[4]})


async def test_one_that_does_not_answer_holds_up_nobody():
    slow = SlowGateway(asyncio.Event())

    async def platform(request):
        if request.url.path == "/ns/bad/exec":
            await slow.hold.wait()
        return slow.answer(request)

    order = []
    async with client_of(platform) as client, asyncio.timeout(60):
        async for outcome in client.wait_many(["bad", "good"]):
            order.append((outcome.key, outcome.unwrap()))
            slow.hold.set()
    assert order == [("good", "RUNNING"), ("bad", "RUNNING")]


def test_a_slow_sandbox_delays_no_other_in_threads():
    import threading

    hold = threading.Event()
    slow = SlowGateway(hold)

    def platform(request):
        if request.url.path == "/ns/bad/exec":
            assert hold.wait(20)
        return slow.answer(request)

    config = Config(api_key="k", base_url="http://x.test")
    client = SandboxClient(APIClient(config=config, transport=httpx.MockTransport(platform)), keep_tokens=False)
    order = []
    for outcome in client.wait_many(["bad", "good"]):
        order.append(outcome.key)
        hold.set()
    assert order == ["good", "bad"]


def test_leaving_a_wait_in_threads_does_not_wait_for_the_rest():
    """A gateway that never answers would hold the caller for the whole budget."""
    slow = SlowGateway(None)

    def platform(request):
        if request.url.path == "/ns/bad/exec":
            return httpx.Response(503, json={})
        return slow.answer(request)

    config = Config(api_key="k", base_url="http://x.test")
    client = SandboxClient(APIClient(config=config, transport=httpx.MockTransport(platform)), keep_tokens=False)
    client.client.port.sleep = lambda seconds: _at_once()
    waiting = client.wait_many(["bad", "good"], max_attempts=10_000)
    assert next(waiting).key == "good"
    waiting.close()


async def _at_once():
    return None


@pytest.mark.parametrize(
    ("code", "kind"),
    [("FORBIDDEN", PermissionDeniedError), ("MANAGED", APIError), ("NOT_FOUND", SandboxNotRunningError)],
)
async def test_only_what_is_not_found_is_gone(code, kind):
    rows = {"statuses": [], "errors": [{"sandbox_id": "a", "code": code, "message": "because"}]}
    async with client_of(FakePlatform().on(BATCH, rows)) as client:
        NoWaiting(client)
        with pytest.raises(kind, match="because") as caught:
            await client.bulk_wait_for_creation(["a"])
    assert type(caught.value) is kind
    assert getattr(caught.value, "status", None) == ("TERMINATED" if code == "NOT_FOUND" else None)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_platform_without_batches_is_asked_by_pages(status):
    page = {"sandboxes": [SANDBOX], "total": 1, "page": 1, "perPage": 100, "hasNext": False}
    platform = FakePlatform().on(BATCH, httpx.Response(status, json={})).on("GET /api/v1/sandbox", page)
    platform.on(AUTH, token_reply()).on(EXEC, DONE)
    async with client_of(platform) as client:
        NoWaiting(client)
        assert await client.bulk_wait_for_creation(["sbx_1"]) == {"sbx_1": "RUNNING"}


@pytest.mark.parametrize("bulk", [False, True])
async def test_a_build_has_a_clock_of_its_own(bulk):
    building = {"status": "PENDING", "pendingImageBuildId": "b"}
    rounds = 100
    rows = [{"statuses": [{"sandbox_id": "sbx_1", **building}]}] * rounds
    platform = FakePlatform().on(GET, *[{**SANDBOX, **building}] * rounds, SANDBOX)
    platform.on(BATCH, *rows, {"statuses": [{"sandbox_id": "sbx_1", "status": "RUNNING"}]})
    platform.on(AUTH, token_reply()).on(EXEC, DONE)
    async with client_of(platform) as client:
        waited = NoWaiting(client)
        await (client.bulk_wait_for_creation(["sbx_1"]) if bulk else client.wait_for_creation("sbx_1"))
    assert waited.now >= 10 * rounds, "far beyond the 115 s that a start may take"
    platform = FakePlatform().on(GET, {**SANDBOX, **building}).on(BATCH, rows[0])
    async with client_of(platform) as client:
        waited = NoWaiting(client)
        limits = {"image_build_timeout_seconds": 50}
        wait = (
            client.bulk_wait_for_creation(["sbx_1"], **limits) if bulk else client.wait_for_creation("sbx_1", **limits)
        )
        with pytest.raises(SandboxNotRunningError, match="image was not built in 50 s"):
            await wait
    assert waited.now <= 50


async def test_a_gateway_that_never_answers_because_the_sandbox_died():
    why = {"status": "ERROR", "errorType": "OOM_KILLED"}
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, httpx.Response(503, json={}))
    platform.on("GET /api/v1/sandbox/sbx_1/error-context", why)
    async with client_of(platform) as client:
        NoWaiting(client)
        with pytest.raises(SandboxOOMError):
            await client.wait_for_creation("sbx_1")


async def test_a_gateway_that_has_not_heard_of_it_yet():
    unknown = httpx.Response(404, json={"error": "sandbox_not_found"})
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, unknown, unknown, DONE)
    async with client_of(platform) as client:
        NoWaiting(client)
        await client.wait_for_creation("sbx_1")
    assert platform.count(EXEC) == 3
