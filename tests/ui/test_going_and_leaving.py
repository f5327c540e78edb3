"""Number keys go to screens from anywhere; q goes back, and on the fleet quits; ctrl+c twice quits."""

import asyncio
import contextlib

import pytest
from textual.pilot import WaitForScreenTimeout

from sandtui.fleet.inventory.bulk import BulkResult, BulkRun
from sandtui.ui.commands.console_screen import ConsoleScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.inventory.screen import FleetScreen
from tests.probes import text_of
from tests.ui.every_screen import opened
from tests.ui.world import World, until

WIDE = (120, 36)
NUMBERS = {"2": "jobs", "3": "files", "4": "ports", "5": "activity"}


async def at(pilot, scope):
    await until(pilot, lambda: getattr(pilot.app.screen, "SCOPE", "") == scope and pilot.app.screen.is_mounted)
    return pilot.app.screen


async def leave(pilot, key):
    """Press the key that ends the program: its screen answers no more."""
    with contextlib.suppress(WaitForScreenTimeout):
        await pilot.press(key)


def told(app):
    messages = app.services.notifier.messages
    return messages[-1].text if messages else ""


async def test_number_keys_go_to_screens_and_never_open_a_second_one():
    app = World(fleet=10)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        await pilot.press("slash", *"status", "colon", *"running", "enter")
        for number, scope in [*NUMBERS.items(), *reversed(NUMBERS.items())]:
            await pilot.press(number)
            await at(pilot, scope)
            scopes = [getattr(each, "SCOPE", "") for each in app.screen_stack]
            assert scopes.count(scope) == 1
        await pilot.press("1")
        await at(pilot, "fleet")
        assert len(app.screen_stack) == 2


async def test_a_number_that_leads_nowhere_leaves_the_next_one_to_its_screen():
    app = World(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        await pilot.press("slash", *"status", "colon", *"error", "enter")
        await until(pilot, lambda: app.screen.target is not None and app.screen.target.status == "ERROR")
        await pilot.press("6", "3", "2")
        await at(pilot, "jobs")
        texts = [each.text for each in app.services.notifier.messages]
        assert any("No launch in this session" in text for text in texts)
        assert any("running sandbox" in text for text in texts)


async def test_a_number_on_its_own_screen_says_so():
    app = World(fleet=3)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        await pilot.press("2")
        await at(pilot, "jobs")
        await pilot.press("2")
        await until(pilot, lambda: told(app) == "Already showing the jobs")


async def test_jobs_of_one_sandbox_are_not_the_jobs_of_the_fleet():
    app = World(fleet=3)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        app.services.navigator.open_jobs((), app.screen.target.id)
        one = await at(pilot, "jobs")
        await pilot.press("2")
        await until(pilot, lambda: app.screen is not one and getattr(app.screen, "SCOPE", "") == "jobs")
        assert app.screen.sandbox_id is None


async def test_numbers_are_text_in_a_text_field():
    app = World(fleet=3)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        await pilot.press("slash", *"2345")
        assert app.screen.SCOPE == "fleet"
        assert app.screen.query_one("#filter").value == "2345"


async def test_q_quits_at_once_when_nothing_runs():
    app = World(fleet=3)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        await leave(pilot, "q")
    assert app.return_code == 0


async def test_q_asks_first_when_something_of_the_users_runs():
    app = World(fleet=3)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)

        async def work(sandbox_ids):
            await asyncio.Event().wait()
            return {each: BulkResult(True, "") for each in sandbox_ids}

        run = BulkRun("Try it", list(app.services.platform.session.store)[:2], work, app.services.clock)
        app.services.bulk.run(run)
        await until(pilot, lambda: "a bulk action" in app.services.quitting.running.described())
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        assert "a bulk action" in text_of(app)
        await pilot.press("escape")
        await at(pilot, "fleet")
        assert app.is_running
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        await leave(pilot, "y")
    assert app.return_code == 0


@pytest.mark.parametrize("scope", NUMBERS.values())
async def test_q_goes_back_everywhere_else(scope):
    app = World(fleet=10)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        await pilot.press("slash", *"status", "colon", *"running", "enter")
        await pilot.press(next(number for number, each in NUMBERS.items() if each == scope))
        await at(pilot, scope)
        await pilot.press("q")
        await at(pilot, "fleet")


async def test_ctrl_c_twice_quits_and_once_does_not():
    app = World(fleet=3)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, FleetScreen)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "ctrl+c again" in told(app))
        app.manual_clock.advance(30)
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert app.is_running
        await leave(pilot, "ctrl+c")
    assert app.return_code == 0


async def test_ctrl_c_in_the_console_never_quits():
    app = World(fleet=3)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, ConsoleScreen)
        for _ in range(4):
            await pilot.press("ctrl+c")
        await pilot.pause()
        assert app.is_running
        assert isinstance(app.screen, ConsoleScreen)
