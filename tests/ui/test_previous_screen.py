"""``-`` leads to the screen before this one and back; texts name the keys that the user has."""

from sandtui.config.settings import Settings
from sandtui.ui.activity.screen import ActivityScreen
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.inventory.screen import FleetScreen
from sandtui.ui.jobs.screen import JobsScreen
from sandtui.ui.ports.screen import PortsScreen
from tests.ui.world import World, settled, until


def shows(pilot, kind):
    return until(pilot, lambda: isinstance(pilot.app.screen, kind) and pilot.app.screen.is_mounted)


async def test_it_goes_back_and_forth():
    async with World(fleet=5).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        await pilot.press("minus")
        await pilot.pause()
        assert isinstance(app.screen, FleetScreen)
        assert "No previous screen" in app.services.notifier.messages[-1].text
        await pilot.press("b")
        await shows(pilot, JobsScreen)
        await pilot.press("minus")
        await shows(pilot, FleetScreen)
        await pilot.press("minus")
        await shows(pilot, JobsScreen)
        await pilot.press("escape")
        await shows(pilot, FleetScreen)
        await pilot.press("p")
        await shows(pilot, PortsScreen)
        await pilot.press("minus")
        await shows(pilot, FleetScreen)


async def test_the_screen_in_front_comes_back_from_the_fleet_and_as_it_was_opened():
    async with World(fleet=5).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        sandbox_id = app.screen.target.id
        await pilot.press("enter")
        await shows(pilot, DetailScreen)
        await pilot.press("5")
        await shows(pilot, ActivityScreen)
        await pilot.press("escape")
        await shows(pilot, DetailScreen)
        await pilot.press("1")
        await shows(pilot, FleetScreen)
        await pilot.press("j", "minus")
        await shows(pilot, DetailScreen)
        assert app.screen.sandbox_id == sandbox_id
        # Dialogs are no screens.
        await pilot.press("question_mark")
        await pilot.pause()
        await pilot.press("escape", "minus")
        await shows(pilot, FleetScreen)


async def test_nothing_of_another_platform_is_opened_again():
    async with World(fleet=5).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        await pilot.press("b")
        await shows(pilot, JobsScreen)
        await pilot.press("escape")
        app.services.navigator.forget_previous()
        await pilot.press("minus")
        await pilot.pause()
        assert isinstance(app.screen, FleetScreen)


async def test_the_tour_and_what_is_said_name_the_users_keys():
    settings = Settings(keys={"fleet.new": ["f7"], "fleet.many": [], "app.command": ["f8"]})
    async with World(fleet=0, settings=settings).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        app.screen.show_rows()
        shown = ["".join(piece.text for piece in line) for line in app.screen.table.empty]
        assert any(line.strip().startswith("f7  create one or many sandboxes") for line in shown)
        assert any("mark (:bulk for bulk actions)" in line for line in shown)
        assert any("(f8 for commands)" in line for line in shown)
        await pilot.press("s")
        await pilot.pause()
        assert app.services.notifier.messages[-1].text == "No sandboxes yet: press f7 to create one"
        assert [entry.kind for entry in app.services.notifier.activity.search("shell")] == []
