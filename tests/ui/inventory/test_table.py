"""The table alone: the cursor is an id, and only what looks different is drawn."""

import asyncio

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from textual.app import App

from sandtui.clock import ManualClock
from sandtui.fleet.inventory.groups import grouping
from sandtui.fleet.inventory.query import parse
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.view import FleetView
from sandtui.ui.inventory.columns import MOST_NEEDED, Column
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
        sized = app.table.placed[0]
        border = sized.start + sized.width + 3
        await pilot.mouse_down(FleetTable, offset=(border, 0))
        await pilot.hover(FleetTable, offset=(border + 4, 0))
        await pilot.mouse_up(FleetTable, offset=(border + 4, 0))
        await pilot.pause()
    assert (chosen[0], chosen[-1]) == ("status", ("status", sized.width + 4))


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
        assert seen >= {"status", "name", "id", "image", "size", "labels", "age", "left"}
        for _ in range(20):
            await pilot.press("left")
        assert [placed.column.id for placed in app.table.placed] == first


def widths(table):
    return {placed.column.id: placed.width for placed in table.placed}


def needed(app):
    """Return the width of what each column says of the rows in view, and of its title."""
    shown = [app.store.get(sandbox_id) for sandbox_id in app.table.visible_ids]
    needs = {}
    for placed in app.table.placed:
        column = placed.column
        cells = (
            [max((min(MOST_NEEDED, column.need(row, NOW)) for row in shown), default=0)]
            if column.measured
            else [column.width]
        )
        needs[column.id] = max(*cells, len(column.title) + 1 if column.measured else 0)
    return needs


TEXTS = st.text("abc-名", max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    names=st.lists(TEXTS, min_size=1, max_size=8),
    images=st.lists(TEXTS, min_size=1, max_size=3),
    labels=st.lists(st.lists(TEXTS, max_size=3), min_size=1, max_size=3),
    gpus=st.lists(st.integers(0, 8), min_size=1, max_size=2),
    width=st.integers(60, 200),
)
def test_no_column_is_wide_and_empty_beside_a_cut_one(names, images, labels, gpus, width):
    async def play():
        app = TableApp(0)
        app.store.apply(
            sandbox(
                number,
                name=name,
                docker_image=images[number % len(images)],
                labels=labels[number % len(labels)],
                gpu_count=gpus[number % len(gpus)],
                gpu_type="H100_80GB",
            )
            for number, name in enumerate(names)
        )
        async with app.run_test(size=(width, 24)) as pilot:
            app.renew()
            await pilot.pause()
            needs, have = needed(app), widths(app.table)
            last = app.table.placed[-1]
            assert PREFIX + last.start + last.width < width
            assert have["size"] >= needs["size"], "no number is cut"
            for column_id, wide in have.items():
                assert wide <= needs[column_id], column_id
            cut = [column_id for column_id, wide in have.items() if wide < needs[column_id]]
            if len(app.table.placed) > 8:
                assert not cut, "spare columns come when all others are in full"
            if cut != ["status"] and cut:
                # No cell is left over while something is cut.
                assert sum(have.values()) + len(have) - 1 == width - PREFIX - 2

    asyncio.run(play())


async def test_a_long_name_keeps_its_end():
    app = TableApp(3)
    app.store.apply([sandbox(1, name="eval-anonymous-checkpoint-of-the-large-model-1095")])
    async with app.run_test(size=(80, 24)) as pilot:
        app.renew()
        await pilot.pause()
        line = app.table.render_line(2).text
        assert "eval-an" in line
        assert "1095" in line
        assert "…" in line


async def test_a_long_reason_keeps_its_end():
    app = TableApp(0)
    message = "The start command of the sandbox ended with exit code 127"
    app.store.apply(sandbox(number, status="ERROR", error_message=message, labels=["a=1"]) for number in range(3))
    async with app.run_test(size=(80, 24)) as pilot:
        app.renew()
        await pilot.pause()
        assert "127 " in app.table.render_line(1).text


@pytest.mark.parametrize(("width", "word"), [(80, False), (60, False), (160, True)])
async def test_a_status_is_a_glyph_where_room_is_short(width, word):
    app = TableApp(0)
    app.store.apply(sandbox(number, labels=["run=42", "team=research"], status="RUNNING") for number in range(3))
    async with app.run_test(size=(width, 24)) as pilot:
        app.renew()
        await pilot.pause()
        line = app.table.render_line(2).text
        assert "●" in line
        assert ("RUNNING" in line) is word


async def test_a_wide_window_shows_ids_sizes_and_more_in_full():
    app = TableApp(0)
    long_id = "sbx_6627c08ffc80ac3c975a"
    app.store.apply([sandbox(1, id=long_id, gpu_count=8, gpu_type="H100_80GB", cpu_cores=96, memory_gb=1024)])
    async with app.run_test(size=(200, 24)) as pilot:
        app.renew()
        await pilot.pause()
        line = app.table.render_line(1).text
        for text in (long_id, "96c/1,024G+8gpu", "8xH100_80GB", "python:3.11-slim", "run=42"):
            assert text in line
        assert "…" not in line
        assert "region" not in widths(app.table), "nothing says where it is"


async def test_scrolling_only_widens_columns():
    app = TableApp(0)
    app.store.apply(sandbox(number, name=f"{'long-' * (number // 50)}{number}") for number in range(300))
    async with app.run_test(size=(150, 24)) as pilot:
        app.renew()
        await pilot.pause()
        seen = [widths(app.table)["name"]]
        for key in [*["pagedown"] * 14, *["pageup"] * 14]:
            await pilot.press(key)
            seen.append(widths(app.table)["name"])
        assert seen == sorted(seen)
        assert seen[0] < seen[-1]
        app.view.query = parse("name:rollout or 12")
        app.table.show(app.view, by_user=True)
        assert widths(app.table)["name"] < seen[-1], "another filter: measured anew"


async def test_news_do_not_narrow_columns():
    app = TableApp(5)
    app.store.apply([sandbox(2, name="a-much-longer-name-than-the-others")])
    async with app.run_test(size=(150, 24)) as pilot:
        app.renew()
        await pilot.pause()
        before = [(placed.column.id, placed.start) for placed in app.table.placed]
        app.store.apply([sandbox(2, name="short")])
        app.renew()
        await pilot.pause()
        assert [(placed.column.id, placed.start) for placed in app.table.placed] == before


async def test_only_rows_in_view_are_measured(monkeypatch):
    measured = []
    need = Column.need

    def counted(column, row, now):
        measured.append(row.id)
        return need(column, row, now)

    monkeypatch.setattr(Column, "need", counted)
    app = TableApp(5000)
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.pause()
        assert len(set(measured)) <= 24
        measured.clear()
        app.renew()
        await pilot.press("j")
        assert measured == [], "what was measured is not measured again"
        await pilot.press("G")
        await pilot.pause()
        assert len(set(measured)) <= 24


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
