"""Egress rules, and the calls that read and replace them."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.clock import ManualClock
from sandtui.local.egress import Policy, Rule
from tests.local.support import Api, Start, namespaces_work

GOOD = [
    "example.com", "*.example.com", "EXAMPLE.com", "example.com:443", "*.example.com:80", "a_b.example.com",
    "10.0.0.1", "10.0.0.0/8", "10.0.0.1:5432", "10.0.0.0/8:8000-9000", "localhost", "xn--bcher-kva.example",
]  # fmt: skip
BAD = [
    "", "*", "*.", "a.*.com", "*a.com", "http://example.com", "user@example.com", "example.com/path", "a?b", "a..b",
    "example.com:8080", "example.com:80-443", "::1", "2001:db8::1", "10.0.0.256", "10.0.0.0/33", "10.0.0.1:0",
    "10.0.0.1:70000", "10.0.0.1:9-8", "10.0.0.1:", "10.0.0.1:x", "-a.com", "a-.com", "1.2.3", "a b", "exämple.com",
    "a." * 130 + "com", "x" * 64 + ".com",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_rules_of_the_right_form(text: str) -> None:
    Rule.parse(text)


@pytest.mark.parametrize("text", BAD)
def test_rules_of_the_wrong_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Rule.parse(text)


@given(st.text(max_size=30))
def test_any_text_is_a_rule_or_an_error(text: str) -> None:
    try:
        rule = Rule.parse(text)
    except ValueError:
        return
    assert 1 <= rule.low <= rule.high <= 65535


@given(st.ip_addresses(v=4), st.integers(1, 65535))
def test_the_lists_are_opposites(address: Any, port: int) -> None:
    rules = ["10.0.0.0/8", "192.168.0.0/16:443", "0.0.0.0/1:1-100"]
    allowed = Policy.of(rules, None).allows(str(address), port)
    assert allowed is not Policy.of(None, rules).allows(str(address), port)
    assert not Policy.of([], None).allows(str(address), port)
    assert Policy.of(None, []).allows(str(address), port)
    assert Policy.of(None, None).allows(str(address), port)


def test_names_count_by_whole_labels() -> None:
    policy = Policy.of(["*.example.com", "one.org:443"], None)
    names = {
        ("a.example.com", 80): True, ("a.b.example.com", 22): True, ("example.com", 80): False,
        ("badexample.com", 80): False, ("one.org", 443): True, ("one.org", 80): False, ("a.one.org", 443): False,
    }  # fmt: skip
    for (name, port), wanted in names.items():
        assert policy.allows("192.0.2.1", port, frozenset({name})) is wanted, name
    assert policy.allows_lookup("a.example.com") and not policy.allows_lookup("secret.attacker.org")
    assert Policy.of(None, ["bad.org"]).allows_lookup("good.org")
    assert not Policy.of(None, ["bad.org"]).allows_lookup("bad.org")


async def test_a_policy_is_read_and_replaced(simulated: Api) -> None:
    box = await simulated.started(vm=True)
    path = f"/sandbox/{box}/egress-policy"
    reply = (await simulated.call("GET", path)).json()
    assert reply == {
        "policy": {"allowlist": None, "denylist": None}, "generation": 1, "applied_generation": 1, "applied": True,
    }  # fmt: skip
    body = {"allowlist": ["example.com"], "denylist": None}
    reply = (await simulated.call("PUT", path, json=body)).json()
    assert (reply["policy"], reply["generation"], reply["applied"]) == (body, 2, True)
    assert (await simulated.call("GET", path)).json() == reply
    assert (await simulated.sandbox(box))["networkAllowlist"] == ["example.com"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"allowlist": ["a.com"], "denylist": ["b.com"]}, "allowlist"),
        ({"allowlist": ["*", "a.com"]}, "allowlist"),
        ({"denylist": ["a.com", "*"]}, "denylist"),
        ({"allowlist": "a.com"}, "allowlist"),
        ({"allowlist": [1]}, "allowlist.0"),
        ({"denylist": ["http://x"]}, "denylist"),
        ({"denylist": ["a.com"] * 1025}, "denylist"),
    ],
)
async def test_a_malformed_policy_names_its_field(simulated: Api, body: dict[str, Any], param: str) -> None:
    box = await simulated.started()
    reply = await simulated.call("PUT", f"/sandbox/{box}/egress-policy", json=body)
    assert (reply.status_code, reply.json()["errors"][0]["param"]) == (422, param)


LISTS: list[dict[str, Any]] = [
    {"allowlist": ["example.com"]}, {"denylist": ["10.0.0.0/8"]}, {"allowlist": ["a.com"], "denylist": []},
    {"allowlist": ["*", "a.com"]}, {"denylist": ["*"]}, {"allowlist": []}, {"denylist": []}, {"allowlist": ["*"]},
    {"denylist": ["http://x"]}, {"denylist": ["a.com"] * 1025}, {"allowlist": ["::1"]}, {"allowlist": ["a.com:22"]},
    {"allowlist": ["10.0.0.0/33"]}, {},
]  # fmt: skip


@pytest.mark.parametrize(
    ("driver", "settings"),
    [
        ("simulated", {}),
        ("process", {}),
        ("namespace", {}),
        ("namespace", {"share_network": True}),
        ("namespace", {"links": ()}),
    ],
    ids=["simulated", "process", "carried", "shared", "none"],
)
async def test_a_change_is_refused_as_a_create_is(
    start: Start, tmp_path: Path, driver: str, settings: dict[str, Any]
) -> None:
    """The words are the same, except that a sandbox that runs may also be one that can't be changed."""
    if driver == "namespace":
        await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    api = await start(driver, clock=ManualClock() if driver == "simulated" else None, **settings)
    bring_up = api.started if driver == "simulated" else api.running
    box = await bring_up(network_access=settings != {"links": ()})
    path = f"/sandbox/{box}/egress-policy"
    expected = (await api.call("GET", path)).json()
    assert expected["applied"] is True
    for lists in LISTS:
        fields = {f"network_{name}": rules for name, rules in lists.items()}
        body = {"name": "n", "docker_image": "i", **fields}
        created = await api.call("POST", "/sandbox", json=body)
        changed = await api.call("PUT", path, json=lists)
        if created.status_code == 422:
            (told,) = created.json()["errors"]
            assert changed.status_code == 422, lists
            (other,) = changed.json()["errors"]
            # What is a switch or a list in a create is a list here.
            assert other["param"] in ("allowlist", "denylist"), lists
            if told["param"] != "network_access":
                assert other["param"] == told["param"].removeprefix("network_"), lists
            assert other["details"].replace("network_", "") == told["details"].replace("network_", ""), lists
        elif changed.status_code == 422:
            assert "was created with" in changed.json()["errors"][0]["details"], lists
        else:
            reply = changed.json()
            assert (reply["generation"], reply["applied"]) == (expected["generation"] + 1, True), lists
            assert reply["applied_generation"] == reply["generation"]
            expected = reply
        assert (await api.call("GET", path)).json() == expected, lists


async def test_what_was_made_without_a_network_does_not_get_one(isolated: Api) -> None:
    box = await isolated.running(network_access=False)
    path = f"/sandbox/{box}/egress-policy"
    before = (await isolated.call("GET", path)).json()
    assert (before["policy"], before["applied"]) == ({"allowlist": [], "denylist": None}, True)
    for body in ({"denylist": []}, {"allowlist": ["a.com"]}, {"denylist": ["a.com"]}, {}):
        reply = await isolated.call("PUT", path, json=body)
        (error,) = reply.json()["errors"]
        assert (reply.status_code, "created with no network" in error["details"]) == (422, True), body
    assert (await isolated.call("GET", path)).json() == before
    reply = await isolated.call("PUT", path, json={"allowlist": []})
    assert (reply.json()["generation"], reply.json()["applied"]) == (2, True)


async def test_changes_come_one_after_the_other(simulated: Api) -> None:
    box = await simulated.started(vm=True)
    path = f"/sandbox/{box}/egress-policy"
    bodies = [{"allowlist": [f"n{number}.com"], "denylist": None} for number in range(20)]
    replies = await asyncio.gather(*(simulated.call("PUT", path, json=body) for body in bodies))
    told = [reply.json() for reply in replies]
    assert [reply["policy"] for reply in told] == bodies
    assert sorted(reply["generation"] for reply in told) == list(range(2, 22))
    last = max(told, key=lambda reply: reply["generation"])
    assert (await simulated.call("GET", path)).json() == last


async def test_a_star_is_every_address(isolated: Api) -> None:
    box = await isolated.running(network_denylist=["*"])
    found = await isolated.sandbox(box)
    assert (found["networkAccess"], found["networkAllowlist"], found["networkDenylist"]) == (False, [], None)
    assert (await isolated.call("GET", f"/sandbox/{box}/egress-policy")).json()["applied"] is True
