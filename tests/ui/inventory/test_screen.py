"""The fleet screen by keys: views, groups, columns, ranges, and what is remembered."""

import pytest
from textual.widgets import Input

from sandtui.fleet.inventory.groups import Group
from sandtui.fleet.inventory.preferences import Preferences
from sandtui.fleet.inventory.saved_views import SavedView
from sandtui.ui.dialogs.choose import ChooseDialog
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.dialogs.refusal import RefusalDialog
from sandtui.ui.inventory.columns_dialog import ColumnsDialog
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.inventory.save_view_dialog import free_key
from tests.probes import text_of
from tests.ui.world import World, settled, until

WIDE = (120, 36)


def columns(app):
    return [placed.column.id for placed in app.screen.table.placed]


async def test_a_view_is_a_letter_away_and_can_be_saved_and_forgotten():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("v", "e")
        await pilot.pause()
        fleet = app.screen
        assert fleet.query_one("#filter", Input).value == "left<1h"
        assert fleet.view.order.id == "left"
        left = [row.expires for row in fleet.view.rows]
        assert left == sorted(left)
        assert 0 < len(left) < 22
        await pilot.press("v", "S")
        app.screen.query_one("#view-name", Input).value = "soon over"
        app.screen.query_one("#view-key", Input).value = "m"
        await pilot.press("enter")
        assert app.screen is not fleet, "the key of a built-in view is refused"
        app.screen.query_one("#view-key", Input).value = "x"
        await pilot.press("enter")
        await pilot.press("v", "a")
        await pilot.pause()
        assert fleet.view.count == 40
        await pilot.press("v", "x")
        await pilot.pause()
        assert fleet.view.query.text == "left<1h"
        kept = app.paths.fleet
        await until(pilot, lambda: kept.exists() and Preferences.load(kept.read_text()).views)
        await pilot.press("v", "D", "x")
        await until(pilot, lambda: not Preferences.load(kept.read_text()).views)


async def test_what_is_forgotten_is_what_nobody_worked_with():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("v", "f")
        await until(pilot, lambda: app.screen.view.query.text.endswith("untouched -used>2%"))
        rows = app.screen.view.rows
        assert rows
        app.services.platform.session.history.note(rows[0].id, "$ ls  exit 0")
        app.screen.view.refilter()
        assert app.screen.view.count == len(rows) - 1


async def test_groups_open_close_and_mark_as_one():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("z")
        assert isinstance(app.screen, ChooseDialog)
        await pilot.press("1", "g")
        fleet = app.screen
        assert isinstance(fleet.table.cursor_line, Group)
        assert fleet.table.cursor_line.key == "ERROR"
        before = fleet.view.line_count
        await pilot.press("enter")
        assert fleet.view.line_count == before - 3
        await pilot.press("g", "space")
        assert len(fleet.view.marks) == 3
        await pilot.press("g", "D")
        await pilot.pause()
        assert isinstance(app.screen, RefusalDialog), "nothing is deleted: they have ended"
        await pilot.press("escape")
        assert app.screen is fleet
        await pilot.press("Z")
        assert fleet.view.line_count == len(fleet.view.groups)
        await pilot.press("z", "0")
        assert fleet.view.line_count == 40


async def on_header(pilot, key):
    """Put the cursor on the header of a group of statuses."""
    app = await settled(pilot)
    await pilot.press("z", "1")
    await until(pilot, lambda: app.screen.view.grouping is not None)
    fleet = app.screen
    group = next(each for each in fleet.view.groups if each.key == key)
    assert fleet.table.move_to(group.id)
    return app, group


OPENED = {
    "fleet.exec": ("open_fan_out", lambda rows: [row.id for row in rows]),
    "fleet.files": ("open_files", list),
    "fleet.logs": ("open_logs", list),
    "fleet.jobs": ("open_jobs", list),
}


@pytest.mark.parametrize("action", OPENED)
async def test_what_is_opened_from_the_header_of_a_group_is_the_group(monkeypatch, action):
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        _, group = await on_header(pilot, "RUNNING")
        name, ids = OPENED[action]
        opened = []
        monkeypatch.setattr(app.services.navigator, name, lambda rows: opened.append(ids(rows)))
        app.services.run_action(action)
        await until(pilot, lambda: opened)
        assert len(group.rows) == 22
        assert sorted(opened[0]) == sorted(row.id for row in group.rows)


async def test_shells_are_opened_of_a_small_group_only(monkeypatch):
    app = World(fleet=16)
    async with app.run_test(size=WIDE) as pilot:
        _, group = await on_header(pilot, "RUNNING")
        assert 1 < len(group.rows) <= 12
        opened = []
        monkeypatch.setattr(app.services.navigator, "open_shells", opened.append)
        app.services.run_action("fleet.shell")
        await until(pilot, lambda: opened)
        assert sorted(opened[0]) == sorted(row.id for row in group.rows)


async def test_too_many_shells_are_refused_with_the_number_of_the_group():
    app = World()
    told = []
    app.services.notifier.notify = lambda words, severity="information": told.append(words)
    async with app.run_test(size=WIDE) as pilot:
        await on_header(pilot, "RUNNING")
        app.services.run_action("fleet.shell")
        await until(pilot, lambda: told)
        assert "22 sandboxes in the group" in told[0]


@pytest.mark.parametrize("action", ["fleet.delete", "fleet.measure"])
async def test_the_plan_of_a_group_names_it_and_counts(action):
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await on_header(pilot, "RUNNING")
        app.services.run_action(action)
        await until(pilot, lambda: isinstance(app.screen, PlanDialog))
        await pilot.pause()
        text = text_of(app)
        assert "group: status RUNNING" in text
        assert "22" in text


async def test_the_menu_of_a_group_is_about_the_group():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await on_header(pilot, "RUNNING")
        app.services.run_action("fleet.many")
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        await pilot.pause()
        assert "22 sandboxes, status RUNNING" in text_of(app)
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog))
        await pilot.pause()
        assert "group: status RUNNING" in text_of(app)


async def test_marks_come_before_the_group_under_the_cursor():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await on_header(pilot, "RUNNING")
        await pilot.press("space")
        fleet = app.screen
        assert len(fleet.view.marks) == 22
        assert fleet.table.move_to(fleet.view.groups[0].id)
        app.services.run_action("fleet.delete")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog))
        await pilot.pause()
        assert "Delete 22" in text_of(app)
        assert "group:" not in text_of(app)


async def test_a_group_that_news_brought_under_the_cursor_is_not_deleted():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        _, group = await on_header(pilot, "PAUSED")
        fleet, store = app.screen, app.services.platform.session.store
        store.remove([row.id for row in group.rows])
        fleet.view.update()
        fleet.show_rows()
        assert fleet.view.place(group.id) is None
        assert not fleet.table.armed
        app.services.run_action("fleet.delete")
        await until(pilot, lambda: isinstance(app.screen, RefusalDialog))


async def test_ranges_are_marked_from_the_anchor_to_the_cursor():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("j", "V", "j", "j", "V")
        shown = [row.id for row in app.screen.view.rows]
        assert app.screen.view.marks == set(shown[1:4])
        await pilot.press("I")
        assert app.screen.view.marks == {shown[0], *shown[4:]}
        await pilot.press("V", "j", "escape")
        assert app.screen.table.range_ids == []


async def test_columns_are_chosen_moved_and_remembered(tmp_path):
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("c")
        assert isinstance(app.screen, ColumnsDialog)
        await pilot.press("j", "j", "space", "J", "plus", "K", "enter")
        await pilot.pause()
        assert "id" not in app.services.preferences.columns
        await pilot.press("o", "a", "d")
        kept = app.paths.fleet
        # The last of the keys; each is saved by itself.
        await until(pilot, lambda: kept.exists() and not Preferences.load(kept.read_text()).inspector)
        text = kept.read_text()
    again = World()
    again.services.preferences = Preferences.load(text)
    async with again.run_test(size=WIDE) as pilot:
        await settled(pilot)
        assert again.screen.view.active_only
        assert again.screen.view.order.id == "left"
        assert again.screen.has_class("-no-inspector")
        assert set(columns(again)) <= set(again.services.preferences.columns)


async def test_rows_keep_their_places_while_the_cursor_is_moved():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        fleet, store = app.screen, app.services.platform.session.store
        timers = []
        fleet.set_timer = lambda _, callback: timers.append(callback)
        await pilot.press("j", "j")
        shown = [fleet.view.line(place).id for place in range(10)]
        row = store.get(shown[5])
        store.remove([shown[0]])
        store.apply([row.sandbox.model_copy(update={"name": "renamed"})])
        await until(pilot, lambda: "renamed" in text_of(app))
        assert [fleet.view.line(place).id for place in range(10)] == shown, "nothing moved, but what is said is new"
        app.manual_clock.advance(2)
        timers.pop()()
        assert fleet.view.line(0).id == shown[1]


async def test_the_list_catches_up_when_it_is_in_front_again():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        fleet, store = app.screen, app.services.platform.session.store
        await pilot.press("enter")
        assert isinstance(app.screen, DetailScreen)
        gone = fleet.view.line(3).id
        store.remove([gone])
        await pilot.pause()
        assert fleet.is_covered
        await pilot.press("escape")
        await pilot.pause()
        assert fleet.view.place(gone) is None
        assert fleet.view.count == 39


def failed(app):
    """Press the key of the failed ones."""
    app.services.run_action("fleet.failed")


async def test_one_key_shows_the_failed_ones_and_why():
    app = World(fleet=60)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("a")
        before = columns(app)
        failed(app)
        await until(pilot, lambda: app.screen.view.count and app.screen.view.query.text == "status:error")
        rows = app.screen.view.rows
        assert {row.status for row in rows} == {"ERROR"}
        ends = [row.sandbox.terminated_at for row in rows]
        assert ends == sorted(ends, reverse=True)
        assert {"reason", "ended"} <= set(columns(app))
        assert not {"reason", "ended"} & set(before)
        assert app.services.preferences.columns == []
        assert "OOM_KILLED" in text_of(app)


@pytest.mark.parametrize("leave", ["escape", "the same key"])
async def test_after_the_failed_ones_the_list_is_as_it_was(leave):
    app = World(fleet=60)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("slash", *"rollout", "enter", "o", "z", "1", "a")
        await pilot.press("pagedown", "j")
        await pilot.pause()
        fleet = app.screen
        before = fleet.view.state, columns(app), fleet.table.wanted_id, fleet.table.scroll_offset.y
        assert before[0].query == "rollout"
        assert before[0].group == "status"
        assert before[0].active_only
        failed(app)
        await until(pilot, lambda: fleet.view.query.text == "status:error")
        if leave == "escape":
            await pilot.press("escape")
        else:
            failed(app)
        await until(pilot, lambda: fleet.view.query.text == "rollout")
        assert (fleet.view.state, columns(app), fleet.table.wanted_id, fleet.table.scroll_offset.y) == before
        assert fleet.query_one("#filter", Input).value == "rollout"


@pytest.mark.parametrize(
    "query", ["status:error", "error:oom", "status:error ended<1h", "status:error or name:rollout-0002"]
)
@pytest.mark.parametrize("own", [[], ["status", "name", "age"]], ids=["columns that come with it", "own columns"])
async def test_reasons_appear_wherever_errors_are_listed_and_go_again(query, own):
    app = World(fleet=60)
    app.services.preferences.columns = list(own)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        before = columns(app)
        field = app.screen.query_one("#filter", Input)
        field.value = query
        await until(pilot, lambda: app.screen.view.count and app.screen.view.query.text == query)
        assert "reason" in columns(app)
        field.value = "status:running"
        await until(pilot, lambda: app.screen.view.query.text == "status:running")
        assert "reason" not in columns(app)
        field.value = ""
        await until(pilot, lambda: not app.screen.view.query.text)
        assert columns(app) == before
        assert app.services.preferences.columns == own


async def test_reasons_group_the_failed_ones():
    app = World(fleet=60)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        failed(app)
        await pilot.press("z", "r")
        await until(pilot, lambda: app.screen.view.grouping is not None)
        counts = {group.key: len(group.rows) for group in app.screen.view.groups}
        assert counts["OOM_KILLED"] == 2
        assert sum(counts.values()) == 4


@pytest.mark.parametrize("start", [(), ("G",), ("j", "j", "j")], ids=["top", "end", "fourth"])
async def test_after_grouping_the_head_of_the_first_group_is_in_view(start):
    app = World(fleet=120)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        await pilot.press(*start, "z", "1")
        await until(pilot, lambda: isinstance(app.screen.table.cursor_line, Group))
        table = app.screen.table
        assert table.scroll_offset.y == 0
        first = app.screen.view.groups[0]
        assert first.key.lower() in table.render_line(1).text.lower()
        await pilot.press("G", "z", "2")
        await until(pilot, lambda: app.screen.view.grouping.id == "image")
        assert app.screen.table.scroll_offset.y == 0


async def test_a_saved_view_with_groups_begins_at_the_head_of_the_first():
    app = World(fleet=120)
    app.services.preferences.keep_view(SavedView("x", "by image", "status:running", group="image"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        await pilot.press("G", "v", "x")
        await until(pilot, lambda: isinstance(app.screen.table.cursor_line, Group))
        await pilot.pause()
        assert app.screen.table.scroll_offset.y == 0


ELSEWHERE = {
    "a filter and enter": ("slash", *"status:running", "enter"),
    "a filter and escape": ("slash", *"status:running", "escape"),
    "a view": ("v", "x"),
}


@pytest.mark.parametrize("presses", ELSEWHERE.values(), ids=ELSEWHERE)
async def test_a_list_that_the_user_has_narrowed_is_acted_on(presses):
    app = World(fleet=200)
    app.services.preferences.keep_view(SavedView("x", "running", "status:running"))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        fleet = app.screen
        await until(pilot, lambda: fleet.target is not None and fleet.target.status != "RUNNING")
        await pilot.press(*presses)
        await until(pilot, lambda: fleet.target is not None and fleet.target.status == "RUNNING")
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog))
        assert fleet.target.sandbox.name in text_of(app)


async def test_what_news_has_moved_under_the_cursor_is_not_acted_on_even_after_a_filter():
    app = World(fleet=200)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        fleet = app.screen
        await until(pilot, lambda: fleet.target is not None)
        await pilot.press("slash", *"status:running", "enter")
        await until(pilot, lambda: fleet.target is not None and fleet.target.status == "RUNNING")
        gone = fleet.target.id
        app.services.platform.session.store.remove([gone])
        await until(pilot, lambda: fleet.target is not None and fleet.target.id != gone)
        assert not fleet.table.armed


@pytest.mark.parametrize(
    ("name", "taken", "key"),
    [("gpu nodes", "", "g"), ("gpu nodes", "g", "p"), ("mine", "", "i"), ("éèê", "", "c"), ("", "", "c")],
)
def test_a_view_saved_without_a_key_gets_the_first_free_one(name, taken, key):
    assert free_key(name, taken) == key


def title(app):
    return str(app.screen.query_one("#fleet-panel").border_title)


@pytest.mark.parametrize("size", [WIDE, (80, 24), (200, 50)], ids=str)
async def test_no_line_says_what_another_says(size):
    app = World()
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        assert "40" in title(app)
        assert "40 sandboxes" not in text_of(app)
        assert text_of(app).count("failed") == 1
        await pilot.press("slash", *"#rl", "enter")
        await until(pilot, lambda: app.screen.view.query.text == "#rl")
        await pilot.pause()
        assert f"{app.screen.view.count} of 40" in title(app)
        assert text_of(app).count(" of 40") == 1
        assert text_of(app).count("#rl") == 1, "the platform applies the whole filter, which is on the same line"
        app.screen.query_one("#filter", Input).value = "colour:red"
        await pilot.pause()
        assert text_of(app).count("column 1") == 1


@pytest.mark.parametrize("size", [WIDE, (80, 24)], ids=str)
@pytest.mark.parametrize("name", ["rollout-0991", "a-longer-name-than-most-0992"])
async def test_the_next_to_expire_keeps_the_end_of_its_name_and_its_time(size, name):
    app = World()
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        store = app.services.platform.session.store
        row = store.get(store.totals.soonest_expiry[1])
        store.apply([row.sandbox.model_copy(update={"name": name})])
        await until(pilot, lambda: f"{name[-4:]} in 14m" in text_of(app))
        if len(name) < 20 or size == WIDE:
            assert f"{name} in 14m" in text_of(app)


@pytest.mark.parametrize("presses", [("z", "1"), ("v", "m"), ("v", "e")], ids="".join)
async def test_a_list_that_starts_anew_has_columns_for_its_first_rows(presses):
    app = World(fleet=200)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        await pilot.press("G", *presses)
        await pilot.pause()
        table, store = app.screen.table, app.services.platform.session.store
        now = app.manual_clock.now()
        rows = [store.get(sandbox_id) for sandbox_id in table.visible_ids]
        size = next(placed for placed in table.placed if placed.column.id == "size")
        assert rows
        assert size.width == max(5, *(size.column.need(row, now) for row in rows))
