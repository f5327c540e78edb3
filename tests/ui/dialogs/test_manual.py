"""The manual in the dashboard."""

import pytest
from textual.widgets import Input

from sandtui.fleet.actions import ACTIONS
from sandtui.manual import TOPICS, page
from sandtui.ui.dialogs.help import HelpDialog
from sandtui.ui.dialogs.manual import TOPIC_OF_SCOPE, ManualDialog, ManualView
from sandtui.ui.inventory.screen import FleetScreen
from tests.ui.world import World, settled, until

SIZES = [(120, 36), (80, 24)]


def drawn(app):
    """What is on the terminal, as text."""
    rows = [view.render_line(y).text.rstrip() for view in app.screen.query(ManualView) for y in range(view.size.height)]
    return "\n".join(rows)


def heading(app):
    return app.screen.query_one("#dialog").border_title


async def opened(pilot, *keys):
    await settled(pilot)
    await pilot.press(*keys)
    await until(pilot, lambda: isinstance(pilot.app.screen, ManualDialog))
    await until(pilot, lambda: drawn(pilot.app).strip())


def test_every_scope_has_a_page():
    assert {action.scope for action in ACTIONS} == set(TOPIC_OF_SCOPE)
    assert set(TOPIC_OF_SCOPE.values()) <= set(TOPICS)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [("f3",), ("question_mark", "f3"), (*":manual", "enter")])
async def test_the_manual_opens_at_the_page_of_the_screen(size, keys):
    app = World(fleet=3)
    async with app.run_test(size=size) as pilot:
        await opened(pilot, *keys)
        assert heading(app) == "Manual: The fleet"
        assert "refreshes by itself" in " ".join(drawn(app).split())
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("n", "Creating sandboxes"),
        ("5", "Activity and troubleshooting"),
        ("p", "Ports"),
        ("b", "Background jobs"),
        ("L", "Logs"),
    ],
)
async def test_other_screens_have_pages_of_their_own(key, title):
    app = World(fleet=3)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        await pilot.press(key)
        await until(pilot, lambda: not isinstance(app.screen, FleetScreen))
        await opened(pilot, "f3")
        assert heading(app) == f"Manual: {title}"


async def test_keys_scroll_and_turn_pages():
    app = World(fleet=3)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "f3")
        first = drawn(app)
        await pilot.press("G")
        await until(pilot, lambda: drawn(app) != first and "escape sequence" in drawn(app))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: heading(app) == "Manual: The filter" and "same language" in drawn(app))
        await pilot.press("left_square_bracket", "left_square_bracket", "left_square_bracket")
        await until(pilot, lambda: heading(app) == "Manual: Measurements")


async def test_search_goes_from_match_to_match():
    app = World(fleet=3)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "f3")
        await pilot.press("slash", *"TIMEOUT", "enter")
        await until(pilot, lambda: "idle timeout" in drawn(app))
        await pilot.press("slash", *"nowhere", "enter")
        await until(pilot, lambda: "No match for nowhere" in str(app.screen.query_one("#dialog-keys").render()))
        await pilot.press("slash", *"mark")
        field = app.screen.query_one("#manual-search", Input)
        assert field.value == "mark"
        await pilot.press("escape")
        assert isinstance(app.screen, ManualDialog)
        assert not field.display


@pytest.mark.parametrize("topic", TOPICS)
async def test_every_page_can_be_read_to_its_end_in_a_small_window(topic):
    app = World(fleet=1)
    async with app.run_test(size=(60, 20)) as pilot:
        await settled(pilot)
        app.push_screen(ManualDialog(topic))
        await until(pilot, lambda: isinstance(app.screen, ManualDialog) and drawn(app).strip())
        await pilot.press("G")
        last = page(topic).replace("<!-- keys: end -->", "").split()[-1].strip("`|.*:")
        await until(pilot, lambda: app.screen.query_one(ManualView).is_vertical_scroll_end)
        if topic not in {"keys", "sdk"}:
            assert last in drawn(app)


async def test_the_page_fits_a_new_width():
    app = World(fleet=1)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, "f3")
        wide = drawn(app)
        await pilot.resize_terminal(70, 24)
        await until(pilot, lambda: drawn(app) not in {"", wide} and max(map(len, drawn(app).splitlines())) <= 66)


async def test_help_names_the_manual():
    app = World(fleet=1)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))
        assert "f3 manual" in str(app.screen.query_one("#dialog-keys").render())
