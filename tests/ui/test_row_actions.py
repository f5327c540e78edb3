"""From every row that names a sandbox to it: enter opens it, and its shell, log, files and console are a key away."""

import dataclasses

import pytest
from textual.widgets import Input

from sandtui.client import CommandResponse, CreateSandboxRequest, ExposedPort
from sandtui.fleet.activity.entry import ActivityEntry
from sandtui.fleet.activity.requests import Request
from sandtui.fleet.activity.subjects import sandboxes_of
from sandtui.fleet.creation.launch import Step
from sandtui.fleet.creation.launch_plan import LaunchPlan
from sandtui.fleet.inventory.bulk_plan import DELETE, make_plan
from sandtui.fleet.jobs.job import Job, JobKey, JobState
from sandtui.fleet.ports.exposures import PortRow
from sandtui.fleet.transfers.model import Location, TransferSpec
from sandtui.ui.activity.requests_dialog import RequestsDialog
from sandtui.ui.activity.screen import ActivityScreen
from sandtui.ui.commands.console_screen import ConsoleScreen
from sandtui.ui.commands.fanout import Fold
from sandtui.ui.commands.fanout_screen import FanOutScreen
from sandtui.ui.creation.launch_screen import LaunchScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.bulk import BulkDialog
from sandtui.ui.dialogs.fork import ForkDialog
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.files.screen import FilesScreen
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.jobs.screen import JobsScreen
from sandtui.ui.logs.screen import LogScreen
from sandtui.ui.ports.screen import PortsScreen
from sandtui.ui.shells.screen import ShellScreen
from tests.fleet.factory import sandbox
from tests.fleet.shells.channels import ScriptedOpener
from tests.probes import text_of
from tests.ui.world import NOW, World, refused, settled, until

ONE, TWO, THREE = "sbx_0001", "sbx_0002", "sbx_0003"


async def began(pilot):
    """Return the app on a fleet of three, in which commands succeed and shells open."""
    app = await settled(pilot)
    session = app.services.platform.session
    session.store.apply([sandbox(number, vm=False) for number in (1, 2, 3)])
    await until(pilot, lambda: app.screen.target is not None)
    session.shells.opener = ScriptedOpener()

    async def execute(sandbox_id, command, timeout=None, **_):
        last = "two\n" if sandbox_id == TWO else "same\n"
        return CommandResponse(stdout=last, stderr="", exit_code=0)

    session.client.execute_command = execute
    return app


async def jobs(pilot, app):
    session = app.services.platform.session
    app.services.navigator.open_jobs()
    await until(pilot, lambda: isinstance(app.screen, JobsScreen))
    for sandbox_id in (ONE, TWO, THREE):
        job = Job(JobKey(sandbox_id, "0a1b2c3d"), JobState.RUNNING, sandbox_id, NOW, command="make")
        session.jobs.put(job, save=False)
    session.jobs.on_change()
    await until(pilot, lambda: len(app.screen.jobs) == 3)
    keys = [job.key.sandbox_id for job in app.screen.jobs]
    app.screen.rows.go_to(keys.index(TWO))


async def ports(pilot, app):
    board = app.services.platform.session.ports
    app.services.navigator.open_ports(None)
    await until(pilot, lambda: isinstance(app.screen, PortsScreen) and board.load_state.is_loaded)
    exposed = ExposedPort(exposure_id="e1", sandbox_id=TWO, port=8000, url="http://x.example")
    board.rows = [PortRow(exposed, "nb-2", True)]
    board.on_change()
    await until(pilot, lambda: "8000" in text_of(app))


async def target(pilot, app):
    """A sandbox of a run, in the list beside the results."""
    await single_result(pilot, app)
    view = app.screen.targets_view
    view.focus()
    view.go_to([each.id for each in app.screen.fan_out.targets].index(TWO))


async def single_result(pilot, app):
    await ran(pilot, app)
    lines = range(app.screen.results_view.count)
    ids = [[each.id for each in app.screen.results.targets_at(line)] for line in lines]
    app.screen.results_view.go_to(ids.index([TWO]))


async def ran(pilot, app):
    store = app.services.platform.session.store
    app.services.navigator.open_fan_out([store.get(each) for each in (ONE, TWO, THREE)])
    await until(pilot, lambda: isinstance(app.screen, FanOutScreen) and bool(app.screen.query("#command")))
    await pilot.press(*"true", "enter")
    await until(pilot, lambda: app.screen.fan_out is not None and app.screen.fan_out.is_over)
    await until(pilot, lambda: "2 identical" in text_of(app) and "two" in text_of(app))
    await pilot.press("escape")


async def launched(pilot, app):
    requests = tuple(CreateSandboxRequest(name=f"made-{number}", docker_image="python:3.12") for number in (1, 2, 3))
    launch = app.services.launches.make(LaunchPlan("launch-1", requests))
    for item, sandbox_id in zip(launch.items, (ONE, TWO, THREE), strict=True):
        item.step, item.sandbox_id, item.began, item.ended = Step.READY, sandbox_id, 0.0, 1.0
    app.services.launches.all.append(launch)
    app.services.navigator.open_launch(launch)
    await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and bool(app.screen.query("#board")))
    await until(pilot, lambda: app.screen.marks.current == 0)


async def launch(pilot, app):
    await launched(pilot, app)
    await pilot.press("j")


async def activity(pilot, app):
    app.services.notifier.activity.add(
        ActivityEntry(NOW, "local · simulated", "error", "rollout-0002 not deleted: [/] not yours")
    )
    app.services.navigator.open_activity()
    await until(pilot, lambda: isinstance(app.screen, ActivityScreen) and "not yours" in text_of(app))


async def transfer(pilot, app):
    app.services.navigator.open_files([ONE])
    await until(pilot, lambda: isinstance(app.screen, FilesScreen) and app.screen.is_ready)
    queue = app.screen.queue
    await queue.stop()
    queue.add([TransferSpec(Location("/tmp/x"), Location("/workspace/x", TWO, "rollout-0002"), "b")])
    await pilot.press("d")
    await until(pilot, lambda: app.screen.query_one("#queue").has_focus)


async def failure(pilot, app):
    session = app.services.platform.session
    run = session.bulk(make_plan(DELETE, [session.store.get(TWO)]))
    app.services.bulk.show(run)
    await until(pilot, lambda: isinstance(app.screen, BulkDialog) and bool(app.screen.query("#bulk-list")))


ROWS = {
    "job": jobs, "port": ports, "target": target, "result": single_result, "launch": launch, "activity": activity,
    "transfer": transfer, "failure": failure,
}  # fmt: skip

OPENS = {
    "enter": (DetailScreen, lambda screen: screen.sandbox_id),
    "s": (ShellScreen, lambda screen: screen.board.shells[0].sandbox_id),
    "L": (LogScreen, lambda screen: screen.sandbox_ids[0]),
    "l": (LogScreen, lambda screen: screen.sandbox_ids[0]),
    "f": (FilesScreen, lambda screen: screen.sandbox_ids[0]),
    "x": (ConsoleScreen, lambda screen: screen.sandbox_id),
    "F": (ForkDialog, lambda screen: screen.sources[0].id),
    "D": (PlanDialog, lambda screen: screen.plan.rows[0].id),
}

NOT_HERE = {("port", "D"), ("transfer", "D"), ("transfer", "f")}
"""On ports D takes back the exposure, on files it deletes the file; the files are where a transfer is shown."""


@pytest.mark.parametrize("row", ROWS)
async def test_a_row_leads_to_its_sandbox(row):
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        app = await began(pilot)
        await ROWS[row](pilot, app)
        await pilot.pause()
        before = app.screen
        for key, (kind, sandbox_of) in OPENS.items():
            if (row, key) in NOT_HERE:
                continue
            await pilot.press(key)
            await until(pilot, lambda kind=kind: isinstance(app.screen, kind) and app.screen is not before)
            assert sandbox_of(app.screen) == TWO, key
            app.pop_screen()
            await until(pilot, lambda: app.screen is before)


@pytest.mark.parametrize("row", ["job", "result", "launch"])
async def test_a_row_leads_to_its_sandbox_in_a_small_window(row):
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app = await began(pilot)
        await ROWS[row](pilot, app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        assert app.screen.sandbox_id == TWO


@pytest.mark.parametrize("row", ROWS)
async def test_a_sandbox_that_is_gone_is_said_to_be_gone(row):
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        app = await began(pilot)
        await ROWS[row](pilot, app)
        app.services.platform.session.store.remove([TWO])
        await pilot.pause()
        before = app.screen
        await pilot.press("enter")
        if row == "activity":
            await until(pilot, lambda: isinstance(app.screen, RequestsDialog))
            return
        await refused(pilot, "no longer listed")
        assert app.screen is before


@pytest.mark.parametrize("row", ["fleet", "details", "result", "launch", "activity"])
async def test_no_hint_offers_what_an_ended_sandbox_refuses(row):
    needs_running = {"shell", "files", "exec"}
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        app = await began(pilot)
        if row in ROWS:
            await ROWS[row](pilot, app)
        elif row == "details":
            app.services.navigator.open_detail(TWO)
            await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        else:
            app.screen.table.move_to(TWO)

        def offered():
            return {hint.action.partition(".")[2] for hint in app.screen.offered_hints()}

        assert {*needs_running, "logs"} <= offered()
        app.services.platform.session.store.apply([sandbox(2, vm=False, status="ERROR")])
        await until(pilot, lambda: not offered() & needs_running)
        assert "logs" in offered()


async def test_the_odd_answer_is_two_keys_from_its_log():
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app = await began(pilot)
        # The last key of this is the one that leaves the prompt.
        await ran(pilot, app)
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, LogScreen))
        assert [*app.screen.sandbox_ids] == [TWO]


# Groups and marks


async def test_the_header_of_a_group_stands_for_all_of_it():
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        app = await began(pilot)
        await ran(pilot, app)
        screen = app.screen
        lines = range(screen.results_view.count)
        header = next(line for line in lines if "2 identical" in screen.results_view.plain(line))
        screen.results_view.go_to(header)
        await pilot.press("enter")
        await until(pilot, lambda: list(screen.folds.values()) == [Fold.CLOSED])
        assert app.screen is screen, "a group of several is folded"
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog))
        assert {row.id for row in app.screen.plan.rows} == {ONE, THREE}
        await pilot.press("escape", "L")
        await until(pilot, lambda: isinstance(app.screen, LogScreen))
        assert set(app.screen.sandbox_ids) == {ONE, THREE}
        await pilot.press("escape", "x")
        await until(pilot, lambda: isinstance(app.screen, FanOutScreen) and app.screen is not screen)
        assert {row.id for row in app.screen.rows} == {ONE, THREE}


async def test_results_fold_with_the_arrows_and_all_at_once():
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        app = await began(pilot)
        await single_result(pilot, app)
        screen = app.screen
        key = screen.results.group_at(screen.results_view.cursor).key
        await pilot.press("left")
        await until(pilot, lambda: screen.folds.get(key) is Fold.CLOSED)
        await pilot.press("right")
        await until(pilot, lambda: screen.folds.get(key) is Fold.PREVIEW)
        await pilot.press("left", "enter")
        await until(pilot, lambda: screen.folds.get(key) is not Fold.CLOSED)
        assert app.screen is screen, "enter shows a collapsed result first"
        await pilot.press("Z")
        await until(pilot, lambda: set(screen.folds.values()) == {Fold.CLOSED} and len(screen.folds) == 2)
        await pilot.press("Z")
        await until(pilot, lambda: set(screen.folds.values()) == {Fold.PREVIEW})


@pytest.mark.parametrize("row", ["job", "launch"])
async def test_marked_rows_are_acted_on_together(row):
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        app = await began(pilot)
        await ROWS[row](pilot, app)
        screen = app.screen
        view = screen.rows if row == "job" else screen.view
        first = view.count - 3
        view.go_to(first)
        await pilot.press("space", "space")
        await until(pilot, lambda: "2 marked" in text_of(app))
        assert text_of(app).count("✓") >= 2
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, LogScreen))
        assert len(app.screen.sandbox_ids) == 2
        await pilot.press("escape", "I")
        await until(pilot, lambda: "1 marked" in text_of(app))
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog))
        assert len(app.screen.plan.rows) == 1
        await pilot.press("escape", "u")
        await until(pilot, lambda: "marked" not in text_of(app))
        view.go_to(first)
        await pilot.press("V", "j", "j")
        await until(pilot, lambda: "range: 3 rows" in text_of(app))
        await pilot.press("V", "escape")
        await until(pilot, lambda: "marked" not in text_of(app) and app.screen is screen)
        await pilot.press("asterisk")
        await until(pilot, lambda: "3 marked" in text_of(app))
        # The marks outlive a filter, which says that it hides some.
        await pilot.press("slash", *"nothing-of-the-kind", "enter")
        await until(pilot, lambda: "3 marked (3 hidden by the filter)" in text_of(app))


async def test_the_whole_launch_is_deleted_when_all_are_marked():
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        app = await began(pilot)
        await launched(pilot, app)
        await pilot.press("asterisk", "D")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        assert "all 3 sandboxes of this launch" in app.screen.question


async def test_a_launch_is_filtered_and_notes_what_was_deleted():
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        app = await began(pilot)
        await launched(pilot, app)
        await pilot.press("slash", *"made-2", "enter")
        await until(pilot, lambda: "made-1" not in text_of(app) and "1 of 3 sandboxes" in text_of(app))
        app.services.platform.session.store.mark_deleted([TWO])
        await until(pilot, lambda: app.screen.launch.items[1].step is Step.DELETED)
        await pilot.press("escape")
        await until(pilot, lambda: "made-1" in text_of(app))
        assert not app.screen.query_one(Input).display


async def test_what_was_not_created_has_no_shell():
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        app = await began(pilot)
        await launch(pilot, app)
        app.screen.launch.items[1].sandbox_id = None
        await pilot.press("s")
        await refused(pilot, "This sandbox was not created")


async def test_at_most_a_dozen_shells_open_at_once():
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        app = await began(pilot)
        app.services.platform.session.store.apply([sandbox(number) for number in range(1, 20)])
        app.services.sandboxes.shell([f"sbx_{number:04}" for number in range(1, 20)])
        await refused(pilot, "at most 12 shells")


# What an entry is about


def request(path, body=""):
    return Request(NOW, "POST", f"http://x{path}", "", 200, 1, body=body)


def test_an_entry_is_about_the_sandboxes_that_it_names():
    store = {row.id: row for row in rows("web-1", "web-2", "two words", "web-1")}
    assert sandboxes_of("Deleted web-2.", (), store.values()) == ["sbx_2"]
    assert sandboxes_of("run › 3 sandboxes", (), store.values()) == []
    assert sandboxes_of("shell › two words", (), store.values()) == ["sbx_3"]
    assert sandboxes_of("log of sbx_1: [/] gone", (), store.values()) == ["sbx_1"]
    # Of two with the same name, the one that was asked, or else the newest.
    assert sandboxes_of("web-1 failed", (), store.values()) == ["sbx_4"]
    assert sandboxes_of("web-1 failed", [request("/api/v1/sandbox/sbx_1/logs")], store.values()) == ["sbx_1"]
    # Without a name, those that were asked.
    many = [request("/api/v1/sandbox", '{"sandbox_ids": ["sbx_3", "sbx_2", "elsewhere"]}')]
    assert sandboxes_of("delete › 2 marked", many, store.values()) == ["sbx_3", "sbx_2"]


@dataclasses.dataclass
class Named:
    """What is needed of a row."""

    id: str
    name: str
    created: float


def rows(*names):
    return [Named(f"sbx_{number}", name, number) for number, name in enumerate(names, 1)]
