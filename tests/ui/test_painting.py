"""A key draws what it changes: no screen is laid out, styled or drawn for the sake of another or of one field."""

from collections import Counter

import pytest
from textual.css.stylesheet import Stylesheet

from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.dialogs.help import HelpDialog
from sandtui.ui.inventory.table import FleetTable
from sandtui.ui.jobs.screen import JobsScreen
from sandtui.ui.ports.screen import PortsScreen
from tests.probes import Compositor
from tests.ui.every_screen import EVERY_SCREEN, opened
from tests.ui.world import World, settled, until


@pytest.fixture
def painted(monkeypatch):
    """Count the layouts, and the drawings of whole screens and of parts."""
    counts = Counter()
    for name in ("reflow", "render_full_update", "render_partial_update"):
        real = getattr(Compositor, name)

        def watched(self, *arguments, name=name, real=real, **options):
            counts[name] += 1
            return real(self, *arguments, **options)

        monkeypatch.setattr(Compositor, name, watched)
    return counts


async def test_tab_in_the_form_draws_two_fields_and_not_the_screen(painted):
    world = World(fleet=3)
    async with world.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await opened(pilot, CreateScreen)
        await pilot.pause()
        painted.clear()
        focused = world.focused
        await pilot.press("tab")
        await until(pilot, lambda: world.focused is not focused)
        assert painted["render_partial_update"]
        assert not painted["render_full_update"]
        assert not painted["reflow"]


@pytest.mark.parametrize("kind", [JobsScreen, PortsScreen, CreateScreen])
async def test_a_screen_that_is_covered_is_not_drawn(painted, kind):
    world = World(fleet=3)
    async with world.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        table = world.screen.query_one(FleetTable)
        await opened(pilot, kind)
        await pilot.pause()
        painted.clear()
        table.refresh()
        await pilot.pause()
        assert not painted["render_full_update"]


async def test_what_is_behind_a_dialog_is_drawn(painted):
    world = World(fleet=3)
    async with world.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        table = world.screen.query_one(FleetTable)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(world.screen, HelpDialog))
        await pilot.pause()
        painted.clear()
        table.refresh()
        await until(pilot, lambda: painted["render_full_update"] + painted["render_partial_update"])


@pytest.mark.parametrize("kind", [JobsScreen, PortsScreen, CreateScreen])
async def test_going_back_lays_nothing_out_again(painted, kind):
    world = World(fleet=3)
    async with world.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        fleet = world.screen
        await opened(pilot, kind)
        await pilot.pause()
        painted.clear()
        world.pop_screen()
        await until(pilot, lambda: world.screen is fleet)
        await pilot.pause()
        assert painted["render_full_update"]
        assert not painted["reflow"]


async def test_the_form_has_two_widgets_for_a_field():
    world = World(fleet=3)
    async with world.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await opened(pilot, CreateScreen)
        for line in world.screen.lines:
            assert len([*line.walk_children()]) <= (4 if line.has_class("-pairs") else 1)


@pytest.mark.parametrize("kind", EVERY_SCREEN, ids=lambda kind: kind.__name__)
async def test_rules_that_are_found_by_the_path_are_those_that_textual_finds(kind):
    world = World(fleet=3)
    async with world.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await opened(pilot, kind)
        await pilot.pause()
        # The paths are known now.
        world.stylesheet.update(world.screen)
        for node in world.screen.walk_children(with_self=True):
            found = node.styles.base.get_rules()
            Stylesheet.apply(world.stylesheet, node)
            assert node.styles.base.get_rules() == found, node
