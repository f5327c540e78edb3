"""The seed guide's features, each in both forms where both make sense, against the real local platform."""

import asyncio
import contextlib
import random
import socket
import time
import urllib.request

import pytest

from sandtui.client import (
    APIClient,
    APIError,
    AsyncSandboxClient,
    CommandTimeoutError,
    Config,
    CreateSandboxRequest,
    SandboxClient,
    SandboxClientError,
    SandboxNotRunningError,
    UnauthorizedError,
)
from sandtui.client.channels import SSHChannels

IMAGE = "python:3.11-slim"


def eventually(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            result = condition()
        except OSError:
            result = None
        if result or time.monotonic() > deadline:
            return result
        time.sleep(0.05)


def test_sync_client(client, tmp_path):
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    sandbox = client.create(
        CreateSandboxRequest(
            name="sdk-demo",
            docker_image=IMAGE,
            labels=["experiment"],
            timeout_minutes=120,
            environment_vars={"LOG_LEVEL": "debug"},
            secrets={"API_KEY": "sk-abc123"},
        )
    )
    client.wait_for_creation(sandbox.id)
    result = client.execute_command(sandbox.id, "python -c 'print(42)'")
    assert result.stdout.strip() == "42"
    client.upload_file(sandbox.id, "/workspace/data.csv", tmp_path / "data.csv")
    client.execute_command(sandbox.id, "tr , ';' < /workspace/data.csv > /workspace/output.csv")
    client.download_file(sandbox.id, "/workspace/output.csv", tmp_path / "new" / "output.csv")
    assert (tmp_path / "new" / "output.csv").read_text() == "a;b\n1;2\n"
    exposed = client.expose(sandbox.id, port=8000, name="web")
    assert exposed.url.startswith("http://")
    client.delete(sandbox.id)
    assert client.get(sandbox.id).status == "TERMINATED"


async def test_async_client(configured):
    async with AsyncSandboxClient() as sandboxes:
        request = CreateSandboxRequest(name="sdk-demo", docker_image=IMAGE, labels=["experiment", "ml-pipeline"])
        sandbox = await sandboxes.create(request)
        await sandboxes.wait_for_creation(sandbox.id)
        result = await sandboxes.execute_command(sandbox.id, "python -c 'print(42)'")
        assert result.stdout.strip() == "42"
        await sandboxes.delete(sandbox.id)


async def test_launch_a_fleet(configured):
    async with AsyncSandboxClient() as sandboxes:
        requests = [CreateSandboxRequest(name=f"batch-{i}", docker_image=IMAGE) for i in range(1, 4)]
        created = await asyncio.gather(*[sandboxes.create(request) for request in requests])
        statuses = await sandboxes.bulk_wait_for_creation([sandbox.id for sandbox in created])
        assert statuses == {sandbox.id: "RUNNING" for sandbox in created}
        reply = await sandboxes.bulk_delete(sandbox_ids=[sandbox.id for sandbox in created])
        assert len(reply.succeeded) == 3


def test_launch_a_fleet_in_sync(client):
    requests = [CreateSandboxRequest(name=f"batch-{i}", docker_image=IMAGE) for i in range(3)]
    created = [outcome.unwrap() for outcome in client.create_many(requests)]
    assert sorted(sandbox.name for sandbox in created) == ["batch-0", "batch-1", "batch-2"]
    ids = [sandbox.id for sandbox in created]
    assert set(client.bulk_wait_for_creation(ids).values()) == {"RUNNING"}
    outputs = {outcome.key: outcome.unwrap().stdout for outcome in client.execute_many(ids, "hostname")}
    assert sorted(outputs.values()) == ["batch-0\n", "batch-1\n", "batch-2\n"]
    assert {outcome.key for outcome in client.delete_many(ids) if outcome.error is None} == set(ids)


def test_commands_and_logs(client, sandbox):
    version = client.execute_command(sandbox.id, "python -c 'import platform; print(platform.python_version())'")
    assert version.stdout.strip().startswith("3.")
    assert isinstance(client.get_logs(sandbox.id), str)
    result = client.execute_command(sandbox.id, "echo $CUSTOM_VAR; pwd", "/tmp", env={"CUSTOM_VAR": "hello"})
    assert result.stdout == "hello\n/tmp\n"


def free_port():
    """Return a port that may be exposed and that nobody on this machine uses: sandboxes may share its network."""
    for port in range(random.randint(5000, 7000), 8000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def test_expose_http(client, sandbox):
    port = free_port()
    client.execute_command(sandbox.id, "mkdir -p /workspace/www && echo served > /workspace/www/page")
    client.start_background_job(sandbox.id, f"python -m http.server {port} --bind 0.0.0.0", "/workspace/www")
    exposed = client.expose(sandbox.id, port=port, name="web-server")

    def page():
        with urllib.request.urlopen(f"{exposed.url}/page", timeout=5) as reply:
            return reply.read()

    assert eventually(page) == b"served\n"
    assert [port.exposure_id for port in client.list_exposed_ports(sandbox.id).exposures] == [exposed.exposure_id]
    assert exposed.exposure_id in {port.exposure_id for port in client.list_all_exposed_ports().exposures}
    client.unexpose(sandbox.id, exposed.exposure_id)
    assert client.list_exposed_ports(sandbox.id).exposures == []
    with pytest.raises(OSError):
        page()


def test_expose_tcp(client, sandbox):
    inner = free_port()
    echo = (
        "python -c \"import socketserver; h = type('H', (socketserver.StreamRequestHandler,), "
        "{'handle': lambda s: s.wfile.write(s.rfile.readline())}); "
        f"socketserver.TCPServer(('0.0.0.0', {inner}), h).serve_forever()\""
    )
    client.start_background_job(sandbox.id, echo)
    exposed = client.expose(sandbox.id, port=inner, name="tcp-server", protocol="TCP")
    host, _, port = exposed.external_endpoint.rpartition(":")
    assert int(port) == exposed.external_port

    def answer():
        with socket.create_connection((host, int(port)), timeout=5) as link:
            link.sendall(b"ping\n")
            return link.recv(100)

    assert eventually(answer) == b"ping\n"


def test_start_command(client):
    request = CreateSandboxRequest(name="api", docker_image=IMAGE, start_command="echo started; exec sleep 1000")
    sandbox = client.create(request)
    client.wait_for_creation(sandbox.id)
    assert eventually(lambda: "started" in client.get_logs(sandbox.id))
    client.delete(sandbox.id)


def test_secrets_never_come_back(client):
    request = CreateSandboxRequest(
        name="configured",
        docker_image=IMAGE,
        environment_vars={"APP_ENV": "staging"},
        secrets={"DB_PASSWORD": "hunter2-canary"},
    )
    sandbox = client.create(request)
    client.wait_for_creation(sandbox.id)
    assert client.execute_command(sandbox.id, "echo $APP_ENV $DB_PASSWORD").stdout == "staging hunter2-canary\n"
    everything = client.get(sandbox.id).model_dump_json() + client.get_logs(sandbox.id) + repr(request)
    assert "hunter2-canary" not in everything
    client.delete(sandbox.id)


def test_network_isolation(client, configured):
    if configured.driver != "namespace":
        pytest.skip(f"the {configured.driver} driver can't isolate the network")
    sandbox = client.create(CreateSandboxRequest(name="isolated", docker_image=IMAGE, network_access=False))
    client.wait_for_creation(sandbox.id)
    host, _, port = configured.base_url.removeprefix("http://").rpartition(":")
    connect = f"import socket; socket.create_connection(('{host}', {port}), 3)"
    result = client.execute_command(sandbox.id, f'python -c "{connect}"')
    assert result.exit_code != 0, "not even this machine's own platform can be reached"
    client.delete(sandbox.id)


def test_background_jobs(client, sandbox):
    job = client.start_background_job(sandbox.id, "echo epoch $N; sleep 0.3; echo bad >&2; exit 3", env={"N": "1"})
    assert client.get_background_job(sandbox.id, job).completed is False
    assert eventually(lambda: client.get_background_job_status(sandbox.id, job).completed)
    status = client.get_background_job(sandbox.id, job)
    assert (status.exit_code, status.stdout, status.stderr) == (3, "epoch 1\n", "bad\n")
    done = client.run_background_job(sandbox.id, "echo fine", poll_interval=0.05)
    assert (done.exit_code, done.stdout) == (0, "fine\n")
    both = client.get_background_job_statuses([job, job])
    assert [status.exit_code for status in both] == [3, 3]


def test_errors_of_the_guide(client, sandbox):
    with pytest.raises(CommandTimeoutError):
        client.execute_command(sandbox.id, "sleep 30", timeout=1)
    with pytest.raises(UnauthorizedError):
        SandboxClient(APIClient(api_key="wrong"), keep_tokens=False).list()
    with pytest.raises(APIError, match="404"):
        client.get("sbx_123")
    client.delete(sandbox.id)
    with pytest.raises(SandboxNotRunningError):
        client.execute_command(sandbox.id, "true")
    with pytest.raises(SandboxClientError):
        client.execute_command(sandbox.id, "true")


def test_clean_exit(client):
    made = [client.create(CreateSandboxRequest(name="x", docker_image=IMAGE, labels=["exit-a", "b"])) for _ in range(2)]
    other = client.create(CreateSandboxRequest(name="y", docker_image=IMAGE, labels=["exit-a"]))
    result = client.bulk_delete(labels=["exit-a", "b"])
    assert set(result.succeeded) == {sandbox.id for sandbox in made}
    assert client.bulk_delete(sandbox_ids=[other.id, "sbx_789"]).failed[0]["sandbox_id"] == "sbx_789"


def test_read_file(client, sandbox):
    client.upload_bytes(sandbox.id, "/workspace/text", "0123456789é".encode(), "text")
    assert client.read_file(sandbox.id, "/workspace/text").content == "0123456789é"
    window = client.read_file(sandbox.id, "/workspace/text", offset=-4, length=2)
    assert (window.content, window.total_size, window.truncated) == ("89", 12, True)


def test_raw_requests(configured):
    client = APIClient()
    assert client.get("/sandbox", {"page": 1, "per_page": 1})["page"] == 1
    assert client.get("sandbox/expose/all")["exposures"] is not None


async def test_a_vm_by_command_session(configured):
    async with AsyncSandboxClient() as sandboxes:
        request = CreateSandboxRequest(name="vm", docker_image=IMAGE, vm=True, start_command="sleep 1000")
        sandbox = await sandboxes.create(request)
        await sandboxes.wait_for_creation(sandbox.id)
        result = await sandboxes.execute_command(
            sandbox.id, "echo $A; pwd; echo bad >&2; exit 4", "/tmp", env={"A": "b"}
        )
        assert (result.stdout, result.stderr, result.exit_code) == ("b\n/tmp\n", "bad\n", 4)
        with pytest.raises(CommandTimeoutError):
            await sandboxes.execute_command(sandbox.id, "sleep 30", timeout=1)
        events = [event async for event in sandboxes.stream_command(sandbox.id, "echo 1; echo 2 >&2")]
        assert events[0].transport == "session"
        assert {(event.stream, event.data) for event in events[1:-1]} == {("stdout", b"1\n"), ("stderr", b"2\n")}
        assert events[-1].exit_code == 0
        async with await sandboxes.open_process(sandbox.id, "cat; exit 9", size=(80, 24)) as process:
            assert process.pid
            await process.write_stdin(b"typed\r")
            assert b"typed" in await anext(process.stdout)
            await process.resize(100, 30)
            await process.terminate()
            assert await process.wait() == 143
            assert process.returncode == 143
        await sandboxes.delete(sandbox.id)


def test_a_vm_in_sync(client):
    sandbox = client.create(CreateSandboxRequest(name="vm", docker_image=IMAGE, vm=True, network_access=False))
    assert sandbox.network_allowlist == []
    client.wait_for_creation(sandbox.id)
    assert client.execute_command(sandbox.id, "echo hi").stdout == "hi\n"
    events = list(client.stream_command(sandbox.id, "echo hi"))
    assert [type(event).__name__ for event in events] == ["CommandStarted", "CommandOutput", "CommandEnded"]
    client.delete(sandbox.id)


def test_a_container_streams_by_a_job_where_there_is_no_ssh(client, sandbox, monkeypatch):
    async def none(_self, _sandbox_id):
        return None

    monkeypatch.setattr(SSHChannels, "open", none)
    events = list(client.stream_command(sandbox.id, "echo one; sleep 0.2; echo two; printf '\\377' >&2; exit 5"))
    assert events[0].transport == "job"
    output = {"stdout": b"", "stderr": b""}
    for event in events[1:-1]:
        output[event.stream] += event.data
    assert output == {"stdout": b"one\ntwo\n", "stderr": b"\xff"}
    assert events[-1].exit_code == 5


async def test_a_container_streams_over_ssh(configured):
    async with AsyncSandboxClient() as sandboxes:
        sandbox = await sandboxes.create(CreateSandboxRequest(name="ssh", docker_image=IMAGE))
        await sandboxes.wait_for_creation(sandbox.id)
        command = "echo $A; pwd; echo bad >&2; exit 6"
        events = [event async for event in sandboxes.stream_command(sandbox.id, command, "/tmp", env={"A": "b c"})]
        assert events[0].transport == "ssh"
        output = {"stdout": b"", "stderr": b""}
        for event in events[1:-1]:
            output[event.stream] += event.data
        assert output == {"stdout": b"b c\n/tmp\n", "stderr": b"bad\n"}
        assert events[-1].exit_code == 6
        with pytest.raises(CommandTimeoutError):
            async for _ in sandboxes.stream_command(sandbox.id, "sleep 4321", timeout=1):
                pass
        stream = sandboxes.stream_command(sandbox.id, "sleep 54321")
        assert (await anext(stream)).transport == "ssh"
        await stream.aclose()
        for _ in range(100):
            left = (await sandboxes.execute_command(sandbox.id, "cat /proc/[0-9]*/cmdline")).stdout
            if "4321" not in left:
                break
            await asyncio.sleep(0.05)
        assert "4321" not in left, "what was left or too slow has been stopped"
        await sandboxes.delete(sandbox.id)


@pytest.mark.parametrize("vm", [False, True])
async def test_ssh_in_both_forms(configured, vm):
    async with AsyncSandboxClient() as sandboxes:
        sandbox = await sandboxes.create(CreateSandboxRequest(name="ssh", docker_image=IMAGE, vm=vm or None))
        await sandboxes.wait_for_creation(sandbox.id)
        async with sandboxes.connect_ssh(sandbox.id) as connection:
            result = await connection.run("hostname")
            assert result.stdout == "ssh\n"
            async with connection.start_sftp_client() as sftp, sftp.open("/workspace/x", "w") as file:
                await file.write("by sftp")
        assert (await sandboxes.execute_command(sandbox.id, "cat /workspace/x")).stdout == "by sftp"
        await sandboxes.delete(sandbox.id)


def test_leaving_a_stream_stops_the_command(client, sandbox):
    stream = client.stream_command(sandbox.id, "sleep 12345", user="root")
    assert next(stream).transport == "job", "SSH knows no other user"
    stream.close()
    assert eventually(lambda: "12345" not in client.execute_command(sandbox.id, "cat /proc/*/cmdline").stdout)


def test_the_configuration_is_the_clients_own(configured):
    client = SandboxClient(APIClient(config=Config(api_key="k", base_url="http://127.0.0.1:9")))
    assert client.config.base_url == "http://127.0.0.1:9"
