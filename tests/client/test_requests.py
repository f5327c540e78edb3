"""Everything that breaks a rule is refused before any request."""

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
from tests.client.fakes import SANDBOX, FakePlatform, body_of

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
