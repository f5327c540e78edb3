"""The seed guide's flows, run by an official SDK in its own environment.

Prints one JSON line for each flow: its name, whether it passed, and why not. This file is run by the interpreter of
that environment and imports nothing of sandtui.
"""

import asyncio
import json
import pathlib
import sys
import tempfile
import time
import traceback
import uuid

from prime_sandboxes import APIClient, APIError, AsyncSandboxClient, CreateSandboxRequest, SandboxClient

FLOWS = []
RUN = f"run-{uuid.uuid4().hex[:8]}"
"""A label of this run alone: several may share one platform."""


def flow(function):
    FLOWS.append(function)
    return function


def request(name, **more):
    return CreateSandboxRequest(
        name=name, docker_image="python:3.11-slim", labels=[RUN, name], timeout_minutes=30, **more
    )


def wait_for_job(client, sandbox_id, job):
    deadline = time.monotonic() + 30
    while True:
        status = client.get_background_job(sandbox_id, job)
        if status.completed or time.monotonic() > deadline:
            return status
        time.sleep(0.1)


@flow
def create_wait_exec_delete():
    client = SandboxClient(APIClient())
    sandbox = client.create(
        request("sync", environment_vars={"LOG_LEVEL": "debug"}, secrets={"API_KEY": "sk-canary-value"})
    )
    client.wait_for_creation(sandbox.id)
    result = client.execute_command(sandbox.id, "python -c 'print(42)'")
    assert (result.stdout, result.stderr, result.exit_code) == ("42\n", "", 0), result
    result = client.execute_command(sandbox.id, "echo $LOG_LEVEL $API_KEY; echo oops >&2; exit 7")
    assert (result.stdout, result.stderr, result.exit_code) == ("debug sk-canary-value\n", "oops\n", 7), result
    result = client.execute_command(
        sandbox.id, "pwd; echo $CUSTOM_VAR", working_dir="/tmp", env={"CUSTOM_VAR": "hello"}
    )
    assert result.stdout == "/tmp\nhello\n", result
    again = client.get(sandbox.id)
    assert again.status == "RUNNING", again.status
    assert "sk-canary-value" not in again.model_dump_json(), "a secret came back"
    client.delete(sandbox.id)
    assert client.get(sandbox.id).status == "TERMINATED"


@flow
def upload_and_download():
    client = SandboxClient(APIClient())
    sandbox = client.create(request("files"))
    client.wait_for_creation(sandbox.id)
    content = bytes(range(256)) * 4096
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "data.bin"), pathlib.Path(folder, "back.bin")
        source.write_bytes(content)
        reply = client.upload_file(sandbox.id, "/workspace/new/data.bin", str(source))
        assert reply.size == len(content), reply
        result = client.execute_command(sandbox.id, "wc -c < /workspace/new/data.bin")
        assert int(result.stdout) == len(content), result
        client.download_file(sandbox.id, "/workspace/new/data.bin", str(target))
        assert target.read_bytes() == content
    client.delete(sandbox.id)


@flow
def logs():
    client = SandboxClient(APIClient())
    sandbox = client.create(request("logs", start_command="echo from-start-command; tail -f /dev/null"))
    client.wait_for_creation(sandbox.id)
    deadline = time.monotonic() + 10
    while "from-start-command" not in client.get_logs(sandbox.id):
        assert time.monotonic() < deadline, client.get_logs(sandbox.id)
        time.sleep(0.05)
    client.delete(sandbox.id)


@flow
def background_job():
    client = SandboxClient(APIClient())
    sandbox = client.create(request("job"))
    client.wait_for_creation(sandbox.id)
    job = client.start_background_job(sandbox.id, "echo working; sleep 1; echo oops >&2; exit 3")
    assert not client.get_background_job(sandbox.id, job).completed
    status = wait_for_job(client, sandbox.id, job)
    assert status.completed and status.exit_code == 3, status
    assert status.stdout.strip() == "working" and status.stderr.strip() == "oops", status
    client.delete(sandbox.id)


@flow
def list_and_bulk_delete():
    client = SandboxClient(APIClient())
    made = [client.create(request("bulk")) for _ in range(3)]
    other = client.create(request("other"))
    listed = client.list(labels=[RUN, "bulk"])
    assert {sandbox.id for sandbox in listed.sandboxes} == {sandbox.id for sandbox in made}
    reply = client.bulk_delete(sandbox_ids=[made[0].id])
    assert reply.succeeded == [made[0].id], reply
    reply = client.bulk_delete(labels=[RUN, "bulk"])
    assert set(reply.succeeded) == {made[1].id, made[2].id}, reply
    assert client.get(other.id).status in {"PENDING", "PROVISIONING", "RUNNING"}
    client.delete(other.id)


@flow
def errors():
    client = SandboxClient(APIClient())
    try:
        client.get("sbx_does_not_exist")
    except APIError as error:
        assert "404" in str(error), error
    else:
        raise AssertionError("an unknown id was found")
    from prime_sandboxes import CommandTimeoutError, UnauthorizedError

    sandbox = client.create(request("errors"))
    client.wait_for_creation(sandbox.id)
    try:
        client.execute_command(sandbox.id, "sleep 30", timeout=1)
    except CommandTimeoutError:
        pass
    else:
        raise AssertionError("a command outlived its timeout")
    left = client.execute_command(sandbox.id, "ps -e 2>/dev/null | grep -c '[s]leep' || true")
    assert left.stdout.strip() in {"0", ""}, left
    client.delete(sandbox.id)
    try:
        SandboxClient(APIClient(api_key="wrong")).list()
    except UnauthorizedError:
        pass
    else:
        raise AssertionError("a wrong key was let in")


@flow
def async_fleet():
    async def run():
        async with AsyncSandboxClient() as sandboxes:
            made = await asyncio.gather(*[sandboxes.create(request(f"batch-{i}")) for i in range(4)])
            await sandboxes.bulk_wait_for_creation([sandbox.id for sandbox in made])
            results = await asyncio.gather(
                *[sandboxes.execute_command(sandbox.id, f"echo {i}") for i, sandbox in enumerate(made)]
            )
            assert [result.stdout for result in results] == [f"{i}\n" for i in range(4)], results
            await asyncio.gather(*[sandboxes.delete(sandbox.id) for sandbox in made])

    asyncio.run(run())


def main():
    failed = False
    for function in FLOWS:
        row = {"flow": function.__name__, "ok": True}
        try:
            function()
        except BaseException:
            failed = True
            row |= {"ok": False, "error": traceback.format_exc(limit=-4)}
        print(json.dumps(row), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
