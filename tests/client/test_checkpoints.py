"""Checkpoints and forks through both clients, against a real platform and against its refusals."""

import asyncio
import json

import httpx
import pytest
from pydantic import ValidationError

from sandtui.client import (
    APIError,
    AsyncSandboxClient,
    CheckpointFailedError,
    CheckpointTimeoutError,
    Config,
    ConflictError,
    CreateSandboxRequest,
    InvalidRequestError,
    NotFoundError,
    Sandbox,
)
from sandtui.client.flows.checkpoints import fork_requests

SOURCE = {
    "id": "sbx_1", "name": "source", "status": "RUNNING", "dockerImage": "image", "cpuCores": 2, "memoryGB": 3,
    "diskSizeGB": 7, "timeoutMinutes": 90, "labels": ["a"], "region": "eu", "teamId": "t1",
    "environmentVars": {"SECRET": "x"}, "startCommand": "python serve.py", "networkAccess": True,
}  # fmt: skip


class Platform:
    """Answers about one source; the checkpoint is DURABLE after some polls, and creates may fail."""

    def __init__(self, *, polls: int = 1, state: str = "DURABLE", failing: int | None = None) -> None:
        self.polls = polls
        self.state = state
        self.failing = failing
        self.created: list[dict[str, object]] = []
        self.deleted: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        row = {"id": "ckpt_1", "sandbox_id": "sbx_1", "state": "PENDING", "depth": 0, "docker_image": "image"}
        if request.method == "DELETE":
            self.deleted.append(path)
            return httpx.Response(200, json={"success": True, "message": ""})
        if path == "/sandbox/sbx_1":
            return httpx.Response(200, json=SOURCE)
        if path == "/sandbox/sbx_1/checkpoints":
            return httpx.Response(201, json=row)
        if path == "/sandbox/checkpoints/ckpt_1":
            self.polls -= 1
            return httpx.Response(200, json=row | ({"state": self.state, "error": "why"} if self.polls < 0 else {}))
        assert path == "/sandbox"
        body = json.loads(request.content)
        if self.failing is not None and body["name"].endswith(str(self.failing)):
            return httpx.Response(402, json={"detail": "no money"})
        self.created.append(body)
        return httpx.Response(201, json={**SOURCE, "id": f"new-{body['name']}", "name": body["name"]})

    def client(self) -> AsyncSandboxClient:
        config = Config(api_key="key", base_url="http://127.0.0.1:1")
        return AsyncSandboxClient(config=config, transport=httpx.MockTransport(self), keep_tokens=False)


async def test_a_fork_is_one_checkpoint_and_as_many_creates() -> None:
    platform = Platform()
    async with platform.client() as client:
        made = await client.fork("sbx_1", 3, memory_gb=8)
    assert [one.name for one in made] == ["source-fork-1", "source-fork-2", "source-fork-3"]
    for body in platform.created:
        assert body["checkpoint_id"] == "ckpt_1"
        sizes = {"cpu_cores": 2, "memory_gb": 8, "timeout_minutes": 90}
        assert body.items() >= {**sizes, "region": "eu", "team_id": "t1"}.items()
        assert body["labels"] == ["a"]
        assert not {"docker_image", "disk_size_gb", "environment_vars", "secrets", "arch"} & set(body)
    assert len({str(body["idempotency_key"]) for body in platform.created}) == 3
    assert platform.deleted == []


async def test_all_or_none() -> None:
    platform = Platform(failing=2)
    async with platform.client() as client:
        with pytest.raises(APIError, match="no money"):
            await client.fork("sbx_1", count=3, name="try-{i}")
    assert sorted(platform.deleted) == ["/sandbox/new-try-1", "/sandbox/new-try-3"]


@pytest.mark.parametrize("state", ["FAILED", "DELETING"])
async def test_a_checkpoint_that_fails_ends_the_wait(state: str) -> None:
    platform = Platform(state=state)
    async with platform.client() as client:
        with pytest.raises(CheckpointFailedError, match=f"{state}: why"):
            await client.fork("sbx_1")
        with pytest.raises(RuntimeError):
            await client.wait_for_checkpoint("ckpt_1")
    assert platform.created == []


async def test_a_checkpoint_that_takes_too_long() -> None:
    platform = Platform(polls=10**6)
    async with platform.client() as client:
        with pytest.raises(CheckpointTimeoutError, match="it is PENDING"):
            await client.wait_for_checkpoint("ckpt_1", 0.2)
        with pytest.raises(TimeoutError):
            await client.wait_for_checkpoint("ckpt_1", 0.1)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), True, "5"])
async def test_times_that_are_none(seconds: float) -> None:
    async with Platform().client() as client:
        with pytest.raises(InvalidRequestError):
            await client.wait_for_checkpoint("ckpt_1", seconds)


@pytest.mark.parametrize("count", [0, -1, True, 1.5, "2"])
async def test_counts_that_are_none(count: int) -> None:
    async with Platform().client() as client:
        with pytest.raises(InvalidRequestError):
            await client.fork("sbx_1", count)


@pytest.mark.parametrize("ids", [[], ["a", "a"], [""], ["x" * 65], [str(number) for number in range(101)], "abc"])
async def test_batches_that_are_not_sent(ids: list[str]) -> None:
    async with Platform().client() as client:
        with pytest.raises(InvalidRequestError):
            await client.get_checkpoints(ids)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"vm": True, "networkAllowlist": [], "networkAccess": False}, {"network_allowlist": []}),
        ({"vm": True, "networkDenylist": ["example.com"]}, {"network_denylist": ["example.com"]}),
        ({"networkAccess": False}, {"network_access": False}),
    ],
)
def test_a_fork_reaches_no_more_than_its_source(fields: dict[str, object], sent: dict[str, object]) -> None:
    (request,) = fork_requests(Sandbox.model_validate({**SOURCE, **fields}), "c", 1)
    assert request.model_dump().items() >= sent.items()


def test_a_name_that_is_too_long_is_refused_before_the_checkpoint() -> None:
    with pytest.raises(InvalidRequestError, match="another"):
        fork_requests(Sandbox.model_validate({**SOURCE, "name": "x" * 95}), "c", 10)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"docker_image": None},
        {"docker_image": " "},
        {"checkpoint_id": ""},
        {"checkpoint_id": "c" * 65},
        {"checkpoint_id": "c", "docker_image": "a"},
        {"checkpoint_id": "c", "disk_size_gb": 5},
    ],
)
def test_a_request_has_an_image_or_a_checkpoint(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CreateSandboxRequest.model_validate({"name": "a", **fields})


def test_a_stored_request_is_read_again() -> None:
    """As in the journal of launches."""
    request = CreateSandboxRequest(name="a", checkpoint_id="c", secrets={"A": "b"})
    assert CreateSandboxRequest.model_validate_json(request.model_dump_json()) == request
    other = CreateSandboxRequest(name="a", docker_image="i")
    assert other.model_dump()["disk_size_gb"] == 5.0


def test_the_blocking_client_on_a_real_platform(client, sandbox) -> None:
    client.upload_bytes(sandbox.id, "/workspace/note", b"hello", "note")
    begun = client.checkpoint(sandbox.id)
    durable = client.wait_for_checkpoint(begun.id)
    assert durable.occupied_bytes > 0
    assert [one.id for one in client.list_checkpoints(sandbox.id)] == [begun.id]
    assert client.get_checkpoints([begun.id]).checkpoints == [durable]
    with pytest.raises(ConflictError):
        client.delete_checkpoint(begun.id)
    forks = client.fork(sandbox.id, 2, name="try-{i}")
    try:
        for fork in forks:
            client.wait_for_creation(fork.id)
            assert client.read_file(fork.id, "/workspace/note").content == "hello"
        client.delete_checkpoint(begun.id)
        with pytest.raises(NotFoundError):
            client.get_checkpoint(begun.id)
        result = client.delete_sandbox_checkpoints(sandbox.id)
        assert (result.deleted, [error.code for error in result.errors]) == ([], ["CONFLICT"])
    finally:
        client.bulk_delete([fork.id for fork in forks])


def test_both_are_exported() -> None:
    assert asyncio.iscoroutinefunction(AsyncSandboxClient.fork)
