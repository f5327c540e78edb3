"""The calls for LAN networks: what they store, what they refuse, and what is not offered where."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from sandtui.clock import ManualClock
from tests.local.support import Api, Start, namespaces_work

RULES: list[dict[str, Any]] = [
    {"from": "tag:web", "to": "tag:db", "ports": [6379, 5432]}, {"from": "*", "to": "*"}, {"from": "*", "to": "*"},
    {"from": "internet", "to": "tag:web", "ports": [8080]},
]  # fmt: skip


async def network(api: Api, name: str = "lab", **fields: Any) -> dict[str, Any]:
    reply = await api.call("POST", "/sandbox/networks", json={"name": name, **fields})
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


async def test_from_the_creation_to_the_deletion(simulated: Api) -> None:
    made = await network(simulated, rules=RULES)
    path = f"/sandbox/networks/{made['id']}"
    assert (made["rules"], made["version"], made["synced"], made["members"]) == (RULES, 1, True, [])
    box = await simulated.started(vm=True)
    reply = await simulated.call("PUT", f"{path}/members/{box}", json={"tags": ["db", "db", "a"]})
    assert (reply.json()["sandbox_id"], reply.json()["tags"], reply.json()["synced"]) == (box, ["db", "a"], True)
    found = (await simulated.call("GET", path)).json()
    assert (found["version"], [each["tags"] for each in found["members"]]) == (2, [["db", "a"]])
    await simulated.call("PUT", f"{path}/members/{box}", json={"tags": ["web"]})
    found = (await simulated.call("GET", path)).json()
    assert ([each["tags"] for each in found["members"]], found["published"][0]["port"]) == ([["web"]], 8080)
    found = (await simulated.call("PUT", f"{path}/rules", json={"rules": []})).json()
    assert (found["rules"], found["version"], found["published"]) == ([], 4, [])
    assert (await simulated.call("DELETE", f"{path}/members/{box}")).json()["success"] is True
    assert (await simulated.call("DELETE", f"{path}/members/{box}")).status_code == 404
    await simulated.call("PUT", f"{path}/members/{box}", json={})
    await simulated.call("DELETE", f"/sandbox/{box}")
    assert (await simulated.call("GET", path)).json()["members"] == []
    assert (await simulated.call("DELETE", path)).json()["success"] is True
    for method in ("GET", "DELETE"):
        assert (await simulated.call(method, path)).status_code == 404


async def test_networks_of_a_user_and_of_a_team(simulated: Api) -> None:
    names = ["a", "b"]
    for name in names:
        await network(simulated, name)
    team = await network(simulated, "a", team_id="t1")
    listed = (await simulated.call("GET", "/sandbox/networks")).json()["networks"]
    assert [each["name"] for each in listed] == ["b", "a"]
    listed = (await simulated.call("GET", "/sandbox/networks?team_id=t1")).json()["networks"]
    assert [each["id"] for each in listed] == [team["id"]]
    reply = await simulated.call("POST", "/sandbox/networks", json={"name": "a"})
    assert (reply.status_code, "already exists" in reply.text) == (409, True)
    box = await simulated.started()
    reply = await simulated.call("PUT", f"/sandbox/networks/{team['id']}/members/{box}", json={})
    assert (reply.status_code, "same team" in reply.text) == (403, True)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 65, "a\x1b[31m", "a\nb", "a\0", "ü", "-a", None, 7])
async def test_names_that_are_refused(simulated: Api, name: Any) -> None:
    made = await network(simulated)
    for path, body in (
        ("/sandbox/networks", {"name": name}),
        (f"/sandbox/networks/{made['id']}/rules", {"rules": [{"from": f"tag:{name}" if name else name, "to": "*"}]}),
    ):
        if name == 7 and "rules" in body:
            continue
        reply = await simulated.call("POST" if "name" in body else "PUT", path, json=body)
        assert reply.status_code == 422, (name, reply.text)
    box = await simulated.started()
    reply = await simulated.call("PUT", f"/sandbox/networks/{made['id']}/members/{box}", json={"tags": [name]})
    assert (reply.status_code, reply.json()["errors"][0]["param"]) == (422, "tags.0")


@pytest.mark.parametrize(
    ("rule", "param"),
    [
        ({"from": "10.0.0.0/8", "to": "*"}, "from"),
        ({"from": "*", "to": "10.0.0.0/33"}, "to"),
        ({"from": "*", "to": "internet"}, "to"),
        ({"from": "web", "to": "*"}, "from"),
        ({"from": "tag:", "to": "*"}, "from"),
        ({"from": "**", "to": "*"}, "from"),
        ({"from": "internet", "to": "*"}, "ports"),
        ({"from": "*"}, "to"),
        ({"from": "*", "to": "*", "ports": []}, "ports"),
        ({"from": "*", "to": "*", "ports": [0]}, "ports"),
        ({"from": "*", "to": "*", "ports": [65536]}, "ports"),
        ({"from": "*", "to": "*", "ports": ["x"]}, "ports"),
        ({"from": "*", "to": "*", "ports": list(range(1, 102))}, "ports"),
        ("*->*", ""),
    ],
)
async def test_a_malformed_rule_names_its_field_and_changes_nothing(simulated: Api, rule: Any, param: str) -> None:
    made = await network(simulated, rules=RULES)
    path = f"/sandbox/networks/{made['id']}"
    for method, url, body in (
        ("PUT", f"{path}/rules", {"rules": [RULES[0], rule]}),
        ("POST", "/sandbox/networks", {"name": "new", "rules": [RULES[0], rule]}),
    ):
        reply = await simulated.call(method, url, json=body)
        assert reply.status_code == 422, reply.text
        error = reply.json()["errors"][0]
        assert error["param"].startswith("rules.1") and param in error["param"] + error["details"], error
    assert (await simulated.call("GET", path)).json() == made
    assert len((await simulated.call("GET", "/sandbox/networks")).json()["networks"]) == 1


async def test_what_is_too_much(simulated: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await network(simulated)
    path = f"/sandbox/networks/{made['id']}"
    reply = await simulated.call("PUT", f"{path}/rules", json={"rules": [{"from": "*", "to": "*"}] * 10_000})
    assert (reply.status_code, "1000" in reply.text) == (422, True)
    first, second = await simulated.started(), await simulated.started()
    ports = {"from": "internet", "to": "*", "ports": list(range(1, 51))}
    assert (await simulated.call("PUT", f"{path}/rules", json={"rules": [ports]})).status_code == 200
    assert (await simulated.call("PUT", f"{path}/members/{first}", json={})).status_code == 200
    reply = await simulated.call("PUT", f"{path}/members/{second}", json={})
    assert (reply.status_code, "more than 50 ports" in reply.text) == (409, True)
    assert len((await simulated.call("GET", path)).json()["members"]) == 1
    await simulated.call("PUT", f"{path}/rules", json={"rules": []})
    for name, what in (("MAX_MEMBERS", "members"), ("MAX_EACH", "networks")):
        monkeypatch.setattr(f"sandtui.local.control.networks.{name}", 0)
        reply = await simulated.call("PUT", f"{path}/members/{second}", json={})
        assert (reply.status_code, what in reply.text) == (409, True)
        assert (await simulated.call("PUT", f"{path}/members/{first}", json={"tags": ["new"]})).status_code == 200
        monkeypatch.undo()
    monkeypatch.setattr("sandtui.local.control.networks.MAX_NETWORKS", 1)
    reply = await simulated.call("POST", "/sandbox/networks", json={"name": "second"})
    assert (reply.status_code, "limit" in reply.text) == (409, True)


async def test_what_does_not_exist_or_does_not_run(simulated: Api) -> None:
    made = await network(simulated)
    pending = (await simulated.create())["id"]
    members = f"/sandbox/networks/{made['id']}/members"
    for method, path, status in (
        ("PUT", "/sandbox/networks/net_x/rules", 404),
        ("PUT", f"/sandbox/networks/net_x/members/{pending}", 404),
        ("DELETE", f"/sandbox/networks/net_x/members/{pending}", 404),
        ("PUT", f"{members}/unknown", 404),
        ("DELETE", f"{members}/unknown", 404),
        ("PUT", f"{members}/{pending}", 409),
    ):
        reply = await simulated.call(method, path, json={"rules": [], "tags": []})
        assert (reply.status_code, bool(reply.json()["detail"])) == (status, True), path


async def test_changes_come_one_after_the_other(simulated: Api) -> None:
    made = await network(simulated)
    boxes = [await simulated.started() for _ in range(5)]
    path = f"/sandbox/networks/{made['id']}"
    calls = [simulated.call("PUT", f"{path}/members/{box}", json={"tags": [f"t{n}"]}) for n, box in enumerate(boxes)]
    calls += [simulated.call("PUT", f"{path}/rules", json={"rules": RULES[:1]})]
    assert {reply.status_code for reply in await asyncio.gather(*calls)} == {200}
    found = (await simulated.call("GET", path)).json()
    assert {each["sandbox_id"] for each in found["members"]} == set(boxes)
    assert (found["rules"], found["version"]) == (RULES[:1], 7)


@pytest.mark.parametrize(
    ("driver", "settings", "why"),
    [
        ("process", {}, "With the process driver"),
        ("namespace", {"links": ()}, "carries no packets (neither a TUN device nor a veth pair"),
        ("namespace", {"share_network": True}, "carries no packets"),
    ],
)
async def test_where_no_packets_are_carried_there_are_none(
    start: Start, tmp_path: Path, driver: str, settings: dict[str, Any], why: str
) -> None:
    if driver == "namespace":
        await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    api = await start(driver, **settings)
    for method, path in (("POST", ""), ("GET", ""), ("PUT", "/net_1/rules"), ("PUT", "/net_1/members/sbx_1")):
        reply = await api.call(method, f"/sandbox/networks{path}", json={"name": "lab"})
        assert (reply.status_code, why in reply.json()["detail"]) == (501, True), reply.text


async def test_a_sandbox_without_a_device_is_told_why_it_cannot_join(isolated: Api) -> None:
    if isolated.platform.driver.networks is None or isolated.platform.driver.networks.refusal:
        pytest.skip("packets cannot be carried here")
    made = await network(isolated)
    box = await isolated.running(network_access=False)
    reply = await isolated.call("PUT", f"/sandbox/networks/{made['id']}/members/{box}", json={})
    assert (reply.status_code, "without a network" in reply.text) == (409, True)


async def test_networks_are_found_again_after_a_restart(state_dir: Path) -> None:
    from sandtui.local.platform import LocalPlatform
    from sandtui.local.settings import PlatformSettings

    settings = PlatformSettings(state_dir=state_dir, driver="simulated")
    async with LocalPlatform(settings, clock=ManualClock()) as platform:
        made = await network(Api(platform), rules=RULES)
    async with LocalPlatform(settings, clock=ManualClock()) as platform:
        found = (await Api(platform).call("GET", f"/sandbox/networks/{made['id']}")).json()
    assert found == made
