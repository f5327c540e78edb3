"""Trouble on demand: each kind does what it says, and a seed draws the same faults again."""

import asyncio
from typing import Any

import httpx
import pytest

from sandtui.local.control import faults
from sandtui.local.control.faults import FaultSettings
from tests.local.rpc import Rpc, RpcError
from tests.local.support import Api, Start, serving_in_process


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("error=0.1", {"error": 0.1}),
        ("error=0.1, slow=1,seed=7", {"error": 0.1, "slow": 1.0, "seed": 7}),
        ("rate=0.5,all=0.2", {"rate": 0.5, "error": 0.2, "shift": 0.2, "stall": 0.2}),
    ],
)
def test_settings_are_read(text: str, wanted: dict[str, Any]) -> None:
    found = FaultSettings.parse(text)
    assert {name: getattr(found, name) for name in wanted} == wanted


@pytest.mark.parametrize("text", ["", "error", "error=", "error=2", "error=-1", "nothing=1", "seed=x", "error=nan"])
def test_malformed_settings_say_what_is_wrong(text: str) -> None:
    with pytest.raises(ValueError, match=r"KIND=PROBABILITY|not a number|from 0 to 1"):
        FaultSettings.parse(text)


async def statuses(start: Start, text: str, **more: Any) -> list[int]:
    api = await start("simulated", faults=text, fleet=20, **more)
    found = [(await api.call("GET", "/sandbox")).status_code for _ in range(200)]
    await api.platform.__aexit__(None, None, None)
    return found


async def test_a_seed_draws_the_same_faults_at_about_the_asked_rate(start: Start) -> None:
    first = await statuses(start, "rate=0.2,error=0.1,seed=3")
    assert first == await statuses(start, "rate=0.2,error=0.1,seed=3")
    assert first != await statuses(start, "rate=0.2,error=0.1,seed=4")
    assert set(first) == {200, 429, 500, 502, 503, 504}
    assert 20 < first.count(429) < 60


async def test_rate_limits_say_when_to_come_back(start: Start) -> None:
    api = await start("simulated", faults="rate=1")
    reply = await api.call("GET", "/sandbox")
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
    assert (await api.http.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("text", "status", "code"), [("token=1", 401, "unauthenticated"), ("conflict=1", 409, "unavailable")]
)
async def test_the_gateway_has_faults_of_its_own(start: Start, text: str, status: int, code: str) -> None:
    api = await start("process", faults=text)
    box = await api.running()
    reply = await api.run(box, "true")
    assert reply.status_code == status
    if status == 409:
        assert reply.json()["error"] == "sandbox_not_running"
    with pytest.raises(RpcError) as caught:
        await (await Rpc.of(api, box)).run("true")
    assert caught.value.code == code


async def test_pages_shift_under_the_reader(start: Start) -> None:
    api = await start("simulated", faults="shift=1", fleet=60)
    pages = []
    for page in (1, 2, 3):
        reply = (await api.call("GET", "/sandbox", params={"page": page, "per_page": 20})).json()
        pages.append([row["id"] for row in reply["sandboxes"]])
    assert set(pages[0]) & set(pages[1])
    assert all(len(page) == 20 for page in pages)


async def test_a_reply_breaks_off_though_the_request_was_carried_out(start: Start) -> None:
    platform = (await start("simulated", faults="reset=1")).platform
    async with serving_in_process(platform) as api:
        with pytest.raises(httpx.RemoteProtocolError):
            await api.create(name="made anyway")
        assert [record.name for record in platform.registry] == ["made anyway"]


async def test_a_stalled_reply_ends_with_its_client(start: Start) -> None:
    platform = (await start("simulated", faults="stall=1")).platform
    async with serving_in_process(platform) as api:
        with pytest.raises(httpx.ReadTimeout):
            await api.call("GET", "/sandbox", timeout=0.3)
        async with asyncio.timeout(60):
            while platform.app.idle_seconds == 0.0:
                await asyncio.sleep(0.01)


async def test_a_slow_reply_is_the_right_one(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    slept = []

    class Asyncio:
        @staticmethod
        async def sleep(seconds: float) -> None:
            slept.append(seconds)

    api: Api = await start("simulated", faults="slow=1")
    monkeypatch.setattr(faults, "asyncio", Asyncio)
    assert (await api.call("GET", "/sandbox")).status_code == 200
    assert len(slept) == 1 and 0.1 <= slept[0] <= 1.5
