"""What sandboxes use, on the fleet screen: measured by a key, shown in columns, asked for by the filter."""

from dataclasses import replace

import pytest
from textual.widgets import Input

from sandtui.client.models import CommandResponse
from sandtui.fleet.inventory.bulk import BulkState
from sandtui.fleet.inventory.bulk_plan import MEASURE, make_plan
from sandtui.fleet.inventory.usage import COMMAND
from sandtui.local.drivers.simulated import USAGE_COMMAND
from sandtui.ui.dialogs.bulk import BulkDialog
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.inventory.screen import FleetScreen
from tests.probes import text_of
from tests.ui.world import World, refused, settled, stop_blinking, until

WIDE, NARROW = (120, 36), (80, 24)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])


def answering(app):
    """Let each sandbox of the fleet use another share of its cores; return the list of those that are asked."""
    asked = []

    async def execute(sandbox_id, command, timeout=None):
        asked.append(sandbox_id)
        share = int(sandbox_id[-2:], 16) / 256 if int(sandbox_id[-1], 16) % 2 else 0.001
        row = app.services.platform.session.store.get(sandbox_id)
        return CommandResponse(
            stdout=f"cpu {int(share * row.sandbox.cpu_cores * 1e8)}\nmemory {int(share * 2**30)}\n"
            "uptime 9100\nfirst 900000\n",
            stderr="",
            exit_code=0,
        )

    app.services.platform.session.client.execute_command = execute
    return asked


async def plan_shown(pilot):
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, PlanDialog) and app.screen.can_be_read)


async def measured(pilot, *keys):
    """Measure all that the filter could show, or what the keys mark; return the run."""
    app = pilot.app
    await pilot.press(*keys, "percent_sign")
    await plan_shown(pilot)
    await pilot.press("y")
    await until(pilot, lambda: isinstance(app.screen, BulkDialog) and app.screen.run.is_over)
    return app.screen.run


async def test_the_forgotten_are_measured_and_what_works_is_left_out():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        asked = answering(app)
        await pilot.press("v", "f")
        await until(pilot, lambda: "not measured" in text_of(app))
        fleet, view = app.screen, app.screen.view
        before = [row.id for row in view.rows]
        idle = [row.id for row in view.rows if row.sandbox.idle_timeout_minutes]
        assert f"{len(before)} running, not measured (% to measure)" in text_of(app)
        assert asked == [], "nothing is asked by itself"
        run = await measured(pilot)
        assert sorted(asked) == sorted(set(before) - set(idle))
        assert run.count(BulkState.DONE) == len(asked)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is fleet and view.unmeasured == len(idle))
        await until(pilot, lambda: 0 < view.count < len(before))
        left = {row.id for row in view.rows}
        assert left == {row.id for row in map(view.store.get, before) if row.used is None or row.used <= 0.02}
        assert app.services.platform.session.history.touched.isdisjoint(before), "to look at a sandbox is not to use it"
        store = view.store
        late = store.get(idle[0]) if idle else view.rows[0]
        store.apply([late.sandbox.model_copy(update={"id": "sbx_late", "idle_timeout_minutes": None})])
        await until(pilot, lambda: view.place("sbx_late") is not None)
        asked.clear()
        await measured(pilot)
        assert asked == ["sbx_late"], "what was measured is not measured again for that"


async def test_what_has_an_idle_limit_is_asked_only_when_somebody_wants_it():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        asked = answering(app)
        store = app.services.platform.session.store
        row = next(row for row in store if row.status == "RUNNING")
        store.apply([row.sandbox.model_copy(update={"idle_timeout_minutes": 30})])
        app.screen.query_one("#filter", Input).value = row.id
        await pilot.pause()
        await pilot.press("percent_sign")
        await plan_shown(pilot)
        assert "1 skipped with an idle timeout, which a command resets a include" in " ".join(text_of(app).split())
        await pilot.press("y")
        assert isinstance(app.screen, PlanDialog), "there is nothing to do"
        await pilot.press("a")
        await plan_shown(pilot)
        assert "Measure CPU and memory of 1 sandbox" in text_of(app)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, BulkDialog) and app.screen.run.is_over)
        assert asked == [row.id]
        assert store.get(row.id).used is not None


async def test_marks_are_measured_rather_than_what_matches():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        asked = answering(app)
        store = app.services.platform.session.store
        await pilot.press("slash", *"status:running", "enter")
        await pilot.pause()
        for row in store:
            store.apply([row.sandbox.model_copy(update={"idle_timeout_minutes": None})])
        run = await measured(pilot, "space", "space")
        assert len(asked) == len(run.items) == 2
        assert {row.id for row in store if row.measured is not None} == set(asked)


async def test_a_comparison_that_nothing_passes_yet_offers_to_measure_what_could():
    app = World()
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        asked = answering(app)
        fleet = app.screen
        fleet.query_one("#filter", Input).value = "used>2%"
        fleet.table.focus()
        await until(pilot, lambda: "22 running, not measured" in text_of(app))
        assert fleet.view.count == 0
        await measured(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen) and fleet.view.count > 0)
        assert {row.id for row in fleet.view.rows} <= set(asked)


async def test_the_detail_screen_tells_the_fleet_what_it_saw():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        asked = answering(app)
        row = next(row for row in app.screen.view.rows if row.status == "RUNNING")
        app.screen.show_sandbox(row.id)
        await pilot.press("enter", "percent_sign")
        await until(pilot, lambda: asked and app.services.platform.session.store.get(row.id).measured is not None)
        await until(pilot, lambda: "Used" in text_of(app) and "measured 0s ago" in text_of(app))


async def test_the_columns_can_be_chosen_and_sorted_by():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        answering(app)
        fleet = app.screen
        fleet.table.set_columns(["status", "name", "used", "memused"], {})
        await measured(pilot)
        await pilot.press("escape")
        fleet.view.sort_by("used")
        fleet.show_rows()
        await until(pilot, lambda: "USED↓" in text_of(app))
        shares = [row.used for row in fleet.view.rows if row.used is not None]
        assert shares == sorted(shares, reverse=True)
        assert len(shares) > 10
        await pilot.press("g")
        assert f"{shares[0]:.0%}" in text_of(app)


async def test_read_only_measures_nothing():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        asked = answering(app)
        connection = app.services.platform.connection
        app.services.platform.connection = replace(connection, config=replace(connection.config, read_only=True))
        await pilot.press("v", "f")
        await until(pilot, lambda: "not measured" in text_of(app))
        assert "M measures" not in text_of(app)
        await pilot.press("percent_sign")
        await refused(pilot, "Read-only")
        assert isinstance(app.screen, FleetScreen)
        assert asked == []


async def test_made_up_sandboxes_tell_made_up_use():
    """A demonstration has something to show; its sandboxes know the command by its beginning."""
    assert COMMAND.startswith(USAGE_COMMAND)
    app = World()
    async with app.run_test() as pilot:
        await settled(pilot)
        session = app.services.platform.session
        await session.bulk(make_plan(MEASURE, list(session.store), spare=False)).run()
        running = [row for row in session.store if row.status == "RUNNING"]
        assert all(row.used is not None and 0 <= row.used < 1 for row in running)
        assert 0 < sum(row.used <= 0.02 for row in running) < len(running) / 2
        assert all(0 < row.memory_used < 1 for row in running)


# Pictures


@SIZES
def test_forgotten_not_measured(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)
        await pilot.press("v", "f")
        await until(pilot, lambda: app.screen.view.unmeasured > 0)
        stop_blinking(app)

    assert snap_compare(World(), terminal_size=size, run_before=steps)


@SIZES
def test_plan_to_measure(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)
        await pilot.press("v", "f")
        await until(pilot, lambda: app.screen.view.unmeasured > 0)
        await pilot.press("percent_sign")
        await plan_shown(pilot)

    assert snap_compare(World(), terminal_size=size, run_before=steps)


@SIZES
def test_measured(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)
        answering(app)
        await measured(pilot)

    assert snap_compare(World(), terminal_size=size, run_before=steps)


@SIZES
def test_use_in_columns(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)
        answering(app)
        fleet = app.screen
        fleet.table.set_columns(["status", "name", "used", "memused", "size", "labels", "age"], {})
        await measured(pilot)
        await pilot.press("escape")
        fleet.view.sort_by("used")
        fleet.show_rows()
        await pilot.press("g")
        await until(pilot, lambda: fleet.target.used is not None)

    assert snap_compare(World(), terminal_size=size, run_before=steps)


@SIZES
def test_plan_that_spares_some(snap_compare, size):
    async def steps(pilot):
        await settled(pilot)
        await pilot.press("percent_sign")
        await plan_shown(pilot)

    assert snap_compare(World(), terminal_size=size, run_before=steps)
