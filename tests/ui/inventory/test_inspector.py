"""The panel beside the list, and the details: reasons first, the log's end read only when wanted, groups."""

import asyncio

import httpx
import pytest
from textual.widgets import Input

from sandtui.fleet.inventory.usage import read_sample
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.inventory.inspector import Inspector
from tests.probes import text_of
from tests.ui.world import World, settled, until

WIDE, NARROW = (120, 36), (80, 24)

ERRORS = ("slash", *"status", "colon", *"error", "enter")


def panel_text(app):
    """Return the lines of the panel."""
    left = app.screen.query_one(Inspector).region.x
    return "\n".join(line[left:] for line in text_of(app).splitlines())


def asked_logs(app):
    """Have the requests for logs counted; return the list of their sandboxes."""
    client, asked = app.services.platform.session.client, []
    get_logs = client.get_logs

    async def counted(sandbox_id):
        asked.append(sandbox_id)
        return await get_logs(sandbox_id)

    client.get_logs = counted
    return asked


async def test_the_reason_comes_first_and_then_the_log_of_what_has_failed():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        asked = asked_logs(app)
        app.services.platform.rest_seconds = 0.0
        await pilot.press(*ERRORS)
        row = app.screen.target
        await until(pilot, lambda: "platform: error:" in panel_text(app))
        shown = panel_text(app)
        assert (
            shown.index("✖ ERROR")
            < shown.index("The start command ended")
            < shown.index("Image")
            < shown.index("Log ─")
        )
        assert asked == [row.id]
        for key in ("j", "k", "j", "k"):
            await pilot.press(key)
            await pilot.pause()
        await until(pilot, lambda: asked.count(row.id) == 1 and len(asked) == 2)
        assert len(asked) == len(set(asked)), "each log is read once"


async def test_moving_through_the_list_reads_no_log():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        asked = asked_logs(app)
        app.screen.filter_by("status:error or status:timeout or status:terminated")
        await pilot.pause()
        count = app.screen.view.count
        assert count > 5
        # Not before: on a slow machine the cursor would rest on the first one meanwhile.
        app.services.platform.rest_seconds = 0.3
        for _ in range(count):
            app.screen.table.action_move(1)
        await until(pilot, lambda: len(asked) == 1)
        assert asked == [app.screen.target.id], "only that of the sandbox on which the cursor rests"


async def test_the_panel_reads_no_log_of_what_runs_and_none_while_it_is_hidden():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        asked = asked_logs(app)
        app.services.platform.rest_seconds = 0.0
        await pilot.press("slash", *"status", "colon", *"running", "enter")
        for _ in range(3):
            await pilot.press("j")
            await pilot.pause()
        assert app.screen.target.status == "RUNNING"
        app.screen.action_inspector()
        app.screen.query_one("#filter", Input).value = "status:error"
        await until(pilot, lambda: app.screen.target.status == "ERROR")
        app.screen.tick()
        await pilot.pause()
        assert asked == []


async def test_a_log_that_cannot_be_read_says_so_in_its_place():
    app = World(wrap=RefusesLogs)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        app.services.platform.rest_seconds = 0.0
        notes = len(app.services.notifier.messages)
        await pilot.press(*ERRORS)
        assert "loading…" in panel_text(app) or "▲" in panel_text(app)
        await until(pilot, lambda: "[/] refused" in panel_text(app))
        assert len(app.services.notifier.messages) == notes, "nobody asked for it by name"


class RefusesLogs(httpx.AsyncBaseTransport):
    """A platform that does not give out logs."""

    def __init__(self, inner):
        self.inner = inner

    async def handle_async_request(self, request):
        if request.url.path.endswith("/logs"):
            return httpx.Response(403, json={"detail": "[/] refused \x1b[31m"}, request=request)
        return await self.inner.handle_async_request(request)


async def test_what_was_measured_is_plotted_beside_the_list():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("slash", *"status", "colon", *"running", "enter")
        row, store = app.screen.target, app.services.platform.session.store
        for turn in range(1, 9):
            output = f"cpu {turn * turn}000000\nmemory {turn}00000000\nlimit 1000000000\nuptime {turn * 2}\n"
            store.measure(row.id, read_sample(output))
        await until(pilot, lambda: "cores" in panel_text(app))
        shown = panel_text(app)
        assert "7.50" in shown and "of 954 MB" in shown
        assert "█" in shown and "▁" in shown


async def test_a_group_tells_its_reasons_images_and_totals():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        store = app.services.platform.session.store
        rows = [row for row in store if row.sandbox.labels == ["rl", "run=38"]]
        failed = {"status": "ERROR", "error_type": "[/] \x1b[31m", "docker_image": "[red]x"}
        store.apply([rows[0].sandbox.model_copy(update=failed)])
        await pilot.press("z", "6", "g")
        await pilot.pause()
        group = app.screen.table.cursor_line
        shown = panel_text(app)
        assert f"{len(group.rows)} sandboxes" in shown
        assert "In use" in shown and "cores" in shown
        assert "Reasons" in shown and "[/] ␛[31m" in shown
        assert "Images" in shown and "[red]x" in shown
        assert "Ends in" in shown and "< 10m" in shown
        await pilot.press("j")
        await pilot.pause()
        assert "Ends in" not in panel_text(app)


async def test_the_details_of_what_runs_show_its_log_and_read_it_again():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        asked = asked_logs(app)
        await pilot.press("slash", *"status", "colon", *"running", "enter")
        row = app.screen.target
        await pilot.press("enter")
        await until(pilot, lambda: f"{row.sandbox.name}: ready" in text_of(app))
        assert asked == [row.id]
        app.screen.tick()
        await pilot.pause()
        assert asked == [row.id]
        app.manual_clock.advance(11)
        app.screen.tick()
        await until(pilot, lambda: len(asked) == 2)


async def test_a_slow_log_says_that_it_loads():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        gate = asyncio.Event()

        async def get_logs(sandbox_id):
            await gate.wait()
            return "one\ntwo\n"

        app.services.platform.session.client.get_logs = get_logs
        await pilot.press(*ERRORS, "enter")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen) and "loading…" in text_of(app))
        assert "empty" not in text_of(app)
        gate.set()
        await until(pilot, lambda: "two" in text_of(app) and "loading…" not in text_of(app))


async def test_in_a_narrow_window_the_details_show_reason_and_log():
    app = World()
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press(*ERRORS, "enter")
        await until(pilot, lambda: "platform: error:" in text_of(app))
        assert "Reason" in text_of(app)


async def test_a_key_in_the_list_lays_out_no_other_widget():
    app = World()
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        fleet = app.screen
        await pilot.press("G", "g")
        await pilot.pause()
        panel = fleet.query_one("#inspector-text")
        heights, laid_out = set(), []
        refresh = panel.refresh

        def noted(*regions, **how):
            laid_out.append(how.get("layout", False))
            return refresh(*regions, **how)

        panel.refresh = noted
        for _ in range(25):
            await pilot.press("j")
            heights.add(panel.size.height)
        assert len(heights) == 1
        assert laid_out and not any(laid_out), "sandboxes differ, but the panel is as high for each"


@pytest.mark.parametrize("size", [NARROW, (100, 24), WIDE])
async def test_no_line_of_what_goes_on_is_wrapped_by_a_scroll_bar(size):
    app = World()
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press("slash", *"status", "colon", *"running", "enter")
        row, session = app.screen.target, app.services.platform.session
        for turn in range(1, 9):
            session.store.measure(
                row.id, read_sample(f"cpu {turn * turn}000000\nmemory {turn}0000\nuptime {turn * 2}\n")
            )
        for turn in range(30):
            session.history.note(row.id, f"$ a command that is longer than any panel is wide {'x' * 90} {turn}")
        app.screen.tick()
        await pilot.pause()
        wrapped = [line for line in panel_text(app).splitlines() if line.strip(" │").endswith("x" * 20)]
        assert wrapped == []
        await pilot.press("enter")
        await until(pilot, lambda: "This session" in text_of(app) or "Usage" in text_of(app))
        await pilot.pause()
        text, more = app.screen.query_one("#detail-activity"), app.screen.query_one("#detail-more")
        assert more.show_vertical_scrollbar or size == WIDE
        assert all(line.cell_length <= text.size.width for line in text.render().split())
