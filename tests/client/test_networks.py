"""LAN networks through both clients, on a real platform and against one that does otherwise."""

import httpx
import pytest

from sandtui.client import (
    APIError,
    APITimeoutError,
    ConflictError,
    CreateSandboxRequest,
    InvalidRequestError,
    LanRule,
    NotFoundError,
    NotOfferedError,
    RequestRejectedError,
)
from tests.client.fakes import SANDBOX, FakePlatform, NoWaiting, body_of, client_of, token_reply

RULES = [LanRule(from_="tag:web", to="tag:db", ports=[6379, 5432]), LanRule(from_="*", to="tag:log")]


@pytest.fixture
def lan(client):
    """Return a client of a platform with networks, of which nothing is left afterwards."""
    try:
        client.list_lan_networks()
    except NotOfferedError as refusal:
        pytest.skip(str(refusal))
    yield client
    client.bulk_delete(labels=["networks"])
    for network in client.list_lan_networks():
        client.delete_lan_network(network.id)


def box(client, network_id=None, *tags):
    request = CreateSandboxRequest(
        name="box", docker_image="python:3.11-slim", labels=["networks"],
        lan_network_id=network_id, lan_tags=list(tags) if network_id else None,
    )  # fmt: skip
    return client.create(request).id


def test_from_the_creation_to_the_deletion(lan) -> None:
    network = lan.create_lan_network("lab", rules=RULES)
    assert (network.rules, network.members, network.synced) == (RULES, [], True)
    with pytest.raises(ConflictError):
        lan.create_lan_network("lab")
    web, db, late = box(lan, network.id, "web"), box(lan, network.id, "db"), box(lan)
    lan.wait_for_creation(web)
    lan.bulk_wait_for_creation([db, late])
    found = lan.get_lan_network(network.id)
    assert {each.sandbox_id: (each.tags, each.synced) for each in found.members} == {
        web: (["web"], True), db: (["db"], True),
    }  # fmt: skip
    lan.wait_for_creation(web)
    assert lan.get_lan_network(network.id).version == found.version, "it joins once"
    assert lan.add_lan_member(network.id, late, ["log"]).tags == ["log"]
    resolve = f"python3 -c \"import socket; print(socket.gethostbyname('{db}.sandbox.internal'))\""
    address = next(each.address for each in found.members if each.sandbox_id == db)
    assert lan.execute_command(web, resolve).stdout == f"{address}\n"
    assert lan.set_lan_rules(network.id, []).rules == []
    lan.remove_lan_member(network.id, late)
    with pytest.raises(NotFoundError):
        lan.remove_lan_member(network.id, late)
    lan.delete(db)
    with pytest.raises(ConflictError):
        lan.add_lan_member(network.id, db)
    assert [each.name for each in lan.list_lan_networks()] == ["lab"]
    lan.delete_lan_network(network.id)
    with pytest.raises(NotFoundError):
        lan.get_lan_network(network.id)


def test_a_rule_that_is_refused(lan) -> None:
    with pytest.raises(RequestRejectedError, match="from"):
        lan.create_lan_network("lab", rules=[LanRule(from_="10.0.0.0/8", to="*")])
    assert lan.list_lan_networks() == []


def test_what_is_not_sent(client) -> None:
    for network_id in ("", "..", "a\0b"):
        with pytest.raises(InvalidRequestError):
            client.get_lan_network(network_id)
    with pytest.raises(InvalidRequestError):
        client.create_lan_network(" ")
    with pytest.raises(InvalidRequestError):
        client.add_lan_member("net", "sbx", "web")
    with pytest.raises(ValueError, match="lan_tags needs"):
        CreateSandboxRequest(name="n", docker_image="i", lan_tags=["web"])


NETWORK = {
    "id": "net_1", "name": "lab", "rules": [], "version": 1, "synced": True, "created_at": "2026-01-01T00:00:00Z",
}  # fmt: skip


def running_platform() -> FakePlatform:
    platform = FakePlatform().on("POST /api/v1/sandbox", SANDBOX).on("DELETE /api/v1/sandbox/sbx_1", {"success": True})
    platform.on("POST /api/v1/sandbox/sbx_1/auth", token_reply())
    return platform.on("POST /ns/sbx_1/exec", {"stdout": "", "stderr": "", "exit_code": 0})


@pytest.mark.parametrize("fails", [False, True])
async def test_a_platform_that_ignores_the_rules(fails) -> None:
    platform = FakePlatform().on("POST /api/v1/sandbox/networks", NETWORK | {"rules": [{"from": "*", "to": "*"}]})
    platform.on("DELETE /api/v1/sandbox/networks/net_1", httpx.Response(403 if fails else 200, json={}))
    async with client_of(platform) as client:
        with pytest.raises(APIError, match="deleting it failed" if fails else "it was deleted"):
            await client.create_lan_network("lab", rules=RULES)
    assert platform.count("DELETE /api/v1/sandbox/networks/net_1") == 1


async def test_a_join_waits_for_the_membership_and_the_rules() -> None:
    member = {"sandbox_id": "sbx_1", "tags": ["web"], "synced": True}
    platform = running_platform()
    platform.on("PUT /api/v1/sandbox/networks/net_1/members/sbx_1", member)
    platform.on(
        "GET /api/v1/sandbox/networks/net_1",
        NETWORK | {"members": [member | {"synced": False}]},
        NETWORK | {"members": [member], "synced": False},
        NETWORK | {"members": [member]},
    )
    async with client_of(platform) as client:
        waiting = NoWaiting(client)
        request = CreateSandboxRequest(name="one", docker_image="i", lan_network_id="net_1", lan_tags=["web"])
        await client.create(request)
        await client.wait_for_creation("sbx_1")
        assert waiting.pauses.count(2.0) == 2
        (sent,) = [body_of(each) for each in platform.requests if each.url.path == "/api/v1/sandbox"]
        assert not [name for name in sent if name.startswith("lan_")], "a create has no network"
        # One that has left is not waited for, and one that is deleted does not join any more.
        await client.create(request)
        platform.on("GET /api/v1/sandbox/networks/net_1", NETWORK | {"members": []})
        with pytest.raises(APIError, match="left the LAN network"):
            await client.wait_for_creation("sbx_1")
        before = platform.count("PUT /api/v1/sandbox/networks/net_1/members/sbx_1")
        await client.delete("sbx_1")
        await client.wait_for_creation("sbx_1")
        assert platform.count("PUT /api/v1/sandbox/networks/net_1/members/sbx_1") == before


async def test_a_join_that_is_never_in_force_ends() -> None:
    member = {"sandbox_id": "sbx_1", "tags": [], "synced": False}
    platform = running_platform().on("PUT /api/v1/sandbox/networks/net_1/members/sbx_1", member)
    platform.on("GET /api/v1/sandbox/networks/net_1", NETWORK | {"members": [member]})
    async with client_of(platform) as client:
        NoWaiting(client)
        await client.create(CreateSandboxRequest(name="one", docker_image="i", lan_network_id="net_1"))
        with pytest.raises(APITimeoutError, match="not in force in 120 s"):
            await client.wait_for_creation("sbx_1")
