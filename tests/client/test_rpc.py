"""The framing of command sessions, fed with anything."""

import asyncio
import gzip
import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandtui.client import (
    APIError,
    CommandTimeoutError,
    MalformedReplyError,
    SandboxClientError,
    SandboxNotRunningError,
    SandboxOOMError,
)
from sandtui.client.models.command_session_pb2 import EventResponse
from tests.client.fakes import SANDBOX, FakePlatform, NoWaiting, client_of, token_reply

VM = {**SANDBOX, "vm": True}
START = "POST /ns/sbx_1/command_session.CommandSession/Start"
AUTH = "POST /api/v1/sandbox/sbx_1/auth"
GET = "GET /api/v1/sandbox/sbx_1"
WHY = "GET /api/v1/sandbox/sbx_1/error-context"


def envelope(flags, body):
    return bytes([flags]) + len(body).to_bytes(4, "big") + body


def event(**fields):
    return envelope(0, EventResponse(event=fields).SerializeToString())


def stream(*parts):
    return httpx.Response(200, content=b"".join(parts), headers={"content-type": "application/connect+proto"})


def refusal(code, status=400):
    return httpx.Response(status, json={"code": code, "message": "because"})


def platform(*answers):
    return FakePlatform().on(GET, VM).on(AUTH, token_reply()).on(START, *answers)


GOOD = (
    event(start={"pid": 7}),
    event(data={"stdout": b"o\xff"}),
    event(data={"stderr": b"e"}),
    event(keepalive={}),
    event(end={"exit_code": -3, "exited": True, "status": "exited"}),
)
END = envelope(2, b"{}")


@pytest.mark.parametrize("parts", [(*GOOD, END), GOOD], ids=["with-end", "without-end"])
async def test_stdout_stderr_and_exit_code_of_a_command_session(parts):
    async with client_of(platform(stream(*parts))) as client:
        result = await client.execute_command("sbx_1", "x")
    assert (result.stdout, result.stderr, result.exit_code) == ("o\ufffd", "e", -3)


async def test_a_compressed_event_is_read():
    body = EventResponse(event={"end": {"exit_code": 2}}).SerializeToString()
    async with client_of(platform(stream(envelope(1, gzip.compress(body)), END))) as client:
        assert (await client.execute_command("sbx_1", "x")).exit_code == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal("not_found", 404), SandboxNotRunningError),
        (refusal("deadline_exceeded", 504), CommandTimeoutError),
        (refusal("internal", 500), APIError),
        (httpx.Response(404, json={"detail": "no route"}), APIError),
        (stream(envelope(2, json.dumps({"error": {"code": "deadline_exceeded"}}).encode())), CommandTimeoutError),
        (stream(END), APIError),
        (stream(envelope(0, b"\xff\xff")), MalformedReplyError),
        (stream(b"\0\xff\xff\xff\xff"), MalformedReplyError),
        (stream(envelope(1, b"not gzip")), MalformedReplyError),
        (stream(envelope(2, b"not json")), MalformedReplyError),
    ],
)
async def test_what_goes_wrong_has_its_class(answer, kind):
    async with client_of(platform(answer).on(WHY, {"status": "RUNNING"})) as client:
        with pytest.raises(kind):
            await client.execute_command("sbx_1", "x")


async def test_a_vm_that_ended_says_why():
    answers = platform(refusal("deadline_exceeded", 504)).on(WHY, {"status": "ERROR", "errorType": "OOM_KILLED"})
    async with client_of(answers) as client:
        with pytest.raises(SandboxOOMError):
            await client.execute_command("sbx_1", "x")


async def test_one_new_token_and_no_more():
    answers = platform(refusal("unauthenticated", 401), stream(*GOOD, END))
    async with client_of(answers) as client:
        assert (await client.execute_command("sbx_1", "x")).exit_code == -3
    assert answers.count(AUTH) == 2
    answers = platform(refusal("unauthenticated", 401))
    async with client_of(answers) as client:
        with pytest.raises(APIError):
            await client.execute_command("sbx_1", "x")
    assert answers.count(START) == 2


async def test_a_stream_that_breaks_is_never_started_again():
    answers = platform(httpx.ReadError("cut"))
    async with client_of(answers) as client:
        NoWaiting(client)
        with pytest.raises(APIError):
            await client.execute_command("sbx_1", "x")
    assert answers.count(START) == 1


async def test_a_bomb_does_not_fill_the_memory():
    bomb = gzip.compress(bytes(200 * 1024 * 1024))
    async with client_of(platform(stream(envelope(1, bomb)))) as client:
        with pytest.raises(MalformedReplyError, match="too long"):
            await client.execute_command("sbx_1", "x")


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=300), status=st.sampled_from([200, 200, 200, 400, 404, 500]))
def test_any_bytes_raise_an_error_of_the_client(content, status):
    async def ask():
        async with client_of(platform(httpx.Response(status, content=content))) as client:
            NoWaiting(client)
            try:
                await client.execute_command("sbx_1", "x")
            except SandboxClientError as error:
                assert str(error)

    asyncio.run(ask())


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, 200), flip=st.integers(0, 200))
def test_a_damaged_stream_gives_a_result_or_an_error_of_the_client(cut, flip):
    whole = bytearray(b"".join((*GOOD, END)))
    whole[flip % len(whole)] ^= 0x55
    content = bytes(whole[: len(whole) - cut % len(whole)])

    async def ask():
        async with client_of(platform(httpx.Response(200, content=content))) as client:
            try:
                await client.execute_command("sbx_1", "x")
            except SandboxClientError as error:
                assert str(error)

    asyncio.run(ask())
