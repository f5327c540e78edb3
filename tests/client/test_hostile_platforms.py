"""Platforms that answer what nobody asked for, and arguments that would ask for something else."""

import asyncio
import functools
import gzip
import json

import httpx
import pytest

from sandtui.client import (
    APIClient,
    APIError,
    APITimeoutError,
    AsyncAPIClient,
    AsyncSandboxClient,
    Config,
    ConfigurationError,
    ConnectionFailedError,
    CreateSandboxRequest,
    DownloadTimeoutError,
    InvalidRequestError,
    MalformedReplyError,
    SandboxClient,
    SandboxClientError,
    session,
)
from sandtui.client.exchange import MAX_RESPONSE
from sandtui.client.models import GatewayToken
from tests.client.fakes import KEY, SANDBOX, TOKEN, FakePlatform, NoWaiting, client_of, token_reply
from tests.probes import session_of

GET = "GET /api/v1/sandbox/sbx_1"
DELETE = "DELETE /api/v1/sandbox/sbx_1"
AUTH = "POST /api/v1/sandbox/sbx_1/auth"
EXEC = "POST /ns/sbx_1/exec"
CREATE = "POST /api/v1/sandbox"
DONE = {"stdout": "", "stderr": "", "exit_code": 0}
BAD_IDS = ["..", ".", "", " ", None, 5, "a\0", "\ud800"]


def in_thread(method):
    return functools.partial(asyncio.to_thread, method)


def raw_request(address, sync):
    """Return the raw request of either client."""
    config = Config(api_key=KEY, base_url=address)
    return in_thread(APIClient(config=config).request) if sync else AsyncAPIClient(config=config).request


def sync_client_of(platform):
    config = Config(api_key=KEY, base_url="http://platform.test")
    return SandboxClient(APIClient(config=config, transport=httpx.MockTransport(platform)), keep_tokens=False)


@pytest.mark.parametrize("bad", BAD_IDS)
def test_an_id_is_one_segment_and_never_another_resource(bad):
    platform = FakePlatform()
    client = sync_client_of(platform)
    for ask in (
        lambda: client.unexpose("sbx_1", bad),
        lambda: client.close_ssh_session("sbx_1", bad),
        lambda: client.get(bad),
        lambda: client.delete(bad),
        lambda: client.execute_command(bad, "true"),
    ):
        with pytest.raises(InvalidRequestError):
            ask()
    assert not platform.requests


def test_an_id_with_a_slash_stays_one_segment():
    platform = FakePlatform()
    with pytest.raises(APIError):
        sync_client_of(platform).unexpose("sbx_1", "a/../..")
    assert platform.requests[0].url.raw_path == b"/api/v1/sandbox/sbx_1/expose/a%2F..%2F.."


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("sync", [False, True])
async def test_a_redirect_is_reported_and_not_followed(status, sync):
    platform = FakePlatform().on(
        DELETE, httpx.Response(status, headers={"location": "http://user:pw@elsewhere.test/api/v1/sandbox/sbx_1"})
    )
    async with client_of(platform) as client:
        delete = client.delete
        if sync:
            delete = in_thread(sync_client_of(platform).delete)
        with pytest.raises(APIError, match=r"\(http://elsewhere\.test\).*PRIME_API_BASE_URL"):
            await delete("sbx_1")
    assert len(platform.requests) == 1


def test_only_a_reply_that_says_so_means_deleted():
    client = sync_client_of(FakePlatform().on(DELETE, SANDBOX))
    with pytest.raises(MalformedReplyError):
        client.delete("sbx_1")
    client = sync_client_of(FakePlatform().on(DELETE, {"success": True}, httpx.Response(204)))
    assert client.delete("sbx_1").success
    assert client.delete("sbx_1").success


@pytest.mark.parametrize("key", ["a b", "schlüssel-canary", "can\nary", "can\0ary", "canary\x7f"])
def test_a_key_that_no_header_takes(key):
    with pytest.raises(ConfigurationError) as caught:
        Config(api_key=key)
    assert "canary" not in str(caught.value)


def test_a_key_loses_its_blanks():
    assert Config(api_key=" key\n").api_key == "key"


def test_a_base_url_without_user_and_password():
    with pytest.raises(ConfigurationError, match="password") as caught:
        Config(base_url="http://user:canary@x.test")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"token": "é"},
        {"token": "a\nb"},
        {"token": ""},
        {"gateway_url": "http://[::bad"},
        {"gateway_url": "file:///etc"},
        {"gateway_url": "http://u:p@x.test"},
        {"user_ns": ".."},
        {"job_id": "a/../b"},
    ],
)
async def test_a_token_that_cannot_be_used(changes):
    platform = FakePlatform().on(AUTH, {**token_reply(), **changes}).on(EXEC, DONE)
    async with client_of(platform) as client:
        with pytest.raises(MalformedReplyError):
            await client.execute_command("sbx_1", "true")
    assert not platform.count(EXEC)


@pytest.mark.parametrize("expires", ["0001-01-01T00:00:30Z", "0001-01-01T00:00:00", -62135596800])
async def test_a_token_that_expired_before_time_began(expires):
    async with client_of(FakePlatform().on(AUTH, token_reply(expires=expires)).on(EXEC, DONE)) as client:
        assert (await client.execute_command("sbx_1", "true")).exit_code == 0
        assert (await client.execute_command("sbx_1", "true")).exit_code == 0


async def test_no_error_echoes_a_key_a_token_or_a_secret():
    secret = "s3cret-canary"
    echo = f"{KEY} {TOKEN} {secret}"
    bodies = [
        {"detail": echo},
        {"error": echo},
        {"message": echo},
        {"errors": [{"param": echo, "details": echo}]},
        {"detail": [{"loc": ["body", echo], "msg": echo}]},
        {"detail": "x" * 490 + echo},
    ]
    replies = [httpx.Response(422, json=body) for body in bodies]
    replies += [httpx.Response(500, text=echo), httpx.Response(200, json={"stdout": {echo: 1}})]
    replies += [httpx.ReadError(echo), httpx.ConnectError(echo)]
    seen = []
    for answer in replies:
        platform = FakePlatform().on(CREATE, answer).on(AUTH, token_reply()).on(EXEC, answer)
        async with client_of(platform) as client:
            NoWaiting(client)
            request = CreateSandboxRequest(name="x", docker_image="y", secrets={"A": secret})
            for call, names in (
                (client.create(request), (KEY, secret)),
                (client.execute_command("sbx_1", "x"), (KEY, TOKEN)),
            ):
                with pytest.raises(SandboxClientError) as caught:
                    await call
                seen.append((f"{caught.value!s} {caught.value!r} {vars(caught.value)}", names))
    assert len(seen) == 2 * len(replies)
    for text, names in seen:
        assert not [name for name in names if name[:8] in text]


async def test_no_error_of_a_command_session_echoes_a_token():
    vm = {**SANDBOX, "vm": True}
    start = "POST /ns/sbx_1/command_session.CommandSession/Start"
    end = json.dumps({"error": {"code": "internal", "message": TOKEN + KEY}}).encode()
    answers = [
        httpx.Response(400, json={"code": "internal", "message": TOKEN + KEY}),
        httpx.Response(200, content=b"\2" + len(end).to_bytes(4, "big") + end),
        httpx.ReadError(TOKEN),
    ]
    for answer in answers:
        async with client_of(FakePlatform().on(GET, vm).on(AUTH, token_reply()).on(start, answer)) as client:
            with pytest.raises(APIError) as caught:
                await client.execute_command("sbx_1", "x")
        assert TOKEN not in str(caught.value)
        assert KEY not in str(caught.value)


async def serve(answer):
    """Run a server that reads a request whole and then does what ``answer`` does."""

    async def connection(reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0]) if "content-length:" in head else 0
            body = await reader.readexactly(length)
            await answer(body, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"]
)
async def test_a_reply_that_drips_ends_in_time(sync, head):
    async def drip(_body, writer):
        writer.write(head or b"HTTP")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    server, address = await serve(drip)
    request = raw_request(address, sync)
    async with server, asyncio.timeout(60):
        with pytest.raises(APITimeoutError):
            await request("POST", "/x", timeout=0.3)


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("packed", [False, True])
async def test_a_reply_without_end_does_not_fill_the_memory(sync, packed):
    taken = 0

    async def endless(_body, writer):
        nonlocal taken
        piece = gzip.compress(bytes(32 * 1024 * 1024)) if packed else bytes(1024 * 1024)
        kind = b"Content-Encoding: gzip\r\n" if packed else b""
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + kind + b"\r\n")
        if packed:
            piece = gzip.compress(bytes(2 * MAX_RESPONSE))
            writer.write(piece)
            await writer.drain()
            return
        while True:
            writer.write(piece)
            await writer.drain()
            taken += len(piece)

    server, address = await serve(endless)
    request = raw_request(address, sync)
    async with server, asyncio.timeout(60):
        with pytest.raises(ConnectionFailedError, match=r"larger than 67,108,864 bytes"):
            await request("POST", "/x")
    assert taken < 2 * MAX_RESPONSE


async def test_a_packed_reply_is_read_as_ever():
    async def packed(_body, writer):
        body = gzip.compress(json.dumps({"a": "b" * 1000}).encode())
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    server, address = await serve(packed)
    config = Config(api_key=KEY, base_url=address)
    async with server, asyncio.timeout(60):
        assert (await AsyncAPIClient(config=config).request("GET", "/x"))["a"] == "b" * 1000
        reply = await asyncio.to_thread(APIClient(config=config).request, "GET", "/x")
        assert reply["a"] == "b" * 1000


async def test_nothing_can_be_uploaded_too():
    """Over a real connection: what is missing of a body is only seen there."""
    bodies = []

    async def answer(body, writer):
        bodies.append(body)
        reply = {"success": True, "path": "/w/x", "size": 0, "timestamp": "2026-01-01T00:00:00Z"}
        content = json.dumps(reply).encode()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
        await writer.drain()

    server, address = await serve(answer)
    async with server, asyncio.timeout(60), client_of(FakePlatform()) as faked:
        from sandtui.client import AsyncSandboxClient
        from sandtui.client.models import GatewayToken

        async with AsyncSandboxClient(config=Config(api_key=KEY, base_url=address), keep_tokens=False) as client:
            session_of(client).tokens.put(
                "sbx_1", GatewayToken.model_validate({**token_reply(), "gateway_url": address})
            )
            assert (await client.upload_bytes("sbx_1", "/w/x", b"")).success
        assert faked
    assert bodies[0].rstrip().endswith(b"--")


async def test_a_body_that_ends_too_soon_raises_an_error_of_the_client():
    from sandtui.client.async_port import AsyncPort
    from sandtui.client.blocking_port import BlockingPort
    from sandtui.client.call import StreamedBody
    from sandtui.client.port import TransportFault, WireRequest, run_blocking

    async def answer(_body, writer):
        await writer.drain()

    closed = []

    def pieces():
        try:
            yield b"half"
        finally:
            closed.append(True)

    server, address = await serve(answer)
    request = WireRequest("POST", address, body=StreamedBody(100, pieces), timeout=5)
    async with server, asyncio.timeout(60):
        with pytest.raises(TransportFault):
            await AsyncPort().send(request)
        with pytest.raises(TransportFault):
            await asyncio.to_thread(lambda: run_blocking(BlockingPort().send(request)))
    assert len(closed) == 2


async def test_a_body_is_closed_when_nobody_takes_it():
    closed = []

    def pieces():
        try:
            yield b"x" * 100
        finally:
            closed.append(True)

    from sandtui.client.async_port import AsyncPort
    from sandtui.client.call import StreamedBody
    from sandtui.client.port import TransportFault, WireRequest

    async def break_off(request):
        async for _ in request.stream:
            raise httpx.WriteError("cut")

    port = AsyncPort(httpx.MockTransport(break_off))
    with pytest.raises(TransportFault):
        await port.send(WireRequest("POST", "http://x.test", body=StreamedBody(300, lambda: iter(pieces()))))
    assert closed == [True]


async def test_refused_together_a_new_token_is_fetched_once():
    """The slowest refusal must not drop the token that the fastest has fetched."""
    fresh = "fresh-token-canary"
    all_refused = asyncio.Event()
    refused = 0

    async def platform(request):
        nonlocal refused, tokens
        if request.url.path.endswith("/auth"):
            tokens += 1
            return httpx.Response(200, json=token_reply(token=TOKEN if tokens == 1 else fresh))
        if request.url.path.endswith("/exec"):
            if request.headers["authorization"] == f"Bearer {fresh}":
                if refused == 10:
                    all_refused.set()
                return httpx.Response(200, json=DONE)
            refused += 1
            if refused > 1:
                await all_refused.wait() if refused < 10 else None
            return httpx.Response(401, json={"detail": "old"})
        return httpx.Response(200, json=SANDBOX)

    tokens = 0
    async with client_of(platform) as client, asyncio.timeout(60):
        await asyncio.gather(*(client.execute_command("sbx_1", "true") for _ in range(10)))
    assert tokens == 2


@pytest.mark.parametrize("sync", [False, True])
async def test_what_the_keys_raise_is_raised(sync):
    def keys():
        yield "sbx_1"
        raise LookupError("no more")

    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, DONE)
    async with client_of(platform) as client, asyncio.timeout(60):

        async def gather():
            return [outcome.key async for outcome in client.execute_many(keys(), "true")]

        if sync:
            gather = in_thread(lambda: list(sync_client_of(platform).execute_many(keys(), "true")))
        with pytest.raises(LookupError):
            await gather()


async def test_work_that_is_cancelled_from_elsewhere_does_not_hang():
    async def work(key):
        raise asyncio.CancelledError

    async with client_of(FakePlatform()) as client, asyncio.timeout(60):
        outcomes = [outcome async for outcome in session_of(client).port.fan_out([1], work, 4)]
    assert isinstance(outcomes[0].error, RuntimeError)


@pytest.mark.parametrize("sync", [False, True])
async def test_a_file_that_drips_ends_too(sync, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "MIN_RATE", 1e9)

    connections = []

    async def drip(_body, writer):
        connections.append(writer)
        if len(connections) > 1:
            return  # what the client does to find out why may fail at once
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    server, address = await serve(drip)
    config = Config(api_key=KEY, base_url=address)
    token = GatewayToken.model_validate({**token_reply(), "gateway_url": address})

    def blocking():
        with SandboxClient(APIClient(config=config), keep_tokens=False) as client:
            session_of(client).tokens.put("sbx_1", token)
            client.download_file("sbx_1", "/a", tmp_path / "a", timeout=0.3)

    async def suspending():
        async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
            session_of(client).tokens.put("sbx_1", token)
            await client.download_file("sbx_1", "/a", tmp_path / "a", timeout=0.3)

    async with server, asyncio.timeout(60):
        with pytest.raises((DownloadTimeoutError, ConnectionFailedError)):
            await (asyncio.to_thread(blocking) if sync else suspending())
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("call", ["execute_command", "upload_bytes"])
async def test_a_gateway_without_encryption_gets_no_token(call):
    platform = FakePlatform().on("POST /api/v1/sandbox/sbx_1/auth", token_reply())
    config = Config(api_key=KEY, base_url="https://platform.test")
    arguments = {"execute_command": ("sbx_1", "true"), "upload_bytes": ("sbx_1", "/tmp/x", b"x", "x")}[call]
    async with AsyncSandboxClient(config=config, transport=httpx.MockTransport(platform), keep_tokens=False) as client:
        with pytest.raises(APIError, match="unencrypted gateway address"):
            await getattr(client, call)(*arguments)
    assert not [request for request in platform.requests if request.url.host != "platform.test"]


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
async def test_what_comes_behind_a_packed_reply_is_not_gathered(sync, at_once):
    taken = 0

    async def trailing(_body, writer):
        nonlocal taken
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n")
        body = gzip.compress(b"{}")
        writer.write(body + b"x" * 100 if at_once else body)
        while taken < 2 * MAX_RESPONSE:
            writer.write(bytes(1024 * 1024))
            await writer.drain()
            taken += 1024 * 1024

    server, address = await serve(trailing)
    request = raw_request(address, sync)
    async with server, asyncio.timeout(60):
        with pytest.raises(ConnectionFailedError, match="continues after the end"):
            await request("POST", "/x")
    assert taken < MAX_RESPONSE


@pytest.mark.parametrize("row", ["{}", "[]", '{"id":"a"}', "{{},[[]]}"])
@pytest.mark.parametrize("call", [AsyncSandboxClient.list, AsyncSandboxClient.list_exposed_ports])
async def test_millions_of_rows_are_not_read(call, row):
    name = "exposures" if call is AsyncSandboxClient.list_exposed_ports else "sandboxes"
    body = b'{"%s":[%s]}' % (name.encode(), b",".join([row.encode()] * 600_000))
    reply = httpx.Response(200, content=body, headers={"Content-Type": "application/json"})
    platform = FakePlatform().on("GET /api/v1/sandbox", reply).on("GET /api/v1/sandbox/sbx_1/expose", reply)
    async with client_of(platform) as client:
        with pytest.raises(MalformedReplyError, match="500,000 are read at most"):
            await (call(client, "sbx_1") if name == "exposures" else call(client))
