"""News of every kind reach every screen only while it is composed and not closing."""

import asyncio
from functools import partial

import pytest
from textual import events
from textual.notifications import Notification
from textual.widgets import Static

from sandtui.client.errors import APIError
from sandtui.fleet.creation.launch_plan import LaunchPlan
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory.bulk_plan import make_plan
from sandtui.ui import messages
from sandtui.ui.activity.screen import ActivityScreen
from sandtui.ui.commands.console_screen import ConsoleScreen
from sandtui.ui.commands.fanout_screen import FanOutScreen
from sandtui.ui.commands.history_dialog import HistoryDialog
from sandtui.ui.commands.past_commands import search_commands
from sandtui.ui.creation.launch_screen import LaunchScreen
from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.bulk import BulkDialog
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.dialogs.code import CodeDialog, CodeText
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.dialogs.wait import WaitDialog
from sandtui.ui.files.screen import FilesScreen
from sandtui.ui.inventory.columns_dialog import ColumnsDialog
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.inventory.screen import FleetScreen
from sandtui.ui.jobs.flow import JobFlow
from sandtui.ui.jobs.screen import JobsScreen
from sandtui.ui.logs.screen import LogScreen
from sandtui.ui.ports.expose_dialog import ExposeDialog
from sandtui.ui.ports.screen import PortsScreen
from sandtui.ui.recordings.screen import RecordingsScreen
from sandtui.ui.shells.screen import ShellScreen, open_shells
from sandtui.ui.widgets.terminal_view import TerminalView
from tests.ui.world import NOW, World, settled, until


def first(app, count=1):
    return [row for row in app.services.platform.session.store if row.status == "RUNNING"][:count]


def launch(app):
    return app.services.launches.make(LaunchPlan("a1b2", ()))


def bulk(app):
    return app.services.platform.session.bulk(make_plan(plans.DELETE, first(app)))


SCREENS = {
    "activity": lambda app: ActivityScreen(app.services),
    "ask": lambda app: AskDialog("Really?", "It goes.", "Yes"),
    "bulk": lambda app: BulkDialog(bulk(app), app.services.clock, app.services.keymap, app.services.sandboxes),
    "choose": lambda app: ChooseDialog("Which", [Choice("a", "a", "A")]),
    "code": lambda app: CodeDialog([CodeText("1", "one", "text")]),
    "columns": lambda app: ColumnsDialog(["name"], {}),
    "console": lambda app: ConsoleScreen(app.services, first(app)[0].id),
    "create": lambda app: CreateScreen(app.services),
    "detail": lambda app: DetailScreen(app.services, first(app)[0].id),
    "expose": lambda app: ExposeDialog("here", listening=True),
    "fan-out": lambda app: FanOutScreen(app.services, first(app, 3)),
    "files": lambda app: FilesScreen(app.services, [first(app)[0].id]),
    "fleet": lambda app: FleetScreen(app.services),
    "history": lambda app: HistoryDialog(None, "", NOW, partial(search_commands, app.services)),
    "jobs": lambda app: JobsScreen(app.services, JobFlow(app, app.services), (), None),
    "launch": lambda app: LaunchScreen(app.services, launch(app)),
    "log": lambda app: LogScreen(app.services, [row.id for row in first(app, 2)]),
    "plan": lambda app: PlanDialog(make_plan(plans.DELETE, first(app)), "here", NOW),
    "ports": lambda app: PortsScreen(app.services, None),
    "recordings": lambda app: RecordingsScreen(app.services),
    "shell": lambda app: ShellScreen(app.services, open_shells(app.services, [first(app)[0].id])[0]),
    "value": lambda app: ValueDialog("Value", "a value", "", lambda text: ""),
    "wait": lambda app: WaitDialog("Wait", "for it", app.services.navigator.close),
}


def fire(app, screen):
    """Have everything happen that can happen to a screen at any time."""
    session = app.services.platform.session
    row = first(app)[0]
    app.tick()
    for message in (
        messages.ConnectionChanged(),
        messages.SandboxesChanged(),
        messages.FreshnessChanged(app.services.platform.freshness),
        messages.LaunchChanged(),
        messages.ExposuresArrived(),
        messages.JobsChanged(),
        messages.NetworksArrived(),
    ):
        app.services.platform.broadcast(message)
    error = APIError("no")
    for message in (
        messages.CreateFinished(None, error),
        messages.ImageChecked("python", accessible=None, details=""),
        messages.ImagesKnown(["python"]),
        messages.ChoicesKnown("volumes", ["data"]),
        messages.UsageArrived(None, error),
        messages.LogArrived(row.id, ["a line"]),
        messages.LogArrived(row.id, [], error),
    ):
        screen.post_message(message)
    for source in (
        session.jobs,
        session.forwards,
        *session.fan_outs,
        *app.services.launches.all,
    ):
        source.on_change()
    app.services.transfers.changed()
    for name in ("launch", "console", "board", "run"):
        source = getattr(screen, name, None)
        if callable(getattr(source, "on_change", None)):
            source.on_change()
    for shell in session.shells.shells:
        shell.on_output()
        shell.on_state()
    screen.call_after_refresh(lambda: None)


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def ended(screen):
    while screen.is_running:
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("steps", [0, 2, 20])
async def test_every_kind_of_news_at_each_step_of_every_screens_life(steps):
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        below = app.screen
        for make in SCREENS.values():
            screen = make(app)
            app.push_screen(screen)
            for _ in range(3):
                fire(app, screen)
                await turns(steps)
            app.pop_screen()
            for _ in range(6):
                fire(app, screen)
                await turns(1 + steps // 4)
            await ended(screen)
            fire(app, screen)
            assert app.screen is below, screen
            assert app.is_running, screen
        await pilot.pause()
        assert not [said.text for said in app.services.notifier.messages if "nternal error" in said.text]


@pytest.mark.parametrize("size", [(80, 24), (1, 1)])
async def test_resizes_while_screens_come_and_go(size):
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for make in SCREENS.values():
            screen = make(app)
            app.push_screen(screen)
            app.post_message(events.Resize.from_dimensions(size, None))
            await turns(5)
            app.pop_screen()
            app.post_message(events.Resize.from_dimensions((120, 36), None))
            await ended(screen)
        await pilot.pause()
        assert isinstance(app.screen, FleetScreen)


async def test_what_a_screen_listened_to_goes_on_telling_the_others():
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shared, told = launch(app), []
        shared.on_change.subscribe(lambda: told.append("before"))
        app.push_screen(LaunchScreen(app.services, shared))
        await pilot.pause()
        app.pop_screen()
        app.push_screen(LaunchScreen(app.services, shared))
        await pilot.pause()
        shared.on_change.subscribe(lambda: told.append("after"))
        shared.on_change()
        assert told == ["before", "after"]


@pytest.mark.parametrize("seconds", [-1, 0, 1e-9, 1e-6])
async def test_a_timer_whose_time_has_passed_before_it_begins_still_runs(seconds):
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.push_screen(AskDialog("Stop?", "It stops.", "Stop"))
        view, plain = TerminalView(frozenset()), Static()
        await app.screen.mount(view, plain)
        for owner in (app, app.screen, app.screen_stack[1], view, plain):
            ran = asyncio.Event()
            owner.set_timer(seconds, ran.set)
            async with asyncio.timeout(20):
                await ran.wait()


async def test_a_timer_that_repeats_faster_than_the_loop_turns_lets_it_turn():
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        ticks = []
        timer = app.screen.query_one("#inspector-text").set_interval(1e-7, lambda: ticks.append(1))
        await until(pilot, lambda: len(ticks) > 2)
        timer.stop()


async def test_a_notice_whose_time_ran_out_while_it_was_made_holds_nothing():
    app = World()
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await settled(pilot)
        notices = app.screen.notices
        notices.show([Notification("soon over", timeout=1e-6), Notification("late", timeout=-0.5)], "")
        await until(pilot, lambda: not notices.display)


@pytest.mark.parametrize("kind", [events.MouseDown, events.MouseUp, events.MouseMove, events.MouseScrollDown])
async def test_the_mouse_on_a_widget_that_is_gone_but_still_drawn(kind):
    app = World(fleet=3)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        widget = Static("to be removed")
        await app.screen.mount(widget, before=0)
        await until(pilot, lambda: widget.region.area > 0)
        x, y = widget.region.offset
        with app.batch_update():
            await widget.remove()
            assert app.screen.get_widget_at(x, y)[0] is widget, "the picture is older than the removal"
            await app.dispatcher.take(kind(None, x, y, 0, 0, 1, False, False, False, x, y))
        await pilot.press("j")
        await settled(pilot)
        assert app.is_running
