"""The view of lines that all screens share: its end is reached and followed, lines are wrapped, the place is kept."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.app import App
from textual.containers import Horizontal, Vertical

from sandtui.ui.rendering.row_index import RowIndex
from sandtui.ui.rendering.text import Piece
from sandtui.ui.widgets.output_view import OutputView
from tests.ui.world import until

SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24), (40, 10), (20, 6)])


class Host(App):
    """One view beside a panel that comes and goes."""

    CSS = "#aside { width: 12; display: none; } #above { height: 2; display: none; }"

    def __init__(self, lines, **options):
        super().__init__()
        self.lines = lines
        self.view = OutputView(lambda line: [Piece(self.lines[line])] if line < len(self.lines) else [], **options)

    def compose(self):
        yield Vertical(id="above")
        with Horizontal():
            yield self.view
            yield Vertical(id="aside")

    def on_mount(self):
        self.view.focus()
        self.view.show(len(self.lines))

    def add(self, *lines):
        self.lines += lines
        self.view.show(len(self.lines), same=len(self.lines) - len(lines))

    @property
    def drawn(self):
        """What is to be seen of the lines: what lies below a scroll bar is not."""
        height = self.view.scrollable_content_region.height
        return [self.view.render_line(y).text.rstrip() for y in range(height)]

    @property
    def last(self):
        return next(row for row in reversed(self.drawn) if row)


def numbered(count, width=0):
    return [f"{number:04} {'x' * width}".rstrip() for number in range(count)]


@SIZES
@pytest.mark.parametrize("key", ["end", "G", "pagedown"])
async def test_the_last_line_is_above_the_scroll_bar(size, key):
    app = Host([*numbered(100), "wide " + "x" * 300, *numbered(3), "last"])
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.view.show_horizontal_scrollbar)
        assert app.last == "last" and app.view.following
        await pilot.press("g")
        assert app.drawn[0] == "0000" and not app.view.following
        await pilot.press(*[key] * (30 if key == "pagedown" else 1))
        assert app.last == "last"
        assert app.view.following


@SIZES
async def test_a_scroll_bar_that_comes_or_goes_hides_no_followed_line(size):
    app = Host(numbered(100))
    async with app.run_test(size=size) as pilot:
        assert app.last == "0099" and not app.view.show_horizontal_scrollbar
        app.add("wide " + "x" * 300)
        await pilot.pause()
        await pilot.pause()
        assert app.view.show_horizontal_scrollbar
        assert app.last.startswith("wide x")
        app.add("next")
        await pilot.pause()
        assert app.last == "next" and app.view.following
        app.view.wrap = True
        await pilot.pause()
        assert not app.view.show_horizontal_scrollbar
        assert app.last == "next" and app.view.following
        app.view.wrap = False
        await pilot.pause()
        assert app.last == "next" and app.view.following


CHANGES = {
    "smaller": lambda app, pilot: pilot.resize_terminal(34, 8),
    "larger": lambda app, pilot: pilot.resize_terminal(150, 50),
    "tiny": lambda app, pilot: pilot.resize_terminal(8, 3),
    "aside": lambda app, pilot: shown(app, pilot, "#aside"),
    "above": lambda app, pilot: shown(app, pilot, "#above"),
    "wrap": lambda app, pilot: wrapped(app, pilot),
    "hidden": lambda app, pilot: hidden(app, pilot),
    "fewer": lambda app, pilot: replaced(app, pilot, numbered(7, 60)),
    "more": lambda app, pilot: replaced(app, pilot, numbered(300, 90)),
    "narrow": lambda app, pilot: replaced(app, pilot, numbered(60)),
    "come": lambda app, pilot: replaced(app, pilot, [*app.lines, "new " + "y" * 200]),
}


async def shown(app, pilot, selector):
    app.query_one(selector).display = not app.query_one(selector).display


async def hidden(app, pilot):
    app.view.display = False
    await pilot.pause()
    app.add("came while hidden")
    app.view.display = True


async def wrapped(app, pilot):
    app.view.wrap = not app.view.wrap


async def replaced(app, pilot, lines):
    app.lines = list(lines)
    app.view.show(len(lines))


@pytest.mark.parametrize("seed", range(12))
async def test_nothing_but_the_user_pauses(seed):
    chance = random.Random(seed)
    app = Host(numbered(chance.choice([3, 40, 200]), chance.choice([0, 70, 200])))
    changes = []
    async with app.run_test(size=chance.choice([(120, 36), (80, 24), (30, 7)])) as pilot:
        for _ in range(25):
            changes.append(chance.choice(list(CHANGES)))
            await CHANGES[changes[-1]](app, pilot)
            if chance.random() < 0.8:
                await pilot.pause()
            assert app.view.following, changes
        await pilot.resize_terminal(60, 12)
        await pilot.pause()
        await pilot.pause()
        assert app.last and app.lines[-1].endswith(app.last[-1]), changes
        assert app.view.wrap or app.lines[-1].startswith(app.last[:30]), changes


@SIZES
async def test_the_users_scrolling_pauses_and_going_to_the_end_follows(size):
    app = Host(numbered(100, 50))
    async with app.run_test(size=size) as pilot:
        for pause, resume in (("up", "down"), ("pageup", "end"), ("g", "G")):
            await pilot.press(pause)
            assert not app.view.following, pause
            top = app.drawn[0]
            app.add("new")
            await pilot.pause()
            assert app.drawn[0] == top, "it stays in its place"
            await pilot.press(resume)
            if resume == "down":
                await pilot.press("down")
            assert app.view.following and app.last == "new", resume
        app.view.post_message(scroll(events.MouseScrollUp))
        await until(pilot, lambda: not app.view.following)
        for _ in range(5):
            app.view.post_message(scroll(events.MouseScrollDown))
        await until(pilot, lambda: app.view.following)
        assert app.last == "new"


def scroll(kind):
    return kind(None, 2, 2, 0, 0, 0, False, False, False)


@SIZES
async def test_what_is_read_stays_in_place_when_the_layout_changes(size):
    app = Host([f"{number:04} " + "word " * (number % 40) for number in range(400)])
    async with app.run_test(size=size) as pilot:
        await pilot.press("g")
        app.view.go_to(200)
        await pilot.pause()
        await pilot.press("w")
        for change in ("aside", "smaller", "wrap", "larger", "aside", "above", "wrap", "smaller"):
            await CHANGES[change](app, pilot)
            await pilot.pause()
            await pilot.pause()
            assert app.view.cursor == 200 and not app.view.following
            assert any(row.startswith("0200") for row in app.drawn), change
        await pilot.resize_terminal(*size)
        await pilot.pause()
        app.lines[:0] = ["before"] * 50
        app.view.show(len(app.lines), shift=50)
        await pilot.pause()
        assert app.view.cursor == 250 and any(row.startswith("0200") for row in app.drawn)
        del app.lines[:150]
        app.view.show(len(app.lines), same=len(app.lines), shift=-150)
        await pilot.pause()
        assert app.view.cursor == 100 and any(row.startswith("0200") for row in app.drawn)


@SIZES
@pytest.mark.parametrize("keys", [("j", "k"), ("pagedown", "pageup")])
async def test_every_part_of_wrapped_lines_is_reached(size, keys):
    words = [f"<{number}>" for number in range(240)]
    app = Host(["first", "".join(words), "日本" * 40, "", "last"], follows=False)
    async with app.run_test(size=size) as pilot:
        app.view.wrap = True
        await pilot.pause()
        lines, width = len(app.lines), app.view.text_width
        assert app.view.count == lines
        for key in keys:
            seen = {}
            for _ in range(app.view.rows + 10):
                top = app.view.scroll_offset.y
                seen |= {top + y: row for y, row in enumerate(app.drawn)}
                await pilot.press(key)
            text = "".join(seen[row] for row in sorted(seen))
            assert "".join(words) in text
            assert text.count("日本") >= 38 and text.startswith("first") and text.endswith("last")
            assert all(len(row) <= width for row in seen.values())
        assert app.view.cursor == 0


@SIZES
async def test_a_text_that_is_found_is_in_view(size):
    app = Host(["x" * 500 + "needle" + "y" * 500, *numbered(50), "z" * 5000 + "Other" + "z" * 5000])
    async with app.run_test(size=size) as pilot:
        app.view.go_to_text(0, "needle")
        await pilot.pause()
        assert "needle" in "".join(app.drawn)
        app.view.wrap = True
        await pilot.pause()
        app.view.go_to_text(51, "Other")
        await pilot.pause()
        assert "Other" in "".join(app.drawn)
        assert app.view.cursor == 51
        app.view.go_to_text(0, "needle")
        await pilot.pause()
        assert "needle" in "".join(app.drawn)


async def test_text_that_is_selected_over_wrapped_rows_is_the_text_of_the_line():
    app = Host(["first", "0123456789" * 20, "last"])
    async with app.run_test(size=(40, 12)) as pilot:
        app.view.wrap = True
        await pilot.pause()
        await pilot.mouse_down(app.view, offset=(5, 2))
        await pilot.hover(app.view, offset=(10, 4))
        await pilot.mouse_up(app.view, offset=(10, 4))
        width = app.view.text_width
        selected = app.screen.get_selected_text()
        assert selected == ("0123456789" * 20)[width + 5 : 3 * width + len(selected) - 2 * width + 5]
        assert "\n" not in selected and len(selected) >= 2 * width + 5


async def test_a_long_log_is_wrapped_in_slices():
    app = Host([f"{number:06} " + "x" * (number % 300) for number in range(120_000)])
    async with app.run_test(size=(80, 24)) as pilot:
        app.view.wrap = True
        await until(pilot, lambda: app.view.rows > 200_000)
        assert app.view.rows == sum(max(1, -(-len(line) // app.view.text_width)) for line in app.lines)
        assert app.view.following and app.last.endswith("x")
        await pilot.press("g")
        assert app.drawn[0].startswith("000000")
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: app.view.rows == sum(max(1, -(-len(x) // app.view.text_width)) for x in app.lines))
        assert app.drawn[0].startswith("000000")


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 5)),
            st.tuples(st.just("prepend"), st.integers(1, 5)),
            st.tuples(st.just("drop"), st.integers(0, 4)),
            st.tuples(st.just("truncate"), st.integers(0, 12)),
        ),
        max_size=30,
    )
)
def test_rows_and_lines_are_found_both_ways(steps):
    index, heights = RowIndex(), []
    for what, number in steps:
        if what == "append":
            index.append(number)
            heights.append(number)
        elif what == "prepend":
            index.prepend([number, 2])
            heights[:0] = [number, 2]
        elif what == "drop":
            index.drop(number)
            del heights[:number]
        else:
            index.truncate(number)
            del heights[number:]
        rows = [(line, part) for line, height in enumerate(heights) for part in range(height)]
        assert (len(index), index.rows) == (len(heights), len(rows))
        assert [index.find(row) for row in range(len(rows))] == rows
        assert [index.row(line) for line in range(len(heights))] == [rows.index((n, 0)) for n in range(len(heights))]
        assert [index.height(line) for line in range(len(heights))] == heights
        assert index.row(len(heights)) == len(rows)
