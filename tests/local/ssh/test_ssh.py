"""SSH: both forms on one port, shells, files and forwarded ports, each within its sandbox."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from sandtui.local.ssh.files import SandboxFiles
from tests.local.gateway.test_ports import ECHO, serve
from tests.local.support import GIVE_UP_SECONDS, Api, Start

KEY = asyncssh.generate_private_key("ssh-ed25519")
PUBLIC = KEY.export_public_key().decode()


async def opened(api: Api, box: str, **body: Any) -> dict[str, Any]:
    reply = await api.call("POST", f"/sandbox/{box}/ssh-session", json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def authorized(api: Api, box: str) -> dict[str, Any]:
    """Open a session of the container form: the key comes by the gateway."""
    session = await opened(api, box)
    body = {"session_id": session["session_id"], "public_key": PUBLIC, "ttl_seconds": 900}
    headers = {"authorization": f"Bearer {session['token']}"}
    reply = await api.http.post(f"/{session['user_ns']}/{session['job_id']}/authorize", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return session


@asynccontextmanager
async def connected(
    session: dict[str, Any], *, preamble: bool = False, key: Any = KEY, user: str | None = None
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    options: dict[str, Any] = {
        "username": user or session["session_id"], "client_keys": [key], "known_hosts": None, "agent_path": None,
        "config": None, "preferred_auth": "publickey",
    }  # fmt: skip
    async with asyncio.timeout(GIVE_UP_SECONDS):
        sock = socket.create_connection((session["host"], session["port"]))
        if preamble:
            sock.sendall(f"PRIME-SSH-SESSION {session['session_id']}\n".encode())
        async with asyncssh.connect(sock=sock, **options) as connection:
            yield connection


async def test_the_container_form_logs_in_after_its_key_was_authorized(real: Api) -> None:
    box = await real.running(environment_vars={"FROM_SANDBOX": "s"})
    session = await opened(real, box)
    assert {"exposure_id", "external_endpoint", "gateway_url", "token", "expires_at"} <= session.keys()
    assert (session["ttl_seconds"], session["sandbox_id"]) == (900, box)
    with pytest.raises(asyncssh.PermissionDenied):
        async with connected(session):
            pass
    session = await authorized(real, box)
    async with connected(session) as ssh:
        result = await ssh.run("echo $FROM_SANDBOX; echo oops >&2; exit 3")
        assert (result.stdout, result.stderr, result.exit_status) == ("s\n", "oops\n", 3)
        assert (await ssh.run("cat; echo end", input="a\nb\n")).stdout == "a\nb\nend\n"
        assert (await ssh.run("kill -TERM $$")).exit_status == 143


async def test_the_vm_form_announces_its_session_first(isolated: Api) -> None:
    box = await isolated.running(vm=True)
    session = await opened(isolated, box, public_key=PUBLIC, ttl_seconds=60)
    for preamble in (True, False):
        async with connected(session, preamble=preamble) as ssh:
            assert (await ssh.run("hostname")).stdout == "box\n"
    other = await opened(isolated, box, public_key=PUBLIC)
    with pytest.raises(asyncssh.PermissionDenied):
        async with connected(session, preamble=True, user=other["session_id"]):
            pass


async def test_other_keys_names_and_times_are_refused(simulated: Api) -> None:
    box = await simulated.started()
    session = await opened(simulated, box, public_key=PUBLIC, ttl_seconds=60)
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    for options in ({"key": stranger}, {"user": "root"}, {"user": session["session_id"][:-1]}):
        with pytest.raises((asyncssh.PermissionDenied, asyncssh.ConnectionLost)):
            async with connected(session, **options):
                pass
    simulated.platform.clock.advance(seconds=timedelta(seconds=61).total_seconds())  # type: ignore[attr-defined]
    with pytest.raises(asyncssh.PermissionDenied):
        async with connected(session):
            pass


async def test_a_shell_has_a_terminal_that_follows_its_size(isolated: Api) -> None:
    session = await opened(isolated, await isolated.running(), public_key=PUBLIC)
    async with connected(session) as ssh:
        process = await ssh.create_process(term_type="xterm", term_size=(101, 31), encoding=None)
        process.stdin.write(b"stty size; echo $TERM; echo re''ady\r")
        seen = await process.stdout.readuntil(b"ready\r\n")
        assert b"31 101\r\n" in seen and b"xterm\r\n" in seen
        process.change_terminal_size(62, 9)
        process.stdin.write(b"stty size; echo re''sized\r")
        assert b"9 62\r\n" in await process.stdout.readuntil(b"resized\r\n")
        process.stdin.write(b"sh -c \"echo sta''rted; exec sleep 320\"\r")
        await process.stdout.readuntil(b"started")
        process.stdin.write(b"\x03")
        process.stdin.write(b"exit 4\r")
        assert (await process.wait()).exit_status == 4


async def test_leaving_ends_the_command(isolated: Api) -> None:
    box = await isolated.running()
    session = await opened(isolated, box, public_key=PUBLIC)
    async with connected(session) as ssh:
        process = await ssh.create_process("echo up; sleep 321")
        assert await process.stdout.readline() == "up\n"
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while (await isolated.run(box, "grep -la '[3]21' /proc/[0-9]*/cmdline")).json()["exit_code"] == 0:
            await asyncio.sleep(0.02)


async def test_files_are_those_of_the_sandbox(isolated: Api, tmp_path: Path) -> None:
    box = await isolated.running()
    session = await opened(isolated, box, public_key=PUBLIC)
    data = os.urandom(3_000_000)
    (tmp_path / "local.bin").write_bytes(data)
    async with connected(session) as ssh, ssh.start_sftp_client() as sftp:
        assert await sftp.realpath(".") == "/root"
        await sftp.put(str(tmp_path / "local.bin"), "/workspace/up.bin")
        assert (await isolated.output(box, "md5sum < /workspace/up.bin")).split()[0] == md5(data)
        await sftp.get("/workspace/up.bin", str(tmp_path / "back.bin"))
        assert (tmp_path / "back.bin").read_bytes() == data
        await sftp.mkdir("/workspace/d")
        await sftp.symlink("/workspace/up.bin", "/workspace/d/link")
        assert await sftp.readlink("/workspace/d/link") == "/workspace/up.bin"
        assert sorted(await sftp.listdir("/workspace")) == [".", "..", "d", "up.bin"]
        assert (await sftp.stat("/workspace/d/link")).size == len(data)
        await sftp.rename("/workspace/up.bin", "/workspace/moved")
        with pytest.raises(asyncssh.SFTPError):
            await sftp.rename("/workspace/moved", "/workspace/d/link")
        await sftp.posix_rename("/workspace/moved", "/workspace/d/link")
        await sftp.chmod("/workspace/d/link", 0o600)
        await sftp.truncate("/workspace/d/link", 10)
        found = await sftp.stat("/workspace/d/link")
        assert (found.permissions or 0) & 0o777 == 0o600 and found.size == 10
        async with sftp.open("/workspace/d/link", "ab") as file:
            await file.write(b"tail")
        async with sftp.open("/workspace/d/link", "rb") as file:
            assert (await file.read())[10:] == b"tail"
        await sftp.remove("/workspace/d/link")
        await sftp.rmdir("/workspace/d")
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await sftp.stat("/workspace/d")
        # A link to the machine's files leads into the sandbox' own; what is not there can't be read.
        (tmp_path / "host-file").write_text("x")
        await sftp.symlink(str(tmp_path / "host-file"), "/workspace/out")
        for path in ("/workspace/out", f"/../../..{tmp_path}/host-file", "/proc/1/environ"):
            with pytest.raises(asyncssh.SFTPError):
                await (await sftp.open(path, "rb")).read()
        await isolated.output(box, "for n in $(seq 1200); do echo > /tmp/many-$n; done; mkfifo /tmp/pipe")
        assert len([name for name in await sftp.listdir("/tmp") if str(name).startswith("many-")]) == 1200
        with pytest.raises(asyncssh.SFTPError):
            await sftp.open("/tmp/pipe", "rb")


def md5(data: bytes) -> str:
    return subprocess.run(["md5sum"], input=data, capture_output=True, check=True).stdout.split()[0].decode()


def test_no_call_of_the_library_that_touches_the_machine_is_left() -> None:
    harmless = {"channel", "connection", "env", "logger", "exit", "convert_attrs", "format_longname"}
    for name in dir(asyncssh.SFTPServer):
        if not name.startswith("_") and name not in harmless:
            assert name in vars(SandboxFiles), f"{name} would work on this machine's own files"


async def test_ports_are_forwarded_both_ways(isolated: Api) -> None:
    box = await isolated.running(network_access=False)
    await serve(isolated, box, 7001, ECHO)
    session = await opened(isolated, box, public_key=PUBLIC)
    async with connected(session) as ssh:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while True:
                try:
                    reader, writer = await ssh.open_connection("localhost", 7001, encoding=None)
                    break
                except asyncssh.ChannelOpenError:
                    await asyncio.sleep(0.02)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.write_eof()
        assert await reader.read() == b""
        for host, port in (("localhost", 1), ("192.0.2.1", 80), ("metadata.internal", 80)):
            with pytest.raises(asyncssh.ChannelOpenError):
                await ssh.open_connection(host, port)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"from outside: " + await reader.readline())
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            listener = await ssh.forward_remote_port("", 0, "127.0.0.1", port)
            program = (
                f"import socket; s = socket.create_connection(('127.0.0.1', {listener.get_port()}));"
                "s.sendall(b'hi\\n'); print(s.makefile().read())"
            )
            assert (await isolated.output(box, f'python3 -c "{program}"')).strip() == "from outside: hi"
            listener.close()


async def test_an_end_and_a_close_cut_the_connection(isolated: Api) -> None:
    box = await isolated.running()
    for how in ("close", "end"):
        session = await opened(isolated, box, public_key=PUBLIC)
        async with connected(session) as ssh:
            process = await ssh.create_process("echo up; sleep 322")
            await process.stdout.readline()
            path = f"/sandbox/{box}/ssh-session/{session['session_id']}" if how == "close" else f"/sandbox/{box}"
            assert (await isolated.call("DELETE", path)).status_code == 200
            await ssh.wait_closed()
        with pytest.raises(asyncssh.PermissionDenied):
            async with connected(session):
                pass


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"public_key": "no key"}, "public_key"),
        ({"public_key": "ssh-ed25519 AAAA"}, "public_key"),
        ({"public_key": ""}, "public_key"),
        ({"ttl_seconds": 0}, "ttl_seconds"),
        ({"ttl_seconds": 3601}, "ttl_seconds"),
    ],
)
async def test_malformed_sessions_name_their_field(simulated: Api, body: dict[str, Any], param: str) -> None:
    box = await simulated.started()
    reply = await simulated.call("POST", f"/sandbox/{box}/ssh-session", json=body)
    assert (reply.status_code, reply.json()["errors"][0]["param"]) == (422, param)


async def test_sessions_belong_to_one_sandbox(simulated: Api) -> None:
    mine, other = await simulated.started(), await simulated.started()
    session = await opened(simulated, mine)
    body = {"session_id": session["session_id"], "public_key": PUBLIC, "ttl_seconds": 900}
    assert (await simulated.gateway("POST", other, "authorize", json=body)).status_code == 404
    path = f"/sandbox/{other}/ssh-session/{session['session_id']}"
    assert (await simulated.call("DELETE", path)).status_code == 404
    pending = (await simulated.create())["id"]
    assert (await simulated.call("POST", f"/sandbox/{pending}/ssh-session", json={})).status_code == 409


async def test_strangers_at_the_port_do_no_harm(simulated: Api) -> None:
    session = await opened(simulated, await simulated.started(), public_key=PUBLIC)
    for data in (
        b"",
        b"\0" * 1000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRIME-SSH-SESSION " + b"x" * 5000,
        b"PRIME-SSH-SESSION \xff\n",
    ):
        reader, writer = await asyncio.open_connection(session["host"], session["port"])
        writer.write(data)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), GIVE_UP_SECONDS)
        writer.close()
    async with connected(session) as ssh:
        assert (await ssh.run("echo still here")).stdout == "still here\n"


@pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's client is not installed")
async def test_openssh_logs_in_both_forms(isolated: Api, tmp_path: Path) -> None:
    box = await isolated.running()
    session = await opened(isolated, box, public_key=PUBLIC)
    identity = tmp_path / "key"
    identity.write_bytes(KEY.export_private_key())
    identity.chmod(0o600)
    options = [
        "-i",
        str(identity),
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-F",
        "none",
    ]
    proxy = tmp_path / "proxy.py"
    proxy.write_text(
        "import os, socket, sys, threading\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "s.sendall(f'PRIME-SSH-SESSION {sys.argv[3]}\\n'.encode())\n"
        "def up():\n    while d := os.read(0, 65536): s.sendall(d)\n    s.shutdown(1)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while d := s.recv(65536): os.write(1, d)\n"
    )
    where = f"{session['session_id']}@{session['host']}"
    command = f"python3 {proxy} {session['host']} {session['port']} {session['session_id']}"
    for more in ([], ["-o", f"ProxyCommand={command}"]):
        process = await asyncio.create_subprocess_exec(
            "ssh", *options, *more, "-p", str(session["port"]), where, "hostname",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), GIVE_UP_SECONDS)
        assert (out, process.returncode) == (b"box\n", 0), err
    process = await asyncio.create_subprocess_exec(
        "scp", *options, "-P", str(session["port"]), str(identity), f"{where}:/tmp/copied",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await asyncio.wait_for(process.communicate(), GIVE_UP_SECONDS)
    assert process.returncode == 0, err
    assert (await isolated.download(box, "/tmp/copied")).content == identity.read_bytes()


async def test_a_broken_host_key_is_reported_by_the_session_and_keeps_no_platform_from_starting(
    start: Start, state_dir: Path
) -> None:
    api = await start("process")
    box = await api.running()
    key = state_dir / "ssh_host_key"
    assert not key.exists(), "made with the first session"
    key.write_text("this is no key\n")
    key.chmod(0o600)
    for _ in range(2):
        reply = await api.call("POST", f"/sandbox/{box}/ssh-session", json={})
        assert reply.status_code == 500
        assert f"The file {key} is not an SSH key. Remove it" in reply.json()["detail"]
    key.unlink()
    first, second = await asyncio.gather(opened(api, box), opened(api, box))
    assert first["port"] == second["port"]
    assert key.stat().st_mode & 0o077 == 0
