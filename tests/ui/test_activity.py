"""The activity screen: what was done and said, across runs, narrowed by words."""

import pytest
from textual.widgets import Input

from sandtui.fleet.activity import Entry
from sandtui.ui.screens.activity import ActivityScreen
from sandtui.ui.screens.fleet import FleetScreen
from sandtui.ui.widgets.output_view import OutputView
from tests.ui.world import NOW, World, settled, until


def texts(app):
    return [entry.text for entry in app.screen._entries]


async def open_activity(pilot, app):
    await pilot.press("t")
    await until(pilot, lambda: isinstance(app.screen, ActivityScreen) and app.screen._entries)


def earlier(app):
    for number, (kind, text) in enumerate(
        [
            ("did", "delete › Fleet"),
            ("information", "Deleted rollout-0007."),
            ("error", "web-1 was not deleted: HTTP 403: not yours. Use a key with the `sandbox` scope."),
            ("warning", "[@click=app.quit]x[/] \x1b[31mred"),
        ]
    ):
        app.kept.add(Entry(NOW.replace(minute=number), "local · simulated", kind, text))


@pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
def test_activity(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)
        earlier(app)
        await open_activity(pilot, app)
        app.screen.query_one(Input).cursor_blink = False
        await pilot.pause()

    assert snap_compare(World(), terminal_size=size, run_before=steps)


async def test_what_is_done_and_said_is_kept_and_narrowed():
    app = World(fleet=5)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        earlier(app)
        await pilot.press("D")
        await pilot.press("escape")
        app.say(f"went wrong with {app.bridge.connection.config.api_key}", "error")
        await open_activity(pilot, app)
        assert texts(app)[:2] == ["went wrong with <hidden>", "delete › Fleet"]
        await pilot.press("slash", *"not deleted")
        await until(pilot, lambda: len(texts(app)) == 1)
        assert texts(app)[0].startswith("web-1")
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen.query_one(OutputView).has_focus
        await pilot.press("escape")
        await until(pilot, lambda: len(texts(app)) > 4)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))
