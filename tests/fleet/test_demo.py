import asyncio
from collections import Counter

import httpx
import pytest

from sandtui.client import AsyncSandboxClient, Config
from sandtui.fleet.inventory.demo import MAX_OWN, Life
from tests.client.fakes import body_of
from tests.probes import session_of


class Platform:
    """Has one sandbox from the beginning, and says no to every third request."""

    def __init__(self):
        self.alive = {"sbx_first": {"id": "sbx_first", "name": "rollout-0001", "status": "RUNNING", "labels": ["rl"]}}
        self.deleted = []
        self.seen = Counter()

    def __call__(self, request):
        self.seen[request.method] += 1
        if self.seen.total() % 3 == 0:
            return httpx.Response(402, json={"detail": "no"})
        if request.method == "GET":
            row = next(iter(self.alive.values())) | {"dockerImage": "x:1", "cpuCores": 2, "memoryGB": 4}
            return httpx.Response(200, json={"sandboxes": [row], "total": 1, "page": 1, "per_page": 200})
        if request.method == "POST":
            body = body_of(request)
            made = {"id": f"sbx_{len(self.seen)}_{self.seen.total()}", "name": body["name"], "status": "PENDING"}
            self.alive[made["id"]] = made | {"labels": body["labels"]}
            return httpx.Response(201, json=made)
        self.deleted.append(request.url.path.rsplit("/", 1)[1])
        self.alive.pop(self.deleted[-1], None)
        return httpx.Response(200, json={})


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_fleet_lives_and_only_its_own_children_are_ended(seed):
    platform = Platform()
    turns = 0

    async def sleep(_seconds):
        nonlocal turns
        turns += 1
        if turns > 400:
            raise asyncio.CancelledError
        await asyncio.sleep(0)

    config = Config(api_key="k", base_url="http://platform.test")
    async with AsyncSandboxClient(config=config, transport=httpx.MockTransport(platform), keep_tokens=False) as client:
        session_of(client).retry.attempts = 1
        with pytest.raises(asyncio.CancelledError):
            await Life(client, seed, sleep).run()
    assert "sbx_first" in platform.alive
    assert platform.deleted
    assert len(platform.alive) <= MAX_OWN + 150
    assert all(each["name"].startswith("rollout-") and each["labels"] == ["rl"] for each in platform.alive.values())
