"""Exposed ports: they lead to one sandbox, carry everything, and end with it."""

import asyncio
import base64
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.local.support import GIVE_UP_SECONDS, Api, Start, processes_of
from tests.local.test_serve import running, serving

# A server of the standard library alone that every sandbox can run: pages, a stream of events, an upgrade.
SERVER = """
import os, socketserver, sys, threading
TURNS = threading.Semaphore(0)
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode()
        while self.rfile.readline().strip():
            pass
        path = line.split()[1]
        if path == "/events":
            self.wfile.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\n\\r\\n")
            for number in range(3):
                self.wfile.write(b"data: %d\\n\\n" % number)
                TURNS.acquire()
        elif path == "/turn":
            TURNS.release()
            self.wfile.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
        elif path == "/upgrade":
            self.wfile.write(b"HTTP/1.1 101 Switching Protocols\\r\\nupgrade: websocket\\r\\n\\r\\n")
            while data := self.request.recv(65536):
                self.wfile.write(data[::-1])
            self.wfile.write(b"bye")
        else:
            body = os.environ["WHO"].encode()
            self.wfile.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
ECHO = SERVER[: SERVER.index("        line =")] + """        while data := self.request.recv(65536):
            self.wfile.write(data)
""" + SERVER[SERVER.index("class Server") :]  # fmt: skip


async def expose(api: Api, box: str, port: int, **fields: Any) -> dict[str, Any]:
    reply = await api.call("POST", f"/sandbox/{box}/expose", json={"port": port, **fields})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def serve(api: Api, box: str, port: int, program: str = SERVER) -> None:
    assert (await api.upload(box, "/tmp/server.py", program.encode())).status_code == 200
    await api.output(box, f"nohup python3 /tmp/server.py {port} > /dev/null 2>&1 &")


async def page(url: str) -> httpx.Response:
    """Get a page as soon as the server behind it is up."""
    async with httpx.AsyncClient() as client, asyncio.timeout(GIVE_UP_SECONDS):
        while (reply := await client.get(url)).status_code == 502:
            await asyncio.sleep(0.02)
    return reply


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def test_sandboxes_listen_on_the_same_port_and_are_told_apart(isolated: Api) -> None:
    boxes = [await isolated.running(network_access=False, environment_vars={"WHO": f"box {n}"}) for n in range(3)]
    urls = []
    for box in boxes:
        await serve(isolated, box, 8000)
        urls.append((await expose(isolated, box, 8000))["url"])
    assert len(set(urls)) == 3
    assert [(await page(url)).text for url in urls] == ["box 0", "box 1", "box 2"]


async def test_an_event_stream_and_an_upgrade_pass_untouched(isolated: Api) -> None:
    box = await isolated.running(network_access=False, environment_vars={"WHO": "w"})
    await serve(isolated, box, 5000)
    url = (await expose(isolated, box, 5000))["url"]
    await page(url)
    async with httpx.AsyncClient(base_url=url) as client, client.stream("GET", "/events") as events:
        lines = events.aiter_lines()
        for number in range(3):
            # Each event arrives before the next one is asked for.
            assert [await anext(lines), await anext(lines)] == [f"data: {number}", ""]
            assert (await client.get("/turn")).status_code == 204
        assert [line async for line in lines] == []
    async with connected(port_of(url)) as (reader, writer):
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /upgrade HTTP/1.1\r\nhost: [::1]\r\nupgrade: websocket\r\nsec-websocket-key: {key}\r\n\r\n".encode()
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        for message in (b"\x81\x05hello", bytes(range(256))):
            writer.write(message)
            assert await reader.readexactly(len(message)) == message[::-1]
        writer.write_eof()
        assert await reader.read() == b"bye"


async def test_a_raw_port_carries_megabytes_both_ways(isolated: Api) -> None:
    box = await isolated.running(network_access=False)
    await serve(isolated, box, 7000, ECHO)
    exposure = await expose(isolated, box, 7000, protocol="tcp", name="echo")
    assert exposure["protocol"] == "TCP" and exposure["url"] == "" and exposure["tls_socket"] == ""
    assert exposure["external_endpoint"] == f"127.0.0.1:{exposure['external_port']}"
    await until_listening(exposure["external_port"])
    data = os.urandom(8 * 1024 * 1024)
    async with connected(exposure["external_port"]) as (reader, writer):

        async def send() -> None:
            writer.write(data)
            await writer.drain()
            writer.write_eof()

        _, back = await asyncio.gather(send(), reader.read())
    assert back == data


async def until_listening(port: int) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while True:
            async with connected(port) as (reader, writer):
                writer.write(b"?")
                try:
                    if await reader.read(1):
                        return
                except ConnectionError:
                    pass
            await asyncio.sleep(0.02)


async def test_nobody_listening_is_a_502_with_a_message(real: Api) -> None:
    box = await real.running()
    url = (await expose(real, box, 8999))["url"]
    async with httpx.AsyncClient() as client:
        reply = await client.get(url)
    assert reply.status_code == 502
    assert "listens on port 8999" in reply.json()["detail"]


async def test_exposures_are_listed_and_removed(simulated: Api) -> None:
    first, second = await simulated.started(), await simulated.started()
    one = await expose(simulated, first, 8000, name="web")
    assert one["name"] == "web" and one["port"] == 8000 and one["sandbox_id"] == first
    assert await expose(simulated, first, 8000) == one, "the same port again is the same exposure"
    two = await expose(simulated, first, 9000)
    assert two["name"] is None
    three = await expose(simulated, second, 22, protocol="TCP")

    async def listed(path: str) -> list[str]:
        reply = await simulated.call("GET", path)
        return [entry["exposure_id"] for entry in reply.json()["exposures"]]

    ids = [entry["exposure_id"] for entry in (one, two, three)]
    assert await listed(f"/sandbox/{first}/expose") == ids[:2]
    assert await listed("/sandbox/expose/all") == ids
    assert "simulated: port 8000" in (await page(one["url"])).text
    path = f"/sandbox/{second}/expose/{ids[0]}"
    assert (await simulated.call("DELETE", path)).status_code == 404, "another sandbox's exposure"
    reply = await simulated.call("DELETE", f"/sandbox/{first}/expose/{ids[0]}")
    assert reply.json()["success"] is True
    assert await listed("/sandbox/expose/all") == ids[1:]
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(one["url"])
    assert (await simulated.call("DELETE", f"/sandbox/{first}/expose/{ids[0]}")).status_code == 404
    await simulated.call("DELETE", f"/sandbox/{first}")
    assert await listed("/sandbox/expose/all") == ids[2:]


@pytest.mark.parametrize(
    ("body", "param"),
    [({"port": port}, "port") for port in (-1, 0, 21, 9001, 70000, 8080, 2222, 8081, "x", None)]
    + [({"port": 8000, "name": "n" * 51}, "name"), ({"port": 8000, "protocol": "UDP"}, "protocol"), ({}, "port")],
)
async def test_what_cannot_be_exposed_is_a_422_that_names_the_field(
    simulated: Api, body: dict[str, Any], param: str
) -> None:
    box = await simulated.started()
    reply = await simulated.call("POST", f"/sandbox/{box}/expose", json=body)
    assert reply.status_code == 422
    (row,) = reply.json()["errors"]
    assert row["param"] == param and row["details"]


async def test_only_a_running_sandbox_exposes(simulated: Api) -> None:
    box = (await simulated.create())["id"]
    reply = await simulated.call("POST", f"/sandbox/{box}/expose", json={"port": 8000})
    assert (reply.status_code, "PENDING" in reply.json()["detail"]) == (409, True)
    assert (await simulated.call("POST", "/sandbox/sbx_0/expose", json={"port": 8000})).status_code == 404


async def test_an_end_cuts_what_goes_through(isolated: Api) -> None:
    box = await isolated.running(network_access=False)
    await serve(isolated, box, 7000, ECHO)
    exposure = await expose(isolated, box, 7000, protocol="TCP")
    await until_listening(exposure["external_port"])
    async with connected(exposure["external_port"]) as (reader, writer):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        await isolated.call("DELETE", f"/sandbox/{box}")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", exposure["external_port"])
    assert not [pid for pid in processes_of(isolated.platform.settings.state_dir) if pid != os.getpid()]


def test_exposures_outlive_a_killed_platform(state_dir: Path) -> None:
    with serving(state_dir, "--driver", "process") as (process, client, _):
        kept, ended = running(client), running(client)
        exposures = [client.post(f"/sandbox/{box}/expose", json={"port": 8998}).json() for box in (kept, ended)]
        assert client.delete(f"/sandbox/{ended}").status_code == 200
        process.send_signal(signal.SIGKILL)
        process.wait()
    with serving(state_dir, "--driver", "process") as (_, client, _):
        assert client.get("/sandbox/expose/all").json()["exposures"] == [exposures[0]]
        assert httpx.get(exposures[0]["url"]).status_code == 502


async def test_a_restart_keeps_the_exposures_of_a_simulated_fleet(start: Start, state_dir: Path) -> None:
    first = await start("simulated", fleet=30)
    box = next(
        row["id"] for row in (await first.call("GET", "/sandbox")).json()["sandboxes"] if row["status"] == "RUNNING"
    )
    exposure = await expose(first, box, 8000)
    await first.platform.__aexit__(None, None, None)
    second = await start("simulated", fleet=30)
    assert (await second.call("GET", "/sandbox/expose/all")).json()["exposures"] == [exposure]
    assert (await page(exposure["url"])).status_code == 200
