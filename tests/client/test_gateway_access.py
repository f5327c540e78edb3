"""When a gateway's token is fetched and renewed, for every way to call a gateway."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client import APIError, Config
from sandtui.client.gateway_access import GatewayAccess
from sandtui.client.models import GatewayToken
from sandtui.client.models.command_session_pb2 import EventResponse
from sandtui.client.tokens import EARLY, TokenCache
from tests.client.fakes import SANDBOX, FakePlatform, client_of, token_reply

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LIFETIME = timedelta(minutes=30)
AUTH = "POST /api/v1/sandbox/sbx_1/auth"
EXEC = "POST /ns/sbx_1/exec"
START = "POST /ns/sbx_1/command_session.CommandSession/Start"
SIGNAL = "POST /ns/sbx_1/command_session.CommandSession/SendSignal"


class Issuer:
    """A platform with a clock of its own, and a cache whose clock is off by some seconds."""

    def __init__(self, skew: float = 0.0) -> None:
        self.time = NOW
        self.issued: list[GatewayToken] = []
        config = Config(api_key="k", base_url="http://a.test")
        self.tokens = TokenCache(config, asyncio.Lock, None, lambda: self.time + timedelta(seconds=skew))

    async def fetch(self) -> GatewayToken:
        await asyncio.sleep(0)
        token = GatewayToken.model_validate(token_reply((self.time + LIFETIME).isoformat(), str(len(self.issued))))
        self.issued.append(token)
        return token

    def takes(self, token: GatewayToken) -> bool:
        return token.expires_at > self.time

    def access(self) -> GatewayAccess:
        return GatewayAccess("sbx_1", self.tokens, self.fetch, asyncio.sleep)

    async def call(self) -> int:
        """Make one call as the client does; return the number of attempts."""
        access = self.access()
        attempts = 1
        while not self.takes(await access.token()):
            assert access.refused(), "a new token was refused"
            attempts += 1
        return attempts


async def test_calls_share_a_token_until_a_minute_before_its_expiry() -> None:
    issuer = Issuer()
    await issuer.call()
    issuer.time += LIFETIME - EARLY - timedelta(seconds=1)
    await issuer.call()
    assert len(issuer.issued) == 1
    issuer.time += timedelta(seconds=1)
    await issuer.call()
    assert len(issuer.issued) == 2


@pytest.mark.parametrize("skew", [0, 59, 3600, -59, -3600, 10 * 365 * 24 * 3600, -10 * 365 * 24 * 3600])
async def test_calls_at_once_fetch_one_token_whatever_our_clock_says(skew: int) -> None:
    issuer = Issuer(skew)
    await asyncio.gather(*(issuer.call() for _ in range(20)))
    assert len(issuer.issued) == 1


@given(skew=st.integers(-100_000, 100_000), pauses=st.lists(st.integers(0, 4000), max_size=6))
def test_no_clock_makes_a_call_fail(skew: int, pauses: list[int]) -> None:
    """A clock that is behind costs a refused attempt at each expiry, one that is ahead a token a call."""

    async def scenario() -> None:
        issuer = Issuer(skew)
        for pause in pauses:
            issuer.time += timedelta(seconds=pause)
            assert await issuer.call() <= 2

    asyncio.run(scenario())


async def test_a_refused_token_is_renewed_once() -> None:
    issuer = Issuer()
    access = issuer.access()
    first = await access.token()
    assert access.refused()
    assert await access.token() != first
    assert not access.refused()


async def test_a_token_that_was_refused_last_is_dropped_too() -> None:
    issuer = Issuer()
    access = issuer.access()
    for _ in range(2):
        await access.token()
        access.refused()
    assert issuer.tokens.get("sbx_1") is None


async def test_a_call_that_has_begun_is_not_repeated_but_drops_its_token() -> None:
    issuer = Issuer()
    access = issuer.access()
    await access.token()
    access.accepted()
    assert not access.refused()
    assert issuer.tokens.get("sbx_1") is None


async def test_calls_that_are_refused_together_share_the_new_token() -> None:
    issuer = Issuer()
    accesses = [issuer.access() for _ in range(20)]
    for access in accesses:
        await access.token()

    async def again(access: GatewayAccess) -> None:
        assert access.refused()
        await access.token()

    await asyncio.gather(*(again(access) for access in accesses))
    assert len(issuer.issued) == 2


async def test_a_failed_fetch_does_not_hold_up_the_next() -> None:
    issuer = Issuer()

    async def failing() -> GatewayToken:
        raise APIError("no")

    access = GatewayAccess("sbx_1", issuer.tokens, failing, asyncio.sleep)
    with pytest.raises(APIError):
        await access.token()
    await issuer.call()


def event(**fields: object) -> bytes:
    body = EventResponse(event=fields).SerializeToString()  # type: ignore[arg-type] # one of its fields
    return b"\0" + len(body).to_bytes(4, "big") + body


def refusal() -> httpx.Response:
    return httpx.Response(401, json={"code": "unauthenticated", "message": "because"})


@pytest.mark.parametrize("way", ["request", "stream"])
async def test_every_way_drops_both_tokens_that_were_refused(way: str) -> None:
    """The next call does not begin with a token that is known to be refused."""
    good = httpx.Response(200, content=event(start={"pid": 1}) + event(end={"exit_code": 0, "exited": True}))
    platform = FakePlatform().on("GET /api/v1/sandbox/sbx_1", {**SANDBOX, "vm": way == "stream"})
    platform.on(AUTH, token_reply(token="1"), token_reply(token="2"), token_reply(token="3"))
    platform.on(EXEC, refusal(), refusal(), {"stdout": "", "stderr": "", "exit_code": 0})
    platform.on(START, refusal(), refusal(), good)
    async with client_of(platform) as client:
        with pytest.raises(APIError):
            await client.execute_command("sbx_1", "true")
        await client.execute_command("sbx_1", "true")
    calls = [each for each in platform.requests if each.url.path.startswith("/ns/")]
    assert [each.headers["authorization"] for each in calls] == ["Bearer 1", "Bearer 2", "Bearer 3"]


async def test_a_message_to_a_process_renews_the_token_once() -> None:
    platform = FakePlatform().on("GET /api/v1/sandbox/sbx_1", {**SANDBOX, "vm": True})
    platform.on(AUTH, token_reply(token="1"), token_reply(token="2"))
    ended = asyncio.Event()

    class Slow(httpx.AsyncByteStream):
        async def __aiter__(self):
            yield event(start={"pid": 1})
            await ended.wait()
            yield event(end={"exit_code": 0, "exited": True})

    def killed(_: httpx.Request) -> httpx.Response:
        ended.set()
        return httpx.Response(200)

    platform.on(START, lambda _: httpx.Response(200, stream=Slow()))
    platform.on(SIGNAL, refusal(), killed)
    async with client_of(platform) as client, await client.open_process("sbx_1", "sleep 9") as process:
        await process.kill()
        assert await process.wait() == 0
    assert platform.count(AUTH) == 2
    assert platform.count(SIGNAL) == 2
