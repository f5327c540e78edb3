"""Proxies and certificates, as the environment names them."""

import socket
import threading

import httpx
import pytest

from sandtui.client import APIClient, AsyncAPIClient, ConfigurationError
from sandtui.client.config import Config
from sandtui.client.routes import Routes, is_this_machine
from tests.client.echo import serving

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
FAR = "http://platform.example"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in (*NAMES, "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["blocking", "asynchronous"])
def ask(request):
    """Asks an address through one of the two clients."""

    async def ask(base_url):
        config = Config(api_key="k", base_url=base_url)
        if request.param == "blocking":
            client = APIClient(config=config)
            try:
                return client.get("here")
            finally:
                client.close()
        client = AsyncAPIClient(config=config)
        try:
            return await client.get("here")
        finally:
            await client.aclose()

    return ask


BAD = [
    ({"HTTP_PROXY": "foo://proxy"}, FAR, "HTTP_PROXY names a proxy of an unknown kind, 'foo'"),
    ({"http_proxy": "foo://user:secret@proxy"}, FAR, "http_proxy names"),
    ({"ALL_PROXY": "ftp://proxy:1"}, FAR, "ALL_PROXY names"),
    ({"HTTPS_PROXY": "http://[::1"}, "https://platform.example", "HTTPS_PROXY is not the address"),
    ({"HTTP_PROXY": "http://proxy:port"}, FAR, "HTTP_PROXY is not the address"),
    ({"SSL_CERT_FILE": "/nowhere/ca.pem"}, "https://platform.example", "SSL_CERT_FILE (/nowhere/ca.pem) can't be used"),
    ({"SSLKEYLOGFILE": "/nowhere/keys"}, "https://platform.example", "SSLKEYLOGFILE (/nowhere/keys) can't be used"),
    ({"SSL_CERT_FILE": "/dev/null"}, "https://platform.example", "SSL_CERT_FILE (/dev/null) can't be used"),
]


@pytest.mark.parametrize(("environment", "address", "words"), BAD)
async def test_a_value_that_cannot_be_used_is_named(ask, monkeypatch, environment, address, words):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        await ask(address)
    assert words in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(("environment", "address", "words"), BAD)
async def test_no_value_keeps_a_client_from_this_machine(ask, monkeypatch, environment, address, words):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with serving() as server:
        for host in ("127.0.0.1", "localhost"):
            answer = await ask(f"http://{host}:{server.server_port}")
            assert answer == {"path": "/api/v1/here"}


async def test_a_proxy_is_used_unless_the_address_is_an_exception(ask, monkeypatch):
    with serving() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url.removeprefix("http://"))
        monkeypatch.setenv("NO_PROXY", "::1, [fd00::1]:80, fd00::/8,,*.inside.example")
        assert await ask(FAR) == {"path": f"{FAR}/api/v1/here"}
        assert proxy.asked == [f"{FAR}/api/v1/here"]


async def test_a_socks_proxy_is_used(ask, monkeypatch):
    with serving() as server, socks(server.server_port) as (port, wanted):
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{port}")
        assert await ask(FAR) == {"path": "/api/v1/here"}
        assert wanted == ["platform.example"]


async def test_a_socks_proxy_without_its_package_names_the_extra(ask, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1080")
    with pytest.raises(ConfigurationError, match=r"ALL_PROXY names a SOCKS proxy.*sandtui\[socks\]"):
        await ask(FAR)


@pytest.mark.parametrize(
    ("exceptions", "address", "direct"),
    [
        ("", "http://a.example", False),
        ("*", "http://a.example", True),
        ("a.example", "http://a.example", True),
        ("a.example", "http://b.a.example", True),
        (".a.example", "http://b.a.example", True),
        ("a.example", "http://nota.example", False),
        ("A.Example.", "http://a.EXAMPLE", True),
        ("a.example:8080", "http://a.example", False),
        ("a.example:8080", "http://a.example:8080", True),
        ("a.example:443", "https://a.example", True),
        ("http://a.example", "http://a.example", True),
        ("10.0.0.0/8", "http://10.1.2.3", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("10.1.2.3/8", "http://10.9.9.9", True),
        ("fd00::/8", "http://[fd12::3]", True),
        ("fd12::3", "http://[fd12::3]:8000", True),
        ("[fd12::3]", "http://[fd12:0::3]", True),
        ("[fd12::3]:8000", "http://[fd12::3]:8000", True),
        ("[fd12::3]:8000", "http://[fd12::3]:8001", False),
        ("fd00::/8", "http://10.1.2.3", False),
        ("[nonsense, ::::, /, [], 1.2.3.4/99", "http://a.example", False),
        ("", "http://127.0.0.1:80", True),
        ("", "http://127.8.9.1", True),
        ("", "http://[::1]:8000", True),
        ("", "http://box.localhost", True),
        ("", "http://localhost.example", False),
    ],
)
def test_no_proxy_exempts_hosts_domains_and_networks(monkeypatch, exceptions, address, direct):
    monkeypatch.setenv("ALL_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", exceptions)
    expected = None if direct else ("http://proxy:3128", "ALL_PROXY")
    assert Routes().proxy_for(httpx.URL(address)) == expected


def test_the_proxy_of_a_scheme_goes_before_that_of_all(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://all:1")
    monkeypatch.setenv("https_proxy", "secure:2")
    assert Routes().proxy_for(httpx.URL("https://a.example")) == ("http://secure:2", "https_proxy")
    assert Routes().proxy_for(httpx.URL("http://a.example")) == ("http://all:1", "ALL_PROXY")


def test_names_of_this_machine():
    assert all(map(is_this_machine, ["localhost", "127.0.0.1", "127.1.2.3", "::1", "a.localhost"]))
    assert not any(map(is_this_machine, ["example.com", "10.0.0.1", "", "localhost.example", "::2"]))


class socks:
    """A SOCKS 5 proxy that connects everything to one port of this machine and keeps the names it was asked for."""

    def __init__(self, target):
        self._target = target
        self._wanted = []

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return self._listener.getsockname()[1], self._wanted

    def __exit__(self, *_):
        self._listener.close()

    def _serve(self):
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(link,), daemon=True).start()

    def _carry(self, link):
        with link, socket.create_connection(("127.0.0.1", self._target)) as on:
            link.recv(2 + link.recv(2, socket.MSG_PEEK)[1])
            link.sendall(b"\x05\x00")
            head = link.recv(5)
            self._wanted.append(link.recv(head[4] + 2)[:-2].decode())
            link.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            pump = threading.Thread(target=self._pump, args=(on, link), daemon=True)
            pump.start()
            self._pump(link, on)
            pump.join()

    @staticmethod
    def _pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
