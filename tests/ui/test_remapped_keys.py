"""Keys that the user has changed: what they do, what the hints and the help say."""

from sandtui.config.settings import read_settings
from sandtui.ui.dialogs.help import HelpDialog
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.inventory.screen import FleetScreen
from tests.probes import text_of
from tests.ui.world import World, settled, until


def with_keys(text):
    return World(fleet=5, settings=read_settings(f"[keys]\n{text}", "config.toml"))


async def test_a_changed_key_works_and_is_shown_and_the_old_one_does_not():
    app = with_keys('"fleet.open" = "f9"\n"fleet.logs" = ""\n"app.help" = "f2"\n"fleet.nonsense" = "x"')
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        fleet = app.screen
        assert "fleet.nonsense: no such action" in app.services.notifier.messages[0].text
        hints = fleet.query_one("#hints").render().plain
        assert "f9 open" in hints
        assert "f2 help" in hints
        assert "logs" not in hints
        for key in ("enter", "L", "f1"):
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is fleet, key
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))
        assert "f9" in text_of(app)
        await pilot.press("escape")
        await pilot.pause()
        await pilot.press("f9")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))
