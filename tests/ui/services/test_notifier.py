"""What the user is told stands on the screen, and covers nothing that is needed to go on."""

import pytest
from textual.geometry import Region
from textual.notifications import Notification, Notifications
from textual.widgets import Input

from sandtui.clock import ManualClock
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.notices import add_notification
from sandtui.ui.commands.console_screen import ConsoleScreen
from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.files.screen import FilesScreen
from sandtui.ui.files.table import FileTable
from tests.probes import text_of
from tests.ui.every_screen import EVERY_SCREEN, opened
from tests.ui.world import World, settled, until

SIZES = [(200, 50), (120, 36), (80, 24)]
LONG = (
    "Can't copy /home/me/projects/acme/checkpoints/run-42/model.safetensors: no space left on device, 12 GB are missing"
)
PATH = "Saved to /home/me/" + "a-long-directory/" * 12 + "rollouts-0042.jsonl"


async def shown(pilot, *texts, severity="error"):
    """Show notices, and return the region that they are drawn in."""
    app = pilot.app
    for text in texts:
        app.services.notifier.notify(text, severity)
    await until(pilot, lambda: app.screen.notices.display and app.screen.notices.region.area > 0)
    await pilot.pause()
    return app.screen.notices.region


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", EVERY_SCREEN, ids=lambda kind: kind.__name__)
async def test_notices_cover_neither_lines_of_the_frame_nor_the_focus(kind, size):
    app = World(fleet=12)
    async with app.run_test(size=size, notifications=True) as pilot:
        await opened(pilot, kind)
        whole = Region(0, 0, *size)
        for texts in ([LONG, PATH], [PATH * 3], [f"notice {number}" for number in range(30)], ["line\n" * 40]):
            app.clear_notifications()
            region = await shown(pilot, *texts)
            assert whole.contains_region(region)
            for line in app.screen.query(ChromeLine):
                assert not region.overlaps(line.region)
            for field in app.screen.query(Input):
                assert not field.has_focus or not region.overlaps(field.region)


@pytest.mark.parametrize("size", SIZES)
async def test_a_cursor_that_comes_drives_notices_away(size):
    app = World(fleet=40)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        table = app.screen.table
        await until(pilot, lambda: table.cursor_id is not None)
        for text in (LONG, PATH):
            app.notify(text, severity="error")
        await until(pilot, lambda: app.screen.notices.display and app.screen.notices.region.area > 0)
        places = set()
        for key in (*["j"] * size[1], "G", *["k"] * size[1], "g"):
            await pilot.press(key)
            await pilot.pause()
            notices = app.screen.notices.region
            row = table.region.y + 1 + table.cursor - table.scroll_offset.y
            assert not notices.y <= row < notices.bottom
            marks = Region(table.region.x, table.region.y, 3, table.region.height)
            assert not notices.overlaps(marks)
            places.add(notices)
        assert len(places) <= 3, "it does not follow the cursor line by line"


@pytest.mark.parametrize("size", SIZES)
async def test_the_marks_of_both_panes_stay_in_view(size):
    app = World(fleet=3)
    async with app.run_test(size=size, notifications=True) as pilot:
        await opened(pilot, FilesScreen)
        region = await shown(pilot, LONG, PATH)
        for table in app.screen.query(FileTable):
            assert not region.overlaps(Region(table.region.x, table.region.y + 1, 3, table.region.height - 1))
            assert not region.overlaps(Region(table.region.x, table.region.y + 1, table.region.width, 1))


@pytest.mark.parametrize("size", SIZES)
async def test_a_dialog_is_not_covered(size):
    app = World(fleet=12)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        await pilot.press("asterisk", "D")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog))
        await pilot.pause()
        region = await shown(pilot, LONG, PATH, "third", "fourth")
        assert not region.overlaps(app.screen.query_one("#dialog").region)


@pytest.mark.parametrize("size", SIZES)
async def test_a_notice_of_one_line_is_in_place_of_the_hints(size):
    app = World(fleet=3)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        assert await shown(pilot, "Copied", severity="information") == Region(0, size[1] - 1, size[0], 1)
        assert "▌ Copied" in text_of(app).split("\n")[-1]
        app.clear_notifications()
        await until(pilot, lambda: not app.screen.notices.display)
        assert "? help" in text_of(app).split("\n")[-1]


@pytest.mark.parametrize("size", SIZES)
async def test_equal_notices_are_counted_and_others_bounded(size):
    app = World(fleet=3)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        await shown(pilot, *["Nothing to copy"] * 1500, severity="warning")
        assert text_of(app).count("Nothing to copy") == 1
        assert "▲ Nothing to copy ×1,500" in text_of(app)
        region = await shown(pilot, *(f"notice {number}" for number in range(50)))
        assert region.height <= 4
        assert "+17 more (" in text_of(app)
        assert "notice 49" in text_of(app)


async def test_errors_are_not_pushed_out_by_what_is_less_important():
    app = World(fleet=3)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settled(pilot)
        await shown(pilot, "it broke")
        await shown(pilot, *(f"notice {number}" for number in range(8)), severity="information")
        assert "✖ it broke" in text_of(app)


@pytest.mark.parametrize("size", SIZES)
async def test_both_ends_of_a_long_text_are_shown(size):
    app = World(fleet=3)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        for texts in ([PATH], [PATH * 3], [PATH, LONG, "third"]):
            app.clear_notifications()
            await shown(pilot, *texts)
            drawn = "".join(app.screen.notices.render().plain.replace("▌", "").split())
            assert "✖Savedto/home/me/" in drawn
            assert "rollouts-0042.jsonl" in drawn


async def test_a_console_shows_a_short_notice_without_covering_its_prompt_and_output():
    app = World(fleet=12)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot, ConsoleScreen)
        region = await shown(pilot, "x" * 70)
        assert region.y == 23


@pytest.mark.parametrize(
    "text", ["[@click=app.quit]x[/]", "[/", "\x1b]0;t\x07\x1b[31mred", "right\u202eleft", "名前 " * 60]
)
async def test_texts_from_outside_are_drawn_literally(text):
    app = World(fleet=3)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settled(pilot)
        await shown(pilot, text, text + " and another")
        drawn = text_of(app)
        assert "\x1b" not in drawn
        assert "\u202e" not in drawn
        if text.startswith("["):
            assert text in drawn


async def test_a_click_dismisses_a_notice():
    app = World(fleet=3)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await settled(pilot)
        region = await shown(pilot, "first", "second")
        await pilot.click(offset=region.offset)
        await until(pilot, lambda: "first" not in text_of(app))
        assert "second" in text_of(app)


async def test_a_notice_goes_when_its_time_is_over():
    app = World(fleet=3)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await settled(pilot)
        app.notify("short", timeout=1)
        app.notify("longer", timeout=2)
        await until(pilot, lambda: "short" in text_of(app) and "longer" in text_of(app))
        app.manual_clock.advance(1)
        await until(pilot, lambda: "short" not in text_of(app))
        assert "longer" in text_of(app)
        app.manual_clock.advance(1)
        await until(pilot, lambda: not app.screen.notices.display)


def test_the_time_of_a_notice_begins_when_it_can_be_shown():
    """The app may have been busy since it was raised."""
    live, clock = Notifications(), ManualClock()
    add_notification(live, Notification("late", timeout=5, raised_at=0), clock)
    assert [each.message for each in live] == ["late"]
    clock.advance(4)
    assert len(live) == 1
    clock.advance(1)
    assert not len(live)


async def test_the_form_keeps_the_field_and_its_error_in_view():
    app = World(fleet=3)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot, CreateScreen)
        for _ in range(20):
            await pilot.press("tab")
            region = await shown(pilot, LONG, PATH)
            assert not region.overlaps(app.focused.region)


@pytest.mark.parametrize(
    ("title", "shown_as"), [("QR code", "QR code"), ("edit as TOML", "Edit as TOML"), ("kill", "Kill")]
)
async def test_a_refusal_keeps_the_capitals_of_its_title(title, shown_as):
    app = World(fleet=0)
    async with app.run_test() as pilot:
        await settled(pilot)
        app.services.notifier.refuse("[b]no[/b]", title)
        await pilot.pause()
        assert app.screen.query_one("#dialog").border_title == shown_as
        assert app.screen.reason == "[b]no[/b]"
