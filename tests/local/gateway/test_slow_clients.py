"""Clients that hold connections: half requests end, many do not take the platform, and who makes progress may stay."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from sandtui.local import connections
from sandtui.local.gateway import forward, request_body
from sandtui.local.gateway.forward import Forwarder
from tests.local.support import GIVE_UP_SECONDS, Api, serving_in_process

HALVES = [b"", b"G", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx: "]
WHOLE = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


@pytest.fixture
async def quick(simulated: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(request_body, "PIECE_SECONDS", 0.3)
    async with serving_in_process(simulated.platform) as api:
        yield api


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return all that comes until the connection is closed, or reset: who still sends then is cut off."""
    heard = b""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                heard += data
    return heard


@pytest.mark.parametrize("half", HALVES)
async def test_half_a_head_ends(quick: Api, half: bytes) -> None:
    async with connected(quick.platform.base_url) as (reader, writer):
        writer.write(half)
        await ended(reader)


async def test_a_head_that_drips_ends(quick: Api) -> None:
    async with connected(quick.platform.base_url) as (reader, writer):
        done = asyncio.ensure_future(ended(reader))
        while not done.done():
            writer.write(b"x")
            await asyncio.sleep(0.05)


async def test_half_a_second_head_ends_too(quick: Api) -> None:
    async with connected(quick.platform.base_url) as (reader, writer):
        writer.write(WHOLE)
        assert b"200" in await reader.readuntil(b"}")
        writer.write(b"GET /hea")
        assert await ended(reader) == b""


async def test_a_body_that_drips_ends_and_one_that_comes_may_take_long(quick: Api) -> None:
    head = "POST /api/v1/sandbox HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n"
    key = quick.platform.api_key
    async with connected(quick.platform.base_url) as (reader, writer):
        writer.write(head.format(key, 1_000_000).encode())
        done = asyncio.ensure_future(ended(reader))
        while not done.done():
            with contextlib.suppress(ConnectionError):
                writer.write(b" ")
                await writer.drain()
            await asyncio.sleep(0.05)
        assert b" 408 " in await done
    async with connected(quick.platform.base_url) as (reader, writer):
        pieces = 15
        writer.write(head.format(key, 2000 * pieces).encode())
        for _ in range(pieces):
            writer.write(b" " * 2000)
            await asyncio.sleep(0.05)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            line = await reader.readline()
        assert b"408" not in line, "it took twice the time of a pause"


async def test_three_hundred_half_requests_do_not_take_the_platform(
    simulated: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "room", lambda share: 100)
    monkeypatch.setattr(connections, "FRESH_SECONDS", 0.0)
    async with serving_in_process(simulated.platform) as api, contextlib.AsyncExitStack() as stack:
        readers = []
        for number in range(300):
            reader, writer = await stack.enter_async_context(connected(api.platform.base_url))
            writer.write(HALVES[number % len(HALVES)])
            readers.append(reader)
        async with httpx.AsyncClient(base_url=api.platform.base_url) as http:
            assert (await http.get("/healthz")).status_code == 200
        for reader in readers[:150]:
            await ended(reader)
        assert not readers[-1].at_eof()


@pytest.mark.parametrize("is_http", [True, False])
async def test_an_exposed_port_waits_for_a_head_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch, is_http: bool
) -> None:
    monkeypatch.setattr(forward, "HEAD_SECONDS", 0.3)

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\n\r\n")
        writer.write(b"answer")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(quiet, "127.0.0.1", 0)

    async def dial() -> socket.socket:
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, server.sockets[0].getsockname())
        return sock

    forwarder = Forwarder(dial, is_http=is_http)
    url = f"http://127.0.0.1:{await forwarder.open()}"
    try:
        async with connected(url) as (reader, writer), connected(url) as (half, other):
            other.write(HALVES[-1])
            for piece in (WHOLE[:10], WHOLE[10:-1], WHOLE[-1:]):
                writer.write(piece)
                await writer.drain()
            assert await reader.readexactly(6) == b"answer"
            if is_http:
                await ended(half)
            else:
                await asyncio.sleep(0.6)
                assert not half.at_eof()
            await asyncio.sleep(0.4)
            assert not reader.at_eof(), "a stream may be quiet for as long as it likes"
            writer.write_eof()
            assert await ended(reader) == b""
    finally:
        await forwarder.close()
        server.close()
