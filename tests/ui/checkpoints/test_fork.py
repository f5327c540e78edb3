"""F on a sandbox: asks how many, takes one checkpoint, and shows the forks on the launch board."""

import asyncio

import pytest
from textual.widgets import Input

from sandtui.client import APIError
from sandtui.fleet.creation.launch import Step
from sandtui.ui.creation.launch_screen import LaunchScreen
from sandtui.ui.dialogs.fork import ForkDialog
from sandtui.ui.inventory.screen import FleetScreen
from tests.probes import text_of
from tests.ui.world import World, refused, settled, until

SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])


@pytest.fixture(autouse=True)
def fixed_launch_ids(monkeypatch):
    monkeypatch.setattr("sandtui.ui.services.forks.new_launch_id", lambda: "0badcafe")


async def asked(pilot, *presses, query="status:running"):
    """Open the dialog for what the fleet shows."""
    app = await settled(pilot)
    app.screen.query_one("#filter", Input).value = query
    await until(pilot, lambda: app.screen.target is not None and (app.screen.target.status == "RUNNING" or not query))
    await pilot.press(*presses, "F")
    await until(pilot, lambda: isinstance(app.screen, ForkDialog) and app.screen.query("#fork-name"))
    for field in app.screen.query(Input):
        field.cursor_blink = False
    return app


@SIZES
@pytest.mark.parametrize("many", [False, True], ids=["one", "several"])
def test_the_dialog(snap_compare, size, many):
    async def steps(pilot):
        app = await asked(pilot, *(["space", "space"] if many else []))
        await pilot.press("backspace", *"20")
        await until(pilot, lambda: f"then {40 if many else 20} sandboxes" in text_of(app))

    assert snap_compare(World(), terminal_size=size, run_before=steps)


async def test_one_checkpoint_then_the_forks_on_the_launch_board():
    async with World().run_test(size=(120, 36)) as pilot:
        app = await asked(pilot)
        session = app.services.platform.session
        (source,) = app.screen.sources
        await pilot.press("backspace", *"3", "tab", *["backspace"] * 30, *"try-{i}", "enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        launch = app.screen.launch
        await until(pilot, lambda: launch.counts[Step.STARTING] == 3)
        (checkpoint,) = await session.client.list_checkpoints(source.id)
        assert {item.request.checkpoint_id for item in launch.items} == {checkpoint.id}
        assert [item.request.name for item in launch.items] == ["try-1", "try-2", "try-3"]
        # It can be resumed after a crash.
        (recorded,) = app.services.launches.journal.unfinished()
        assert {item.request.checkpoint_id for item in recorded.items} == {checkpoint.id}


async def test_a_checkpoint_under_way_is_shown_and_stopped_by_a_key():
    async with World().run_test(size=(80, 24)) as pilot:
        app = await asked(pilot)
        client = app.services.platform.session.client
        never, waits = asyncio.Event(), client.wait_for_checkpoint
        client.wait_for_checkpoint = lambda _: never.wait()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and "taking a checkpoint · 0s" in text_of(app))
        app.manual_clock.advance(7)
        app.screen.tick()
        await until(pilot, lambda: "taking a checkpoint · 7s" in text_of(app))
        launch = app.screen.launch
        await pilot.press("K")
        await until(pilot, lambda: launch.counts[Step.FAILED] == 1)
        assert app.services.launches.journal.unfinished() == []
        assert not launch.running
        client.wait_for_checkpoint = waits
        await pilot.press("U")
        await until(pilot, lambda: launch.counts[Step.STARTING] == 1)


async def test_a_platform_without_checkpoints_says_so_on_the_board():
    async with World().run_test(size=(120, 36)) as pilot:
        app = await asked(pilot)
        client = app.services.platform.session.client

        async def refuse(_):
            raise APIError("checkpoints are not offered [/]", status_code=501)

        client.checkpoint = refuse
        await pilot.press("enter")
        await until(pilot, lambda: "checkpoints are not offered [/]" in text_of(app))
        assert app.screen.launch.counts[Step.FAILED] == 1


async def test_what_does_not_run_is_skipped_or_refused():
    async with World().run_test(size=(120, 36)) as pilot:
        app = await asked(pilot, "asterisk", query="")
        assert all(each.status == "RUNNING" for each in app.screen.sources)
        assert "skipped (not running)" in app.services.notifier.messages[-1].text
        await pilot.press("escape", "u")
        app.screen.query_one("#filter", Input).value = "status:error"
        await until(pilot, lambda: app.screen.target is not None and app.screen.target.status == "ERROR")
        await pilot.press("F")
        await refused(pilot, "Fork: 1 sandbox has ended")
        assert isinstance(app.screen, FleetScreen)


async def test_a_mistake_is_said_while_typing_and_nothing_starts():
    async with World().run_test(size=(80, 24)) as pilot:
        app = await asked(pilot)
        await pilot.press("backspace", *"0")
        await until(pilot, lambda: "✖ Count:" in text_of(app))
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ForkDialog)
        await pilot.press("backspace", *"2", "tab", *["backspace"] * 40, "enter")
        await until(pilot, lambda: "✖ Name:" in text_of(app))
        assert app.services.launches.all == []
