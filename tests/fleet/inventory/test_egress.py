"""The egress lists of running sandboxes: as text, and on the platform."""

import pytest

from sandtui.client import AsyncSandboxClient, EgressPolicy, Sandbox
from sandtui.clock import ManualClock
from sandtui.fleet.inventory.bulk_plan import EGRESS, check_value, make_plan
from sandtui.fleet.inventory.egress import EgressAccess, EgressLists
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.verbs import work_of
from sandtui.fleet.jobs.board import JobBoard
from tests.client.fakes import SANDBOX, FakePlatform, body_of, client_of
from tests.fleet.factory import NOW, sandbox

ROUTE = "/api/v1/sandbox/sbx_1/egress-policy"


@pytest.mark.parametrize(
    ("text", "allow", "deny"),
    [
        ("open", None, ()),
        ("blocked", (), None),
        ("allow a.example *.b.example", ("a.example", "*.b.example"), None),
        ("allow a.example, 10.0.0.0/8:443", ("a.example", "10.0.0.0/8:443"), None),
        (" deny\n10.0.0.0/8\n", None, ("10.0.0.0/8",)),
    ],
)
def test_one_line_of_text_says_it_all(text: str, allow: object, deny: object) -> None:
    lists = EgressLists.parse(text)
    assert (lists.allow, lists.deny) == (allow, deny)
    assert EgressLists.parse(str(lists)) == lists
    assert not check_value(EGRESS, text)


@pytest.mark.parametrize("text", ["", "allow", "deny", "a.example", "open a.example", "allow a/b", "allow a deny b"])
def test_a_text_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        EgressLists.parse(text)
    assert check_value(EGRESS, text)


def test_policies_and_sandboxes_have_the_same_text() -> None:
    for policy, text in (
        (EgressPolicy(), "open"),
        (EgressPolicy(denylist=[]), "open"),
        (EgressPolicy(allowlist=[]), "blocked"),
        (EgressPolicy(allowlist=["a"]), "allow a"),
        (EgressPolicy(denylist=["a", "b"]), "deny a b"),
    ):
        assert str(EgressLists.of(policy)) == text
    assert str(EgressLists.of_sandbox(sandbox(network_access=False))) == "blocked"
    assert str(EgressLists.of_sandbox(sandbox(network_allowlist=["a"]))) == "allow a"


def reply(allow: object, deny: object, *, applied: bool = True) -> dict[str, object]:
    return {
        "policy": {"allowlist": allow, "denylist": deny},
        "generation": 2,
        "applied_generation": 2 if applied else 1,
        "applied": applied,
    }


def platform_and_client(*answers: object) -> tuple[FakePlatform, AsyncSandboxClient]:
    platform = FakePlatform().on(f"PUT {ROUTE}", *answers).on("GET /api/v1/sandbox/sbx_1", SANDBOX)
    return platform, client_of(platform)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("open", {"allowlist": None, "denylist": []}),
        ("blocked", {"allowlist": [], "denylist": None}),
        ("allow a", {"allowlist": ["a"], "denylist": None}),
        ("deny a", {"allowlist": None, "denylist": ["a"]}),
    ],
)
async def test_the_whole_policy_is_replaced_and_what_holds_is_said(text: str, sent: dict[str, object]) -> None:
    platform, client = platform_and_client(reply(sent["allowlist"], sent["denylist"], applied=False))
    clock = ManualClock(NOW)
    store = FleetStore(clock)
    history = History(store, clock)
    said = await EgressAccess(client, store, history).replace("sbx_1", EgressLists.parse(text))
    assert said == f"{text} (saved, not in force yet)"
    assert [body_of(each) for each in platform.requests if each.method == "PUT"] == [sent]
    # The list shows it at once, and the sandbox's history keeps it.
    assert "sbx_1" in store
    assert "egress:" in str(history.of("sbx_1"))


async def test_many_are_changed_by_one_plan() -> None:
    _, client = platform_and_client(reply(["a"], None))
    clock = ManualClock(NOW)
    store = FleetStore(clock)
    history = History(store, clock)
    store.apply([Sandbox.model_validate(SANDBOX)])
    plan = make_plan(EGRESS, list(store), value="allow a")
    work = work_of(plan, client, store, history, JobBoard(client, store, history, clock))
    assert [(result.done, result.words) for result in (await work(["sbx_1"])).values()] == [(True, "allow a")]
