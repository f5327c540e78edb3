"""The tree of sandboxes and checkpoints: what hangs on what, whatever a platform says."""

from datetime import timedelta

from sandtui.client import SandboxCheckpoint
from sandtui.clock import ManualClock
from sandtui.fleet.checkpoints.tree import build, lines, size
from sandtui.fleet.inventory.store import FleetStore
from tests.fleet.factory import NOW, sandbox


def checkpoint(name, sandbox_number, minute=0, **fields):
    values = {"id": name, "sandbox_id": f"sbx_{sandbox_number:04}", "state": "DURABLE", "occupied_bytes": 1_000_000}
    return SandboxCheckpoint.model_validate({**values, "created_at": NOW - timedelta(minutes=60 - minute), **fields})


def rows(*sandboxes):
    store = FleetStore(ManualClock(NOW))
    store.apply(sandboxes)
    return store.rows


def drawn(roots, **named):
    return [
        "".join("| " if more else "  " for more in each.guides[:-1])
        + (("|-" if each.guides[-1] else "`-") if each.guides else "")
        + each.node.id
        for each in lines(roots, **named)
    ]


def tree(found, *checkpoints, **named):
    return build(found, {each.id: each for each in checkpoints}, **named)


def test_checkpoints_hang_on_their_sandbox_and_forks_on_their_checkpoint():
    found = rows(
        sandbox(1), sandbox(2, checkpoint_id="c1"), sandbox(3, checkpoint_id="c1"), sandbox(4, checkpoint_id="c3"),
        sandbox(9),
    )  # fmt: skip
    roots = tree(found, checkpoint("c2", 1, 2, parent_id="c1"), checkpoint("c1", 1, 1), checkpoint("c3", 2, 3))
    assert drawn(roots) == [
        "sbx_0001",
        "|-c1",
        "| |-sbx_0003",
        "| `-sbx_0002",
        "|   `-c3",
        "|     `-sbx_0004",
        "`-c2",
    ]
    assert drawn(roots, folded={(False, "c1")}) == ["sbx_0001", "|-c1", "`-c2"]
    assert lines(roots, {(False, "c1")})[1].hidden == 4
    # A match is shown with all that it hangs on.
    assert drawn(roots, needle="sbx_0004") == ["sbx_0001", "`-c1", "  `-sbx_0002", "    `-c3", "      `-sbx_0004"]


def test_what_was_deleted_is_still_named():
    roots = tree(rows(sandbox(2, checkpoint_id="gone")), checkpoint("c1", 1))
    assert sorted(drawn(roots)) == sorted(["gone", "`-sbx_0002", "sbx_0001", "`-c1"])
    assert {each.node.row is None for each in lines(roots) if each.node.id == "sbx_0001"} == {True}


def test_sandboxes_without_checkpoints_are_there_when_asked_for():
    found = rows(sandbox(1), sandbox(2), sandbox(3, status="TERMINATED"))
    assert drawn(tree(found)) == []
    assert drawn(tree(found, shown=["sbx_0002", "sbx_0008"])) == ["sbx_0002"]
    assert drawn(tree(found, everything=True)) == ["sbx_0001", "sbx_0002"]


def test_circles_that_a_platform_makes_up_end():
    found = rows(sandbox(1, checkpoint_id="c2"), sandbox(2, checkpoint_id="c1"), sandbox(3, checkpoint_id="c3"))
    roots = tree(found, checkpoint("c1", 1), checkpoint("c2", 2), checkpoint("c3", 3))
    assert len(drawn(roots)) == 6


def test_a_deep_chain_and_many_siblings():
    deep = rows(sandbox(0), *(sandbox(number, checkpoint_id=f"c{number - 1}") for number in range(1, 400)))
    roots = tree(deep, *(checkpoint(f"c{number}", number) for number in range(400)))
    assert (len(roots), size(roots[0]), len(lines(roots)[-1].guides)) == (1, 800, 799)
    wide = rows(sandbox(0), *(sandbox(number, checkpoint_id="c0") for number in range(1, 5000)))
    assert len(lines(tree(wide, checkpoint("c0", 0)))) == 5001
