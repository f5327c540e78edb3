"""Everything that breaks a rule is refused before any request."""

import asyncio

import httpx
import pytest
from pydantic import ValidationError

from sandtui.client import (
    APIClient,
    APIError,
    Config,
    CreateSandboxRequest,
    InvalidRequestError,
    SandboxClient,
)
from tests.client.fakes import SANDBOX, FakePlatform, body_of, client_of

CREATE = "POST /api/v1/sandbox"


@pytest.fixture
def platform():
    return FakePlatform()


@pytest.fixture
def client(platform):
    config = Config(api_key="k", base_url="http://platform.test")
    return SandboxClient(APIClient(config=config, transport=httpx.MockTransport(platform)), keep_tokens=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"docker_image": ""},
        {"cpu_cores": 0},
        {"cpu_cores": 17},
        {"memory_gb": 65},
        {"disk_size_gb": 0},
        {"timeout_minutes": 0},
        {"timeout_minutes": 1441},
        {"timeout_minutes": -1},
        {"idle_timeout_minutes": 61},
        {"idle_timeout_minutes": 0},
        {"gpu_count": 1},
        {"gpu_type": "H100_80GB"},
        {"environment_vars": {"1A": "x"}},
        {"secrets": {"A-B": "x"}},
        {"network_allowlist": [], "network_denylist": []},
        {"network_access": False, "network_denylist": ["x"]},
        {"colour": "red"},
        {"idempotency_key": "x" * 129},
    ],
)
def test_a_request_that_breaks_a_rule(fields):
    with pytest.raises(ValidationError):
        CreateSandboxRequest.model_validate({"name": "x", "docker_image": "y", **fields})


def test_a_refused_secret_is_not_in_the_words():
    with pytest.raises(ValidationError) as caught:
        CreateSandboxRequest.model_validate({"name": "x", "docker_image": "y", "secrets": {"A-B": "canary"}})
    assert "canary" not in str(caught.value)


def test_a_vm_may_live_without_end():
    assert CreateSandboxRequest(name="x", docker_image="y", vm=True, timeout_minutes=-1).timeout_minutes == -1


@pytest.mark.parametrize("port", [21, 9001, 8080, 2222, 8081, 0, -1, 65536, True, "80"])
def test_a_port_that_is_not_exposed(client, platform, port):
    with pytest.raises(InvalidRequestError):
        client.expose("sbx_1", port)
    assert not platform.requests


@pytest.mark.parametrize("arguments", [{"name": ""}, {"name": "x" * 51}, {"protocol": "UDP"}])
def test_an_exposure_that_breaks_a_rule(client, platform, arguments):
    with pytest.raises(InvalidRequestError):
        client.expose("sbx_1", 8000, **arguments)
    assert not platform.requests


@pytest.mark.parametrize("arguments", [{}, {"allow": [], "deny": []}, {"allow": ["*", "x"]}])
def test_a_network_policy_that_breaks_a_rule(client, platform, arguments):
    with pytest.raises(InvalidRequestError):
        client.set_network("sbx_1", **arguments)
    assert not platform.requests


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"allow": ["a"]}, {"allowlist": ["a"], "denylist": None}),
        ({"deny": ["a"]}, {"allowlist": None, "denylist": ["a"]}),
        ({"allow": ["*"]}, {"allowlist": None, "denylist": []}),
        ({"deny": ["*"]}, {"allowlist": [], "denylist": None}),
        ({"allow": []}, {"allowlist": [], "denylist": None}),
    ],
)
def test_what_a_network_policy_sends(client, platform, arguments, sent):
    route = "PUT /api/v1/sandbox/sbx_1/egress-policy"
    platform.on(route, {"policy": {"allowlist": None, "denylist": None}, "applied": True})
    assert client.set_network("sbx_1", **arguments).applied
    assert body_of(platform.requests[0]) == sent


@pytest.mark.parametrize("ttl", [0, 3601])
def test_an_ssh_session_that_lasts_too_long(client, platform, ttl):
    with pytest.raises(InvalidRequestError):
        client.create_ssh_session("sbx_1", ttl_seconds=ttl)
    assert not platform.requests


def test_an_empty_job_or_a_wrong_variable(client, platform):
    for arguments in ({"command": " "}, {"command": "x", "env": {"A B": "x"}}):
        with pytest.raises(InvalidRequestError):
            client.start_background_job("sbx_1", **arguments)
    assert not platform.requests


def test_lists_of_ids_that_no_batch_takes(client, platform):
    for ids in ([], ["a", "a"], [str(number) for number in range(101)]):
        with pytest.raises(InvalidRequestError):
            client.get_sandbox_statuses(ids)
    assert not platform.requests


class TestIsolation:
    """``network_access=False`` is never dropped in silence."""

    request = CreateSandboxRequest(name="x", docker_image="y", network_access=False)
    vm_request = CreateSandboxRequest(name="x", docker_image="y", network_access=False, vm=True)
    egress = "PUT /api/v1/sandbox/sbx_1/egress-policy"
    delete = "DELETE /api/v1/sandbox/sbx_1"

    def test_a_container_gets_the_switch(self, client, platform):
        platform.on(CREATE, {**SANDBOX, "networkAccess": False})
        client.create(self.request)
        assert body_of(platform.requests[0])["network_access"] is False
        assert len(platform.requests) == 1

    def test_a_platform_that_ignores_it_keeps_no_sandbox(self, client, platform):
        platform.on(CREATE, {**SANDBOX, "networkAccess": True}).on(self.delete, {"success": True})
        with pytest.raises(APIError, match="ignored"):
            client.create(self.request)
        assert platform.count(self.delete) == 1

    def test_a_platform_that_does_not_say_so_keeps_no_sandbox(self, client, platform):
        platform.on(CREATE, SANDBOX).on(self.delete, {"success": True})
        with pytest.raises(APIError, match="did not confirm"):
            client.create(self.request)
        assert platform.count(self.delete) == 1

    def test_a_policy_counts_when_it_is_in_force(self, client, platform):
        waiting = {"policy": {"allowlist": []}, "applied": False}
        platform.on(CREATE, {**SANDBOX, "vm": True}).on(self.egress, waiting)
        platform.on(self.egress.replace("PUT", "GET"), waiting, {**waiting, "applied": True})
        platform.on(self.delete, {"success": True})

        async def no_sleep(_seconds):
            return None

        client.client.port.sleep = no_sleep
        client.create(self.request)
        assert platform.count(self.egress.replace("PUT", "GET")) == 2
        platform.on(self.egress.replace("PUT", "GET"), waiting)
        clock = iter(range(0, 10_000, 5))
        client.client.port.monotonic = lambda: float(next(clock))
        with pytest.raises(APIError, match="not in force"):
            client.create(self.request)
        assert platform.count(self.delete) == 1

    def test_another_policy_than_the_one_that_was_set(self, client, platform):
        platform.on(CREATE, {**SANDBOX, "vm": True})
        platform.on(self.egress, {"policy": {"denylist": []}, "applied": True}).on(self.delete, {"success": True})
        with pytest.raises(APIError, match="another policy"):
            client.create(self.request)
        assert platform.count(self.delete) == 1

    def test_a_sandbox_that_cannot_be_deleted_either_is_named(self, client, platform):
        platform.on(CREATE, {**SANDBOX, "networkAccess": True}).on(self.delete, httpx.Response(403, json={}))
        with pytest.raises(APIError, match="sandbox sbx_1 could not be deleted either"):
            client.create(self.request)

    async def test_cancelled_on_the_way_it_keeps_no_sandbox(self):
        asked = asyncio.Event()
        deleted = []

        async def platform(request):
            if request.method == "POST":
                return httpx.Response(200, json={**SANDBOX, "vm": True})
            if request.method == "PUT":
                asked.set()
                await asyncio.Event().wait()
            deleted.append(request.method)
            return httpx.Response(200, json={"success": True})

        async with client_of(platform) as client:
            task = asyncio.ensure_future(client.create(self.vm_request))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert deleted == ["DELETE"]

    def test_a_vm_gets_the_policy(self, client, platform):
        platform.on(CREATE, {**SANDBOX, "vm": True, "networkAllowlist": []})
        client.create(self.vm_request)
        sent = body_of(platform.requests[0])
        assert sent["network_allowlist"] == []
        assert "network_access" not in sent
        assert "start_command" not in sent
        assert len(platform.requests) == 1

    def test_a_container_that_became_a_vm_gets_the_policy_afterwards(self, client, platform):
        policy = {"policy": {"allowlist": []}, "applied": True}
        platform.on(CREATE, {**SANDBOX, "vm": True}).on(self.egress, policy)
        client.create(self.request)
        assert platform.count(self.egress) == 1

    def test_a_vm_without_policies_is_deleted_again(self, client, platform):
        platform.on(CREATE, {**SANDBOX, "vm": True}).on(self.egress, httpx.Response(501, json={"detail": "no"}))
        platform.on(self.delete, {"success": True})
        with pytest.raises(APIError, match="network_access=False"):
            client.create(self.request)
        assert platform.count(self.delete) == 1

    def test_lists_are_for_vms(self, client, platform):
        with pytest.raises(InvalidRequestError, match="VM"):
            client.create(CreateSandboxRequest(name="x", docker_image="y", network_allowlist=["a"]))
        assert not platform.requests


def test_a_vm_starts_an_executable(client, platform):
    platform.on(CREATE, {**SANDBOX, "vm": True})
    client.create(CreateSandboxRequest(name="x", docker_image="y", vm=True, start_command="serve --port 1"))
    assert body_of(platform.requests[0])["start_command"] == {
        "executable": "/bin/sh",
        "args": ["-c", "serve --port 1"],
    }


def test_a_first_token_that_comes_along_is_used(client, platform):
    from tests.client.fakes import token_reply

    platform.on(CREATE, {**SANDBOX, "gatewayAuth": token_reply()})
    platform.on("POST /ns/sbx_1/exec", {"stdout": "", "stderr": "", "exit_code": 0})
    client.create(CreateSandboxRequest(name="x", docker_image="y"))
    client.execute_command("sbx_1", "true")
    assert platform.count("POST /api/v1/sandbox/sbx_1/auth") == 0


@pytest.mark.parametrize("arguments", [{"labels": "prod"}, {"sandbox_ids": "sbx_1"}])
def test_a_string_is_not_a_list_of_ids(client, platform, arguments):
    for ask in (client.bulk_delete, client.list) if "labels" in arguments else (client.bulk_delete,):
        with pytest.raises(InvalidRequestError, match="list"):
            ask(**arguments)
    with pytest.raises(InvalidRequestError, match="list"):
        client.get_sandbox_statuses("abc")
    for fan in (client.execute_many("abc", "true"), client.delete_many("abc"), client.wait_many("abc")):
        with pytest.raises(InvalidRequestError, match="list"):
            next(fan)
    assert not platform.requests


def test_the_reply_to_a_delete_reads_like_a_dictionary(client, platform):
    platform.on("DELETE /api/v1/sandbox/sbx_1", {"success": True, "message": "gone"})
    reply = client.delete("sbx_1")
    assert (reply["success"], reply.get("message"), reply.get("other", 1)) == (True, "gone", 1)
    assert "success" in reply
    assert dict(reply) == {"success": True, "message": "gone"}
    with pytest.raises(KeyError):
        reply["other"]
