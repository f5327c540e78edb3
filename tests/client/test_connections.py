import asyncio
import contextlib
import threading
from collections import Counter

import httpx
import pytest

from sandtui.client import connections
from sandtui.client.async_port import AsyncPort
from sandtui.client.connections import POOL_SIZE, Connections
from sandtui.client.port import WireRequest


def made(limits):
    """Return pools of stand-ins, and the limits of each that was opened."""
    opened = []

    def make(given):
        opened.append(given)
        return f"pool {len(opened)}"

    return Connections(make, limits), opened


def test_few_requests_share_one_pool_and_many_get_more():
    pools, opened = made(httpx.Limits(max_connections=100, max_keepalive_connections=20))
    managers = [pools.one() for _ in range(POOL_SIZE * 3)]
    clients = [manager.__enter__() for manager in managers]
    assert [clients.count(f"pool {number}") for number in (1, 2, 3)] == [POOL_SIZE] * 3
    assert [limits.max_keepalive_connections for limits in opened] == [8, 8, 4], "together as many as were asked for"
    managers[0].__exit__(None, None, None)
    with pools.one() as again:
        assert again == "pool 1"


def test_there_are_never_more_than_allowed():
    pools, opened = made(httpx.Limits(max_connections=20))
    managers = [pools.one() for _ in range(200)]
    for manager in managers:
        manager.__enter__()
    assert len(opened) == 3
    assert pools.all() == ["pool 1", "pool 2", "pool 3"]
    with pytest.raises(RuntimeError, match="closed"), pools.one():
        pass


def test_what_nobody_uses_is_handed_out_to_be_closed(monkeypatch):
    pools, _ = made(httpx.Limits(max_connections=100))
    managers = [pools.one() for _ in range(POOL_SIZE + 1)]
    for manager in managers:
        manager.__enter__()
    monkeypatch.setattr(connections, "IDLE_SECONDS", -1.0)
    assert pools.unused() == []
    for manager in managers:
        manager.__exit__(None, None, None)
    assert pools.unused() == ["pool 2"], "one stays"
    assert pools.unused() == []


def test_threads_may_share_them():
    pools, opened = made(httpx.Limits(max_connections=64))
    barrier = threading.Barrier(16)

    def work():
        barrier.wait()
        for _ in range(200):
            with pools.one():
                pass

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) <= 2
    with contextlib.ExitStack() as stack:
        taken = Counter(stack.enter_context(pools.one()) for _ in range(2 * POOL_SIZE))
    assert taken == {"pool 1": POOL_SIZE, "pool 2": POOL_SIZE}, "whatever was taken was given back"


async def test_connections_are_kept_and_closed():
    accepted, closed = 0, 0

    async def connection(reader, writer):
        nonlocal accepted, closed
        accepted += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except asyncio.IncompleteReadError:
            pass
        finally:
            closed += 1
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    port = AsyncPort()
    async with server, asyncio.timeout(60):
        for _ in range(3):
            await asyncio.gather(*(port.send(WireRequest("GET", address)) for _ in range(30)))
        assert 1 <= accepted <= 30
        await port.aclose()
        while closed < accepted:
            await asyncio.sleep(0)
