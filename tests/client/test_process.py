"""Commands that stream and processes that live: ended whatever happens, and nothing lost unsaid."""

import asyncio

import httpx
import pytest

from sandtui.client import (
    APIClient,
    APIError,
    APITimeoutError,
    CommandTimeoutError,
    Config,
    ConnectionFailedError,
    InvalidRequestError,
    SandboxClient,
    ServerError,
    process,
    rpc,
)
from sandtui.client.flows.jobs import exit_code_of
from sandtui.client.models.command_session_pb2 import EventResponse, SendSignalRequest, StartRequest
from sandtui.client.models.jobs import BackgroundJob
from sandtui.client.output import OutputBuffer
from tests.client.fakes import SANDBOX, FakePlatform, NoWaiting, body_of, client_of, token_reply

AUTH = "POST /api/v1/sandbox/sbx_1/auth"
EXEC = "POST /ns/sbx_1/exec"
SSH = "POST /api/v1/sandbox/sbx_1/ssh-session"


def event(**fields):
    body = EventResponse(event=fields).SerializeToString()
    return b"\0" + len(body).to_bytes(4, "big") + body


class Stream(httpx.AsyncByteStream, httpx.SyncByteStream):
    def __init__(self, pieces, then=None):
        self.pieces, self.then = pieces, then

    async def __aiter__(self):
        for piece in self.pieces:
            yield piece
            await asyncio.sleep(0)
        if self.then is not None:
            await self.then.wait()

    def __iter__(self):
        yield from self.pieces


class VM:
    """A VM whose command sessions say what they are told to."""

    def __init__(self, pieces=(), then=None, hold=None):
        self.pieces, self.then, self.hold = pieces, then, hold
        self.started: list[str] = []
        self.signals: list[tuple[str, int]] = []
        self.start_came = asyncio.Event()

    async def __call__(self, request):
        path = request.url.path
        if path.endswith("/auth"):
            return httpx.Response(200, json=token_reply())
        if path.endswith("/Start"):
            self.started.append(StartRequest.FromString(request.content[5:]).session_uuid)
            self.start_came.set()
            if self.hold is not None:
                await self.hold.wait()
            return httpx.Response(200, stream=Stream(self.pieces, self.then))
        if path.endswith("/SendSignal"):
            message = SendSignalRequest.FromString(request.content)
            self.signals.append((message.session.session_uuid, message.signal))
            return httpx.Response(200, content=b"")
        if path.endswith("/error-context"):
            return httpx.Response(200, json={"status": "RUNNING"})
        return httpx.Response(200, json={**SANDBOX, "vm": True})


START, END = event(start={"pid": 7}), event(end={"exit_code": 3, "exited": True})


async def test_the_end_does_not_depend_on_a_reader():
    pieces = [event(data={"stdout": b"%05d" % number}) for number in range(3000)]
    async with client_of(VM([START, *pieces, END])) as client, asyncio.timeout(60):
        live = await client.open_process("sbx_1", "x")
        assert await live.wait() == 3
        assert b"".join([piece async for piece in live.stdout]) == b"".join(b"%05d" % number for number in range(3000))
        await live.aclose()
    assert (live.returncode, live.pid) == (3, 7)


async def test_what_is_not_read_is_lost_loudly():
    buffer = OutputBuffer("stdout", lambda: False, limit=10)
    for piece in (b"aaaa", b"bbbb", b"cccc"):
        await buffer.put(piece)
    buffer.end()
    with pytest.raises(APIError, match="4 bytes of stdout"):
        await anext(buffer)
    assert [piece async for piece in buffer] == [b"bbbb", b"cccc"]


async def test_a_slow_reader_holds_up_the_process_until_somebody_waits_for_it():
    may_wait = True
    buffer = OutputBuffer("stdout", lambda: may_wait, limit=4)
    await buffer.put(b"aaaa")
    assert await anext(buffer) == b"aaaa"
    await buffer.put(b"bbbb")
    late = asyncio.ensure_future(buffer.put(b"cccc"))
    await asyncio.sleep(0)
    assert not late.done()
    assert await anext(buffer) == b"bbbb"
    await late
    later = asyncio.ensure_future(buffer.put(b"dddd"))
    await asyncio.sleep(0)
    assert not later.done()
    may_wait = False
    buffer.wake()
    async with asyncio.timeout(60):
        await later


async def test_a_process_that_is_closed_early_has_no_exit_code_and_no_error(monkeypatch):
    async with client_of(VM([START], asyncio.Event())) as client, asyncio.timeout(60):
        live = await client.open_process("sbx_1", "x")
        monkeypatch.setattr(process, "END_SECONDS", 0.01)
        await live.aclose()
    assert live.pid == 7
    assert live.returncode is None


async def test_cancelled_while_it_starts_it_is_killed_by_its_session():
    vm = VM(hold=asyncio.Event())
    async with client_of(vm) as client, asyncio.timeout(60):
        opening = asyncio.ensure_future(client.open_process("sbx_1", "x"))
        await vm.start_came.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    assert vm.signals == [(vm.started[0], 9)]


async def test_a_process_that_never_starts(monkeypatch):
    monkeypatch.setattr(process, "START_SECONDS", 0.05)
    vm = VM(hold=asyncio.Event())
    async with client_of(vm) as client, asyncio.timeout(60):
        with pytest.raises(APITimeoutError, match="did not start"):
            await client.open_process("sbx_1", "x")
    assert vm.signals


async def test_a_stream_that_stays_open_after_the_end():
    vm = VM([START, event(data={"stdout": b"x"}), END], asyncio.Event())
    async with client_of(vm) as client, asyncio.timeout(60):
        assert (await client.execute_command("sbx_1", "x")).exit_code == 3
        events = [each async for each in client.stream_command("sbx_1", "x")]
    assert events[-1].exit_code == 3


class Keepalives(Stream):
    def __init__(self):
        super().__init__([])

    async def __aiter__(self):
        yield START
        while True:
            yield event(keepalive={})
            await asyncio.sleep(0.01)

    def __iter__(self):
        import time

        yield START
        while True:
            yield event(keepalive={})
            time.sleep(0.01)


@pytest.mark.parametrize("way", ["execute", "stream", "execute-sync", "stream-sync"])
async def test_keepalives_do_not_stop_the_clock(monkeypatch, way):
    monkeypatch.setattr(rpc, "GRACE", -0.8)

    def answer(request):
        path = request.url.path
        if path.endswith("/Start"):
            return httpx.Response(200, stream=Keepalives())
        if path.endswith("/auth"):
            return httpx.Response(200, json=token_reply())
        return httpx.Response(200, json={**SANDBOX, "vm": True})

    config = Config(api_key="k", base_url="http://x.test")
    sync = SandboxClient(APIClient(config=config, transport=httpx.MockTransport(answer)), keep_tokens=False)
    async with client_of(answer) as client, asyncio.timeout(60):

        async def stream():
            return [each async for each in client.stream_command("sbx_1", "x", timeout=1)]

        ways = {
            "execute": lambda: client.execute_command("sbx_1", "x", timeout=1),
            "stream": stream,
            "execute-sync": lambda: asyncio.to_thread(sync.execute_command, "sbx_1", "x", timeout=1),
            "stream-sync": lambda: asyncio.to_thread(lambda: list(sync.stream_command("sbx_1", "x", timeout=1))),
        }
        with pytest.raises(CommandTimeoutError):
            await ways[way]()


def sync_client_of(platform):
    config = Config(api_key="k", base_url="http://x.test")
    return SandboxClient(APIClient(config=config, transport=httpx.MockTransport(platform)), keep_tokens=False)


def scripts_of(platform):
    return [body_of(request)["command"] for request in platform.requests if request.url.path.endswith("/exec")]


def test_a_launch_whose_reply_was_lost_is_ended_by_its_id():
    done = {"stdout": "", "stderr": "", "exit_code": 0}
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, httpx.ReadError("cut"), done)
    with pytest.raises(ConnectionFailedError):
        list(sync_client_of(platform).stream_command("sbx_1", "sleep 1000"))
    launch, stop = scripts_of(platform)
    folder = launch.split()[1]
    assert folder.startswith("/tmp/job_")
    assert f"mkdir {folder}" in stop
    assert "k TERM" in stop
    assert stop.rstrip().endswith("k KILL")


def ended(pid):
    import os
    import time

    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("stubborn", [False, True])
def test_what_the_stopping_script_does(tmp_path, stubborn):
    """In a real shell: the whole group ends, even when it does not listen."""
    import subprocess

    from sandtui.client.flows.jobs import launch_script

    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, httpx.ReadError("cut"))
    with pytest.raises(ConnectionFailedError):
        list(sync_client_of(platform).stream_command("sbx_1", "x"))
    job_id = scripts_of(platform)[0].split()[1].removeprefix("/tmp/job_").removesuffix(".launch")
    stops = scripts_of(platform)[1]
    job = BackgroundJob.of("sbx_1", job_id)
    inner = "trap '' TERM; " if stubborn else ""
    own = str(tmp_path / "job")
    launch = launch_script(job, f"{inner}echo $$ > {tmp_path}/pid; while :; do sleep 0.05; done", None, None)
    subprocess.run(["sh", "-c", launch.replace(f"/tmp/job_{job_id}", own)], check=True, timeout=20)
    for _ in range(400):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip():
            break
        subprocess.run(["sleep", "0.05"], check=True)
    pid = int((tmp_path / "pid").read_text())
    subprocess.run(["sh", "-c", stops.replace(f"/tmp/job_{job_id}", own)], check=False, timeout=20)
    assert ended(pid)


def ssh_session():
    return {
        "session_id": "s",
        "sandbox_id": "sbx_1",
        "host": "127.0.0.1",
        "port": 1,
        "expires_at": "2099-01-01T00:00:00Z",
        "ttl_seconds": 900,
        "gateway_url": "http://gateway.test",
        "user_ns": "ns",
        "job_id": "sbx_1",
        "token": "t",
    }


def test_a_key_that_is_refused_leaves_no_session():
    platform = FakePlatform().on(SSH, ssh_session()).on("POST /ns/sbx_1/authorize", httpx.Response(500, json={}))
    platform.on("DELETE /api/v1/sandbox/sbx_1/ssh-session/s", {})
    with pytest.raises(ServerError):
        sync_client_of(platform).create_ssh_session("sbx_1", public_key="ssh-ed25519 AAAA")
    assert platform.count("DELETE /api/v1/sandbox/sbx_1/ssh-session/s") == 1


@pytest.mark.parametrize(("status", "asked"), [(404, 2), (501, 1), (405, 1)])
async def test_only_a_platform_without_ssh_is_not_asked_again(status, asked):
    platform = FakePlatform().on(SSH, httpx.Response(status, json={"detail": "no"}))
    platform.on(AUTH, token_reply()).on(EXEC, httpx.ReadError("cut"))
    async with client_of(platform) as client:
        NoWaiting(client)
        for _ in range(2):
            with pytest.raises(ConnectionFailedError):
                [event async for event in client.stream_command("sbx_1", "x")]
    assert platform.count(SSH) == asked


@pytest.mark.parametrize("word", ["--5", "²", "9" * 5000, "", "5 5", "1_0", "٣"])
def test_words_that_are_no_exit_code(word):
    assert exit_code_of(word) is None


async def test_jobs_of_one_id_in_two_sandboxes():
    def answer(request):
        path = request.url.path
        if path.endswith("/exec"):
            code = 1 if path.startswith("/ns/one") else 2
            return httpx.Response(200, json={"stdout": f"j {code}\n", "stderr": "", "exit_code": 0})
        if path.endswith("/auth"):
            return httpx.Response(200, json={**token_reply(), "job_id": path.split("/")[4]})
        return httpx.Response(200, json={**SANDBOX, "id": path.split("/")[4]})

    jobs = [BackgroundJob.of("one", "j"), BackgroundJob.of("two", "j")]
    async with client_of(answer) as client:
        assert [status.exit_code for status in await client.get_background_job_statuses(jobs)] == [1, 2]


@pytest.mark.parametrize(
    "arguments",
    [
        {"command": "\ud800"},
        {"command": b"x"},
        {"command": "x", "env": {"A": 1}},
        {"command": "x", "env": {"A": "a\0b"}},
        {"command": "x", "env": {1: "b"}},
        {"command": "x", "env": ["A=b"]},
        {"command": "x", "working_dir": "\ud800"},
        {"command": "x", "user": ""},
        {"command": "x", "timeout": "5"},
        {"command": "x", "timeout": True},
        {"command": "x", "timeout": float("nan")},
    ],
)
def test_arguments_that_no_platform_takes(arguments):
    platform = FakePlatform()
    client = sync_client_of(platform)
    with pytest.raises(InvalidRequestError):
        client.execute_command("sbx_1", **arguments)
    with pytest.raises(InvalidRequestError):
        next(client.stream_command("sbx_1", **arguments))
    with pytest.raises(InvalidRequestError):
        client.run_background_job("sbx_1", **arguments)
    assert not platform.requests


@pytest.mark.parametrize("interval", [0, -1])
def test_a_poll_without_pauses(interval):
    platform = FakePlatform()
    with pytest.raises(InvalidRequestError, match="poll_interval"):
        sync_client_of(platform).run_background_job("sbx_1", "x", poll_interval=interval)
    assert not platform.requests
