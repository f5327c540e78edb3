"""What holds for every view of text, on its real screen: the end is reached and followed, and `w` wraps."""

import pytest

from sandtui.fleet.files.preview import FileReader
from sandtui.ui.files.preview import PreviewScreen
from sandtui.ui.logs.screen import LogScreen
from sandtui.ui.widgets.output_view import OutputView
from tests.probes import strips
from tests.ui.commands import test_console, test_fanout
from tests.ui.jobs import test_jobs
from tests.ui.world import World, settled, until

WIDE = "wide " + "<->" * 120 + " its end"
LINES = [f"line {number:03}" for number in range(70)] + [WIDE, "last line"]
TEXT = "\n".join(LINES) + "\n"

SIZES = pytest.mark.parametrize("size", [(110, 30), (80, 17)])


async def log(pilot, tmp_path, monkeypatch):
    app = await settled(pilot)

    async def get_logs(sandbox_id):
        return TEXT

    app.services.platform.session.client.get_logs = get_logs
    await pilot.press("L")
    await until(pilot, lambda: app.screen.pane.load_state.is_loaded)
    return app.screen.pane.view


async def logs(pilot, tmp_path, monkeypatch):
    app = await settled(pilot)

    async def get_logs(sandbox_id):
        return TEXT

    app.services.platform.session.client.get_logs = get_logs
    await pilot.press("space", "space", "L")
    await until(pilot, lambda: isinstance(app.screen, LogScreen) and all(p.shown for p in app.screen.in_view))
    return app.screen.pane.view


async def console(pilot, tmp_path, monkeypatch):
    _, screen, shell = await test_console.console(pilot)
    shell.answers["cat"] = (TEXT, "", 0)
    await test_console.run(pilot, "cat")
    await pilot.press("escape")
    return screen.output_view


async def job_log(pilot, tmp_path, monkeypatch):
    app = await test_jobs.opened(pilot, log=LINES)
    await pilot.press("tab")
    await until(pilot, lambda: app.screen.focused is app.screen.pane.view)
    return app.screen.pane.view


async def preview(pilot, tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    path.write_text(TEXT)
    app = await settled(pilot)
    screen = PreviewScreen(app.services, FileReader(app.services.platform.session.client, None, str(path)), "local")
    app.push_screen(screen)
    await until(pilot, lambda: screen.is_mounted and screen.query_one(OutputView).count == len(LINES))
    return screen.query_one(OutputView)


async def growing_file(pilot, tmp_path, monkeypatch):
    view = await preview(pilot, tmp_path, monkeypatch)
    await pilot.press("t")
    await until(pilot, lambda: view.following)
    return view


async def fan_out(pilot, tmp_path, monkeypatch):
    app = await test_fanout.marked(pilot)
    test_fanout.answering(app, **{f"s{number}": (TEXT, "", 0) for number in range(9)})
    await test_fanout.run_command(pilot, "cat")
    await test_fanout.over(pilot)
    await pilot.press("escape")
    view = app.screen.results_view
    # What differs from the others comes first; the text is what the others say.
    view.go_to(next(number for number in range(view.count) if view.plain(number).startswith("▾ 9 identical")))
    await pilot.press("enter")
    return view


FOLLOWING = [log, logs, console, job_log, growing_file]
VIEWS = [*FOLLOWING, preview, fan_out]


def drawn(view):
    """Return the rows of a view as they are on the screen, without what a scroll bar covers."""
    region = view.scrollable_content_region
    lines = strips(view.screen)
    rows = [lines[y].crop(region.x, region.right).text for y in range(region.y, min(region.bottom, len(lines)))]
    return [row.rstrip() for row in rows]


def joined(view):
    return "".join(drawn(view)).replace(" ", "")


def end_of(view):
    """Return the last line that says something."""
    return next((number for number in reversed(range(view.count)) if view.plain(number).strip()), 0)


def shows_end(view):
    last = view.plain(end_of(view)).strip()[:20]
    return any(row.strip().startswith(last) for row in drawn(view))


@SIZES
@pytest.mark.parametrize("opened", FOLLOWING, ids=lambda opened: opened.__name__)
async def test_the_end_is_followed_whatever_changes_the_layout(opened, size, tmp_path, monkeypatch):
    async with World().run_test(size=size) as pilot:
        view = await opened(pilot, tmp_path, monkeypatch)
        await pilot.press("G")
        await until(pilot, lambda: view.show_horizontal_scrollbar and shows_end(view))
        for width, height in ((80, 24), (61, 15), (size[0] + 40, size[1] + 9), size):
            await pilot.resize_terminal(width, height)
            await until(pilot, lambda width=width: pilot.app.size.width == width and shows_end(view))
            assert view.following
        for key in ("w", "w"):
            await pilot.press(key)
            await until(pilot, lambda: shows_end(view))
            assert view.following
        await pilot.press("up", "up")
        assert not view.following
        await pilot.resize_terminal(90, 30)
        await pilot.pause()
        assert not view.following


@SIZES
@pytest.mark.parametrize("opened", VIEWS, ids=lambda opened: opened.__name__)
async def test_the_last_line_is_reached_by_every_key_and_wide_ones_are_wrapped(opened, size, tmp_path, monkeypatch):
    async with World().run_test(size=size) as pilot:
        view = await opened(pilot, tmp_path, monkeypatch)
        for key, times in (("end", 1), ("G", 1), ("pagedown", 8), ("down", 20)):
            view.go_to(0)
            await until(pilot, lambda: not shows_end(view))
            if times > 1:
                view.go_to(view.count - 15)
            await pilot.press(*[key] * times)
            await until(pilot, lambda: shows_end(view))

        lines = view.count
        wide = next(number for number in range(lines) if WIDE in view.plain(number))
        await pilot.press("w")
        for part in ("wide <", "its end"):
            view.go_to_text(wide, part)
            await until(pilot, lambda part=part: part.replace(" ", "") in joined(view))
        assert view.count == lines and view.rows > lines
        assert view.virtual_size.width <= view.size.width
        assert view.cursor == wide
        await pilot.press("w")
        await until(pilot, lambda: view.rows == lines)


async def test_a_filtered_and_wrapped_log_counts_lines():
    async with World().run_test(size=(80, 24)) as pilot:
        view = await log(pilot, None, None)
        pane = pilot.app.screen.pane
        await pilot.press("w", "ampersand")
        pilot.app.screen.query_one("#value").value = "i"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, LogScreen))
        await until(pilot, lambda: "of" in str(pane.border_subtitle))
        assert f"72 of {len(LINES)} lines" in str(pane.border_subtitle)
        assert view.following and view.rows > 72


async def test_a_file_that_is_followed_is_paused_by_scrolling_up_and_shows_progress(tmp_path):
    path = tmp_path / "log"
    path.write_text("".join(f"{number}\n" for number in range(60)))
    async with World().run_test(size=(80, 24)) as pilot:
        app = await settled(pilot)
        screen = PreviewScreen(app.services, FileReader(app.services.platform.session.client, None, str(path)), "local")
        app.push_screen(screen)
        await until(pilot, lambda: screen.is_mounted and screen.query_one(OutputView).count == 60)
        view = screen.query_one(OutputView)

        async def grows(text):
            await until(pilot, lambda: app.manual_clock.sleeping)
            with path.open("a") as file:
                file.write(text)
            app.manual_clock.advance(1)

        await pilot.press("t")
        await until(pilot, lambda: view.following)
        await grows("10%\r20%")
        await until(pilot, lambda: view.plain(60) == "20%")
        await grows("\r")
        await grows("30%\rdone\r\nnext")
        await until(pilot, lambda: view.plain(61) == "next")
        assert view.plain(60) == "done"
        await pilot.press("up", "up", "up")
        await grows(" and more\nlast\n")
        await until(pilot, lambda: view.count == 63)
        assert view.cursor == 58 and not view.following
        assert "paused" in str(screen.query_one("#preview-panel").border_subtitle)
        await pilot.press("t")
        assert view.following and "● following" in str(screen.query_one("#preview-panel").border_subtitle)
        await pilot.press("t")
        assert not view.following and "following" not in str(screen.query_one("#preview-panel").border_subtitle)
