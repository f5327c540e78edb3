"""Command sessions over Connect RPC, on real sandboxes behind a real socket."""

import asyncio
import gzip
import hashlib
import uuid

import httpx
import pytest

from sandtui.client.models import command_session_pb2 as messages
from sandtui.local.gateway import sessions
from tests.local.rpc import Rpc, RpcError, encode, envelope
from tests.local.support import GIVE_UP_SECONDS, Api

ANY = {"vm": True, "environment_vars": {"FROM_SANDBOX": "s"}}


async def alive(api: Api, box: str, text: str) -> bool:
    """Return whether a process of the sandbox has a text in its command line."""
    pattern = f"[{text[0]}]{text[1:]}"  # doesn't match itself
    return (await api.run(box, f"grep -la '{pattern}' /proc/[0-9]*/cmdline")).json()["exit_code"] == 0


async def gone(api: Api, box: str, text: str) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while await alive(api, box, text):
            await asyncio.sleep(0.02)


async def test_a_command_runs_with_its_variables_directory_and_exit_code(served: Api) -> None:
    rpc = await Rpc.of(served, await served.running(**ANY))
    out, err, end = await rpc.run(
        "echo $A $FROM_SANDBOX; pwd; echo oops >&2; exit 7", spec={"envs": {"A": "a b"}, "cwd": "/tmp"}
    )
    assert (out, err) == ("a b s\n/tmp\n", "oops\n")
    assert end == {"exit_code": 7, "exited": True, "status": "exit status 7"}
    out, _, end = await rpc.run("pwd; whoami", spec={"user": "nobody"})
    assert (out, end.get("exit_code", 0)) == ("/workspace\nnobody\n", 0)


@pytest.mark.parametrize("compress", [False, True])
async def test_envelopes_may_be_compressed(served: Api, compress: bool) -> None:
    rpc = await Rpc.of(served, await served.running(**ANY))
    out, _, _ = await rpc.run("echo $A", compress=compress, spec={"envs": {"A": "x" * 5000}})
    assert out == "x" * 5000 + "\n"
    message = {"session": {"pid": 999999}, "signal": 15}
    with pytest.raises(RpcError) as caught:
        await rpc.unary("SendSignal", message, messages.SendSignalRequest, compress=compress)
    assert caught.value.code == "not_found"


async def test_output_is_whole_and_in_order(served: Api) -> None:
    rpc = await Rpc.of(served, await served.running(**ANY))
    out, err, _ = await rpc.run("seq 200000; seq 50000 >&2")
    assert out == "".join(f"{n}\n" for n in range(1, 200001))
    assert err == "".join(f"{n}\n" for n in range(1, 50001))


async def test_a_child_in_the_background_does_not_hold_the_end_up(served: Api) -> None:
    box = await served.running(**ANY)
    rpc = await Rpc.of(served, box)
    out, _, end = await rpc.run("sleep 313 & echo started")
    assert (out, end["exited"]) == ("started\n", True)
    # The end says nothing of the child: its group was not killed.
    assert await alive(served, box, "313")


async def test_a_program_that_is_not_there_ends_as_in_a_shell(served: Api) -> None:
    rpc = await Rpc.of(served, await served.running(**ANY))
    _, err, end = await rpc.run("", spec={"cmd": "/no/such", "args": []})
    assert (end["exit_code"], "/no/such" in err) == (127, True)
    _, err, end = await rpc.run("true", spec={"cwd": "/no/such"})
    assert (end["exit_code"], "/no/such" in err) == (127, True)


async def test_past_its_deadline_a_command_is_killed(served: Api) -> None:
    box = await served.running(**ANY)
    rpc = await Rpc.of(served, box)
    with pytest.raises(RpcError) as caught:
        await rpc.run("sleep 314 & sleep 314", timeout=0.3)
    assert caught.value.code == "deadline_exceeded"
    await gone(served, box, "314")


async def test_a_client_that_goes_takes_its_command_along(served: Api) -> None:
    box = await served.running(**ANY)
    rpc = await Rpc.of(served, box)
    async with rpc.start("sleep 315 & sleep 315") as events:
        await events.pid()
        assert await alive(served, box, "315")
    await gone(served, box, "315")


async def test_a_live_process_reads_input_and_survives_a_broken_stream(served: Api) -> None:
    box = await served.running(**ANY)
    rpc = await Rpc.of(served, box)
    key = str(uuid.uuid4())
    session = {"session_uuid": key}
    async with rpc.start("echo up; while read line; do echo got $line; done", stdin=True, session_uuid=key) as events:
        pid = await events.pid()
        await events.until(b"up\n")
        once = str(uuid.uuid4())
        for _ in range(3):
            await rpc.write(session, b"one\n", key=once)
        await rpc.write({"pid": pid}, b"two\n")
        assert await events.until(b"got two\n") == b"got one\ngot two\n"
        (row,) = await rpc.sessions()
        assert (row["pid"], row["session_uuid"], row["command"]["cmd"]) == (pid, key, "/bin/bash")
    # The stream broke; the process goes on and a repeated start finds it.
    async with rpc.start("echo never", stdin=True, session_uuid=key) as events:
        assert await events.pid() == pid
        await rpc.write(session, b"three\n")
        await events.until(b"got three\n")
    async with rpc.connect(session_uuid=key) as events:
        assert await events.pid() == pid
        await rpc.signal(session, 15)
        _, _, end = await events.rest()
        assert end == {"exit_code": 143, "status": "signal: 15"}
    async with rpc.connect(session_uuid=key) as events:
        assert await events.pid() == pid
        assert (await events.rest())[2]["exit_code"] == 143
    assert await rpc.sessions() == []
    for call in (rpc.write(session, b"x"), rpc.signal(session, 9)):
        with pytest.raises(RpcError) as caught:
            await call
        assert caught.value.code == "failed_precondition"


async def test_the_same_start_at_the_same_time_runs_once(served: Api) -> None:
    box = await served.running(**ANY)
    rpc = await Rpc.of(served, box)
    key = str(uuid.uuid4())

    async def start() -> int:
        async with rpc.start("echo x >> /tmp/ran; sleep 316", session_uuid=key) as events:
            return await events.pid()

    assert len(set(await asyncio.gather(*(start() for _ in range(5))))) == 1
    assert await served.output(box, "until [ -s /tmp/ran ]; do sleep 0.01; done; cat /tmp/ran") == "x\n"


async def test_a_session_that_nobody_returns_to_is_ended(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "ALONE_SECONDS", 0.2)
    box = await served.running(**ANY)
    rpc = await Rpc.of(served, box)
    async with rpc.start("sleep 317", session_uuid=str(uuid.uuid4())) as events:
        await events.pid()
        await asyncio.sleep(0.4)
        assert await alive(served, box, "317"), "it was attached all the time"
    await gone(served, box, "317")


async def test_a_terminal_has_a_size_that_can_be_changed(served: Api) -> None:
    rpc = await Rpc.of(served, await served.running(**ANY))
    pty = {"size": {"cols": 100, "rows": 30}}
    # The marks are joined by the shell: the terminal echoes what is typed, too.
    async with rpc.start("stty size; tty; exec bash --norc", pty=pty, stdin=True) as events:
        session = {"pid": await events.pid()}
        seen = await events.until(b"/dev/pts/", "pty")
        assert b"30 100\r\n" in seen
        await rpc.unary(
            "Update", {"session": session, "pty": {"size": {"cols": 61, "rows": 7}}}, messages.UpdateRequest
        )
        await rpc.write(session, b"stty size; echo ma''rk\r", kind="pty")
        assert b"7 61\r\n" in await events.until(b"mark\r\n", "pty")
        await rpc.write(session, b"sh -c \"echo sta''rted; exec sleep 318\"\r", kind="pty")
        await events.until(b"started", "pty")
        await rpc.write(session, b"\x03", kind="pty")
        await rpc.write(session, b"echo a''gain; exit 5\r", kind="pty")
        await events.until(b"again\r\n", "pty")
        assert (await events.rest())[2]["exit_code"] == 5


async def test_input_can_be_streamed(served: Api) -> None:
    rpc = await Rpc.of(served, await served.running(**ANY))
    async with rpc.start("head -c 300000 | md5sum", stdin=True) as events:
        pid = await events.pid()
        body = envelope(encode(messages.StreamInputRequest, {"start": {"session": {"pid": pid}}}))
        for _ in range(3):
            message = {"data": {"input": {"stdin": b"z" * 100000}}}
            body += envelope(encode(messages.StreamInputRequest, message), compress=True)
            body += envelope(encode(messages.StreamInputRequest, {"keepalive": {}}))
        headers = rpc.headers | {"content-type": "application/connect+proto", "connect-content-encoding": "gzip"}
        reply = await served.http.post(rpc.base + "StreamInput", content=body, headers=headers)
        assert reply.content == envelope(b"") + b"\x02\x00\x00\x00\x02{}"
        out, _, _ = await events.rest()
    assert out.split()[0] == hashlib.md5(b"z" * 300000).hexdigest()


async def test_an_end_of_the_sandbox_is_not_found(served: Api) -> None:
    box = await served.running(**ANY)
    rpc = await Rpc.of(served, box)
    async with rpc.start("sleep 319") as events:
        await events.pid()
        await served.call("DELETE", f"/sandbox/{box}")
        with pytest.raises(RpcError) as caught:
            await events.rest()
        assert caught.value.code == "not_found"
    with pytest.raises(RpcError) as caught:
        await rpc.run("true")
    assert caught.value.code == "not_found"


async def test_malformed_calls_are_errors_in_connects_shape(served: Api) -> None:
    box = await served.running(**ANY)
    rpc = await Rpc.of(served, box)

    async def post(method: str, body: bytes, **headers: str) -> tuple[int, str]:
        given = rpc.headers | {"content-type": "application/connect+proto"} | headers
        reply = await served.http.post(rpc.base + method, content=body, headers=given)
        return reply.status_code, reply.json()["code"]

    good = envelope(encode(messages.StartRequest, {"command": {"cmd": "true"}}))
    assert await post("Start", good, authorization="Bearer x") == (401, "unauthenticated")
    assert await post("Start", b"") == (400, "invalid_argument")
    assert await post("Start", good + good) == (400, "invalid_argument")
    assert await post("Start", good[:-1]) == (400, "invalid_argument")
    assert await post("Start", envelope(b"\xff")) == (400, "invalid_argument")
    assert await post("Start", envelope(b"")) == (400, "invalid_argument")
    assert await post("Start", good, **{"content-type": "application/json"}) == (400, "invalid_argument")
    assert await post("Start", good, **{"connect-timeout-ms": "x"}) == (400, "invalid_argument")
    assert await post("Start", b"\x01\x00\x00\x00\x02xx", **{"connect-content-encoding": "gzip"}) == (
        400, "invalid_argument",
    )  # fmt: skip
    assert await post("Start", b"\x00\xff\xff\xff\xff") == (413, "resource_exhausted")
    bomb = gzip.compress(b"\0" * 50_000_000)
    packed = b"\x01" + len(bomb).to_bytes(4, "big") + bomb
    assert await post("Start", packed, **{"connect-content-encoding": "gzip"}) == (413, "resource_exhausted")
    assert await post("Nothing", good) == (501, "unimplemented")
    nul = envelope(encode(messages.StartRequest, {"command": {"cmd": "a\0b"}}))
    assert await post("Start", nul) == (400, "invalid_argument")
    with pytest.raises(RpcError) as caught:
        await rpc.signal({"pid": 1}, 2)
    assert caught.value.code == "not_found"


async def test_a_sandbox_that_is_not_up_yet_is_unavailable(simulated: Api) -> None:
    box = (await simulated.create(vm=True))["id"]
    rpc = await Rpc.of(simulated, box)
    with pytest.raises(RpcError) as caught:
        await rpc.run("true")
    assert caught.value.code == "unavailable"


async def test_a_token_of_one_sandbox_opens_no_other(served: Api) -> None:
    mine, other = await served.running(**ANY), await served.running(**ANY)
    rpc = Rpc(served, other, await served.token(mine))
    with pytest.raises((RpcError, httpx.HTTPError)) as caught:
        await rpc.run("true")
    assert isinstance(caught.value, RpcError) and caught.value.code == "unauthenticated"
