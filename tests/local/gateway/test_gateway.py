"""The gateway with real processes: each test runs once in namespaces and once without."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from sandtui.client.models import CommandResponse, FileUploadResponse, ReadFileResponse
from sandtui.local.gateway import execution, uploads
from tests.local.support import GIVE_UP_SECONDS, Api, processes_of


async def test_a_command_gives_both_streams_and_its_code(real: Api) -> None:
    box = await real.running()
    reply = await real.run(box, "echo out; echo err >&2; exit 3", working_dir=None, env={}, sandbox_id=box, timeout=10)
    assert CommandResponse.model_validate(reply.json()) == CommandResponse(stdout="out\n", stderr="err\n", exit_code=3)
    assert (await real.run(box, "kill -9 $$")).json()["exit_code"] == 137
    assert (await real.run(box, "no-such-program")).json()["exit_code"] == 127


async def test_variables_secrets_and_directories_reach_the_command(real: Api) -> None:
    box = await real.running(environment_vars={"A": "1", "B": "2"}, secrets={"S": "hidden"})
    assert await real.output(box, 'echo "$A $B $S $C"', env={"B": "over", "C": "x y"}) == "1 over hidden x y\n"
    await real.output(box, "mkdir -p sub && echo data > sub/file")
    assert await real.output(box, "cat file", working_dir="/workspace/sub") == "data\n"
    reply = await real.run(box, "pwd", working_dir="/nowhere/at/all")
    assert reply.json()["exit_code"] == 127
    assert "/nowhere/at/all" in reply.json()["stderr"]


async def test_python_is_there_whatever_the_host_calls_it(real: Api) -> None:
    box = await real.running()
    assert await real.output(box, "python -c 'print(42)'") == "42\n"


async def test_a_command_past_its_time_is_killed_with_its_children(real: Api) -> None:
    box = await real.running()
    started = time.monotonic()
    reply = await real.run(box, "sleep 300 & echo $! > pid; sleep 301", timeout=0.5)
    assert reply.status_code == 408
    assert time.monotonic() - started < 5
    await gone(real, box)


async def gone(api: Api, box: str) -> None:
    """Wait until the process whose number is in the file is no more."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while (await api.run(box, "kill -0 $(cat pid)")).json()["exit_code"] == 0:
            await asyncio.sleep(0.01)


async def test_a_client_that_goes_away_ends_its_command(real: Api) -> None:
    box = await real.running()
    token = await real.token(box)
    waiting = asyncio.Event()
    sent = False

    async def receive() -> dict[str, object]:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": b'{"command": "echo $$ > pid; exec sleep 300"}'}
        await waiting.wait()
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        return None

    scope = {
        "type": "http", "method": "POST", "path": f"/sandboxes/{box}/exec", "query_string": b"", "headers": [
            (b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())
        ],
    }  # fmt: skip
    request = asyncio.create_task(real.platform.app(scope, receive, send))  # type: ignore[arg-type]
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while (await real.run(box, "test -s pid && kill -0 $(cat pid)")).json()["exit_code"] != 0:
            await asyncio.sleep(0.01)
        waiting.set()
        await request
    await gone(real, box)


async def test_a_child_in_the_background_continues(real: Api) -> None:
    box = await real.running()
    started = time.monotonic()
    assert await real.output(box, "(sleep 0.3; echo late; echo done > marker) & echo $! > pid; echo hi") == "hi\n"
    assert time.monotonic() - started < 2
    await gone(real, box)
    # It wrote to a stream that nobody waits for any more, and was not killed by that.
    assert await real.output(box, "cat marker") == "done\n"


async def test_output_is_bounded_and_says_so(real: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "MAX_OUTPUT", 1000)
    box = await real.running()
    reply = (await real.run(box, "yes | head -c 500000")).json()
    assert len(reply["stdout"]) == 1000
    assert "499000 dropped" in reply["stderr"]
    assert reply["exit_code"] == 0


async def test_many_commands_at_once(real: Api) -> None:
    box = await real.running()
    outputs = await asyncio.gather(*(real.output(box, f"echo {number}; sleep 0.05") for number in range(40)))
    assert outputs == [f"{number}\n" for number in range(40)]


async def test_files_go_up_and_down(real: Api) -> None:
    box = await real.running()
    data = os.urandom(3_000_000)
    reply = await real.upload(box, "/workspace/new/dir/f.bin", data)
    assert FileUploadResponse.model_validate(reply.json()).size == len(data)
    down = await real.download(box, "/workspace/new/dir/f.bin")
    assert (down.status_code, down.headers["content-length"], down.content == data) == (200, "3000000", True)
    assert (await real.upload(box, "/workspace/new/dir/f.bin", b"")).json()["size"] == 0
    assert (await real.download(box, "/workspace/new/dir/f.bin")).content == b""
    await real.upload(box, "/workspace/run.sh", b"#!/bin/sh\necho ran\n")
    await real.output(box, "chmod +x run.sh")
    await real.upload(box, "/workspace/run.sh", b"#!/bin/sh\necho ran again\n")
    assert await real.output(box, "./run.sh") == "ran again\n"


async def test_reading_windows_of_a_file(real: Api) -> None:
    box = await real.running()
    await real.upload(box, "/workspace/f", b"0123456789")

    async def window(**query: int) -> ReadFileResponse:
        params = {"path": "/workspace/f", **query}
        return ReadFileResponse.model_validate((await real.gateway("GET", box, "read-file", params=params)).json())

    assert await window() == ReadFileResponse(content="0123456789", size=10, total_size=10, offset=0, truncated=False)
    assert await window(offset=4, length=2) == ReadFileResponse(
        content="45", size=2, total_size=10, offset=4, truncated=True
    )
    assert (await window(offset=-3)).content == "789"
    assert (await window(offset=-99, length=99)).truncated is False
    assert (await window(offset=99)).content == ""
    for query in ({"offset": "x"}, {"length": "-1"}, {"length": "9" * 30}):
        reply = await real.gateway("GET", box, "read-file", params={"path": "/workspace/f", **query})
        assert reply.status_code == 422


async def test_a_large_file_is_read_in_parts_only(real: Api) -> None:
    box = await real.running()
    await real.output(box, "head -c 11000000 /dev/zero | tr '\\0' x > big")
    reply = await real.gateway("GET", box, "read-file", params={"path": "/workspace/big"})
    assert reply.status_code == 413
    params = {"path": "/workspace/big", "offset": -10485760, "length": 10485760}
    tail = (await real.gateway("GET", box, "read-file", params=params)).json()
    assert (tail["size"], tail["total_size"], tail["truncated"]) == (10485760, 11000000, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/workspace/none", 404), ("/workspace", 400), ("/workspace/f/below", 404), ("relative", 422), ("", 422)],
)
async def test_paths_that_lead_to_no_file(real: Api, path: str, status: int) -> None:
    box = await real.running()
    await real.upload(box, "/workspace/f", b"x")
    for call in ("download", "read-file"):
        reply = await real.gateway("GET", box, call, params={"path": path})
        assert (reply.status_code, "detail" in reply.json() or "errors" in reply.json()) == (status, True)


async def test_what_is_no_regular_file_does_not_hang(real: Api) -> None:
    box = await real.running()
    await real.output(box, "mkfifo pipe; ln -s loop loop; ln -s pipe link")
    for path in ("/workspace/pipe", "/workspace/loop", "/workspace/link"):
        assert (await real.download(box, path)).status_code == 400
    assert (await real.upload(box, "/workspace/", b"x")).status_code == 422
    assert (await real.upload(box, "/workspace", b"x")).status_code == 400


async def test_a_broken_upload_leaves_the_old_file(real: Api) -> None:
    box = await real.running()
    await real.upload(box, "/workspace/f", b"old")
    token = await real.token(box)
    headers = {"authorization": f"Bearer {token}", "content-type": "multipart/form-data; boundary=b"}
    bodies = [
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\nhalf a fi',
        b'--b\r\ncontent-disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n',
        b"no form at all",
        b"",
    ]
    for body in bodies:
        url = f"/sandboxes/{box}/upload?path=/workspace/f"
        reply = await real.http.post(url, headers=headers, content=body)
        assert reply.status_code == 422, reply.text
    reply = await real.http.post(url, headers=headers | {"content-type": "text/plain"}, content=b"x")
    assert reply.status_code == 422
    assert (await real.download(box, "/workspace/f")).content == b"old"
    assert await real.output(box, "ls -A") == "f\n"


async def test_an_upload_over_the_limit_is_413(real: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOAD", 100_000)
    box = await real.running()
    assert (await real.upload(box, "/workspace/f", b"x" * 100_001)).status_code == 413
    assert (await real.upload(box, "/workspace/f", b"x" * 900_000)).status_code == 413
    assert (await real.upload(box, "/workspace/f", b"x" * 100_000)).status_code == 200
    assert await real.output(box, "ls -A") == "f\n"


async def test_no_path_leads_out_of_the_sandbox(real: Api, tmp_path: Path) -> None:
    box = await real.running()
    outside = tmp_path / "outside.txt"
    await real.upload(box, "/workspace/inside", b"x")
    outside.write_text("secret")
    up = "/.." * 30
    await real.output(box, f"ln -s {outside} absolute; ln -s ../../../../../..{outside} dots; ln -s / top")
    for path in (
        str(outside), f"/workspace{up}{outside}", "/workspace/absolute", "/workspace/dots", f"/workspace/top{outside}",
        f"/workspace/top{up}{outside}", f"/proc/1/root{outside}", f"/proc/self/root{outside}",
        f"/proc/self/cwd{outside}",
    ):  # fmt: skip
        reply = await real.download(box, path)
        assert reply.status_code in (403, 404), (path, reply.text)
    for path in (f"/workspace{up}{outside}", "/workspace/absolute", "/workspace/dots", f"/workspace/top{outside}"):
        reply = await real.upload(box, path, b"overwritten")
        assert reply.status_code in (200, 403, 404), reply.text
        assert outside.read_text() == "secret", path


async def test_a_token_opens_its_own_sandbox_only(real: Api) -> None:
    one, two = await real.running(), await real.running()
    token = await real.token(one)
    body = {"command": "true"}
    assert (await real.gateway("POST", one, "exec", token=token, json=body)).status_code == 200
    bad = [token[:-2] + "AA", real.platform.api_key, "x", "ä" * 3, token + "A", ""]
    for wrong in bad:
        headers = {"authorization": f"Bearer {wrong}".encode()}
        reply = await real.http.post(f"/sandboxes/{one}/exec", headers=headers, json=body)
        assert reply.status_code == 401, wrong
    for call in ("exec", "upload", "authorize"):
        assert (await real.gateway("POST", two, call, token=token, json=body)).status_code == 401
    for call in ("download", "read-file"):
        assert (await real.gateway("GET", two, call, token=token)).status_code == 401
    reply = await real.http.get("/api/v1/sandbox", headers={"authorization": f"Bearer {token}"})
    assert reply.status_code == 401


async def test_an_ended_sandbox_answers_409_and_is_gone(real: Api) -> None:
    box = await real.running()
    await real.output(box, "setsid sleep 300 > /dev/null 2>&1 & sleep 0.05")
    token = await real.token(box)
    state = real.platform.settings.state_dir
    assert any(pid != os.getpid() for pid in processes_of(state))
    await real.call("DELETE", f"/sandbox/{box}")
    reply = await real.gateway("POST", box, "exec", token=token, json={"command": "true"})
    assert (reply.status_code, reply.json()["error"]) == (409, "sandbox_not_running")
    assert [pid for pid in processes_of(state) if pid != os.getpid()] == []
    assert list((state / "sandboxes").iterdir()) == []
    assert "deleted" in (await real.call("GET", f"/sandbox/{box}/logs")).json()["logs"]


async def test_a_start_command_logs_and_ends_its_sandbox(real: Api) -> None:
    good = await real.create(start_command="echo from the start command; exit 0")
    bad = await real.create(start_command="echo oh no >&2; exit 7")
    ended = await real.until(good["id"], "TERMINATED", "ERROR")
    assert (ended["status"], ended["exitCode"], ended["errorType"]) == ("TERMINATED", 0, None)
    assert "from the start command\n" in (await real.call("GET", f"/sandbox/{good['id']}/logs")).json()["logs"]
    failed = await real.until(bad["id"], "TERMINATED", "ERROR")
    assert (failed["status"], failed["exitCode"]) == ("ERROR", 7)
    assert "exit code 7" in failed["errorMessage"]
    context = (await real.call("GET", f"/sandbox/{bad['id']}/error-context")).json()
    assert context == {"status": "ERROR", "errorType": None, "errorMessage": failed["errorMessage"]}
    assert "oh no\n" in (await real.call("GET", f"/sandbox/{bad['id']}/logs")).json()["logs"]


async def test_a_start_command_runs_beside_commands(real: Api) -> None:
    box = await real.running(start_command="echo ready > started; exec sleep 300")
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while (await real.run(box, "cat started")).json()["stdout"] != "ready\n":
            await asyncio.sleep(0.01)


async def test_the_first_log_line_says_what_isolates(real: Api) -> None:
    box = await real.running()
    logs = (await real.call("GET", f"/sandbox/{box}/logs")).json()["logs"]
    driver = real.platform.driver
    assert f"{driver.name} driver: {driver.isolation}" in logs.splitlines()[0]


async def test_background_jobs_of_the_sdk_can_be_followed(real: Api) -> None:
    box = await real.running()
    # What SDK 0.2.26 sends (client/WIRE.md 4).
    job = "/tmp/job_0a1b2c3d"
    inner = f"(exit 5) > {job}.stdout.log 2> {job}.stderr.log; echo $? > {job}.exit"
    await real.output(box, f"nohup sh -c '{inner}' < /dev/null > /dev/null 2>&1 &")
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while True:
            reply = await real.gateway("GET", box, "read-file", params={"path": f"{job}.exit"})
            if reply.status_code == 200 and reply.json()["content"]:
                break
            assert reply.status_code in (200, 404)
            await asyncio.sleep(0.01)
    assert reply.json()["content"] == "5\n"
    await real.run(box, f"rm -f {job}.*")


async def test_a_sandbox_that_is_not_up_yet_answers_409(simulated: Api) -> None:
    created = await simulated.create()
    reply = await simulated.run(created["id"], "true")
    assert (reply.status_code, reply.json()["error"]) == (409, "sandbox_not_running")


async def test_the_simulated_shell_says_what_it_is(simulated: Api) -> None:
    clock = simulated.platform.clock
    created = await simulated.create(name="sim")
    for _ in range(2):
        clock.advance(seconds=5)  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
    await simulated.until(created["id"], "RUNNING")
    assert await simulated.output(created["id"], "echo 'a b' c") == "a b c\n"
    assert await simulated.output(created["id"], "hostname") == "sim\n"
    assert (await simulated.run(created["id"], "false")).json()["exit_code"] == 1
    reply = (await simulated.run(created["id"], "rm -rf /")).json()
    assert (reply["exit_code"], "simulated" in reply["stderr"]) == (127, True)
    await simulated.upload(created["id"], "/x/y", b"data")
    assert (await simulated.download(created["id"], "/x/y")).content == b"data"
    reply = await simulated.run(created["id"], "sleep 1000", timeout=0.05)
    assert reply.status_code == 408
