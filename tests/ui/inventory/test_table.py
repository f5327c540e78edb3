"""The table alone: the cursor is an id, and only what looks different is drawn."""

import asyncio

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from textual.app import App

from sandtui.clock import ManualClock
from sandtui.fleet.inventory.groups import grouping
from sandtui.fleet.inventory.query import parse
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.view import FleetView
from sandtui.ui.inventory.table import PREFIX, FleetTable
from tests.fleet.factory import NOW, sandbox


class WatchedTable(FleetTable):
    """Notes which lines are drawn."""

    def __init__(self, now, drawn):
        super().__init__(now)
        self.lines_drawn = drawn

    def render_line(self, y):
        self.lines_drawn.append(y)
        return super().render_line(y)


class TableApp(App[None]):
    """Nothing but the table."""

    def __init__(self, count):
        super().__init__()
        self.time = ManualClock(NOW)
        self.store = FleetStore(self.time)
        self.store.apply(sandbox(number) for number in range(count))
        self.view = FleetView(self.store, self.time)
        self.drawn = []

    def compose(self):
        yield WatchedTable(self.time.now, self.drawn)

    def on_mount(self):
        self.table.show(self.view)

    @property
    def table(self):
        return self.query_one(FleetTable)

    def renew(self):
        self.view.update()
        self.table.show(self.view)


def screen_line(table):
    return table.cursor - table.scroll_offset.y


async def test_news_above_leave_the_cursor_on_its_sandbox_and_line():
    app = TableApp(200)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("pagedown", "pagedown", "k", "k")
        chosen, line = app.table.cursor_id, screen_line(app.table)
        app.store.apply(sandbox(number, created_at=NOW) for number in range(300, 320))
        app.store.remove(["sbx_0001", "sbx_0003"])
        app.renew()
        await pilot.pause()
        assert app.table.cursor_id == chosen
        assert screen_line(app.table) == line
        assert app.table.armed


async def test_when_its_sandbox_goes_the_neighbour_is_shown_and_not_armed():
    app = TableApp(5)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j")
        assert app.table.cursor_id == "sbx_0001"
        app.store.remove(["sbx_0001"])
        app.renew()
        assert app.table.cursor_id == "sbx_0002"
        assert not app.table.armed
        app.store.apply([sandbox(1)])
        app.renew()
        assert app.table.cursor_id == "sbx_0001", "it came back"
        assert app.table.armed
        app.store.remove(["sbx_0001"])
        app.renew()
        await pilot.press("j")
        assert app.table.armed


async def test_only_lines_that_look_different_are_drawn():
    app = TableApp(1000)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.drawn.clear()
        app.store.apply([sandbox(3, name="other"), sandbox(900, name="out of view")])
        app.renew()
        await pilot.pause()
        assert app.drawn == [4], "one line changed in view"
        app.drawn.clear()
        app.time.advance(1)
        app.table.refresh_lines_changed()
        await pilot.pause()
        assert set(app.drawn) <= set(range(1, 8)), "only ages under a minute grow by the second"
        app.drawn.clear()
        await pilot.press("j")
        assert len(app.drawn) == 2, "the line left and the line reached"


async def test_the_mouse_sorts_and_sizes_by_the_head():
    chosen = []

    class MouseApp(TableApp):
        def on_fleet_table_sort_chosen(self, message):
            chosen.append(message.column_id)

        def on_fleet_table_column_resized(self, message):
            chosen.append((message.column_id, message.width))

    app = MouseApp(5)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.click(FleetTable, offset=(5, 0))
        border = app.table.placed[0].start + app.table.placed[0].width + 3
        await pilot.mouse_down(FleetTable, offset=(border, 0))
        await pilot.hover(FleetTable, offset=(border + 4, 0))
        await pilot.mouse_up(FleetTable, offset=(border + 4, 0))
        await pilot.pause()
    assert (chosen[0], chosen[-1]) == ("status", ("status", 16))


async def test_the_scroll_bar_covers_no_column():
    app = TableApp(60)
    chosen = [("status", "name", "used", "memused", "size", "labels", "age"), ("name", "age"), ("status", "labels")]
    async with app.run_test(size=(80, 24)) as pilot:
        for columns in chosen:
            for width in range(40, 100, 7):
                await pilot.resize_terminal(width, 24)
                app.table.set_columns(columns, {})
                last = app.table.placed[-1]
                assert PREFIX + last.start + last.width <= width - app.table.scrollbar_size_vertical


async def test_columns_that_do_not_fit_are_reached_sideways():
    app = TableApp(5)
    async with app.run_test(size=(60, 24)) as pilot:
        await pilot.pause()
        first = [placed.column.id for placed in app.table.placed]
        assert app.table.columns_hidden > 0
        seen = set(first)
        for _ in range(20):
            await pilot.press("right")
            now = [placed.column.id for placed in app.table.placed]
            assert now[:2] == ["status", "name"]
            seen |= set(now)
        assert seen == {"status", "name", "id", "image", "size", "labels", "age", "left"}
        for _ in range(20):
            await pilot.press("left")
        assert [placed.column.id for placed in app.table.placed] == first


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 60)),
        st.tuples(st.just("rename"), st.integers(0, 60)),
        st.tuples(st.just("remove"), st.integers(0, 60)),
        st.tuples(st.just("sort"), st.sampled_from(["name", "age", "status"])),
        st.tuples(st.just("query"), st.sampled_from(["", "1", "rollout-00", "none"])),
        st.tuples(st.just("group"), st.sampled_from([None, "image", "status"])),
        st.tuples(st.just("key"), st.sampled_from(["j", "k", "pagedown", "g", "G"])),
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
@example([("sort", "age"), ("query", "x")])
def test_whatever_happens_the_cursor_stays_on_its_sandbox(steps):
    async def play():
        app = TableApp(40)
        async with app.run_test(size=(60, 12)) as pilot:
            marks = {"sbx_0003", "sbx_0010"}
            app.view.mark(marks)
            for kind, value in steps:
                before = app.table.wanted_id
                if kind == "add":
                    app.store.apply([sandbox(value)])
                elif kind == "rename":
                    app.store.apply([sandbox(value, name=f"x{value}")])
                elif kind == "remove":
                    app.store.remove([f"sbx_{value:04}"])
                    marks.discard(f"sbx_{value:04}")
                elif kind == "sort":
                    app.view.sort_by(value)
                elif kind == "query":
                    app.view.query = parse(value)
                elif kind == "group":
                    app.view.group_by(None if value is None else grouping(value))
                else:
                    await pilot.press(value)
                    before = app.table.wanted_id
                app.renew()
                place = None if before is None else app.view.place(before)
                if place is not None:
                    assert app.table.cursor_line.id == before
                    assert app.table.cursor == place
                elif app.view.line_count:
                    assert app.table.cursor_line is not None
                    assert not app.table.armed or before is None
                assert app.view.marks == marks
                assert 0 <= app.table.scroll_offset.y <= max(0, app.view.line_count - 11)

    asyncio.run(play())
