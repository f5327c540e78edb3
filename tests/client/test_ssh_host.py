"""A platform says where to go by SSH: it can't smuggle lines, send us to this machine, or pass off another host."""

import contextlib

import asyncssh
import pytest

from sandtui.client import AsyncSandboxClient, Config, ConnectionFailedError, SandboxClientError
from sandtui.client.models.access import SSHSession
from sandtui.client.toolkit import is_host_checked
from tests.client.fakes import KEY, FakePlatform

SESSION = {
    "session_id": "ssh_1-a.b",
    "sandbox_id": "sbx_1",
    "host": "gateway.example",
    "port": 22,
    "expires_at": "2099-01-01T00:00:00Z",
    "ttl_seconds": 900,
}


@pytest.mark.parametrize(
    "changed",
    [
        *(
            {"session_id": text}
            for text in ("", "a b", "a\nSSH-2.0-x", "a\r", "a\x00", "é", "a/../b", "a?b", "x" * 300)
        ),
        *({"host": text} for text in ("", "a b", "a\nb", "-oProxyCommand=x", "a/b", "user@a", "a..b", "x" * 300, "é")),
        *({"port": number} for number in (0, -1, 65536, "x")),
    ],
)
def test_an_ssh_session_with_line_breaks_is_refused(changed):
    SSHSession(**SESSION)
    with pytest.raises(ValueError, match="validation error"):
        SSHSession(**(SESSION | changed))


@pytest.mark.parametrize("host", ["gateway.example", "a-b_c.d.", "10.1.2.3", "2001:db8::1", "localhost"])
def test_hosts_of_every_kind_are_read(host):
    assert SSHSession(**(SESSION | {"host": host})).host == host


class Server:
    """An SSH server on loopback whose key is known; it counts who came."""

    def __init__(self):
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.came = 0

    @contextlib.asynccontextmanager
    async def listening(self):
        counts = self

        class Login(asyncssh.SSHServer):
            def connection_made(self, _):
                counts.came += 1

            def begin_auth(self, _):
                return False

        async with asyncssh.listen("127.0.0.1", 0, server_host_keys=[self.key], server_factory=Login) as acceptor:
            self.port = acceptor.get_port()
            yield self

    @property
    def public(self):
        return self.key.export_public_key().decode()


@pytest.fixture
async def server():
    async with Server().listening() as server:
        yield server


def client_at(base_url, session):
    import httpx

    gateway = {"gateway_url": base_url, "user_ns": "ns", "job_id": "sbx_1", "token": "t"}
    platform = FakePlatform().on("POST /api/v1/sandbox/sbx_1/ssh-session", session | gateway)
    platform.on("POST /ns/sbx_1/authorize", {})
    platform.on(f"DELETE /api/v1/sandbox/sbx_1/ssh-session/{SESSION['session_id']}", {})
    config = Config(api_key=KEY, base_url=base_url)
    return AsyncSandboxClient(config=config, transport=httpx.MockTransport(platform), keep_tokens=False)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.8.8.8", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254"]
)
async def test_a_platform_elsewhere_cannot_send_us_to_this_machine(server, host):
    session = SESSION | {"host": host, "port": server.port}
    async with client_at("https://platform.example", session) as client:
        with pytest.raises(ConnectionFailedError, match="a loopback or link-local address"):
            async with client.connect_ssh("sbx_1"):
                pass
    assert server.came == 0


@pytest.mark.parametrize("told", [True, False])
async def test_the_key_that_the_platform_tells_is_checked(server, told):
    session = SESSION | {"host": "127.0.0.1", "port": server.port} | ({"host_key": server.public} if told else {})
    async with client_at("http://127.0.0.1:9", session) as client, client.connect_ssh("sbx_1") as connection:
        assert is_host_checked(connection) is told


@pytest.mark.parametrize("readable", [True, False])
async def test_another_host_is_refused_at_once(server, readable):
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode() if readable else "rubbish"
    session = SESSION | {"host": "127.0.0.1", "port": server.port, "host_key": key}
    async with client_at("http://127.0.0.1:9", session) as client:
        with pytest.raises(SandboxClientError, match=r"its host key differs|invalid host key"):
            async with client.connect_ssh("sbx_1"):
                pass


async def test_nothing_of_a_hostile_session_is_sent(server):
    session = SESSION | {"host": "127.0.0.1", "port": server.port, "session_id": "x\nSSH-2.0-mine\r\n"}
    async with client_at("http://127.0.0.1:9", session) as client:
        with pytest.raises(SandboxClientError):
            async with client.connect_ssh("sbx_1"):
                pass
    assert server.came == 0
