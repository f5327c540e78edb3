"""Every dialog is as large as what it shows, fits into the window, and has its keys in view."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.widgets import Button, Input, OptionList, Static

from sandtui.client import CreateSandboxRequest, Sandbox
from sandtui.clock import ManualClock
from sandtui.config.journal import JournalItem, UnfinishedLaunch
from sandtui.config.presets import Preset
from sandtui.fleet.activity.entry import ActivityEntry
from sandtui.fleet.activity.requests import Request
from sandtui.fleet.inventory import bulk_plan
from sandtui.fleet.inventory.bulk import BulkRun
from sandtui.fleet.inventory.egress import EgressLists
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.jobs.job import Job, JobKey, JobState
from sandtui.fleet.transfers.model import Existing, Location, TransferSpec
from sandtui.fleet.transfers.sync import Difference
from sandtui.ui.activity.requests_dialog import RequestsDialog
from sandtui.ui.commands.history_dialog import HistoryDialog
from sandtui.ui.creation.presets_dialog import PresetsDialog
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.bulk import BulkDialog
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.dialogs.code import CodeDialog, CodeText
from sandtui.ui.dialogs.command import CommandDialog
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.dialogs.refusal import RefusalDialog
from sandtui.ui.dialogs.unfinished import UnfinishedDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.dialogs.wait import WaitDialog
from sandtui.ui.files.sync_dialog import SyncDialog
from sandtui.ui.inventory.columns_dialog import ColumnsDialog
from sandtui.ui.inventory.egress_dialog import EgressDialog
from sandtui.ui.inventory.save_view_dialog import SaveViewDialog
from sandtui.ui.jobs.dialogs import NewJobDialog, OnSuccessDialog
from sandtui.ui.ports.expose_dialog import ExposeDialog
from tests.probes import text_of
from tests.ui.world import World, settled, until

NOW = datetime(2026, 11, 24, 14, 14, 30, tzinfo=UTC)
SIZES = [(200, 50), (120, 36), (80, 24)]
LONG = "a rather long text that says what is wrong and what can be done about it, word by word. " * 40


def rows(count):
    names = [f"rollout-{n:04}" for n in range(count)]
    store = FleetStore(ManualClock(NOW))
    size = {"cpu_cores": 1, "memory_gb": 2, "disk_size_gb": 5}
    store.apply(Sandbox(id=f"id {name}", name=name, docker_image="x", status="RUNNING", **size) for name in names)
    return list(store)


def plan(verb, count, **more):
    return PlanDialog(replace(bulk_plan.make_plan(verb, rows(count)), **more), "team-a", NOW)


def requests(count):
    return [Request(NOW, "GET", f"https://api.example.net/api/v1/sandbox/{n}", "", 200, 4) for n in range(count)]


def entry(app, text, count=0):
    shown_entry = ActivityEntry(NOW, "team-a", "error", text, requests=count)
    return RequestsDialog(shown_entry, requests(count), NOW, app.services.clipboard)


def bulk(app, count):
    async def work(batch):
        return {item.id: "" for item in batch}

    clock = app.services.clock
    run = BulkRun("Delete sandboxes", rows(count), work, clock)
    return BulkDialog(run, clock, app.services.keymap, app.services.sandboxes)


def unfinished(count):
    items = [
        JournalItem(n, CreateSandboxRequest(name=f"r-{n}", docker_image="x"), False, "creating", None)
        for n in range(count)
    ]
    return UnfinishedDialog(UnfinishedLaunch("0badcafe", "team-a", NOW, tuple(items)))


def sync(count):
    here = TransferSpec(Location("/home/me/a"), Location("/workspace", "s1", "box"), "b", Existing.DIFFERENT)
    found = Difference(tuple(f"deep/directory/file-{n}" for n in range(count)), (), (), 3, 12_000)
    return SyncDialog(here, found, watched=None)


def history(_app, count):
    past = [SimpleNamespace(command=f"echo {n}", sandbox_name="box", moment=NOW) for n in range(count)]
    return HistoryDialog("s1", "", NOW, lambda text, where, done: done(past))


JOB = Job(JobKey("s1", "job1"), JobState.RUNNING, "box", command="python train.py")

DIALOGS = {
    "ask": lambda app: AskDialog("Delete launch", "Delete all?", "Delete 3"),
    "ask, long": lambda app: AskDialog("Delete launch", LONG, "Delete 3"),
    "plan of one": lambda app: plan(bulk_plan.DELETE, 1),
    "plan of many": lambda app: plan(bulk_plan.DELETE, 300),
    "plan of a job": lambda app: plan(bulk_plan.JOB, 3, value="python train.py"),
    "bulk of one": lambda app: bulk(app, 1),
    "bulk of many": lambda app: bulk(app, 300),
    "menu": lambda app: ChooseDialog("Menu", [Choice("a", "a", "first", "a text"), Choice("b", "b", "second")]),
    "menu, long": lambda app: ChooseDialog("Menu", [Choice(str(n), "", f"choice {n}", "text") for n in range(90)]),
    "code": lambda app: CodeDialog([CodeText("1", "Python", "import x\nx.run()"), CodeText("2", "curl", "curl x")]),
    "code, long": lambda app: CodeDialog([CodeText("1", "Python", "import x\n" * 200)]),
    "command": lambda app: CommandDialog(app.actions_here()),
    "refusal": lambda app: RefusalDialog("Shell", "Not running"),
    "refusal, long": lambda app: RefusalDialog("Shell", LONG),
    "unfinished": lambda app: unfinished(40),
    "value": lambda app: ValueDialog("Go to path", "path", "/workspace", lambda _: ""),
    "wait": lambda app: WaitDialog("Connecting", "Opening a shell", lambda _: None),
    "sync": lambda app: sync(2),
    "sync, long": lambda app: sync(400),
    "columns": lambda app: ColumnsDialog(["name"], {}),
    "egress": lambda app: EgressDialog("box", EgressLists(allow=("pypi.org",))),
    "save view": lambda app: SaveViewDialog("all", "abc"),
    "new job": lambda app: NewJobDialog("box"),
    "then": lambda app: OnSuccessDialog([JOB], Path("/home/me")),
    "expose": lambda app: ExposeDialog("box", listening=True),
    "history": lambda app: history(app, 3),
    "history, long": lambda app: history(app, 200),
    "presets": lambda app: PresetsDialog([Preset("python", {}, "", built_in=True)]),
    "entry": lambda app: entry(app, "it broke"),
    "entry, long": lambda app: entry(app, LONG),
    "requests": lambda app: entry(app, LONG, 60),
}


async def shown(pilot, name):
    app = await settled(pilot)
    dialog = DIALOGS[name](app)
    app.push_screen(dialog)
    await until(pilot, lambda: app.screen is dialog and dialog.can_be_read)
    await pilot.pause()
    return dialog


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DIALOGS)
async def test_a_dialog_is_as_large_as_its_content(name, size):
    app = World(fleet=3)
    async with app.run_test(size=size) as pilot:
        dialog = await shown(pilot, name)
        box = dialog.query_one("#dialog")
        inside = box.content_region
        assert app.screen.region.contains_region(box.region)
        parts = [each for each in box.children if each.display]
        for part in parts:
            assert inside.contains_region(part.region), f"{part!r} is cut"
            if isinstance(part, Static | Input):
                assert part.region.height >= part.virtual_size.height, f"{part!r} is cut"
        assert parts[-1].region.bottom == inside.bottom, "half empty"
        bodies = [part for part in parts if part.has_class("dialog-body")]
        if box.region.height < size[1] * 9 // 10:
            for body in bodies:
                whole = body.virtual_size.height <= body.scrollable_content_region.height
                assert whole or body.styles.max_height is not None, "there is room for all"
        widest = max(len(line.rstrip()) for line in text_of(app).split("\n"))
        assert widest <= size[0]


async def test_a_question_of_several_lines_is_drawn_in_lines():
    app = World(fleet=3)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.push_screen(AskDialog("Delete 2 entries", "a.txt  12 B\n\x1b[31mb\n\nin local /home/me", "Delete"))
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        drawn = text_of(app).split("\n")
        first = next(index for index, line in enumerate(drawn) if "a.txt  12 B" in line)
        assert "in local /home/me" in drawn[first + 3]
        assert "\x1b" not in drawn[first + 1]


@pytest.mark.parametrize("name", ["ask, long", "refusal, long", "entry, long"])
async def test_a_long_text_can_be_read_to_its_end(name):
    app = World(fleet=3)
    async with app.run_test(size=(80, 24)) as pilot:
        dialog = await shown(pilot, name)
        body = dialog.query_one(".dialog-body, #request-entry")
        assert body.virtual_size.height > body.scrollable_content_region.height
        for _ in range(120):
            await pilot.press("down")
        assert body.scroll_offset.y == body.max_scroll_y


async def test_a_list_keeps_its_size_while_it_is_searched():
    app = World(fleet=3)
    async with app.run_test(size=(120, 36)) as pilot:
        dialog = await shown(pilot, "history, long")
        box = dialog.query_one("#dialog")
        before = box.region
        dialog.query_one(OptionList).clear_options()
        await pilot.pause()
        assert box.region == before


@pytest.mark.parametrize("theme", ["sandtui-dark", "sandtui-light"])
async def test_the_button_that_enter_presses_is_the_brightest(theme):
    app = World(fleet=3)
    app.theme = theme
    async with app.run_test(size=(120, 36)) as pilot:
        for name in ("ask", "plan of one", "plan of a job", "unfinished"):
            dialog = await shown(pilot, name)
            ground = dialog.query_one("#dialog").background_colors[1]
            for _ in dialog.query(Button):
                contrast = {
                    button: abs(button.background_colors[1].brightness - ground.brightness)
                    for button in dialog.query(Button)
                }
                assert max(contrast, key=contrast.get) is app.focused
                others = [value for button, value in contrast.items() if button is not app.focused]
                assert contrast[app.focused] > 2 * max(others)
                await pilot.press("tab")
                await pilot.pause()
            app.pop_screen()
            await pilot.pause()


@pytest.mark.parametrize(
    ("name", "result"),
    [("ask", False), ("plan of one", False), ("plan of a job", True), ("sync", "copy")],
)
async def test_enter_confirms_where_nothing_is_destroyed(name, result):
    app = World(fleet=3)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        answers = []
        dialog = DIALOGS[name](app)
        app.push_screen(dialog, answers.append)
        await until(pilot, lambda: app.screen is dialog and dialog.can_be_read)
        await pilot.press("enter")
        await until(pilot, lambda: bool(answers))
        assert answers == [result]


async def test_enter_confirms_a_harmless_question():
    app = World(fleet=3)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        answers = []
        dialog = AskDialog("Open a link", "https://example.com", "Open", danger=False)
        app.push_screen(dialog, answers.append)
        await until(pilot, lambda: app.screen is dialog and dialog.can_be_read)
        assert "enter/y confirm" in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: bool(answers))
        assert answers == [True]


@pytest.mark.parametrize(
    "verb", [bulk_plan.DELETE, bulk_plan.EGRESS, bulk_plan.DELETE_BY_LABEL], ids=lambda verb: verb.id
)
def test_what_destroys_is_not_confirmed_by_enter(verb):
    assert verb.destroys


async def test_a_plan_says_what_how_many_how_large_and_where():
    app = World(fleet=3)
    async with app.run_test(size=(120, 36)) as pilot:
        await shown(pilot, "plan of many")
        text = text_of(app)
        assert "Delete 300 sandboxes" in text
        assert "rollout-0000" in text
        assert "together: 300 cpu · 600 GB · 1500 GB disk" in text.replace(",", "")
        assert "context: team-a" in text
