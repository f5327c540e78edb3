"""`sandtui network` and `--join`, against a real platform and against what is wrong."""

import json

import pytest

from sandtui.client import APIClient, NotOfferedError, SandboxClient
from tests.cli.fleet_server import row


@pytest.fixture
def real(platform_process, clean_home, monkeypatch, sandtui):
    """Point to a platform with networks."""
    monkeypatch.setenv("PRIME_API_KEY", platform_process.api_key)
    monkeypatch.setenv("PRIME_API_BASE_URL", platform_process.base_url)
    try:
        with SandboxClient(APIClient()) as client:
            client.list_lan_networks()
    except NotOfferedError as refusal:
        pytest.skip(str(refusal))
    yield
    sandtui("rm", "#networks", "--yes")
    sandtui("network", "rm", "lab")


def members(sandtui, network="lab"):
    listed = sandtui("network", "get", network, "-o", "jsonl")
    assert listed.code == 0, listed.err
    return {found["sandbox_id"]: found for found in map(json.loads, listed.lines)}


def test_from_the_creation_to_the_deletion(real, sandtui):
    assert sandtui("network", "create", "lab", "tag:web->tag:db@5432,6379", "-o", "name").lines == ["lab"]
    again = sandtui("network", "create", "lab")
    assert (again.code, "already exists" in again.err) == (1, True)
    common = ["--label", "networks", "-o", "jsonl"]
    made = {}
    for name in ("db", "web"):
        done = sandtui("create", "--name", name, "--join", f"lab:{name},all", *common)
        assert done.code == 0, done.err
        last = json.loads(done.lines[-1])
        assert last["state"] == "ready", "a join waits"
        made[name] = last["id"]
    found = members(sandtui)
    assert {name: found[made[name]]["tags"] for name in made} == {"db": ["db", "all"], "web": ["web", "all"]}
    host = found[made["db"]]["host"]
    assert host == f"{made['db']}.sandbox.internal"
    address = sandtui("run", "web", "--", "python3", "-c", f"import socket; print(socket.gethostbyname('{host}'))")
    assert found[made["db"]]["address"] in address.out
    # By the id, and with a filter for the members.
    (listed,) = map(json.loads, sandtui("network", "ls", "-o", "jsonl").lines)
    assert listed["rules"] == [{"from": "tag:web", "to": "tag:db", "ports": [5432, 6379]}]
    joined = sandtui("network", "join", listed["id"], "#networks", "--tag", "new")
    assert (joined.code, len(joined.lines)) == (0, 2)
    assert [each["tags"] for each in members(sandtui).values()] == [["new"], ["new"]]
    assert sandtui("network", "rules", "lab", "internet->*@8080", "*->*").code == 0
    assert all(each["published"][0].startswith("http://127.0.0.1:") for each in members(sandtui).values())
    assert sandtui("network", "rules", "lab", "--clear").code == 0
    assert sandtui("network", "leave", "lab", "web").lines == [made["web"]]
    assert sandtui("network", "leave", "lab", "web").code == 1
    assert members(sandtui).keys() == {made["db"]}
    # Every network of a list that can be deleted is.
    gone = sandtui("network", "rm", "nope", "lab")
    assert (gone.code, gone.lines, "nope" in gone.err) == (2, ["lab"], True)
    assert sandtui("network", "ls").lines == []


def test_a_fork_joins_too_and_an_unknown_network_costs_no_checkpoint(real, sandtui):
    assert sandtui("network", "create", "lab", "*->*").code == 0
    assert sandtui("create", "--name", "source", "--label", "networks", "--wait").code == 0
    wrong = sandtui("fork", "source", "--join", "nope", "--label", "networks")
    assert (wrong.code, "there is no network 'nope'" in wrong.err, "checkpoint" in wrong.err) == (2, True, False)
    forked = sandtui("fork", "source", "--name", "fork", "--join", "lab:f", "--label", "networks", "-o", "jsonl")
    if forked.code and "not offered" in forked.err:
        return
    assert forked.code == 0, forked.err
    assert [each["tags"] for each in members(sandtui).values()] == [["f"]]


@pytest.mark.parametrize(
    "rule", ["", "->", "a->", "->b", "a>b", "*->*@", "*->*@x", "*->*@0", "*->*@65536", "*->*@80,", "*->*@99999999999"]
)
def test_rules_that_are_none(fleet, sandtui, rule):
    for command in (["network", "create", "lab"], ["network", "rules", "lab"]):
        done = sandtui(*command, "--", rule)
        assert (done.code, "FROM->TO" in done.err or "a port is" in done.err) == (2, True), done.err


@pytest.mark.parametrize("word", ["", ":", ":web", "lab:", "lab:a,,b", "lab:,"])
def test_joins_that_are_none(fleet, sandtui, word):
    fleet.rows = [row(1)]
    for command in (["create"], ["fork", "try-1"]):
        done = sandtui(*command, "--join", word)
        assert (done.code, "--join" in done.err) == (2, True)
    assert fleet.created == []


def test_rules_are_replaced_only_on_purpose(fleet, sandtui):
    for words in ([], ["*->*", "--clear"]):
        done = sandtui("network", "rules", "lab", *words)
        assert (done.code, "--clear" in done.err) == (2, True)
