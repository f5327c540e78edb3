import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client import AsyncSandboxClient, Config, ExposedPort
from sandtui.clock import SystemClock
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.ports import exposures as ports
from sandtui.fleet.ports.exposures import PortBoard, page_of, parse_exposure
from tests.client.fakes import FakePlatform, token_reply
from tests.fleet.factory import sandbox
from tests.probes import session_of

ALL = "GET /api/v1/sandbox/expose/all"
EXEC = "POST /ns/sbx_1/exec"
TCP_TABLE = """  sl  local_address rem_address   st tx_queue
   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000
   1: 0100007F:1F41 0100007F:9999 01 00000000:00000000 00:00000000 00000000
"""


def exposure(number, port=8000, **fields):
    values = {
        "exposure_id": f"exp_{number}",
        "sandbox_id": "sbx_1",
        "port": port,
        "name": None,
        "url": "",
        "tls_socket": "",
    }
    return {**values, **fields}


@pytest.fixture
async def world():
    platform = FakePlatform().on("POST /api/v1/sandbox/sbx_1/auth", token_reply())
    platform.on(EXEC, {"stdout": TCP_TABLE, "stderr": "", "exit_code": 0})
    config = Config(api_key="k", base_url="http://platform.test")
    client = AsyncSandboxClient(config=config, transport=httpx.MockTransport(platform), keep_tokens=False)
    store = FleetStore(SystemClock())
    store.apply([sandbox(1, id="sbx_1", name="web"), sandbox(2, id="sbx_2", name="gone", status="TERMINATED")])
    session_of(client).retry.attempts = 1
    yield platform, PortBoard(client, store, SystemClock())
    await client.aclose()


async def serve(answer):
    async def handle(reader, writer):
        if answer is not None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def board_with(world, *rows):
    platform, board = world
    platform.on(ALL, {"exposures": list(rows)})
    await board.refresh()
    return board


async def test_a_page_that_answers(world):
    server, port = await serve(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    board = await board_with(world, exposure(1, url=f"http://127.0.0.1:{port}"))
    await board.probe(["exp_1"])
    server.close()
    (row,) = board.rows
    assert (row.sandbox_name, row.health.up, row.health.detail) == ("web", True, "404")
    assert row.health.milliseconds > 0


async def test_a_gateway_behind_which_nobody_answers(world):
    server, port = await serve(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    board = await board_with(world, exposure(1, port=5000, url=f"http://127.0.0.1:{port}"))
    await board.probe(["exp_1"])
    server.close()
    assert board.rows[0].health.up is False
    assert board.rows[0].health.detail == "connection refused (nothing on :5000; listening: 8000)"


async def test_a_port_on_which_something_listens_and_says_nothing(world, unused_tcp_port):
    board = await board_with(world, exposure(1, port=8000, url=f"http://127.0.0.1:{unused_tcp_port}"))
    await board.probe(["exp_1"])
    assert "no response (something listens on :8000)" in board.rows[0].health.detail


async def test_a_forwarder_that_closes_at_once_is_down(world):
    server, port = await serve(None)
    board = await board_with(world, exposure(1, port=5432, protocol="TCP", external_endpoint=f"127.0.0.1:{port}"))
    await board.probe(["exp_1"])
    server.close()
    assert not board.rows[0].health.up


@pytest.mark.parametrize("protocol", ["HTTP", "TCP"])
async def test_a_probe_that_hangs_is_given_up(world, monkeypatch, protocol):
    monkeypatch.setattr(ports, "PROBE_SECONDS", 0.6)
    asked = asyncio.Event()

    async def silent(reader, writer):
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1]
    address = f"127.0.0.1:{number}"
    where = {"url": f"http://{address}"} if protocol == "HTTP" else {"external_endpoint": address}
    board = await board_with(world, exposure(1, protocol=protocol, **where))
    async with asyncio.timeout(60):
        await board.probe(["exp_1"])
    server.close()
    assert asked.is_set()
    if protocol == "HTTP":
        assert not board.rows[0].health.up
    else:
        assert board.rows[0].health.up, "it was taken and is kept: more can't be known of TCP"


@pytest.mark.parametrize("endpoint", ["", "nonsense", "127.0.0.1:x", "http://["])
async def test_an_invalid_address_counts_as_down(world, endpoint):
    board = await board_with(world, exposure(1, external_endpoint=endpoint), exposure(2, url=endpoint or "x:"))
    await board.probe(["exp_1", "exp_2"])
    assert not any(row.health.up for row in board.rows)


async def test_rows_of_sandboxes_that_are_gone_stay_and_are_not_asked(world):
    board = await board_with(world, exposure(1, sandbox_id="sbx_2"), exposure(2, sandbox_id="sbx_unknown"))
    await board.probe(["exp_1", "exp_2"])
    assert [row.running for row in board.rows] == [False, False]
    assert all("not running" in row.health.detail for row in board.rows)


async def test_a_platform_without_exposures_is_reported(world):
    platform, board = world
    platform.on(ALL, httpx.Response(501, json={"detail": "not offered"}))
    await board.refresh()
    assert "not offered" in board.problem
    assert not board.loaded


async def test_what_was_found_stays_with_its_row(world):
    server, port = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    board = await board_with(world, exposure(1, url=f"http://127.0.0.1:{port}"))
    await board.probe(["exp_1"])
    server.close()
    await board.refresh()
    assert board.rows[0].health.detail == "200"


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("8000", (8000, "HTTP", None)),
        ("8000 http web", (8000, "HTTP", "web")),
        ("5432 tcp", (5432, "TCP", None)),
        ("8000 web", (8000, "HTTP", "web")),
    ],
)
def test_an_exposure_is_read(text, parsed):
    assert parse_exposure(text) == parsed


@pytest.mark.parametrize("text", ["", "web", "21", "9001", "8080", "8000 http a b", "8000 " + "x" * 51, "٣٠٠٠"])
def test_an_invalid_exposure_is_refused(text):
    with pytest.raises(ValueError):
        parse_exposure(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_with_a_message(text):
    try:
        port, protocol, _ = parse_exposure(text)
    except ValueError as error:
        assert str(error)
    else:
        assert 22 <= port <= 9000
        assert protocol in {"HTTP", "TCP"}


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("http://127.0.0.1:8123", "http://sbx-1a.localhost:8123"),
        ("http://localhost:8123/a?b", "http://sbx-1a.localhost:8123/a?b"),
        ("https://8000-x.example.com/", "https://8000-x.example.com/"),
        ("http://127.0.0.1.evil.test:1", "http://127.0.0.1.evil.test:1"),
        ("javascript:alert(1)", ""),
        ("http://[", ""),
        ("http://127.0.0.1:99999", ""),
        ("", ""),
    ],
)
def test_a_page_of_a_sandbox_here_has_cookies_of_its_own(url, page):
    """The browser would send it those of every service on 127.0.0.1."""
    fields = {"exposure_id": "e", "sandbox_id": "SBX_1a/../:@", "port": 8000, "name": None, "url": url}
    assert page_of(ExposedPort(**fields, tls_socket="", protocol="HTTP")) == page
