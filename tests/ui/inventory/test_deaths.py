"""The view of what died, grouped by cause, and the timeline in the details."""

import pytest

from sandtui.ui.inventory.detail_screen import DetailScreen
from tests.probes import text_of
from tests.ui.world import World, settled, until

SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])


@SIZES
def test_what_died_by_cause(snap_compare, size):
    async def shown(pilot):
        await settled(pilot)
        await pilot.press("v", "d")
        await pilot.pause()

    assert snap_compare(World(), terminal_size=size, run_before=shown)


@SIZES
def test_the_timeline_of_a_dead_sandbox(snap_compare, size):
    async def shown(pilot):
        app = await settled(pilot)
        session = app.services.platform.session
        dead = sorted(row.id for row in session.store if row.status == "ERROR")[0]
        await until(pilot, lambda: bool(app.services.deaths.find(dead)))
        app.services.navigator.open_detail(dead)
        await until(pilot, lambda: isinstance(app.screen, DetailScreen) and "Timeline" in text_of(app))
        await until(pilot, lambda: not session.log_ends.is_coming(session.store.get(dead), live=True))
        await pilot.pause()

    assert snap_compare(World(), terminal_size=size, run_before=shown)
