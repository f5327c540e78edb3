"""The command palette: what it offers on each screen, in which order, and what choosing does."""

from dataclasses import replace

import pytest
from textual.command import CommandList, CommandPalette
from textual.widgets import Input, OptionList

from sandtui.config.settings import Settings
from sandtui.fleet.actions import GLOBAL, in_scope
from sandtui.ui.commands.console_screen import ConsoleScreen
from sandtui.ui.dialogs.help import HelpDialog
from sandtui.ui.inventory.screen import FleetScreen
from sandtui.ui.jobs.screen import JobsScreen
from sandtui.ui.key_bindings import PALETTE
from sandtui.ui.ports.screen import PortsScreen
from tests.ui.every_screen import opened
from tests.ui.test_every_screen import SCREENS
from tests.ui.world import World, refused, until

WIDE = (120, 36)


async def palette(pilot, app, text=""):
    """Open the palette, type, and return its lines."""
    await pilot.press("ctrl+p")
    await until(pilot, lambda: isinstance(app.screen, CommandPalette))
    if text:
        app.screen.query_one(Input).value = text
        await until(pilot, lambda: matching(app, text))
    await until(pilot, lambda: app.screen.query_one(CommandList).option_count > 0)
    return lines(app)


def lines(app):
    found = app.screen.query_one(CommandList)
    return [found.get_option_at_index(number).prompt.plain for number in range(found.option_count)]


def matching(app, text):
    """Whether the list is that of a text already: the one before held everything."""
    return 0 < len(lines(app)) < 30 and any(text.lower() in line.lower() for line in lines(app)[:1])


@SCREENS
async def test_every_action_of_the_screen_is_offered_on_every_screen(kind):
    app = World(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, kind)
        screen = app.screen
        scopes = {*screen.hint_scopes(), *screen.scopes}
        offered = await palette(pilot, app)
        titles = [line.split("   ")[0].split("\n")[0].lower() for line in offered]
        for scope in (*scopes, GLOBAL):
            for action in in_scope(scope):
                if action.id != PALETTE:
                    assert action.title.lower() in titles, action.id
        assert "theme" in titles
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)


@pytest.mark.parametrize(
    ("text", "first"), [("job", "Jobs"), ("port", "Ports"), ("shell", "Shell"), ("delete", "Delete"), ("log", "Logs")]
)
async def test_what_one_expects_is_found_on_the_fleet(text, first):
    app = World(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        offered = await palette(pilot, app, text)
        assert offered[0].split("   ")[0] == first
        assert offered[0].split("\n")[0].split("   ")[1].strip()


@pytest.mark.parametrize(("text", "kind"), [("job", JobsScreen), ("port", PortsScreen), ("exec", ConsoleScreen)])
async def test_choosing_does_it_on_the_screen_below(text, kind):
    app = World(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        await palette(pilot, app, text)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, kind))


async def test_what_cannot_be_done_is_last_and_says_why():
    app = World(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        fleet, connection = app.screen, app.services.platform.connection
        app.services.platform.connection = replace(connection, config=replace(connection.config, read_only=True))
        offered = await palette(pilot, app)
        reasons = ["Read-only context" in line for line in offered]
        assert True in reasons
        assert False not in reasons[reasons.index(True) :] or all(
            "\n" in line for line in offered[reasons.index(True) :]
        )
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is fleet)
        await palette(pilot, app, "delete")
        await pilot.press("enter")
        await refused(pilot, "Read-only context")
        assert app.screen is fleet


async def test_the_users_own_keys_are_named_and_open_it():
    app = World(fleet=30, settings=Settings(keys={"fleet.jobs": ["f7"], PALETTE: ["f6"]}))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert isinstance(app.screen, FleetScreen)
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await until(pilot, lambda: any(line.startswith("Jobs   f7") for line in lines(app)))


async def test_an_action_of_the_pane_beside_is_done_there():
    app = World(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, ConsoleScreen)
        console = app.screen
        await palette(pilot, app, "wrap")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is console and console.output_view.wrap)


@SCREENS
async def test_the_help_names_no_key_for_two_actions(kind):
    app = World(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, kind)
        scopes = app.screen.hint_scopes()
        app.action_help()
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))
        keys = []
        for options in app.screen.query(OptionList):
            for number in range(options.option_count):
                option = options.get_option_at_index(number)
                if option.id is not None:
                    keys += option.prompt.plain.partition("  ")[0].split()
        shared = {key for key in keys if key and not key.startswith(":") and keys.count(key) > 1}
        assert not shared, (scopes, shared)
