"""Pages of sandboxes in browsers: by whose name they are asked, whose cookies pass, and what passes untouched."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import h11
import pytest

from sandtui.local.gateway import web_relay
from sandtui.local.gateway.forward import Forwarder
from sandtui.local.gateway.web_policy import Refusal, WebPolicy, label_of
from sandtui.local.gateway.web_relay import is_request, looks_like_response
from tests.local.support import GIVE_UP_SECONDS

BROWSER = b"Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: cross-site\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Web:
    """A port that leads to a server in the place of a sandbox: it keeps what it hears and says what it is told."""

    def __init__(self) -> None:
        self.heard = b""
        self.answers: list[bytes] = [OK]
        self.first = b""
        self.closes = False
        self.echoes = False
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            writer.write(self.first)
            while self.echoes:
                if not (data := await reader.read(65536)):
                    writer.close()
                    return
                writer.write(data[::-1])
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heard += head
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                writer.write(answer)
                if b" 101 " in answer[:20]:
                    while data := await reader.read(65536):
                        writer.write(data[::-1])
                    writer.write(b"bye")
                    self.closes = True
                if self.closes:
                    break
            writer.close()

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                yield reader, writer
        finally:
            writer.close()

    async def ask(self, *requests: bytes, pieces: int | None = None, is_over: bool = True) -> bytes:
        """Send requests on one connection, whole or in pieces, and return all that comes back."""
        async with self.connected() as (reader, writer):
            data = b"".join(requests)
            for start in range(0, len(data), pieces or len(data)):
                writer.write(data[start : start + (pieces or len(data))])
                await writer.drain()
                if pieces:
                    await asyncio.sleep(0)
            if is_over:
                writer.write_eof()
            return await reader.read()


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    web = Web()
    server = await asyncio.start_server(web.serve, "127.0.0.1", 0)

    async def dial() -> socket.socket:
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, server.sockets[0].getsockname())
        return sock

    forwarder = Forwarder(dial, is_http=True, label="sbx-1")
    web.port = await forwarder.open()
    yield web
    await forwarder.close()
    server.close()


def request(host: bytes | None, more: bytes = b"", line: bytes = b"GET / HTTP/1.1") -> bytes:
    name = b"" if host is None else b"Host: " + host + b"\r\n"
    return line + b"\r\n" + name + more + b"\r\n"


@pytest.mark.parametrize(
    "host",
    [
        b"127.0.0.1", b"127.0.0.1:8000", b"localhost", b"localhost:1", b"LOCALHOST:1", b"localhost.", b"[::1]:80",
        b"[0:0:0:0:0:0:0:1]", b"sbx-1.localhost", b"SBX-1.LocalHost:8000", b"sbx-1.localhost.:8000", b"192.168.1.7:80",
        b"a.sbx-1.localhost",
    ],
)  # fmt: skip
async def test_a_page_answers_under_the_names_of_this_machine(web: Web, host: bytes) -> None:
    assert (await web.ask(request(host))).endswith(b"\r\n\r\nok")
    assert b"Host: " + host in web.heard


@pytest.mark.parametrize(
    "host",
    [
        b"evil.test", b"evil.test:80", b"127.0.0.1.evil.test", b"localhost.evil.test", b"sbx-1.localhost.evil.test",
        b"evil-localhost", b"sbx-2.localhost", b"xsbx-1.localhost", b"evil", b"evil.test.", b"127.0.0.1@evil.test",
        b"localhost:80@evil.test", b"[::1].evil.test", b"", b"[::1", b"127.0.0.1 evil.test", b"2130706433", b"0x7f.1",
        b"localhost:99999999", b"localhost..", b"evil.test, localhost",
    ],
)  # fmt: skip
@pytest.mark.parametrize("pieces", [None, 3])
async def test_no_page_answers_under_a_name_from_elsewhere(web: Web, host: bytes, pieces: int | None) -> None:
    said = await web.ask(request(host), pieces=pieces)
    assert said.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 "))
    assert web.heard == b""


@pytest.mark.parametrize(
    ("data", "is_fine"),
    [
        (request(b"localhost", line=b"GET http://localhost/a HTTP/1.1"), True),
        (request(b"localhost", line=b"GET HTTP://LOCALHOST:8/a HTTP/1.1"), True),
        (request(b"localhost", line=b"GET http://evil.test/a HTTP/1.1"), False),
        (request(b"evil.test", line=b"GET http://localhost/a HTTP/1.1"), False),
        (request(b"localhost", line=b"GET http://localhost@evil.test/ HTTP/1.1"), False),
        (request(b"localhost", line=b"GET ws://evil.test/ HTTP/1.1"), False),
        (request(b"localhost", line=b"GET http://127.0.0.1/ HTTP/1.1"), False),
        (request(b"localhost", line=b"CONNECT evil.test:443 HTTP/1.1"), False),
        (request(b"localhost", b"Host: evil.test\r\n"), False),
        (request(b"evil.test", b"hOST: localhost\r\n"), False),
        (request(None), False),
        (request(None, line=b"GET / HTTP/1.0"), True),
        (request(b"evil.test", line=b"GET / HTTP/1.0"), False),
        (b"\r\n" + request(b"evil.test"), False),
        (request(b"evil.test", line=b"BREW / HTTP/1.1"), False),
        (request(b"\r\n evil.test"), False),
    ],
)
async def test_the_host_counts_however_it_is_given(web: Web, data: bytes, is_fine: bool) -> None:
    said = await web.ask(data)
    assert said.startswith(b"HTTP/1.1 200 ") is is_fine, said
    assert (web.heard != b"") is is_fine


async def test_each_request_of_a_connection_is_checked(web: Web) -> None:
    said = await web.ask(request(b"localhost"), request(b"sbx-1.localhost"), request(b"evil.test"), request(b"::1"))
    assert said.count(b"HTTP/1.1 200 ") == 2
    assert said.count(b"HTTP/1.1 403 ") == 1
    assert web.heard.count(b"GET") == 2
    # After a body, too, of which a part may look like a head.
    web.heard = b""
    body = request(b"localhost")
    post = request(b"localhost", b"Content-Length: %d\r\n" % len(body), b"POST / HTTP/1.1") + body
    web.answers = [OK, b"", OK]  # the server reads the body as another head
    said = await web.ask(post, request(b"evil.test"))
    assert b"HTTP/1.1 403 " in said
    assert b"evil" not in web.heard
    chunks = request(b"localhost", b"Transfer-Encoding: chunked\r\n", b"POST / HTTP/1.1") + b"1\r\nx\r\n0\r\n\r\n"
    web.heard, web.answers = b"", [OK, b"", OK]
    assert b"HTTP/1.1 403 " in await web.ask(chunks, request(b"evil.test"), pieces=1)
    assert b"evil" not in web.heard


@pytest.mark.parametrize("host", [b"127.0.0.1:9", b"localhost:9", b"[::1]", b"10.0.0.1", b"127.0.0.2"])
@pytest.mark.parametrize(
    "more",
    [
        BROWSER, b"sec-fetch-mode: no-cors\r\n", b"SEC-FETCH-DEST: image\r\n", b"Origin: http://evil.test\r\n",
        b"User-Agent: Mozilla/5.0\r\n", b"Accept: text/html,*/*\r\n", b"Upgrade-Insecure-Requests: 1\r\n",
        b"Origin: null\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    ],
)  # fmt: skip
async def test_browsers_cookies_of_a_shared_name_do_not_pass(web: Web, host: bytes, more: bytes) -> None:
    web.answers = [
        b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nSET-COOKIE: b=2; Path=/\r\nSet-Cookie: c=3; domain=localhost\r\n"
        b'Clear-Site-Data: "cookies"\r\nX-Kept: 1\r\nContent-Length: 0\r\n\r\n'
    ]
    data = request(host, more + b"cookie: secret=1\r\nX-Kept: 1\r\nCOOKIE: secret=2\r\n")
    said = await web.ask(data, data, pieces=7)
    assert b"secret" not in web.heard
    assert web.heard.count(b"X-Kept: 1") == 2
    assert said.count(b"X-Kept: 1") == 2
    assert b"cookie" not in said.lower()
    assert b"clear-site" not in said.lower()


async def test_scripts_have_cookies_by_any_name_and_browsers_by_the_sandboxs_own(web: Web) -> None:
    web.answers = [b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/; HttpOnly\r\nContent-Length: 0\r\n\r\n"]
    for host, more in ((b"127.0.0.1:8", b""), (b"sbx-1.localhost:8", BROWSER), (b"sbx-1.localhost", b"Origin: x\r\n")):
        said = await web.ask(request(host, more + b"Cookie: a=1\r\n"))
        assert b"Set-Cookie: a=1; Path=/; HttpOnly\r\n" in said
    assert web.heard.count(b"Cookie: a=1\r\n") == 3


@pytest.mark.parametrize(
    ("cookie", "left"),
    [
        (b"a=1; Domain=localhost", b"a=1"),
        (b"a=1; domain=.localhost; Secure", b"a=1; Secure"),
        (b"a=1;DOMAIN = localhost ;Path=/", b"a=1;Path=/"),
        (b"a=1; Domain=localhost.", b"a=1"),
        (b'a=1; Domain="localhost"', b"a=1"),
        (b"a=1; Domain=localhost; Domain=sbx-1.localhost", b"a=1; Domain=sbx-1.localhost"),
        (b"a=1; Domain=127.0.0.1", b"a=1"),
        (b"a=1; Domain=sbx-2.localhost", b"a=1"),
        (b"a=1; Domain", b"a=1"),
        (b"a=1; Domain=", b"a=1"),
        (b"a=1; Domain=SBX-1.localhost", b"a=1; Domain=SBX-1.localhost"),
        (b"domain=localhost; Path=/", b"domain=localhost; Path=/"),
        (b"a=1; Path=/; SameSite=Lax", b"a=1; Path=/; SameSite=Lax"),
    ],
)
@pytest.mark.parametrize("pieces", [None, 1])
async def test_no_cookie_of_a_sandbox_reaches_beyond_its_name(
    web: Web, cookie: bytes, left: bytes, pieces: int | None
) -> None:
    web.answers = [
        b"HTTP/1.1 103 Early Hints\r\nset-cookie: " + cookie + b"\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nset-cookie: z=9\r\nSet-Cookie: " + cookie + b"\r\nContent-Length: 0\r\n\r\n"
    ]
    for host, more in ((b"sbx-1.localhost", BROWSER), (b"127.0.0.1", b"")):
        said = await web.ask(request(host, more), pieces=pieces)
        found = [line.partition(b": ")[2] for line in said.split(b"\r\n") if line.lower().startswith(b"set-cookie:")]
        assert found == [left, b"z=9", left]


async def test_cookies_in_trailers_do_not_pass(web: Web) -> None:
    web.answers = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nSet-Cookie: a=1; Domain=localhost\r\n"
        b"X-Sum: 1\r\n\r\n"
    ]
    said = await web.ask(request(b"127.0.0.1"))
    assert b"Set-Cookie" not in said
    assert said.lower().endswith(b"x-sum: 1\r\n\r\n")


@pytest.mark.parametrize(
    "host", [b"127.0.0.1:8123", b"localhost:8123", b"LOCALHOST.:8123", b"[::1]:8123", b"127.0.0.2:8123"]
)
async def test_a_browsers_window_is_sent_to_the_name_of_the_sandbox(web: Web, host: bytes) -> None:
    for more in (
        b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nCookie: secret=1\r\n",
        b"User-Agent: Mozilla/5.0\r\nAccept: text/html,application/xml\r\n",
    ):
        said = await web.ask(request(host, more, b"GET /a/b?c=d%20e HTTP/1.1"), is_over=False)
        assert said.startswith(b"HTTP/1.1 307 ")
        assert b"\r\nlocation: http://sbx-1.localhost:8123/a/b?c=d%20e\r\n" in said
    assert web.heard == b""
    # A form is sent there whole: what shows its answer could read the cookies of all other services.
    navigates = b"Sec-Fetch-Mode: navigate\r\n"
    form = request(host, navigates + b"Content-Length: 200000\r\n", b"POST /a HTTP/1.1") + bytes(200_000)
    said = await web.ask(form)
    assert said.startswith(b"HTTP/1.1 307 ")
    assert b"\r\nlocation: http://sbx-1.localhost:8123/a\r\n" in said
    assert web.heard == b""
    assert b" 200 " in await web.ask(request(b"sbx-1.localhost:8123", navigates))


@pytest.mark.parametrize("target", ["//evil.test/", "/\\evil.test", "/%0d%0aSet-Cookie:x", "*"])
async def test_no_target_leads_the_window_elsewhere(web: Web, target: str) -> None:
    said = await web.ask(request(b"localhost", b"Sec-Fetch-Mode: navigate\r\n", f"GET {target} HTTP/1.1".encode()))
    for line in said.split(b"\r\n"):
        if line.startswith(b"location: "):
            assert line.startswith(b"location: http://sbx-1.localhost/")


async def test_an_upgrade_passes_byte_for_byte(web: Web) -> None:
    web.answers = [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi"]
    ask = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nCookie: a=1\r\n"
    async with web.connected() as (reader, writer):
        writer.write(request(b"sbx-1.localhost", ask + b"Origin: http://sbx-1.localhost\r\n"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await reader.readexactly(4) == b"\x81\x02hi"
        for message in (b"\x81\x05hello", bytes(range(256)), os.urandom(300_000)):
            writer.write(message)
            heard = b""
            while len(heard) < len(message):
                heard += await reader.read(65536)
            assert sorted(heard) == sorted(message)
        writer.write_eof()
        assert await reader.read() == b"bye"
    assert b"Cookie: a=1" in web.heard
    assert b" 403 " in await web.ask(request(b"evil.test", ask))


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"*1\r\n$4\r\nPING\r\n", b"hello", b"\r\n",
        b"a b\n", bytes(range(256)), bytes(range(255, 0, -1)), b"GET /\r\n",
    ],
    ids=["tls", "http2", "redis", "a word", "a line", "two words", "up", "down", "http/0.9"],
)  # fmt: skip
@pytest.mark.parametrize("pieces", [None, 1])
async def test_what_is_no_http_passes_byte_for_byte(
    web: Web, data: bytes, pieces: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_relay, "STALL_SECONDS", 0.05)
    web.echoes = True
    async with web.connected() as (reader, writer):
        for start in range(0, len(data), pieces or len(data)):
            writer.write(data[start : start + (pieces or len(data))])
            await writer.drain()
        heard = b""
        while len(heard) < len(data):
            more = await reader.read(65536)
            assert more
            heard += more
        assert sorted(heard) == sorted(data)
        writer.write_eof()
        assert await reader.read() == b""


@pytest.mark.parametrize("line", [b"M" * 300_000 + b" / HTTP/1.1", b"GET /" + b"t" * 300_000 + b" HTTP/1.1"])
async def test_no_length_makes_a_request_pass_unread(web: Web, line: bytes) -> None:
    """A page chooses the method and the target."""
    said = await web.ask(request(b"evil.test", b"Cookie: secret=1\r\n", line), pieces=50_000)
    assert said.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 403 ", b"HTTP/1.1 400 "))
    assert web.heard == b""


async def test_a_server_may_speak_first_but_not_answer_before_it_is_asked(web: Web) -> None:
    web.first = b"220 mail ready\r\n"
    web.echoes = True
    async with web.connected() as (reader, writer):
        assert await reader.readline() == b"220 mail ready\r\n"
        writer.write(b"EHLO x\r\n")
        assert await reader.readexactly(8) == b"\n\rx OLHE"
    with contextlib.suppress(ConnectionError):
        assert await web.ask(request(b"evil.test")) in (b"", b"220 mail ready\r\n")
    for first in (b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=localhost\r\n\r\n", b"xx\r\nHttp/1.1 200 OK\r\n"):
        web.first = first
        said = b""
        with contextlib.suppress(ConnectionError):
            said = await web.ask(request(b"127.0.0.1", BROWSER + b"Cookie: secret=1\r\n"))
        assert b"Set-Cookie" not in said
        assert b"200 OK" not in said


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nSet-Cookie : a=1; Domain=localhost\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=localhost\r\n\r\n",
        b"xxxxHTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=localhost\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 9\r\nSet-Cookie: a=1; Domain=localhost\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nSet-Cookie: a=1; Domain=localhost\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nSet-Cookie: a=1; Domain=localhost\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: 1\rSet-Cookie: a=1; Domain=localhost\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: 1\r\n Set-Cookie: a=1; Domain=localhost\r\n\r\n",
        b"HTTP/9 200 OK\r\nSet-Cookie: a=1; Domain=localhost\r\n\r\n",
    ],
)
async def test_an_answer_that_can_be_read_in_two_ways_sets_no_cookie(web: Web, answer: bytes) -> None:
    web.answers, web.closes = [answer], True
    said = await web.ask(request(b"sbx-1.localhost", BROWSER))
    lines = said.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    assert not any(line.lower().startswith((b"set-cookie:", b"set-cookie :")) for line in lines), said


async def test_an_answer_that_is_no_http_passes_once_and_nothing_is_asked_after_it(web: Web) -> None:
    web.answers = [b"answer"]
    async with web.connected() as (reader, writer):
        writer.write(request(b"localhost"))
        assert await reader.readexactly(6) == b"answer"
        writer.write(request(b"localhost", b"Cookie: secret=1\r\n"))
        writer.write_eof()
        await reader.read()
    assert b"secret" not in web.heard


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_bodies_of_all_kinds_come_whole(web: Web, version: bytes) -> None:
    body = os.urandom(400_000)
    kinds = {
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
        "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n",
        "end": b"HTTP/1.1 200 OK\r\n\r\n" + body,
        "old": b"HTTP/1.0 200 OK\r\n\r\n" + body,
    }
    for kind, answer in kinds.items():
        web.answers, web.closes = [answer], kind in ("end", "old")
        said = await web.ask(request(b"localhost", line=b"GET / HTTP/" + version))
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(said)
        client.receive_data(b"")
        found = b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            found += event.data if isinstance(event, h11.Data) else b""
        assert found == body, kind


async def test_a_body_cut_off_by_the_sandbox_is_cut_off_here_too(web: Web) -> None:
    web.answers, web.closes = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"], True
    said = b""
    with contextlib.suppress(ConnectionError):
        said = await web.ask(request(b"localhost"), is_over=False)
    assert not said or said.endswith(b"half")


async def test_other_statuses_and_heads_keep_the_connection(web: Web) -> None:
    web.answers = [
        b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, OK,
    ]  # fmt: skip
    get = request(b"localhost")
    expects = request(b"localhost", b"Expect: 100-continue\r\nContent-Length: 0\r\n", b"POST / HTTP/1.1")
    said = await web.ask(get, get, request(b"localhost", line=b"HEAD / HTTP/1.1"), expects, get)
    statuses = [line.split()[1] for line in said.split(b"\r\n") if line.startswith((b"HTTP/1.1", b"okHTTP/1.1"))]
    assert statuses == [b"204", b"304", b"200", b"100", b"200", b"200"]


async def test_a_slow_reader_holds_up_the_sandbox_and_not_the_platform(web: Web) -> None:
    block = bytes(1 << 20)
    web.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(block) * 32) + block * 32]
    async with web.connected() as (reader, writer):
        writer.write(request(b"localhost") * 3)
        total = 0
        while total < 3 * 32 * len(block):
            data = await reader.read(1 << 16)
            assert data
            total += len(data)


@pytest.mark.parametrize("check", [is_request, looks_like_response])
def test_beginnings_are_decided_in_the_same_way_however_they_come(check: Callable[[bytes], Any]) -> None:
    for whole in (
        request(b"x"),
        b"POST /a?b HTTP/1.0\n\n",
        OK,
        b"xxHTTP/1.1 200",
        b"\0\1",
        b"SSH-2.0-x\r\n",
        b"HTXP/1.1 x",
    ):
        final = check(whole)
        seen = [check(whole[:end]) for end in range(1, len(whole) + 1)]
        if check is is_request:
            assert all(kind in (None, final) for kind in seen), whole
        elif final:
            assert all(seen), whole


@pytest.mark.parametrize("name", ["sbx_1A", "SBX-1a", "/../:@", "ü" * 80, "a" * 200, ""])
def test_the_name_of_a_sandbox_is_one_label(name: str) -> None:
    label = label_of(name)
    assert 0 < len(label) < 64
    assert label.isascii()
    assert not set(label) - set("abcdefghijklmnopqrstuvwxyz0123456789-")
    policy = WebPolicy(label)
    asked = h11.Request(method="GET", target="/", headers=[("Host", f"{label}.localhost")])
    assert not isinstance(policy.evaluate(asked), Refusal)


def test_the_dashboard_opens_a_page_by_the_name_under_which_it_answers() -> None:
    from sandtui.client import ExposedPort
    from sandtui.fleet.ports.exposures import page_of

    for sandbox_id in ("sbx_1A", "Sbx/../:@", "a" * 90):
        fields = {"exposure_id": "e", "sandbox_id": sandbox_id, "port": 8000, "name": None, "tls_socket": ""}
        page = page_of(ExposedPort(**fields, url="http://127.0.0.1:8123", protocol="HTTP"))
        assert page == f"http://{label_of(sandbox_id)}.localhost:8123"
