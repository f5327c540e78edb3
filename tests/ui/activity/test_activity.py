"""The activity screen: what was done and said, across runs, narrowed by words."""

import httpx
import pytest
from textual.widgets import Input

from sandtui.client import RequestReport
from sandtui.fleet.activity.entry import ActivityEntry
from sandtui.fleet.activity.requests import Trace
from sandtui.ui.activity.requests_dialog import RequestsDialog
from sandtui.ui.activity.screen import ActivityScreen
from sandtui.ui.commands.console_screen import ConsoleScreen
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.inventory.screen import FleetScreen
from sandtui.ui.widgets.output_view import OutputView
from tests.probes import text_of
from tests.ui.world import BASE_URL, NOW, World, settled, until, without_live_channels


def texts(app):
    return [entry.text for entry in app.screen.entries]


async def open_activity(pilot, app):
    await pilot.press("5")
    await until(pilot, lambda: isinstance(app.screen, ActivityScreen) and app.screen.entries)


ENTRIES = (
    ("did", "delete › Fleet"),
    ("information", "Deleted rollout-0007."),
    ("error", "web-1 not deleted: HTTP 403: not yours. Use a key with the `sandbox` scope."),
    ("warning", "[@click=app.quit]x[/] \x1b[31mred"),
)


def earlier(app, entries=ENTRIES):
    for number, (kind, text) in enumerate(entries):
        app.services.notifier.activity.add(ActivityEntry(NOW.replace(minute=number), "local · simulated", kind, text))


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
        name = app.screen.target.sandbox.name
        await pilot.press("D")
        await pilot.press("escape")
        app.services.notifier.notify(f"went wrong with {app.services.platform.connection.config.api_key}", "error")
        await open_activity(pilot, app)
        assert texts(app)[:2] == ["went wrong with <hidden>", f"delete › Fleet › {name}"]
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


class Refusing(httpx.AsyncBaseTransport):
    """A platform that refuses deletions and names its requests."""

    def __init__(self, inner):
        self.inner = inner

    async def handle_async_request(self, request):
        if request.method == "DELETE":
            headers = {"X-Request-Id": "req-42"}
            return httpx.Response(403, json={"detail": "not yours"}, headers=headers, request=request)
        return await self.inner.handle_async_request(request)


async def refuse_a_deletion(pilot, app):
    await until(pilot, lambda: app.screen.target is not None)
    sandbox_id = app.screen.target.id
    await pilot.press("D")
    await until(pilot, lambda: isinstance(app.screen, PlanDialog))
    app.screen.dismiss(True)
    await until(pilot, lambda: any("not deleted" in said.text for said in app.services.notifier.messages))
    return sandbox_id


def entry_line(app, words):
    return next(place for place, entry in enumerate(app.screen.entries) if words in entry.text)


async def test_an_entry_shows_the_request_behind_it_and_copies_it():
    app = World(fleet=5, wrap=Refusing)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        sandbox_id = await refuse_a_deletion(pilot, app)
        await open_activity(pilot, app)
        # What was asked for and what came of it have the same request behind them, past the dialog.
        for words in ("not deleted", "delete › Fleet"):
            place = entry_line(app, words)
            assert app.screen.entries[place].failed == 1
            app.screen.query_one(OutputView).go_to(place)
            await pilot.press("d")
            await until(pilot, lambda: isinstance(app.screen, RequestsDialog))
            shown = str(app.screen.query_one("#request-text").content)
            assert "request id req-42" in shown
            assert app.platform.api_key not in shown
            await pilot.press("Y")
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, ActivityScreen))
            assert app.services.clipboard.copied[0].startswith(
                f"curl -sS -X DELETE {BASE_URL}/api/v1/sandbox/{sandbox_id} -H"
            )
        await pilot.press("slash", *"req-42 403")
        await until(pilot, lambda: len(app.screen.entries) == 2)


async def test_what_was_not_asked_for_has_no_request_and_says_so():
    app = World(fleet=5)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        earlier(app)
        await open_activity(pilot, app)
        await pilot.press("Y")
        await until(pilot, lambda: any("No API request" in said.text for said in app.services.notifier.messages))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, RequestsDialog))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ActivityScreen))


async def test_a_command_is_an_entry_with_its_requests_and_without_its_secret():
    app = World(fleet=5)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        without_live_channels(app)
        app.screen.query_one("#filter", Input).value = "status:running kind:container"
        await pilot.pause()
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ConsoleScreen))
        screen = app.screen
        assert screen.run_command("TOKEN=canary true")
        await until(pilot, lambda: screen.console.runs and screen.console.runs[-1].ended is not None)
        app.pop_screen()
        await pilot.pause()
        await open_activity(pilot, app)
        entry = app.screen.entries[entry_line(app, "run ›")]
        assert entry.text.endswith("TOKEN=<hidden> true")
        requests = app.services.notifier.activity.requests_of(entry)
        assert requests
        assert all("canary" not in repr(request) for request in requests)


async def requests_shown(pilot):
    """An entry with three requests behind it, one of which was refused."""
    trace = Trace()
    for status, path, attempts in ((200, "sandbox?page=1", 1), (200, "sandbox/statuses", 3), (403, "sandbox/sbx_1", 1)):
        trace.take(
            RequestReport(
                *("GET" if status == 200 else "DELETE", f"https://api.test/api/v1/{path}", (), status, 0.042, attempts),
                request_id="req-42" if status == 403 else "",
                problem="HTTP 403: [not yours]" if status == 403 else "",
            ),
            NOW,
        )
    entry = ActivityEntry(NOW, "local · simulated", "error", "web-1 not deleted: [/] not yours", trace.id, 3, 1)
    app = await settled(pilot)
    app.push_screen(RequestsDialog(entry, trace.requests, NOW, app.services.clipboard))
    await pilot.pause()


@pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
def test_requests(snap_compare, size):
    assert snap_compare(World(), terminal_size=size, run_before=requests_shown)


async def test_both_ends_of_a_long_entry_are_shown_and_its_details_have_all():
    text = "not copied: /home/me/" + "a-long-directory/" * 6 + "last.jsonl: no space left"
    app = World(fleet=3)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        earlier(app, [("error", text)])
        await open_activity(pilot, app)
        await until(pilot, lambda: "not copied: /home" in text_of(app) and "no space left" in text_of(app))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, RequestsDialog))
        shown = "".join(text_of(app).replace("│", " ").split())
        assert "".join(text.split()) in shown
