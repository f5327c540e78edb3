"""The map of the fleet: one cell for each sandbox, the same rows, marks and cursor as in the list."""

import pytest
from textual.app import App

from sandtui.clock import ManualClock
from sandtui.fleet.inventory.groups import Group, grouping
from sandtui.fleet.inventory.heat import MEASURES
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.usage import read_sample
from sandtui.fleet.inventory.view import FleetView
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.inventory.heat_map import HeatMap, map_lines
from sandtui.ui.inventory.table import FleetTable
from tests.fleet.factory import NOW, sandbox
from tests.probes import strips, text_of
from tests.ui.test_snapshots import picture
from tests.ui.world import World, keys, settled, until

WIDE, NARROW = (120, 36), (80, 24)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW, (200, 50)], ids=["120x36", "80x24", "200x50"])


def view_of(count, **fields):
    store = FleetStore(ManualClock(NOW))
    store.apply(sandbox(number, labels=[f"run={number % 3}"], **fields) for number in range(count))
    return FleetView(store, ManualClock(NOW))


@pytest.mark.parametrize("per_line", [1, 7, 10_000])
@pytest.mark.parametrize("grouped", [False, True])
def test_each_line_of_the_list_has_one_place(per_line, grouped):
    view = view_of(50)
    if grouped:
        view.group_by(grouping("label:run"))
        view.toggle_group(view.groups[1].id)
    places = []
    for line in map_lines(view, per_line):
        assert 1 <= line.count <= per_line
        places += range(line.first, line.first + line.count)
        if line.is_header:
            assert isinstance(view.line(line.first), Group)
        else:
            assert not any(isinstance(view.line(place), Group) for place in places[-line.count :])
    assert places == list(range(view.line_count))


class MapApp(App[None]):
    """A list of very many sandboxes, and their map in front of it."""

    def __init__(self, count):
        super().__init__()
        self.view = view_of(count)

    def compose(self):
        yield FleetTable(lambda: NOW, id="list")
        yield HeatMap(lambda: self.query_one(FleetTable), lambda: NOW)

    def on_mount(self):
        self.query_one(FleetTable).display = False
        self.query_one(FleetTable).show(self.view)
        self.query_one(HeatMap).focus()

    def on_fleet_table_cursor_moved(self, _):
        self.query_one(HeatMap).show_cursor()


async def test_ten_thousand_are_a_cell_each_and_scroll():
    app = MapApp(10_000)
    async with app.run_test(size=(80, 24)) as pilot:
        heat, table = app.query_one(HeatMap), app.query_one(FleetTable)
        heat.show(app.view)
        await pilot.pause()
        shown = text_of(app)
        assert shown.count("●") > 1500
        assert len(heat.visible_ids) == 0, "too many to be polled one by one"
        await pilot.press("G")
        await pilot.pause()
        assert table.cursor == 9999
        assert heat.scroll_offset.y > 50
        assert "●" in text_of(app).splitlines()[23], "the last line is in view"
        await pilot.press("g", "down", "down", "right", "right", "up", "left")
        await pilot.pause()
        per_line = text_of(app).splitlines()[0].count("●")
        assert table.cursor == per_line + 1
        await pilot.press("pagedown")
        assert table.cursor == per_line * 24 + 1
        await pilot.click(HeatMap, offset=(5, 3))
        await pilot.pause()
        assert table.cursor == heat.scroll_offset.y * per_line + per_line * 3 + 4


async def test_the_map_has_the_rows_marks_and_cursor_of_the_list():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        fleet = app.screen
        await pilot.press("j", "j", "number_sign")
        await until(pilot, lambda: fleet.heat_map.has_focus)
        third = fleet.view.line(2).id
        assert fleet.target.id == third
        assert "rollout-0002" in text_of(app), "there is room for the names"
        await pilot.press("space")
        assert fleet.view.marks == {third}
        assert "●✓" in text_of(app)
        assert fleet.table.cursor == 3
        await pilot.press("V", "right", "right", "space")
        assert fleet.view.marks == {fleet.view.line(place).id for place in (2, 3, 4, 5)}
        await pilot.press("asterisk")
        assert len(fleet.view.marks) == 40
        chosen = fleet.target.id
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        assert app.screen.sandbox_id == chosen
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is fleet)
        assert fleet.heat_map.has_focus
        await pilot.press("number_sign")
        await until(pilot, lambda: fleet.table.has_focus)
        assert fleet.target.id == chosen
        assert "NAME" in text_of(app)


async def test_the_filter_and_the_groups_are_those_of_the_list():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        fleet = app.screen
        await pilot.press("number_sign", "slash", *"status", "colon", *"error", "enter")
        await until(pilot, lambda: fleet.view.count == 3)
        assert fleet.heat_map.has_focus, "leaving the filter leads back to the map"
        assert text_of(app).count("✖ ") >= 3 and "● rollout" not in text_of(app)
        await pilot.press("escape", "z", "1")
        await until(pilot, lambda: fleet.view.grouping is not None)
        await pilot.press("g")
        await pilot.pause()
        assert isinstance(fleet.table.cursor_line, Group)
        shown = text_of(app)
        assert "▾ ERROR" in shown and "▾ RUNNING" in shown
        await pilot.press("enter")
        await pilot.pause()
        assert "▸ ERROR" in text_of(app)
        await pilot.press("down", "down", "up")
        assert fleet.table.cursor_line is fleet.view.groups[1]


async def test_a_map_without_sandboxes_says_why():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("number_sign", "slash", *"nowhere", "enter")
        await until(pilot, lambda: app.screen.view.count == 0)
        await until(pilot, lambda: "No sandbox" in text_of(app))
        await pilot.press("down", "pageup", "G", "left")
        await pilot.click(HeatMap, offset=(3, 3))
        await pilot.press("escape")
        await until(pilot, lambda: "rollout-0002" in text_of(app))


async def test_a_cell_is_chosen_by_a_click_and_opened_by_two():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        fleet = app.screen
        await pilot.press("number_sign")
        await until(pilot, lambda: fleet.heat_map.has_focus)
        await pilot.click(HeatMap, offset=(25, 1))
        await pilot.pause()
        assert fleet.table.cursor == 4
        await pilot.click(HeatMap, offset=(70, 20))
        assert fleet.table.cursor == 4, "no cell is there"
        await pilot.click(HeatMap, offset=(3, 0), times=2)
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        assert app.screen.sandbox_id == fleet.view.line(0).id


async def test_a_key_changes_the_measure_and_the_legend():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        fleet = app.screen
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "Open the map first" in app.services.notifier.messages[-1].text)
        await pilot.press("number_sign")
        for measure in MEASURES:
            await until(pilot, lambda measure=measure: f"map: {measure.title}" in text_of(app))
            await pilot.press("right_square_bracket")
        assert fleet.heat_map.measure is MEASURES[0]
        await pilot.press("left_square_bracket")
        assert fleet.heat_map.measure.id == "memory"
        await until(pilot, lambda: "not measured 25" in text_of(app) and "ended 15" in text_of(app))
        store = app.services.platform.session.store
        row = next(row for row in store if row.status == "RUNNING")
        store.measure(row.id, read_sample(f"memory {int(row.sandbox.memory_gb * 2**30)}\n"))
        await until(pilot, lambda: "█ more 1" in text_of(app))


async def test_the_map_follows_the_size_of_the_window():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("number_sign", "right_square_bracket")
        await until(pilot, lambda: "Ends in" in text_of(app))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "Ends in" not in text_of(app) and "older" not in text_of(app).splitlines()[3])
        lines = text_of(app).splitlines()
        assert any("▁ <1m 2" in line for line in lines) and any("<7d" in line for line in lines), "nothing is cut"
        await pilot.resize_terminal(200, 50)
        await until(pilot, lambda: "Ends in" in text_of(app))


async def test_without_color_cursor_marks_and_statuses_are_told_apart(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = World()
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("number_sign", "j", "space")
        await pilot.pause()
        shown = text_of(app)
        assert all(sign in shown for sign in "●◐◌‖✖○✓")
        turned = [
            segment.text
            for strip in strips(app.screen)
            for segment in strip
            if segment.style is not None and segment.style.reverse
        ]
        assert len(turned) >= 1, "the cell of the cursor"


@SIZES
def test_map_by_status(snap_compare, size):
    picture(snap_compare, size, keys("number_sign", "j", "right", "space", "right"))


@SIZES
def test_map_of_groups_by_age(snap_compare, size):
    picture(snap_compare, size, keys("number_sign", "right_square_bracket", "z", "6", "j"), fleet=300)


def test_map_in_the_light(snap_compare):
    async def steps(pilot):
        app = await settled(pilot)
        app.theme = "sandtui-light"
        await keys("number_sign", "right_square_bracket", "right_square_bracket")(pilot)

    picture(snap_compare, WIDE, steps)
