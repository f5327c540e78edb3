"""Sandboxes whose program has ended: shown, counted, and deleted by one key after the usual plan."""

from dataclasses import replace

import pytest
from textual.widgets import Input

from sandtui.fleet.inventory.leases import is_mine
from sandtui.leases import LeaseMark, Verdict, this_user
from sandtui.ui.dialogs.bulk import BulkDialog
from sandtui.ui.dialogs.plan import PlanDialog
from tests.ui.world import World, refused, settled, until

SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])

MINE = LeaseMark("0" * 16, "me", "node-17", 4121, "1", "", 600)
"""Its start is that of no process."""

THEIRS = replace(MINE, token="1" * 16, user="somebody", pid=7)
LIVING = replace(MINE, token="2" * 16, pid=9)


@pytest.fixture(autouse=True)
def owners(monkeypatch):
    """Let two of three owners be gone, without asking the system."""
    monkeypatch.setattr("sandtui.fleet.inventory.leases.this_user", lambda: "me")
    monkeypatch.setattr(
        "sandtui.leases.LeaseJudge.judge",
        lambda _, mark: Verdict(gone="" if mark == LIVING else f"process {mark.pid} on {mark.host} has ended"),
    )


async def with_orphans(pilot, *marks):
    """Give three running sandboxes to each owner."""
    app = await settled(pilot)
    session = app.services.platform.session
    running = sorted((row.sandbox for row in session.store if row.status == "RUNNING"), key=lambda each: each.id)
    chosen = running[: 3 * len(marks)]
    session.store.apply(
        sandbox.model_copy(update={"labels": ["run=42", marks[place // 3].label]})
        for place, sandbox in enumerate(chosen)
    )
    await until(pilot, lambda: bool(session.store.totals.orphans) or marks == (LIVING,))
    return app, session


async def test_one_key_deletes_those_of_this_user_alone():
    async with World().run_test(size=(120, 36)) as pilot:
        app, session = await with_orphans(pilot, MINE, THEIRS, LIVING)
        assert (len(session.leases.orphans), session.leases.others) == (3, 3)
        await until(pilot, lambda: "3 orphaned" in str(app.screen.query_one("#activity").render()))
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog) and app.screen.can_be_read)
        plan = app.screen.plan
        assert (plan.count, plan.group) == (3, "orphaned")
        assert {row.lease for row in plan.rows} == {MINE}
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, BulkDialog) and app.screen.run.is_over)
        await pilot.press("escape")
        assert (len(session.leases.orphans), session.leases.others) == (0, 3)
        await pilot.press("K")
        await refused(pilot, "3 orphaned belong to other people")
        await pilot.press("slash", *"orphaned", "enter")
        assert {row.lease for row in app.screen.view.rows} == {THEIRS}


async def test_whose_owner_lives_is_no_orphan_and_one_may_come_back():
    async with World().run_test(size=(120, 36)) as pilot:
        _, session = await with_orphans(pilot, LIVING)
        assert not session.store.totals.orphans
        await pilot.press("K")
        await refused(pilot, "No sandbox is orphaned")
        session.store.set_orphans({LIVING: "node-17 has been silent for 11 min"})
        assert len(session.leases.orphans) == 3
        await session.leases.look()
        assert not session.store.totals.orphans


async def test_a_sandbox_of_another_account_is_never_mine():
    async with World().run_test() as pilot:
        _, session = await with_orphans(pilot, MINE)
        row = session.leases.orphans[0]
        assert is_mine(row, row.sandbox.user_id, "me")
        assert not is_mine(row, row.sandbox.user_id, this_user() + "x")
        owned = replace(row, sandbox=row.sandbox.model_copy(update={"user_id": "them"}))
        assert is_mine(owned, None, "me")
        assert not is_mine(owned, "me-there", "me")


@SIZES
def test_orphans_in_the_fleet(snap_compare, size):
    async def shown(pilot):
        app, _ = await with_orphans(pilot, MINE, THEIRS)
        app.screen.query_one("#filter", Input).value = "orphaned"
        await pilot.pause()
        app.screen.leave_filter()
        await until(pilot, lambda: app.screen.view.count == 6)

    assert snap_compare(World(), terminal_size=size, run_before=shown)
