"""The web server, asked by browsers, by other web pages, and by somebody who wants in."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sandtui.terminal import Emulation, TerminalText
from sandtui.web.files import WebDrops, WebOffers
from sandtui.web.server import WebServer
from sandtui.web.settings import MAX_BROWSERS, MAX_MESSAGE, MAX_VIEWERS, WebSettings

ECHO = """
import base64, os, sys, termios, tty
tty.setraw(0)
os.write(1, b"\\x1b[?1004hready")
channel = os.environ["SANDTUI_WEB_CHANNEL"]
while data := os.read(0, 65536):
    if data == b"q":
        break
    if data == b"F":
        for number in range(500):
            os.write(1, base64.b64encode(os.urandom(7500)))
        data = b"\\x1b[H\\x1b[2Jflooded"
    if data == b"C":
        data = os.read(int(channel), 65536)
    elif data.startswith(b"{"):
        line, _, data = data.partition(b"\\n")
        os.write(int(channel), line + b"\\n")
    os.write(1, data.replace(b"\\x1b", b"^"))
"""
PASSWORD = "a long enough password"


@asynccontextmanager
async def serving(folder: Path, **changes: Any) -> AsyncIterator[WebServer]:
    settings = WebSettings([sys.executable, "-c", ECHO], {**os.environ, "TERM": "xterm-256color"}, folder)
    addresses: list[str] = []
    server = WebServer(replace(settings, **changes), lambda address, _: addresses.append(address))
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(60):
            while not addresses:
                await asyncio.sleep(0.01)
        yield server
    finally:
        await server.stop()
        await task


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WebServer]:
    async with serving(tmp_path / "drops") as found:
        yield found


class Browser:
    """Keeps a cookie and a key, as a browser does for one page."""

    def __init__(self, server: WebServer) -> None:
        self.server, self.key = server, ""
        self.http = httpx.AsyncClient(base_url=server.base_url, headers={"origin": server.base_url}, trust_env=False)

    async def log_in(self, secret: str = "") -> "Browser":
        sent = {"secret": secret or self.server.access.issue()}
        response = await self.http.post("/login", json=sent)
        assert response.status_code == 200, response.text
        self.key = response.json()["key"]
        return self

    @property
    def cookies(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    def opening(self, **headers: str) -> connect:
        sent = {"Cookie": self.cookies, "Origin": self.server.base_url, **{k.title(): v for k, v in headers.items()}}
        address = self.server.base_url.replace("http", "ws") + "/session"
        plain = socket.socket()
        # Otherwise the kernel takes megabytes for a tab that reads nothing.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        plain.connect(("127.0.0.1", self.server.port))
        return connect(address, sock=plain, additional_headers=sent, max_size=None)

    def hello(self, **changes: Any) -> str:
        return json.dumps({"key": self.key, "tab": "one", "columns": 80, "lines": 24, "as": "", **changes})


class Tab:
    """A tab that draws what it gets."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.terminal = Emulation(80, 24)
        self.told: list[dict[str, Any]] = []
        self.bytes = 0

    async def until(self, text: str) -> None:
        """Read until the screen shows a text."""
        async with asyncio.timeout(60):
            while text not in self.screen:
                await self.read()

    async def hears(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                for message in self.told:
                    if message["type"] == kind:
                        self.told.remove(message)
                        return message
                await self.read()

    async def read(self) -> None:
        data = await self.socket.recv()
        if isinstance(data, str):
            self.told.append(json.loads(data))
        else:
            self.bytes += len(data)
            self.terminal.feed(data)

    @property
    def screen(self) -> str:
        text = TerminalText(self.terminal)
        return "\n".join(text.plain(line) for line in range(text.top, text.end))


@asynccontextmanager
async def attached(browser: Browser, **hello: Any) -> AsyncIterator[Tab]:
    async with browser.opening() as socket:
        await socket.send(browser.hello(**hello))
        yield Tab(socket)


async def closed(socket: ClientConnection) -> int:
    """Read until the server closes; return the code."""
    async with asyncio.timeout(60):
        while True:
            try:
                await socket.recv()
            except ConnectionClosed as error:
                return error.rcvd.code if error.rcvd is not None else 0


async def refused(opening: connect) -> int:
    with pytest.raises(InvalidStatus) as error:
        async with opening:
            pass
    return error.value.response.status_code


async def test_token_logs_in_once_and_cookie_is_out_of_reach_of_scripts(server: WebServer) -> None:
    browser, token = Browser(server), server.access.issue()
    response = await browser.http.post("/login", json={"secret": token})
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and f"sandtui-{server.port}=" in cookie
    assert len(response.cookies[f"sandtui-{server.port}"]) >= 43, "256 bits"
    assert response.json()["key"] not in cookie
    replayed = await Browser(server).http.post("/login", json={"secret": token})
    assert replayed.status_code == 403 and "set-cookie" not in replayed.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:{port}"},
        {"host": "127.0.0.1:1"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:{port}x"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "https://127.0.0.1:{port}"},
        {"origin": "null"},
        {"origin": "http://localhost:{port}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_requests_of_other_pages_and_names_are_refused(server: WebServer, headers: dict[str, str]) -> None:
    browser = await Browser(server).log_in()
    sent = {name: value.format(port=server.port) for name, value in headers.items()}
    token = server.access.issue()
    assert (await browser.http.post("/login", json={"secret": token}, headers=sent)).status_code == 403
    if "host" in sent:
        assert (await browser.http.get("/", headers=sent)).status_code == 403
    else:
        assert await refused(browser.opening(**sent)) == 403
    # The token was not used up by them.
    await Browser(server).log_in(token)


async def test_origin_is_needed_where_browsers_always_send_it(server: WebServer) -> None:
    browser = await Browser(server).log_in()
    del browser.http.headers["origin"]
    assert (await browser.http.post("/whoami")).status_code == 403
    assert (await browser.http.get("/")).status_code == 200


async def test_cookie_and_key_are_both_needed(server: WebServer) -> None:
    """Every port of 127.0.0.1 gets the cookie, so also a page that a sandbox serves there."""
    browser = await Browser(server).log_in()
    assert await refused(Browser(server).opening()) == 401
    async with browser.opening() as socket:
        await socket.send(browser.hello(key="guessed"))
        assert await closed(socket) == 4401
    other = await Browser(server).log_in()
    async with browser.opening() as socket:
        await socket.send(browser.hello(key=other.key))
        assert await closed(socket) == 4401
    async with browser.opening() as socket:
        await socket.send(b"\xff" * 100)
        assert await closed(socket) == 4401
    assert len(server.sessions) == 0
    assert (await browser.http.post("/drop?name=a", content=b"x")).status_code == 401


async def test_policy_allows_own_scripts_only_and_no_inline_styles(server: WebServer) -> None:
    page = await Browser(server).http.get("/")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
    assert policy["style-src"].startswith("'self' 'nonce-") and policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in page.headers["content-security-policy"] and page.headers["x-frame-options"] == "DENY"
    assert "://" not in page.text, "nothing is loaded from elsewhere"
    again = await Browser(server).http.get("/")
    assert again.headers["content-security-policy"] != page.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e%2fserver.py", "/static/..%5cserver.py", "/static/",
             "/static/index.html",
             "/static//etc/passwd", "/static/LICENSE-xterm.txt%00.js", "/.git/config", "/docs", "/openapi.json"],
)  # fmt: skip
async def test_only_the_files_of_the_page_are_served(server: WebServer, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.split(b" ")[1] in {b"404", b"307"} and b"import" not in answer


async def test_huge_messages_bodies_and_heads_are_cut_off(server: WebServer) -> None:
    browser = await Browser(server).log_in()
    async with browser.opening() as socket:
        await socket.send(browser.hello())
        await socket.send(b"x" * (MAX_MESSAGE + 1))
        assert await closed(socket) == 1009
    async with browser.opening() as socket:
        # 64 MiB in few bytes once compressed.
        with suppress(ConnectionClosed):
            await socket.send("x" * (64 << 20))
        assert await closed(socket) == 1009
    assert (await browser.http.post("/login", content=b"x" * 100_000)).status_code == 413
    assert (await browser.http.get("/", headers={"x-long": "x" * 200_000})).status_code in {400, 431}


async def test_logging_in_is_slowed_down_and_browsers_are_bounded(tmp_path: Path) -> None:
    async with serving(tmp_path, password=PASSWORD) as server:
        guess = Browser(server)
        codes = [(await guess.http.post("/login", json={"secret": str(n)})).status_code for n in range(7)]
        assert codes == [403] * 5 + [429] * 2
        assert (await guess.http.post("/login", json={"secret": PASSWORD})).status_code == 429
    async with serving(tmp_path, password=PASSWORD) as server:
        logged_in = [await Browser(server).log_in(PASSWORD) for _ in range(MAX_BROWSERS + 1)]
        async with AsyncExitStack() as tabs:
            for browser in logged_in[1:]:
                await (await tabs.enter_async_context(attached(browser))).until("ready")
            assert await refused(logged_in[0].opening()) == 401, "it had no session, and had to make room"
            assert (await Browser(server).http.post("/login", json={"secret": PASSWORD})).status_code == 503


async def test_browser_that_opens_another_address_keeps_its_session(server: WebServer) -> None:
    browser = await Browser(server).log_in()
    async with attached(browser) as tab:
        await tab.until("ready")
        cookies, key = browser.cookies, browser.key
        again = {"secret": server.access.issue(), "key": key}
        assert (await browser.http.post("/login", json=again)).json() == {"key": key}
        assert (await browser.http.post("/login", json=again)).status_code == 403, "the address was used up"
        assert browser.cookies == cookies
        # The key without the cookie is worth nothing.
        stranger = Browser(server)
        granted = await stranger.http.post("/login", json={"secret": server.access.issue(), "key": key})
        assert granted.json()["key"] != key and stranger.cookies != cookies


async def test_reloaded_page_gets_the_same_session_with_its_screen(server: WebServer) -> None:
    browser = await Browser(server).log_in()
    async with attached(browser) as tab:
        await tab.until("ready")
        await tab.socket.send(b"typed \xc3\xa9\xe4\xb8\xad")
        await tab.until("typed é中")
        held = server.sessions.get(next(iter(browsers(server))))
        assert held is not None
        pid = held.session.pid
    async with attached(browser, tab="another", columns=100) as tab:
        # The first socket is closed: nobody has to be asked.
        assert (await tab.hears("attached"))["owns"]
        await tab.until("readytyped é中")
        # Nobody looked, then somebody did.
        await tab.until("^[O^[I")
        assert tab.terminal.modes.focus_events and held.session.pid == pid
        assert held.session.size == (100, 24)
        await tab.socket.send(b"q")
        assert (await tab.hears("ended"))["code"] == 0
    assert len(server.sessions) == 0


def browsers(server: WebServer) -> list[str]:
    return list(server.sessions.browsers)


async def test_second_tab_watches_or_takes_over(server: WebServer) -> None:
    browser = await Browser(server).log_in()
    async with attached(browser) as first:
        await first.until("ready")
        async with attached(browser, tab="two") as second:
            await second.hears("ask")
            await second.socket.send(json.dumps({"as": "watch"}))
            assert not (await second.hears("attached"))["owns"]
            await second.socket.send(b"MUST NOT ARRIVE")
            await second.socket.send(json.dumps({"type": "size", "columns": 33, "lines": 9}))
            await first.socket.send(b" from the first")
            await second.until("ready from the first")
            assert "MUST" not in second.screen
            async with attached(browser, tab="three", **{"as": "take"}) as third:
                await first.hears("taken")
                assert await closed(first.socket) == 1000
                await third.until("ready from the first")
                await third.socket.send(b", then the third")
                await second.until(", then the third")
        async with attached(browser, tab="full"):
            pass


async def test_tabs_of_a_session_are_bounded(server: WebServer) -> None:
    browser = await Browser(server).log_in()
    async with attached(browser) as first:
        await first.until("ready")
        sockets = [await browser.opening() for _ in range(MAX_VIEWERS)]
        for number, socket in enumerate(sockets):
            await socket.send(browser.hello(tab=f"w{number}", **{"as": "watch"}))
        assert await closed(sockets[-1]) == 4429
        for socket in sockets:
            await socket.close()


async def test_tab_that_reads_nothing_gets_the_last_screen_and_holds_up_nobody(server: WebServer) -> None:
    browser = await Browser(server).log_in()
    async with attached(browser) as slow:
        await slow.until("ready")
        async with attached(browser, tab="quick", **{"as": "watch"}) as quick:
            await slow.socket.send(b"F")
            await quick.until("flooded")
            await slow.until("flooded")
            assert slow.bytes < 3_500_000, "of 5 million that were written"


async def test_flood_of_input_is_held_back_and_others_are_served(server: WebServer) -> None:
    browser, other = await Browser(server).log_in(), await Browser(server).log_in()
    async with attached(browser) as tab:
        await tab.until("ready")

        async def flood() -> None:
            while True:
                await tab.socket.send(b"y" * MAX_MESSAGE)
                await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        async with attached(other) as calm:
            await calm.until("ready")
            await calm.socket.send(b"still served")
            await calm.until("still served")
        held = server.sessions.get(browsers(server)[0])
        assert held is not None and held.session.untyped < 5 << 20
        flooding.cancel()


@pytest.mark.parametrize("kind", ["pings", "parts without end", "more than is read"])
async def test_flood_of_frames_is_cut_off(server: WebServer, kind: str) -> None:
    """Of these the library takes any number, whatever the limits on what is read."""
    browser, other = await Browser(server).log_in(), await Browser(server).log_in()

    async def flood(socket: ClientConnection) -> None:
        while kind == "parts without end":
            await socket.send(repeat(b""))
        while True:
            await (socket.ping() if kind == "pings" else socket.send(b"x"))

    async with attached(browser) as tab, asyncio.timeout(100):
        await tab.until("ready")
        with pytest.raises(ConnectionClosed) as error:
            await flood(tab.socket)
        assert error.value.rcvd is None and error.value.sent is None, "not because a ping was not answered in time"
    async with attached(other) as calm:
        await calm.until("ready")


async def test_session_ends_when_nobody_comes_back_and_the_server_after_it(tmp_path: Path) -> None:
    settings = WebSettings([sys.executable, "-c", ECHO], dict(os.environ), tmp_path, back_seconds=1.0)
    server = WebServer(settings, lambda *_: None)
    serving = asyncio.create_task(server.serve())
    browser = await Browser(server).log_in()
    async with attached(browser) as tab:
        await tab.until("ready")
        held = server.sessions.get(browsers(server)[0])
        assert held is not None
        pid = held.session.pid
    async with asyncio.timeout(60):
        await serving
    assert server.sessions.ended == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_once_ends_the_server_with_its_session(tmp_path: Path) -> None:
    settings = WebSettings([sys.executable, "-c", ECHO], dict(os.environ), tmp_path, once=True)
    server = WebServer(settings, lambda *_: None)
    serving = asyncio.create_task(server.serve())
    browser = await Browser(server).log_in()
    async with attached(browser) as tab:
        await tab.until("ready")
        await tab.socket.send(b"q")
        assert (await tab.hears("ended"))["last"]
    async with asyncio.timeout(60):
        await serving


async def test_dropped_file_reaches_the_dashboard_and_is_deleted_with_the_session(
    server: WebServer, tmp_path: Path
) -> None:
    browser = await Browser(server).log_in()
    own = {"x-sandtui-key": browser.key, "x-sandtui-tab": "one"}
    async with attached(browser) as tab:
        await tab.until("ready")
        sent = await browser.http.post("/drop", params={"name": "naïve [x].txt"}, content=b"content", headers=own)
        assert sent.status_code == 200
        (saved,) = (tmp_path / "drops").rglob("na*")
        assert saved.read_bytes() == b"content" and saved.stat().st_mode & 0o777 == 0o600
        await tab.socket.send(b"C")
        await tab.until('"dropped"')
        for name in ("", "..", "a/b", "../../x", "x" * 300):
            answer = await browser.http.post("/drop", params={"name": name}, content=b"x", headers=own)
            assert answer.status_code == 413, name
        watcher = {**own, "x-sandtui-tab": "another"}
        assert (await browser.http.post("/drop?name=a", content=b"x", headers=watcher)).status_code == 409
        await tab.socket.send(b"q")
        await tab.hears("ended")
    assert not list((tmp_path / "drops").rglob("na*"))


async def test_read_only_takes_no_files(tmp_path: Path) -> None:
    async with serving(tmp_path, takes_files=False) as server:
        browser = await Browser(server).log_in()
        own = {"x-sandtui-key": browser.key, "x-sandtui-tab": "one"}
        async with attached(browser) as tab:
            await tab.until("ready")
            assert (await browser.http.post("/drop?name=a", content=b"x", headers=own)).status_code == 403
    assert not list(tmp_path.rglob("a"))


async def test_drops_are_bounded_in_all(tmp_path: Path) -> None:
    drops = WebDrops(tmp_path, limit=10)

    async def content(*pieces: bytes) -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    first = await drops.take("a", content(b"12345"))
    with pytest.raises(Exception, match="more than"):
        await drops.take("b", content(b"123", b"456"))
    assert not list(tmp_path.rglob("b"))
    drops.forget(first)
    await drops.take("c", content(b"1234567890"))


async def test_copied_file_is_offered_to_its_browser_alone(server: WebServer, tmp_path: Path) -> None:
    file = tmp_path / "résumé.txt"
    file.write_bytes(b"content")
    browser, other = await Browser(server).log_in(), await Browser(server).log_in()
    async with attached(browser) as tab, attached(other) as elsewhere:
        await tab.until("ready")
        await elsewhere.until("ready")
        await tab.socket.send(json.dumps({"type": "saved", "text": str(file)}).encode() + b"\n")
        offer = await tab.hears("save")
        assert (offer["name"], offer["size"]) == ("résumé.txt", 7)
        found = await browser.http.get(f"/save/{offer['id']}", headers={"sec-fetch-site": "same-origin"})
        assert found.content == b"content" and "sandbox" in found.headers["content-security-policy"]
        assert found.headers["content-disposition"].startswith("attachment")
        assert (await other.http.get(f"/save/{offer['id']}")).status_code == 404
        assert (await Browser(server).http.get(f"/save/{offer['id']}")).status_code == 401
        # Replaced by a link meanwhile.
        file.unlink()
        file.symlink_to("/etc/passwd")
        assert (await browser.http.get(f"/save/{offer['id']}")).status_code == 404
    assert WebOffers().add(file) is None


async def test_dashboard_opens_pages_and_speaks_only_through_its_channel(server: WebServer) -> None:
    browser = await Browser(server).log_in()
    async with attached(browser) as tab:
        await tab.until("ready")
        for number, text in enumerate(("javascript:alert(1)", "file:///etc/passwd", "https://example.org/a")):
            await tab.socket.send(json.dumps({"type": "open", "text": text}).encode() + b"\n")
            await tab.socket.send(f"<{number}>".encode())
            await tab.until(f"<{number}>")
        await tab.socket.send(json.dumps({"type": "say", "text": "Saved", "urgent": True}).encode() + b"\n")
        assert (await tab.hears("open"))["url"] == "https://example.org/a"
        assert await tab.hears("say") == {"type": "say", "text": "Saved", "urgent": True}
        assert not tab.told or {each["type"] for each in tab.told} == {"attached"}
