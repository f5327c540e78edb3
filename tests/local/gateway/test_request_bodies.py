"""Requests that are too long: refused in words that lead on, and nothing else suffers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from sandtui.client import (
    APIClient,
    APIError,
    AsyncSandboxClient,
    CommandTooLongError,
    Config,
    CreateSandboxRequest,
    InvalidRequestError,
    SandboxClient,
)
from sandtui.client.flows import commands
from sandtui.local.gateway import request_body
from tests.local.rpc import Rpc, envelope
from tests.local.support import GIVE_UP_SECONDS, Api, serving_in_process

KINDS = {"container": {}, "vm": {"vm": True}}
SIZES = [200_000, 4_200_000, 9_000_000, 40_000_000]
LARGEST_BY = {"command", "stream", "process"}
"""One way for each kind of request: which of its fields is large makes no difference to the largest."""
ADVICE = "Upload it as a file and run that."


@pytest.fixture
async def connected(served: Api) -> AsyncIterator[AsyncSandboxClient]:
    config = Config(api_key=served.platform.api_key, base_url=served.platform.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        yield client


@pytest.fixture
async def quick(simulated: Api) -> AsyncIterator[Api]:
    """A simulated platform behind a real socket."""
    async with serving_in_process(simulated.platform) as api:
        yield api


async def listed(events: AsyncIterator[Any]) -> list[Any]:
    return [event async for event in events]


async def in_process(client: AsyncSandboxClient, box: str, command: str, **more: Any) -> int:
    async with await client.open_process(box, command, **more) as process:
        return await process.wait()


Way = Callable[[AsyncSandboxClient, str, str], Awaitable[Any]]
MANY = 1000
WAYS: dict[str, Way] = {
    "command": lambda client, box, text: client.execute_command(box, f"true {text}"),
    "variable": lambda client, box, text: client.execute_command(box, "true", env={"BIG": text}),
    "job": lambda client, box, text: client.start_background_job(box, f"true {text}"),
    "job's variable": lambda client, box, text: client.run_background_job(box, "true", env={"BIG": text}),
    "stream": lambda client, box, text: listed(client.stream_command(box, f"true {text}")),
    "stream's variable": lambda client, box, text: listed(client.stream_command(box, "true", env={"BIG": text})),
    "process": lambda client, box, text: in_process(client, box, f"true {text}"),
    "process's variable": lambda client, box, text: in_process(client, box, "true", env={"BIG": text}),
    "variables": lambda client, box, text: client.execute_command(
        box, "true", env={f"V{number}": text[: len(text) // MANY] for number in range(MANY)}
    ),
}


def sizes_of(way: str) -> list[int]:
    return SIZES if way in LARGEST_BY else SIZES[:-1]


@pytest.mark.parametrize(
    ("kind", "way"), [(kind, way) for kind in KINDS for way in WAYS if kind == "vm" or not way.startswith("process")]
)
async def test_what_is_too_long_is_refused_with_advice_and_the_next_command_runs(
    served: Api, connected: AsyncSandboxClient, kind: str, way: str
) -> None:
    box = await served.running(**KINDS[kind])
    for size in sizes_of(way):
        if way == "variables" and size < 4_000_000:
            continue
        with pytest.raises(CommandTooLongError) as caught:
            await WAYS[way](connected, box, "x" * size)
        assert caught.value.status_code == 413
        assert str(caught.value).endswith(ADVICE)
        assert "xxx" not in str(caught.value)
        assert (await connected.execute_command(box, "echo next")).stdout == "next\n"


@pytest.mark.parametrize("kind", KINDS)
async def test_the_blocking_client_says_the_same(served: Api, kind: str) -> None:
    box = await served.running(**KINDS[kind])
    config = Config(api_key=served.platform.api_key, base_url=served.platform.base_url)

    def use() -> None:
        with SandboxClient(APIClient(config=config)) as client:
            for size in SIZES:
                for call in (client.execute_command, client.start_background_job, client.stream_command):
                    with pytest.raises(CommandTooLongError, match=ADVICE):
                        list(call(box, f"true {'x' * size}"))
                assert client.execute_command(box, "echo next").stdout == "next\n"

    await asyncio.to_thread(use)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_simulated_sandbox_refuses_it_too(quick: Api, simulated: Api, kind: str) -> None:
    box = await simulated.started(**KINDS[kind])
    config = Config(api_key=quick.platform.api_key, base_url=quick.platform.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        for way in ("command", "variable", "job"):
            for size in sizes_of(way):
                with pytest.raises(CommandTooLongError, match=ADVICE):
                    await WAYS[way](client, box, "x" * size)
        assert (await client.execute_command(box, "echo next")).stdout == "next\n"


async def test_an_endless_command_is_not_even_sent(
    served: Api, connected: AsyncSandboxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "MAX_COMMAND", 1000)
    with pytest.raises(InvalidRequestError, match="upload it as a file"):
        await connected.execute_command("sbx_never", "x" * 1001)
    for field in ("working_dir", "user"):
        with pytest.raises(InvalidRequestError, match=field):
            await connected.execute_command("sbx_never", "true", **{field: "x" * 5000})
    with pytest.raises(InvalidRequestError, match="an id"):
        await connected.get("x" * 5_000_000)


async def test_input_of_any_length_arrives_in_order(served: Api, connected: AsyncSandboxClient) -> None:
    box = await served.running(vm=True)
    data = bytes(range(251)) * 60_000
    async with await connected.open_process(box, f"head -c {len(data)} > /tmp/input") as process:
        await process.write_stdin(data)
        assert await process.wait() == 0
    assert (await served.download(box, "/tmp/input")).content == data


@pytest.mark.parametrize("variables", ["environment_vars", "secrets"])
@pytest.mark.parametrize("size", SIZES)
async def test_a_sandbox_in_which_nothing_could_start_is_not_made(quick: Api, variables: str, size: int) -> None:
    config = Config(api_key=quick.platform.api_key, base_url=quick.platform.base_url)
    many = {f"V{number}": "x" * (max(size, 2_000_000) // MANY) for number in range(MANY)}
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        fields: list[dict[str, Any]] = [{variables: {"BIG": "x" * size}}, {variables: many}]
        for field in [*fields, {"start_command": f"true {'x' * size}"}]:
            with pytest.raises(APIError, match=r"at most|over the limit") as caught:
                await client.create(CreateSandboxRequest(name="box", docker_image="python:3.11-slim", **field))
            assert caught.value.status_code == 413
        assert (await client.list()).total == 0


async def test_a_start_command_that_does_not_reach_the_agent_is_an_error(real: Api) -> None:
    # Short enough as text, and several times as long in the agent's protocol.
    control = {f"V{number}": "\x01" * 100_000 for number in range(10)}
    box = (await real.create(environment_vars=control, start_command="sleep 100"))["id"]
    ended = await real.until(box, "ERROR", "RUNNING")
    assert (ended["status"], ended["errorType"]) == ("ERROR", "START_FAILED")
    assert "too long" in ended["errorMessage"]


async def test_foreign_clients_get_the_refusal_in_their_own_shape(served: Api) -> None:
    box = await served.running(vm=True)
    rpc_headers = {"authorization": f"Bearer {await served.token(box)}", "content-type": "application/proto"}
    base = f"/sandboxes/{box}/command_session.CommandSession"
    rest = await served.run(box, f"true {'x' * 9_000_000}")
    assert (rest.status_code, "over the limit" in rest.json()["detail"]) == (413, True)
    unary = await served.http.post(f"{base}/SendInput", headers=rpc_headers, content=b"x" * 9_000_000)
    assert (unary.status_code, unary.json()["code"]) == (413, "resource_exhausted")
    rpc_headers["content-type"] = "application/connect+proto"
    stream = await served.http.post(f"{base}/Start", headers=rpc_headers, content=envelope(b"x" * 9_000_000))
    assert (stream.status_code, stream.json()["code"]) == (413, "resource_exhausted")
    assert "Upload" in stream.json()["message"]
    assert (await (await Rpc.of(served, box)).run("echo next"))[0] == "next\n"


UNREAD = {
    "no such path": ("POST", "/nowhere", 404),
    "no key": ("POST", "/api/v1/sandbox", 401),
    "list": ("GET", "/api/v1/sandbox", 200),
    "no token": ("POST", "/sandboxes/sbx_1/exec", 401),
    "no method": ("PUT", "/healthz", 405),
    "health": ("GET", "/healthz", 200),
}


@pytest.mark.parametrize("case", UNREAD)
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_nobody_reads_does_no_harm(quick: Api, case: str, declared: bool) -> None:
    method, path, status = UNREAD[case]
    headers = quick.key if case == "list" else {}
    connections = set()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b"x" * 1_000_000

    for _ in range(3):
        content = b"x" * 12_000_000 if declared else body()
        async with quick.http.stream(method, path, content=content, headers=headers) as reply:
            await reply.aread()
            connections.add(reply.extensions["network_stream"].get_extra_info("client_addr"))
        assert reply.status_code == status
    assert len(connections) == 1


class Raw:
    """A client that writes what it likes, when it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, api: Api) -> "Raw":
        parts = urlsplit(api.platform.base_url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    def begin(self, api: Api, headers: str) -> None:
        host = urlsplit(api.platform.base_url).netloc
        key = api.key["authorization"]
        self.writer.write(
            f"POST /api/v1/sandbox HTTP/1.1\r\nHost: {host}\r\nAuthorization: {key}\r\n{headers}\r\n\r\n".encode()
        )

    async def reply(self) -> tuple[int, dict[str, str], Any]:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            body = await self.reader.readexactly(int(headers["content-length"]))
        return int(lines[0].split()[1]), headers, json.loads(body)

    async def at_end(self) -> bool:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True


async def test_an_endless_body_is_not_read_for_ever(quick: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "DROPPED_BYTES", 1_000_000)
    raw = await Raw.to(quick)
    raw.begin(quick, f"Content-Length: {10**12}")
    sending = asyncio.create_task(endlessly(raw.writer))
    status, headers, body = await raw.reply()
    assert (status, headers["connection"]) == (413, "close")
    assert "over the limit" in body["detail"]
    assert await raw.at_end()
    raw.writer.close()
    await asyncio.gather(sending, return_exceptions=True)
    assert (await quick.call("GET", "/sandbox")).status_code == 200


async def endlessly(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def test_a_body_that_stops_coming_is_given_up(quick: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "PIECE_SECONDS", 0.05)
    raw = await Raw.to(quick)
    raw.begin(quick, "Content-Length: 100")
    raw.writer.write(b'{"name"')
    monkeypatch.setattr(request_body, "DROPPED_SECONDS", 0.05)
    status, headers, body = await raw.reply()
    assert (status, headers["connection"]) == (408, "close")
    assert "paused" in body["detail"]
    assert await raw.at_end()
    raw.writer.close()


async def test_a_client_that_asks_before_it_sends_need_not_send(quick: Api) -> None:
    raw = await Raw.to(quick)
    raw.begin(quick, f"Content-Length: {10**9}\r\nExpect: 100-continue")
    status, headers, body = await raw.reply()
    assert (status, headers["connection"]) == (413, "close")
    assert "over the limit" in body["detail"]
    raw.writer.close()


async def test_an_upload_may_still_be_long(served: Api) -> None:
    box = await served.running()
    reply: httpx.Response = await served.upload(box, "/tmp/big", b"x" * 60_000_000)
    assert reply.json()["size"] == 60_000_000
