import asyncio
import itertools

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandtui.client import (
    APIClient,
    Config,
    CreateSandboxRequest,
    InvalidRequestError,
    SandboxClient,
    SandboxImagePullError,
    SandboxNotRunningError,
)
from sandtui.client.call import Rate
from sandtui.client.limits import WINDOW, RateLimiter
from tests.client.fakes import FakePlatform, NoWaiting, body_of, client_of, token_reply
from tests.probes import session_of

BATCH = "POST /api/v1/sandbox/status:batchGet"
LIST = "GET /api/v1/sandbox"
IDS = [f"sbx_{number}" for number in range(150)]


class Fleet(FakePlatform):
    """Sandboxes that run after a number of questions."""

    def __init__(self, rounds=2, batch=True):
        super().__init__()
        self.statuses = dict.fromkeys(IDS, "PENDING")
        self.rounds = rounds
        self.asked: list[list[str]] = []
        self.batch = batch

    def __call__(self, request):
        path = request.url.path
        if path.endswith("/auth"):
            return httpx.Response(200, json={**token_reply(), "job_id": path.split("/")[4]})
        if path.endswith("/exec"):
            return httpx.Response(200, json={"stdout": "", "stderr": "", "exit_code": 0})
        if path.endswith("status:batchGet"):
            self.requests.append(request)
            if not self.batch:
                return httpx.Response(404, json={"detail": "Not Found"})
            ids = body_of(request)["sandbox_ids"]
            self.asked.append(ids)
            rows = [{"sandbox_id": each, "status": self.statuses[each]} for each in ids]
            self.advance(len(self.asked))
            return httpx.Response(200, json={"statuses": rows, "errors": []})
        if path == "/api/v1/sandbox" and request.method == "GET":
            self.requests.append(request)
            page = int(request.url.params["page"])
            rows = [{"id": each, "status": self.statuses[each]} for each in IDS[(page - 1) * 100 : page * 100]]
            self.advance(len(self.requests) - 1)
            reply = {"sandboxes": rows, "total": 150, "page": page, "perPage": 100, "hasNext": page < 2}
            return httpx.Response(200, json=reply)
        return super().__call__(request)

    def advance(self, turn):
        if turn >= self.rounds:
            for each in IDS[: len(IDS) if turn > self.rounds else 100]:
                if self.statuses[each] == "PENDING":
                    self.statuses[each] = "RUNNING"


@pytest.mark.parametrize("batch", [True, False])
async def test_bulk_wait_ends_when_all_run(batch):
    fleet = Fleet(batch=batch)
    async with client_of(fleet) as client:
        NoWaiting(client)
        session_of(client).vm = dict.fromkeys(IDS, False)
        assert await client.bulk_wait_for_creation(IDS) == dict.fromkeys(IDS, "RUNNING")
    if batch:
        assert fleet.count(LIST) == 0
        assert all(len(ids) <= 100 for ids in fleet.asked)
        assert len(fleet.asked[-1]) < 100, "only those still pending are asked about"
    else:
        assert fleet.count(BATCH) == 1, "a platform without it is asked once"


async def test_bulk_wait_tells_what_failed():
    fleet = Fleet()
    platform = FakePlatform().on(
        BATCH,
        {"statuses": [{"sandbox_id": "a", "status": "ERROR", "errorType": "IMAGE_PULL_FAILED"}], "errors": []},
    )
    assert fleet
    async with client_of(platform) as client:
        NoWaiting(client)
        with pytest.raises(SandboxImagePullError):
            await client.bulk_wait_for_creation(["a"])


async def test_bulk_wait_of_an_unknown_id():
    rows = {"statuses": [], "errors": [{"sandbox_id": "a", "code": "NOT_FOUND", "message": "no"}]}
    async with client_of(FakePlatform().on(BATCH, rows)) as client:
        NoWaiting(client)
        with pytest.raises(SandboxNotRunningError):
            await client.bulk_wait_for_creation(["a"])


async def test_bulk_wait_backs_off_and_ends():
    refused = httpx.Response(429, headers={"Retry-After": "1"})
    async with client_of(FakePlatform().on(BATCH, refused)) as client:
        waited = NoWaiting(client)
        with pytest.raises(SandboxNotRunningError, match="did not reach RUNNING"):
            await client.bulk_wait_for_creation(["a"])
    assert waited.now <= 200


async def test_fan_out_is_bounded_and_complete():
    running = most = 0

    async def work(key):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        if key % 7 == 0:
            raise ValueError(str(key))
        return key * 2

    async with client_of(FakePlatform()) as client:
        port = session_of(client).port
        outcomes = [outcome async for outcome in port.fan_out(range(100), work, 8)]
    assert most == 8
    assert sorted(outcome.key for outcome in outcomes) == list(range(100))
    assert all(outcome.value == outcome.key * 2 for outcome in outcomes if outcome.error is None)
    assert sorted(int(str(outcome.error)) for outcome in outcomes if outcome.error) == list(range(0, 100, 7))


async def test_leaving_a_fan_out_cancels_the_rest():
    cancelled = []
    forever = asyncio.Event()

    async def work(key):
        if key == 0:
            return key
        try:
            await forever.wait()
        except asyncio.CancelledError:
            cancelled.append(key)
            raise

    async with client_of(FakePlatform()) as client:
        fan = session_of(client).port.fan_out(range(50), work, 4)
        assert (await anext(fan)).key == 0
        await fan.aclose()
    assert sorted(cancelled) == [1, 2, 3]


def test_the_sync_fan_out_uses_threads():
    import threading

    together = threading.Barrier(4, timeout=10)

    async def work(key):
        together.wait()
        return key

    api = APIClient(config=Config(api_key="k", base_url="http://x.test"), transport=httpx.MockTransport(FakePlatform()))
    from sandtui.client.port import run_blocking

    fan = api.port.fan_out(range(8), work, 4)
    keys = set()
    try:
        while True:
            keys.add(run_blocking(fan.__anext__()).unwrap())
    except StopAsyncIteration:
        pass
    assert keys == set(range(8))


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_concurrency_that_runs_nothing(concurrency):
    config = Config(api_key="k", base_url="http://x.test")
    client = SandboxClient(APIClient(config=config, transport=httpx.MockTransport(FakePlatform())), keep_tokens=False)
    with pytest.raises(InvalidRequestError):
        list(client.create_many([CreateSandboxRequest(name="x", docker_image="y")], concurrency=concurrency))


@settings(max_examples=100, deadline=None)
@given(gaps=st.lists(st.floats(0, 30), max_size=60), allowed=st.integers(1, 5))
def test_never_more_than_allowed_in_any_minute(gaps, allowed):
    limiter, rate, now, sent = RateLimiter(), Rate("list", allowed), 0.0, []
    for gap in gaps:
        now += gap
        sent.append(now + limiter.reserve(rate, now))
    in_turn = all(later >= earlier - 1e-6 for earlier, later in itertools.pairwise(sent))
    assert in_turn, "first come, first served"
    for place, moment in enumerate(sent):
        within = [other for other in sent[place:] if other < moment + WINDOW - 1e-6]
        assert len(within) <= allowed


def test_a_burst_up_to_the_limit_does_not_wait():
    limiter = RateLimiter()
    assert [limiter.reserve(Rate("create", 500), 0.0) for _ in range(500)] == [0.0] * 500
    assert limiter.reserve(Rate("create", 500), 1.0) == WINDOW - 1
    assert limiter.reserve(Rate("get", 300, "a"), 1.0) == 0, "another kind has its own limit"
