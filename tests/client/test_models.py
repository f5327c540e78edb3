"""Replies that are a little off, and requests that no platform would take."""

from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from sandtui.client import (
    AdvancedConfigs,
    APIClient,
    Config,
    ConfigurationError,
    CreateSandboxRequest,
    InvalidRequestError,
    MalformedReplyError,
    Sandbox,
    SandboxClient,
    SandboxPage,
    TemplateClient,
)
from sandtui.client.models import GatewayToken
from tests.client.fakes import SANDBOX, FakePlatform, body_of, client_of, token_reply

LIST = "GET /api/v1/sandbox"
GET = "GET /api/v1/sandbox/sbx_1"
AUTH = "POST /api/v1/sandbox/sbx_1/auth"


@pytest.fixture
def platform():
    return FakePlatform()


@pytest.fixture
def client(platform):
    config = Config(api_key="key-canary", base_url="http://platform.test")
    return SandboxClient(APIClient(config=config, transport=httpx.MockTransport(platform)), keep_tokens=False)


def test_nulls_and_numbers_where_there_is_text():
    sandbox = Sandbox.model_validate_json(
        '{"id": "a", "name": null, "labels": null, "gpuCount": null, "networkAccess": null,'
        ' "environmentVars": {"A": 1, "B": null, "C": true, "D": {"x": 1}}}'
    )
    assert (sandbox.name, sandbox.labels, sandbox.gpu_count) == ("", [], 0)
    assert sandbox.environment_vars == {"A": "1", "B": None, "C": "true", "D": '{"x":1}'}
    assert "network_access" not in sandbox.model_fields_set


def test_one_odd_row_does_not_hide_the_others(client, platform):
    page = {"sandboxes": [SANDBOX, {"id": 5}, None, {**SANDBOX, "id": "sbx_2"}], "total": 4, "page": 1}
    platform.on(LIST, {**page, "perPage": 50, "hasNext": False})
    found = client.list()
    assert [sandbox.id for sandbox in found.sandboxes] == ["sbx_1", "sbx_2"]
    assert found.unreadable == 2
    platform.on(LIST, {"sandboxes": [{"id": 5}]})
    with pytest.raises(MalformedReplyError):
        client.list()


@pytest.mark.parametrize(("total", "page", "more"), [(10, 1, True), (4, 2, False), (0, 1, False)])
def test_a_page_that_does_not_tell_whether_it_is_the_last(total, page, more):
    data = {"sandboxes": [SANDBOX, SANDBOX], "total": total, "page": page}
    assert SandboxPage.model_validate(data).has_next is more
    assert SandboxPage.model_validate({"sandboxes": []}).has_next is False


def test_times_without_a_zone_are_utc():
    sandbox = Sandbox.model_validate({"id": "a", "startedAt": "2026-01-01T00:00:00", "timeoutMinutes": 60})
    assert sandbox.started_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert sandbox.expires_at == datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert GatewayToken.model_validate(token_reply(expires="2026-01-01T00:00:00")).expires_at.tzinfo is not None


def test_a_lifetime_beyond_all_time():
    assert Sandbox(id="a", started_at=datetime(2026, 1, 1, tzinfo=UTC), timeout_minutes=10**13).expires_at is None


def test_rows_of_a_bulk_delete_may_hold_anything(client, platform):
    reply = {"succeeded": ["a"], "failed": [{"sandbox_id": "b", "error": None, "code": 5}], "message": "x"}
    platform.on("DELETE /api/v1/sandbox", reply)
    assert client.bulk_delete(["a", "b"]).failed == [{"sandbox_id": "b", "error": "", "code": "5"}]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "  "},
        {"docker_image": "\t"},
        {"labels": "prod"},
        {"environment_vars": {"A": "a\0b"}},
        {"secrets": {"A": SecretStr("a\0b")}},
        {"start_command": "a\0b"},
    ],
)
def test_a_request_that_no_platform_takes(fields):
    with pytest.raises(ValidationError):
        CreateSandboxRequest.model_validate({"name": "x", "docker_image": "y", **fields})


def test_half_a_character_is_never_replaced_in_silence(client, platform):
    for ask in (
        lambda: client.create(CreateSandboxRequest(name="\ud800", docker_image="y")),
        lambda: client.list(labels=["\ud800"]),
        lambda: client.bulk_delete(labels=["\ud800"]),
        lambda: client.check_docker_image("\ud800"),
        lambda: client.client.post("/x", {"a": "\ud800"}),
        lambda: client.client.post("/x", {"a": object()}),
    ):
        with pytest.raises((InvalidRequestError, ValidationError)):
            ask()
    assert not platform.requests


def test_guaranteed_is_for_containers(client, platform):
    platform.on("POST /api/v1/sandbox", SANDBOX)
    client.create(CreateSandboxRequest(name="x", docker_image="y", guaranteed=True))
    assert body_of(platform.requests[0])["guaranteed"] is True
    client.create(CreateSandboxRequest(name="x", docker_image="y"))
    assert "guaranteed" not in body_of(platform.requests[1])
    with pytest.raises(InvalidRequestError, match="guaranteed"):
        client.create(CreateSandboxRequest(name="x", docker_image="y", guaranteed=True, vm=True))


def test_without_a_key_when_none_is_needed(platform):
    config = Config(base_url="http://platform.test")
    platform.on("GET /api/v1/x", {"a": 1})
    transport = httpx.MockTransport(platform)
    api = APIClient(config=config, transport=transport, require_auth=False, user_agent="mine/1")
    assert api.get("/x") == {"a": 1}
    assert "authorization" not in platform.requests[0].headers
    assert platform.requests[0].headers["user-agent"] == "mine/1"
    with pytest.raises(ConfigurationError):
        APIClient(config=config, user_agent="a\r\nX-Evil: 1")


def test_templates_and_kinds(client, platform):
    rows = {"credentials": [{"id": "c", "name": "n", "server": "s"}]}
    platform.on("GET /api/v1/template/registry-credentials", rows)
    assert [row.id for row in TemplateClient(client.client).list_registry_credentials()] == ["c"]
    platform.on(GET, {**SANDBOX, "vm": True})
    assert client.is_vm("sbx_1")
    assert client.is_vm("sbx_1")
    assert platform.count(GET) == 1


async def test_a_platform_that_answers_with_another_id():
    platform = FakePlatform().on(GET, {**SANDBOX, "id": "other"}).on(AUTH, token_reply())
    platform.on("POST /ns/sbx_1/exec", {"stdout": "", "stderr": "", "exit_code": 0})
    async with client_of(platform) as client:
        assert (await client.execute_command("sbx_1", "true")).exit_code == 0


def test_a_request_is_made_as_for_the_official_sdk():
    request = CreateSandboxRequest(name="x", docker_image="y", advanced_configs={"a": 1})
    assert request.vm is False
    assert CreateSandboxRequest(name="x", docker_image="y", vm=None).vm is False
    assert request.model_dump(exclude_none=True)["advanced_configs"] == {"a": 1}
    given = CreateSandboxRequest(name="x", docker_image="y", advanced_configs=AdvancedConfigs(a=1))
    assert given.advanced_configs == request.advanced_configs
    with pytest.raises(ValidationError, match="gpu_count needs vm=True"):
        CreateSandboxRequest(name="x", docker_image="y", gpu_count=1, gpu_type="H100_80GB")
