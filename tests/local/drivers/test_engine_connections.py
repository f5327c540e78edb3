"""The engine driver over every kind of connection, against an engine of the tests."""

import asyncio
import contextlib
import hashlib
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import pytest

from sandtui.docker_contexts import chosen_context, docker_contexts
from sandtui.local.drivers.engine import EngineDriver, find_engine, reach_engine
from sandtui.local.drivers.engine_address import address_in_environment, named_address, read_address
from sandtui.local.settings import LocalError, PlatformSettings, engine_settings
from sandtui.local.store.records import SandboxRecord
from tests.local.drivers.fake_engine import FakeEngine, SshMachine, over_tcp, over_tls, write_certificates
from tests.local.support import GIVE_UP_SECONDS, Api, Start

pytestmark = pytest.mark.timeout(120)

TWO, THREE = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
SOCKET = "/var/run/docker.sock"


@pytest.fixture(autouse=True)
def no_engine_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_CONFIG",
        "DOCKER_CERT_PATH",
        "DOCKER_TLS_VERIFY",
        "DOCKER_TLS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sandtui.local.drivers.engine_address.usual_addresses", list)
    monkeypatch.setattr("sandtui.local.drivers.selection.usual_addresses", list)


@pytest.fixture
async def engine(state_dir: Path) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(state_dir.parent).listening() as engine:
        yield engine


@asynccontextmanager
async def connection(
    kind: str, engine: FakeEngine, home: Path, setenv: Callable[[str, str], None]
) -> AsyncIterator[str]:
    """Set up one kind of connection and yield its address."""
    async with AsyncExitStack() as stack:
        if kind == "unix":
            yield f"unix://{engine.socket}"
        elif kind == "tcp":
            yield f"tcp://127.0.0.1:{await stack.enter_async_context(over_tcp(engine))}"
        elif kind.startswith("tls"):
            write_certificates(home / "certificates")
            setenv("DOCKER_TLS_VERIFY", "1")
            setenv("DOCKER_CERT_PATH", str(home / "certificates"))
            newest = TWO if kind == "tls 1.2" else THREE
            port = stack.enter_context(over_tls(engine, home / "certificates", newest=newest))
            yield f"tcp://127.0.0.1:{port}"
        else:
            sockets = {"ssh": (SOCKET,), "ssh dial": (), "ssh path": ("/run/podman/podman.sock",)}[kind]
            machine = SshMachine(engine, sockets, docker=kind == "ssh dial")
            await stack.enter_async_context(machine.listening(home))
            yield f"ssh://me@127.0.0.1:{machine.port}{sockets[0] if kind == 'ssh path' else ''}"
            assert (machine.dialed > 0) is (kind == "ssh dial")
            assert (machine.forwarded > 0) is (kind != "ssh dial")


KINDS = ["unix", "tcp", "tls 1.2", "tls 1.3", "ssh", "ssh dial", "ssh path"]


@pytest.mark.parametrize("kind", KINDS)
async def test_sandboxes_work_over_every_connection(
    kind: str, engine: FakeEngine, start: Start, clean_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connection(kind, engine, clean_home, monkeypatch.setenv) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        api = await start("engine")
        try:
            await use(api, engine)
        finally:
            await api.platform.__aexit__(None, None, None)
        assert engine.containers == {}


async def use(api: Api, engine: FakeEngine) -> None:
    box = await api.running(environment_vars={"A": "a b"})
    assert await api.output(box, "echo $A") == "a b\n"
    reply = (await api.run(box, "echo out; echo err >&2; exit 7")).json()
    assert (reply["stdout"], reply["stderr"], reply["exit_code"]) == ("out\n", "err\n", 7)
    # The input ends while the output goes on; more than any buffer holds, in both directions.
    data, path = os.urandom(1_500_000), f"{engine.folder}/new dir/data"
    assert (await api.upload(box, path, data)).json()["size"] == len(data)
    assert (await api.download(box, path)).content == data
    # More at once than an SSH server has sessions for.
    async with asyncio.timeout(GIVE_UP_SECONDS):
        texts = await asyncio.gather(*(api.output(box, f"echo {number}; sleep 0.2") for number in range(24)))
    assert texts == [f"{number}\n" for number in range(24)]
    await api.call("DELETE", f"/sandbox/{box}")


async def test_ports_of_containers_on_another_machine_are_reached_through_ssh(
    engine: FakeEngine, start: Start, clean_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    async with connection("ssh", engine, clean_home, monkeypatch.setenv) as url, server:
        api = await reach_engine(read_address(url, "here"))
        driver = EngineDriver(api, clean_home)
        instance = await driver.start(record())
        sock = await instance.dial(server.sockets[0].getsockname()[1])
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b"HELLO"
        writer.close()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            closed = probe.getsockname()[1]
        with pytest.raises(Exception, match=f"listens on port {closed}"):
            await instance.dial(closed)
        await driver.discard("sbx_one")
        await driver.close()


def record() -> SandboxRecord:
    now = datetime.now(UTC)
    return SandboxRecord("sbx_one", "n", "i", created_at=now, updated_at=now)


async def test_a_lost_ssh_connection_is_opened_again(engine: FakeEngine, clean_home: Path) -> None:
    async with SshMachine(engine, (SOCKET,)).listening(clean_home) as machine:
        api = await reach_engine(read_address(f"ssh://me@127.0.0.1:{machine.port}", "here"))
        machine.connections[0].abort()
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while True:
                with contextlib.suppress(Exception):
                    assert (await api.call("GET", "/version"))["Version"] == "1.0"
                    break
        assert len(machine.connections) == 2
        await api.close()


async def test_the_host_may_be_one_of_the_ssh_configuration(engine: FakeEngine, clean_home: Path) -> None:
    async with SshMachine(engine, (SOCKET,)).listening(clean_home) as machine:
        (clean_home / ".ssh" / "id_ed25519").rename(clean_home / ".ssh" / "build_key")
        (clean_home / ".ssh" / "config").write_text(
            f"Host build\n  HostName 127.0.0.1\n  Port {machine.port}\n  User me\n  IdentityFile ~/.ssh/build_key\n"
        )
        api = await reach_engine(read_address("ssh://build", "here"))
        assert (await api.call("GET", "/version"))["Version"] == "1.0"
        await api.close()


# Errors


async def refusal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LocalError) as caught:
        await find_engine()
    return str(caught.value)


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("unix://relative.sock", "needs a full path"),
        ("unix:///no/such.sock", "No such file"),
        ("npipe:////./pipe/docker_engine", "is not supported"),
        ("fd://", "is not supported"),
        ("build-box", "is not the address"),
        ("tcp://", "names no host"),
        ("tcp://host:port", "is not a valid address"),
        ("tcp://host:99999", "is not a valid address"),
        ("tcp://host/path", "only ssh://"),
        ("ssh://-oProxyCommand=true", "names no host"),
        ("ssh://me:secret@host", "contains a password"),
    ],
)
async def test_a_host_that_cannot_be_used_is_said(host: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = await refusal(monkeypatch, DOCKER_HOST=host)
    assert text in said and "DOCKER_HOST" in said and "secret" not in said


async def test_a_named_engine_that_does_not_respond_is_not_replaced_by_another(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int, start: Start
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(LocalError, match=rf"127.0.0.1:{unused_tcp_port} .*refused.* DOCKER_HOST"):
        await start("engine")

    async def refused(state: Path, *, mapped: bool, network: str = "none") -> str:
        return "not allowed"

    monkeypatch.setattr("sandtui.local.drivers.selection.probe", refused)
    with pytest.raises(LocalError, match=r"not allowed.*DOCKER_HOST"):
        await start("auto")


async def test_certificates_that_do_not_fit_are_said(
    engine: FakeEngine, clean_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = clean_home / "right", clean_home / "wrong"
    write_certificates(right)
    write_certificates(wrong)
    with over_tls(engine, right, newest=THREE) as port:
        host = f"tcp://127.0.0.1:{port}"
        said = await refusal(monkeypatch, DOCKER_HOST=host, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(wrong))
        assert "is not trusted" in said and "DOCKER_CERT_PATH" in said
        # Without a check of the server, the engine refuses the client.
        said = await refusal(monkeypatch, DOCKER_TLS_VERIFY="")
        assert "DOCKER_HOST" in said
        (wrong / "key.pem").write_text("no key")
        assert "must contain ca.pem" in await refusal(monkeypatch, DOCKER_TLS_VERIFY="1")
        # Plain TCP to a port that uses TLS, and TLS to one that does not.
        monkeypatch.delenv("DOCKER_CERT_PATH")
        await refusal(monkeypatch, DOCKER_TLS_VERIFY="")

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        said = await refusal(monkeypatch, DOCKER_HOST=f"tcp://127.0.0.1:{port}", DOCKER_CERT_PATH=str(right))
        assert "TLS" in said


async def test_an_engine_that_proves_no_name_is_used_only_without_verification(
    engine: FakeEngine, clean_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_certificates(clean_home / "right")
    with over_tls(engine, clean_home / "right", newest=THREE) as port:
        (clean_home / "right" / "ca.pem").unlink()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        assert "is not trusted" in await refusal(
            monkeypatch, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(clean_home / "right")
        )
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "")
        api = await find_engine()
        assert api is not None
        await api.close()


async def test_ssh_says_what_to_do(
    engine: FakeEngine, clean_home: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    async with SshMachine(engine, (), docker=False).listening(clean_home) as machine:
        host = f"ssh://me@127.0.0.1:{machine.port}"
        said = await refusal(monkeypatch, DOCKER_HOST=host)
        assert "docker: not found" in said and "podman.sock" in said
        said = await refusal(monkeypatch, DOCKER_HOST=f"{host}/no/such.sock")
        assert "/no/such.sock" in said
        known = clean_home / ".ssh" / "known_hosts"
        text = known.read_text()
        known.write_text("")
        said = await refusal(monkeypatch, DOCKER_HOST=host)
        assert f"`ssh -p {machine.port} me@127.0.0.1`" in said and "host key" in said
        known.write_text(text)
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(clean_home / ".ssh" / "id_ed25519"))
        said = await refusal(monkeypatch)
        assert "accepts none of your SSH keys" in said and "ssh-add" in said
    said = await refusal(monkeypatch, DOCKER_HOST=f"ssh://127.0.0.1:{unused_tcp_port}")
    assert "No SSH connection to 127.0.0.1: Connection refused." in said


# Runtimes


async def test_the_runtime_is_chosen_by_name(engine: FakeEngine, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
    api = await start("engine", engine_runtime="runsc")
    await api.running()
    (container,) = engine.containers.values()
    assert container["HostConfig"]["Runtime"] == "runsc"
    assert "run by runsc" in api.platform.driver.isolation


async def test_without_a_name_the_engine_chooses_its_runtime(
    engine: FakeEngine, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
    await (await start("engine")).running()
    (container,) = engine.containers.values()
    assert "Runtime" not in container["HostConfig"]


async def test_a_runtime_that_the_engine_lacks_is_refused_with_those_it_has(
    engine: FakeEngine, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
    with pytest.raises(LocalError, match=r"no runtime 'kata'\. It has: runc, runsc"):
        await start("engine", engine_runtime="kata")


# Names


def write_context(home: Path, name: str, host: str, **engine: object) -> Path:
    """Write a context as ``docker context create`` does, and return the directory of its certificates."""
    identity = hashlib.sha256(name.encode()).hexdigest()
    folder = home / ".docker" / "contexts"
    (folder / "meta" / identity).mkdir(parents=True)
    values = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False, **engine}}}
    (folder / "meta" / identity / "meta.json").write_text(json.dumps(values))
    return folder / "tls" / identity / "docker"


async def test_a_context_of_docker_names_an_engine_with_its_certificates(
    engine: FakeEngine, start: Start, clean_home: Path, state_dir: Path
) -> None:
    write_certificates(clean_home / "made")
    with over_tls(engine, clean_home / "made", newest=THREE) as port:
        folder = write_context(clean_home, "build", f"tcp://127.0.0.1:{port}")
        folder.parent.mkdir(parents=True)
        (clean_home / "made").rename(folder)
        write_context(clean_home, "here", f"unix://{engine.socket}")
        assert [each.name for each in docker_contexts()] == ["build", "here"]
        # Each holds a platform, at the same time.
        boxes = {}
        for name in ("build", "here"):
            settings = engine_settings(name)
            api = await start(settings.driver, state=settings.state_dir, engine=name)
            boxes[name] = await api.running(name=name)
            assert [row["name"] for row in (await api.call("GET", "/sandbox")).json()["sandboxes"]] == [name]
        assert len(engine.containers) == 2


async def test_the_engine_is_the_one_that_docker_uses(
    engine: FakeEngine, clean_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("chosen", "variable"):
        write_context(clean_home, name, f"unix:///{name}.sock")
    assert address_in_environment() is None
    (clean_home / ".docker" / "config.json").write_text('{"currentContext": "chosen"}')
    assert str(address_in_environment()) == "unix:///chosen.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "variable")
    assert str(address_in_environment()) == "unix:///variable.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert address_in_environment() is None
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
    monkeypatch.setenv("DOCKER_CONTEXT", "variable")
    assert str(address_in_environment()) == f"unix://{engine.socket}"


def test_contexts_that_cannot_be_read_are_left_out(clean_home: Path) -> None:
    write_context(clean_home, "good", "ssh://box")
    meta = clean_home / ".docker" / "contexts" / "meta"
    for number, text in enumerate(["", "[]", '{"Name": 1}', '{"Name": "x", "Endpoints": []}', '{"Endpoints": 3}']):
        (meta / str(number)).mkdir()
        (meta / str(number) / "meta.json").write_text(text)
    assert [each.name for each in docker_contexts()] == ["good"]
    (clean_home / ".docker" / "config.json").write_text("[1]")
    assert chosen_context() == ("", "")


def test_an_unknown_name_lists_the_known_ones(clean_home: Path) -> None:
    write_context(clean_home, "build", "ssh://box")
    with pytest.raises(LocalError, match=r"no container engine 'bild' \(--engine\). Docker contexts: default, build"):
        named_address("bild", "--engine")


def test_ports_and_warnings_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(named_address("tcp://box", "x")) == "tcp://box:2375"
    assert str(named_address("tcp://[::1]", "x")) == "tcp://[::1]:2375"
    assert str(named_address("ssh://me@box:22/run/p.sock", "x")) == "ssh://me@box:22/run/p.sock"
    for url, warns in (
        ("tcp://box", True),
        ("tcp://127.0.0.1", False),
        ("tcp://localhost", False),
        ("ssh://box", False),
    ):
        address = named_address(url, "x")
        assert address is not None and bool(address.warning) is warns, url
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    address = named_address("tcp://box", "x")
    assert str(address) == "tcp://box:2376" and address is not None and not address.warning


def test_each_engine_and_runtime_has_a_platform_of_its_own(clean_home: Path) -> None:
    places = [
        engine_settings(*words).state_dir
        for words in (("build",), ("build", "runsc"), ("", "runsc"), ("ssh://a/b",), ("ssh://a-b",), ("../build",))
    ]
    assert len({*places, PlatformSettings().state_dir}) == 7
    assert {place.parent for place in places} == {clean_home / ".local/share/sandtui/engines"}
