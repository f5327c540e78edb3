import asyncio

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandtui.client import (
    APIError,
    APITimeoutError,
    CommandTimeoutError,
    ConflictError,
    ConnectionFailedError,
    CreateSandboxRequest,
    InvalidRequestError,
    MalformedReplyError,
    NotFoundError,
    NotOfferedError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RequestRejectedError,
    SandboxClientError,
    SandboxDiskFullError,
    SandboxFileDeniedError,
    SandboxFileTooLargeError,
    SandboxImagePullError,
    SandboxNotRunningError,
    SandboxOOMError,
    SandboxTimeoutError,
    ServerError,
    StorageFullError,
    UnauthorizedError,
)
from tests.client.fakes import KEY, SANDBOX, TOKEN, FakePlatform, NoWaiting, body_of, client_of, token_reply

GET = "GET /api/v1/sandbox/sbx_1"
AUTH = "POST /api/v1/sandbox/sbx_1/auth"
EXEC = "POST /ns/sbx_1/exec"
WHY = "GET /api/v1/sandbox/sbx_1/error-context"
CREATE = "POST /api/v1/sandbox"
DONE = {"stdout": "42\n", "stderr": "", "exit_code": 0}


def reply(status, json=None, **headers):
    return httpx.Response(status, json=json if json is not None else {"detail": "because"}, headers=headers)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, APIError),
        (401, UnauthorizedError),
        (402, PaymentRequiredError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, SandboxFileTooLargeError),
        (422, RequestRejectedError),
        (500, ServerError),
        (501, NotOfferedError),
        (507, StorageFullError),
    ],
)
async def test_each_status_has_its_class(status, kind):
    async with client_of(FakePlatform().on(GET, reply(status))) as client:
        with pytest.raises(APIError) as caught:
            await client.get("sbx_1")
    error = caught.value
    assert type(error) is kind
    assert (error.status_code, error.method, error.path) == (status, "GET", "/sandbox/sbx_1")
    assert error.sandbox_id == "sbx_1"
    assert str(error).startswith(f"HTTP {status}: because")


async def test_without_a_key_nothing_is_sent():
    platform = FakePlatform()
    async with client_of(platform, api_key="") as client:
        with pytest.raises(UnauthorizedError, match="PRIME_API_KEY"):
            await client.get("sbx_1")
    assert not platform.requests


async def test_refused_fields_are_named_in_either_shape():
    ours = {"errors": [{"param": "name", "details": "too long"}]}
    fastapi = {"detail": [{"loc": ["body", "cpu_cores"], "msg": "must be above 0"}]}
    platform = FakePlatform().on(CREATE, reply(422, ours), reply(422, fastapi))
    request = CreateSandboxRequest(name="x", docker_image="y")
    async with client_of(platform) as client:
        with pytest.raises(RequestRejectedError) as first:
            await client.create(request)
        with pytest.raises(RequestRejectedError) as second:
            await client.create(request)
    assert first.value.fields == {"name": "too long"}
    assert second.value.fields == {"cpu_cores": "must be above 0"}


@pytest.mark.parametrize("status", [502, 503, 504, 429])
async def test_a_safe_call_is_repeated(status):
    platform = FakePlatform().on(GET, reply(status), reply(status), SANDBOX)
    async with client_of(platform) as client:
        waited = NoWaiting(client)
        assert (await client.get("sbx_1")).name == "one"
    assert platform.count(GET) == 3
    assert len(waited.pauses) == 2


async def test_retry_after_is_honoured():
    platform = FakePlatform().on(GET, reply(429, **{"Retry-After": "7"}), SANDBOX)
    async with client_of(platform) as client:
        waited = NoWaiting(client)
        await client.get("sbx_1")
    assert 7 <= waited.pauses[0] <= 7.25


async def test_retries_are_limited():
    platform = FakePlatform().on(GET, reply(429, **{"Retry-After": "3"}))
    async with client_of(platform) as client:
        NoWaiting(client)
        with pytest.raises(RateLimitedError) as caught:
            await client.get("sbx_1")
    assert caught.value.retry_after == 3
    assert platform.count(GET) == 4


async def test_create_carries_one_key_through_all_its_repetitions():
    platform = FakePlatform().on(CREATE, httpx.ReadError("cut"), reply(503), SANDBOX)
    async with client_of(platform) as client:
        NoWaiting(client)
        await client.create(CreateSandboxRequest(name="x", docker_image="y"))
        await client.create(CreateSandboxRequest(name="x", docker_image="y"))
    keys = [body_of(request)["idempotency_key"] for request in platform.requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]


async def test_a_command_that_may_have_arrived_is_never_sent_twice():
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, httpx.ReadError("cut"), DONE)
    async with client_of(platform) as client:
        NoWaiting(client)
        with pytest.raises(ConnectionFailedError) as caught:
            await client.execute_command("sbx_1", "rm -rf x")
    assert caught.value.sent
    assert platform.count(EXEC) == 1


async def test_a_command_that_never_left_is_sent_again():
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, httpx.ConnectError("refused"), DONE)
    async with client_of(platform) as client:
        NoWaiting(client)
        assert (await client.execute_command("sbx_1", "true")).exit_code == 0
    assert platform.count(EXEC) == 2


async def test_what_a_command_sends():
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, DONE)
    async with client_of(platform) as client:
        result = await client.execute_command("sbx_1", "echo $A", working_dir="/tmp", env={"A": "b"}, timeout=9)
    assert result.stdout == "42\n"
    request = platform.requests[-1]
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert body_of(request) == {
        "command": "echo $A",
        "working_dir": "/tmp",
        "env": {"A": "b"},
        "sandbox_id": "sbx_1",
        "timeout": 9,
    }


async def test_one_new_token_after_a_401():
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, reply(401), DONE)
    async with client_of(platform) as client:
        await client.execute_command("sbx_1", "true")
    assert platform.count(AUTH) == 2
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, reply(401))
    async with client_of(platform) as client:
        with pytest.raises(APIError):
            await client.execute_command("sbx_1", "true")
    assert platform.count(EXEC) == 2


async def test_many_commands_at_once_fetch_one_token():
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, DONE)
    async with client_of(platform) as client:
        await asyncio.gather(*(client.execute_command("sbx_1", "true") for _ in range(20)))
    assert platform.count(AUTH) == 1


async def test_a_token_about_to_expire_is_replaced():
    platform = FakePlatform().on(AUTH, token_reply(expires="2000-01-01T00:00:00"), token_reply()).on(EXEC, DONE)
    async with client_of(platform) as client:
        await client.execute_command("sbx_1", "true")
        await client.execute_command("sbx_1", "true")
        await client.execute_command("sbx_1", "true")
    assert platform.count(AUTH) == 2


@pytest.mark.parametrize(
    ("error_type", "kind"),
    [
        ("OOM_KILLED", SandboxOOMError),
        ("TIMEOUT", SandboxTimeoutError),
        ("IMAGE_PULL_FAILED", SandboxImagePullError),
        ("SOMETHING_NEW", SandboxNotRunningError),
        (None, SandboxNotRunningError),
    ],
)
async def test_a_sandbox_that_ended_says_why(error_type, kind):
    platform = (
        FakePlatform()
        .on(AUTH, token_reply())
        .on(EXEC, reply(409))
        .on(WHY, {"status": "ERROR", "errorType": error_type, "errorMessage": None})
    )
    async with client_of(platform) as client:
        with pytest.raises(SandboxNotRunningError) as caught:
            await client.execute_command("sbx_1", "true")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.command, caught.value.sandbox_id) == ("ERROR", "true", "sbx_1")


async def test_a_running_sandbox_that_is_not_ready_is_tried_again():
    platform = (
        FakePlatform().on(AUTH, token_reply()).on(EXEC, reply(409), reply(409), DONE).on(WHY, {"status": "RUNNING"})
    )
    async with client_of(platform) as client:
        waited = NoWaiting(client)
        await client.execute_command("sbx_1", "true")
    assert waited.pauses == [0.25, 0.5]


async def test_a_sandbox_that_is_gone():
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, reply(502, {"error": "sandbox_not_found"}))
    async with client_of(platform) as client:
        with pytest.raises(SandboxNotRunningError) as caught:
            await client.execute_command("sbx_1", "true")
    assert (caught.value.status, caught.value.error_type) == ("TERMINATED", "SANDBOX_NOT_FOUND")


@pytest.mark.parametrize("answer", [reply(408), httpx.ReadTimeout("slow")])
async def test_a_command_that_takes_too_long(answer):
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, answer).on(WHY, {"status": "RUNNING"})
    async with client_of(platform) as client:
        with pytest.raises(CommandTimeoutError, match="within 2 s"):
            await client.execute_command("sbx_1", "sleep 9", timeout=2)


@pytest.mark.parametrize(
    "arguments",
    [
        {"command": " "},
        {"command": "a\0b"},
        {"command": "x", "timeout": 0},
        {"command": "x", "timeout": 901},
        {"command": "x", "env": {"1A": "b"}},
    ],
)
async def test_a_command_that_breaks_a_rule_is_not_sent(arguments):
    platform = FakePlatform()
    async with client_of(platform) as client:
        with pytest.raises(InvalidRequestError):
            await client.execute_command("sbx_1", **arguments)
    assert not platform.requests


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"sandbox_ids": ["a"], "labels": ["b"]},
        {"sandbox_ids": []},
        {"sandbox_ids": [], "all_users": True},
        {"labels": [], "user_id": "usr_1"},
        {"labels": [], "team_id": "t1"},
        {"user_id": "", "team_id": ""},
    ],
)
async def test_a_bulk_delete_of_both_or_neither_is_not_sent(arguments):
    platform = FakePlatform()
    async with client_of(platform) as client:
        with pytest.raises(InvalidRequestError):
            await client.bulk_delete(**arguments)
    assert not platform.requests


@pytest.mark.parametrize(
    "scope", [{"all_users": True}, {"user_id": "usr_1"}, {"team_id": "t1"}, {"team_id": "t1", "all_users": True}]
)
async def test_a_bulk_delete_may_name_a_scope_alone(scope):
    deleted = {"succeeded": ["sbx_1"], "failed": [], "message": ""}
    platform = FakePlatform().on("DELETE /api/v1/sandbox", deleted)
    async with client_of(platform) as client:
        assert (await client.bulk_delete(**scope)).succeeded == ["sbx_1"]
    (request,) = platform.requests
    assert body_of(request) == {"all_users": False, **scope}


FILE_CALLS = {
    "POST /ns/sbx_1/upload": lambda client, _: client.upload_bytes("sbx_1", "/usr/x", b"x"),
    "GET /ns/sbx_1/download": lambda client, here: client.download_file("sbx_1", "/usr/x", here),
    "GET /ns/sbx_1/read-file": lambda client, _: client.read_file("sbx_1", "/usr/x"),
}


@pytest.mark.parametrize("route", FILE_CALLS)
@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (403, SandboxFileDeniedError, "HTTP 403: /usr/x: Read-only file system. Choose another path"),
        (507, SandboxDiskFullError, "HTTP 507: /usr/x: Read-only file system. Free space in the sandbox"),
    ],
)
async def test_what_a_file_system_refuses_is_not_about_the_key_or_the_platform(route, status, kind, words, tmp_path):
    refused = reply(status, {"detail": "/usr/x: Read-only file system"})
    platform = FakePlatform().on(AUTH, token_reply()).on(route, refused).on(EXEC, DONE)
    async with client_of(platform) as client:
        with pytest.raises(kind) as caught:
            await FILE_CALLS[route](client, tmp_path / "x")
    assert str(caught.value).startswith(words)
    assert "key" not in str(caught.value)


async def test_a_refused_connection_names_the_platform():
    async with client_of(FakePlatform().on(GET, httpx.ConnectError("refused"))) as client:
        NoWaiting(client)
        with pytest.raises(ConnectionFailedError, match=r"can't connect to http://platform\.test") as caught:
            await client.get("sbx_1")
    assert not caught.value.sent


async def test_a_read_timeout_is_an_error_of_its_own():
    async with client_of(FakePlatform().on(GET, httpx.ReadTimeout("slow"))) as client:
        with pytest.raises(APITimeoutError):
            await client.get("sbx_1")


async def test_list_reads_both_spellings_and_sends_what_it_was_given():
    camel = {"sandboxes": [SANDBOX], "total": 3, "page": 1, "perPage": 1, "hasNext": True}
    snake = {"sandboxes": [], "total": 3, "page": 2, "per_page": 1, "has_next": False}
    platform = FakePlatform().on("GET /api/v1/sandbox", camel, snake)
    async with client_of(platform) as client:
        first = await client.list(labels=["a", "b"], status="RUNNING", exclude_terminated=True, per_page=1)
        second = await client.list(page=2)
    assert (first.has_next, first.per_page, second.has_next, second.per_page) == (True, 1, False, 1)
    query = platform.requests[0].url.params
    assert query.get_list("labels") == ["a", "b"]
    assert (query["status"], query["is_active"], query["page"]) == ("RUNNING", "true", "1")
    assert "team_id" not in query


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"\xff\xfe", b"<html>", b'{"id": 5}'])
async def test_a_reply_that_is_not_what_was_agreed(content):
    async with client_of(FakePlatform().on(GET, httpx.Response(200, content=content))) as client:
        with pytest.raises(MalformedReplyError, match="GET /sandbox/sbx_1"):
            await client.get("sbx_1")


@settings(max_examples=150, deadline=None)
@given(
    status=st.integers(200, 599).filter(lambda code: code not in {301, 302, 303, 307, 308}),
    content=st.binary(max_size=200),
)
def test_any_response_gives_a_sandbox_or_an_error_of_the_client(status, content):
    async def ask():
        async with client_of(FakePlatform().on(GET, httpx.Response(status, content=content))) as client:
            NoWaiting(client)
            try:
                await client.get("sbx_1")
            except SandboxClientError as error:
                assert str(error)

    asyncio.run(ask())


async def test_no_error_holds_a_key_or_a_token():
    platform = FakePlatform().on(AUTH, token_reply()).on(EXEC, reply(500), httpx.ReadError("cut"), reply(401))
    seen = []
    async with client_of(platform) as client:
        NoWaiting(client)
        for _ in range(3):
            try:
                await client.execute_command("sbx_1", "true")
            except SandboxClientError as error:
                seen.append(f"{error!s} {error!r} {vars(error)}")
    assert len(seen) == 3
    assert all(KEY not in text and TOKEN not in text for text in seen)


async def test_wait_for_creation_until_it_answers():
    pending = {**SANDBOX, "status": "PENDING"}
    platform = (
        FakePlatform()
        .on(GET, pending, {**SANDBOX, "status": "PROVISIONING"}, SANDBOX)
        .on(AUTH, token_reply())
        .on(EXEC, reply(503), DONE)
    )
    async with client_of(platform) as client:
        NoWaiting(client)
        await client.wait_for_creation("sbx_1")
    assert platform.count(GET) == 3
    assert platform.count(EXEC) == 2


async def test_wait_for_creation_of_what_never_comes():
    async with client_of(FakePlatform().on(GET, {**SANDBOX, "status": "PENDING"})) as client:
        waited = NoWaiting(client)
        with pytest.raises(SandboxNotRunningError, match="did not reach RUNNING in 115 s"):
            await client.wait_for_creation("sbx_1")
    assert 100 < waited.now <= 115


async def test_wait_for_creation_of_what_fails():
    failed = {**SANDBOX, "status": "ERROR", "errorType": "IMAGE_PULL_FAILED", "errorMessage": "no such image"}
    async with client_of(FakePlatform().on(GET, failed)) as client:
        with pytest.raises(SandboxImagePullError, match="no such image"):
            await client.wait_for_creation("sbx_1")
