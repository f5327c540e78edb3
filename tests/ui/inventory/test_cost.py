"""Costs in the dashboard: above the list, as columns, on the headers of groups, in the details, in the create form."""

import pytest
from textual.widgets import Input

from sandtui.config.settings import read_settings
from sandtui.fleet.inventory.cost import Rates, money, use_rates
from sandtui.ui.inventory.screen import FleetScreen
from tests.probes import text_of
from tests.ui.world import World, settled, until

SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
SETTINGS = read_settings("[cost]\ncore_hour = 0.05\nmemory_gb_hour = 0.01\ngpu_hour = { H100_80GB = 2.5 }\n", "")


@pytest.fixture(autouse=True)
def no_rates_afterwards():
    yield
    use_rates(Rates())


@SIZES
def test_costs_in_the_fleet(snap_compare, size):
    async def shown(pilot):
        app = await settled(pilot)
        session = app.services.platform.session
        # One of them has a bill.
        session.store.set_billed({sorted(row.id for row in session.store if row.status == "RUNNING")[0]: 0.25})
        app.screen.table.set_columns(["status", "name", "labels", "cost", "rate"], {})
        app.screen.query_one("#filter", Input).value = "cost>0.1"
        await pilot.pause()
        app.screen.leave_filter()
        await pilot.press("z", "2")
        await pilot.pause()

    assert snap_compare(World(settings=SETTINGS), terminal_size=size, run_before=shown)


async def test_the_create_form_says_what_a_launch_would_cost():
    async with World(settings=SETTINGS).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(app.screen, FleetScreen))
        app.screen.query_one("#field-count", Input).value = "40"
        await until(pilot, lambda: "about $2.80 an hour" in text_of(app))


async def test_the_cost_of_a_sandbox_and_of_the_fleet_is_shown():
    async with World(settings=SETTINGS).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        session = app.services.platform.session
        expected = sum(row.per_hour for row in session.store if row.per_hour is not None)
        assert session.store.totals.per_hour == pytest.approx(expected)
        assert f"~{money(expected)}/h" in text_of(app) or f"≥{money(expected)}/h" in text_of(app)
        assert "Cost     ~$" in text_of(app)
