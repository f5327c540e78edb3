"""Every key of every screen answers: by what it does, or by a sentence that says why it can't and what to do."""

import asyncio
from dataclasses import replace

import pytest
from textual import events
from textual.widgets import Input

from sandtui.fleet.actions import ACTIONS, BY_ID, GLOBAL, in_scope
from sandtui.fleet.creation.launch import Step
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.inventory.bulk import BulkResult, BulkRun
from sandtui.fleet.jobs.log_window import Growth, LogWindow
from sandtui.fleet.transfers.model import TransferState
from sandtui.ui.checkpoints.compare_screen import CompareScreen
from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.dialogs.bulk import BulkDialog
from sandtui.ui.files.preview import PreviewScreen
from sandtui.ui.files.screen import FilesScreen
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.logs.screen import LogScreen
from sandtui.ui.recordings.player_screen import PlayerScreen
from sandtui.ui.recordings.screen import RecordingsScreen
from sandtui.ui.services.transfers import Transfers
from tests.probes import strips, text_of
from tests.ui import test_snapshots
from tests.ui.checkpoints import test_tree_screen
from tests.ui.commands import test_console, test_fanout
from tests.ui.every_screen import EVERY_SCREEN
from tests.ui.files import test_files
from tests.ui.jobs import test_jobs
from tests.ui.recordings import test_recordings
from tests.ui.shells import test_shell
from tests.ui.volumes import test_volumes
from tests.ui.world import World, settled, stop_blinking, until

DETACH_KEY = "ctrl+right_square_bracket"

STATES = {}
"""By name: the scopes whose keys are pressed, how many sandboxes there are, and what brings the screen to the front."""


def state(name, *scopes, fleet=40, world=World):
    def take(opening):
        STATES[name] = (scopes, fleet, world, opening)
        return opening

    return take


async def front(pilot, kind):
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, kind))
    return app.screen


# The fleet and one sandbox


@state("fleet", "fleet", GLOBAL)
async def _(pilot):
    await settled(pilot)


@state("fleet, nothing there", "fleet", GLOBAL, fleet=0)
async def _(pilot):
    await settled(pilot)


@state("fleet, nothing matches", "fleet")
async def _(pilot):
    app = await settled(pilot)
    app.screen.query_one("#filter", Input).value = "nowhere"
    await until(pilot, lambda: app.screen.target is None)


@state("fleet, all marked and grouped", "fleet")
async def _(pilot):
    app = await settled(pilot)
    await pilot.press("z", "1", "asterisk")
    await until(pilot, lambda: app.screen.marked)


@state("fleet, as a map", "fleet")
async def _(pilot):
    await settled(pilot)
    await pilot.press("number_sign", "z", "1")


@state("detail", "detail")
async def _(pilot):
    await settled(pilot)
    await pilot.press("enter")
    await front(pilot, DetailScreen)


@state("detail, sandbox gone", "detail")
async def _(pilot):
    app = await settled(pilot)
    await pilot.press("enter")
    screen = await front(pilot, DetailScreen)
    app.services.platform.session.store.remove([screen.sandbox_id])
    await pilot.pause()


@state("bulk, over", "bulk")
async def _(pilot):
    await bulk(pilot, ended=True)


@state("bulk, at work", "bulk")
async def _(pilot):
    await bulk(pilot, ended=False)


async def bulk(pilot, *, ended):
    app = await settled(pilot)

    async def work(sandbox_ids):
        if not ended:
            await asyncio.Event().wait()
        return {sandbox_id: BulkResult(True, "done") for sandbox_id in sandbox_ids}

    run = BulkRun("Try it", list(app.services.platform.session.store)[:4], work, app.services.clock)
    app.services.bulk.run(run)
    app.push_screen(BulkDialog(run, app.services.clock, app.services.keymap, app.services.sandboxes))
    await until(pilot, lambda: run.is_over is ended)


# Commands


@state("console, nothing run", "console")
async def _(pilot):
    await console(pilot)


@state("console output, nothing run", "output")
async def _(pilot):
    app = await console(pilot)
    app.screen.output_view.focus()


@state("console output", "output")
async def _(pilot):
    app = await console(pilot)
    await test_console.run(pilot, "echo one")
    await test_console.run(pilot, "echo two")
    app.screen.output_view.focus()


async def console(pilot):
    app, _, _ = await test_console.console(pilot)
    return app


@state("fan-out, nothing run", "fanout", "results")
async def _(pilot):
    app = await fan_out(pilot)
    app.screen.results_view.focus()


@state("fan-out, over", "fanout", "results")
async def _(pilot):
    app = await fan_out(pilot)
    await test_fanout.run_command(pilot, "make check")
    await test_fanout.over(pilot)
    app.screen.results_view.focus()


async def fan_out(pilot):
    app = await test_fanout.marked(pilot)
    test_fanout.answering(app, s1=("", "no", 3))
    return app


# Files


@state("files", "files", "queue")
async def _(pilot):
    await test_files.opened(pilot)


@state("files, with transfers", "files", "queue")
async def _(pilot):
    await test_files.opened(pilot)
    app = pilot.app
    # A question about what is there already would be in front of everything.
    app.services.transfers.queue.transfers += [
        each for each in test_files.transfers() if each.state is not TransferState.ASKING
    ]
    app.screen.query_one("#queue").focus()
    app.services.transfers.changed()


@state("files, cursor on the way up", "files")
async def _(pilot):
    await test_files.opened(pilot)
    await pilot.press("g")


@state("files, empty directory", "files")
async def _(pilot):
    screen = await test_files.opened(pilot)
    for number, pane in enumerate(screen.panes):
        pane.side.entries = []
        screen.go(number, "/")
    await until(pilot, lambda: all(pane.is_root and not pane.rows for pane in screen.panes))


@state("files, can not be listed", "files")
async def _(pilot):
    class Refusing(test_files.FakeSide):
        async def read_folder(self, path):
            raise FilesError("the sandbox does not run")

    screen = await test_files.opened(pilot)
    for number in (0, 1):
        screen.panes[number] = replace(screen.panes[number], side=Refusing("sbx_1", []), listing=None, rows=[])
        screen.table(number).show([], set())
        screen.go(number, "/")
    await until(pilot, lambda: all(pane.problem for pane in screen.panes))


@state("preview", "preview")
async def _(pilot):
    await preview(pilot, "run.py", b"import os\n" * 40_000)


@state("preview, empty file", "preview")
async def _(pilot):
    await preview(pilot, "empty", b"")


async def preview(pilot, name, data):
    app = await settled(pilot)
    screen = PreviewScreen(app.services, test_files.FakeReader(name, data), "local")
    app.push_screen(screen)
    await front(pilot, PreviewScreen)
    # It may not even be drawn yet.
    await until(pilot, lambda: "Loading" not in " ".join(test_files.shown(screen)[:1] or ["Loading"]))


# Jobs, ports, launches


@state("jobs", "jobs", fleet=0)
async def _(pilot):
    await test_jobs.opened(pilot)


@state("jobs, none", "jobs", fleet=0)
async def _(pilot):
    await test_jobs.opened(pilot, [])


@state("job log", "job_log", fleet=0)
async def _(pilot):
    app = await test_jobs.opened(pilot)
    app.screen.pane.view.focus()


@state("job log, empty", "job_log", fleet=0)
async def _(pilot):
    app = await test_jobs.opened(pilot, [])
    app.screen.pane.view.focus()


async def ports(pilot, rows):
    app = await settled(pilot)
    board = app.services.platform.session.ports
    await pilot.press("p")
    await until(pilot, lambda: board.loaded)
    board.rows = rows
    board.on_change()
    await pilot.pause()
    return app


@state("ports", "ports")
async def _(pilot):
    await ports(pilot, test_snapshots.port_rows())


@state("ports, TCP", "ports")
async def _(pilot):
    await ports(pilot, test_snapshots.port_rows()[3:])


@state("ports, none", "ports")
async def _(pilot):
    await ports(pilot, [])


@state("ports, no forward", "ports")
async def _(pilot):
    app = await ports(pilot, [])
    app.screen.query_one("#forwards").focus()


@state("ports, no sandbox", "ports", fleet=0)
async def _(pilot):
    await ports(pilot, [])


@state("launch", "launch")
async def _(pilot):
    await test_snapshots.launch_board(pilot)


@state("launch, over and nothing made", "launch")
async def _(pilot):
    await test_snapshots.launch_board(pilot)
    launch = pilot.app.screen.launch
    for item in launch.items:
        item.step, item.sandbox_id, item.unsure = Step.DELETED, None, False
    await until(pilot, lambda: not launch.running)


# Checkpoints


@state("checkpoints", "checkpoints", fleet=0)
async def _(pilot):
    await test_tree_screen.opened(pilot)


@state("checkpoints, none", "checkpoints", fleet=0)
async def _(pilot):
    await test_tree_screen.opened(pilot, (), ())


@state("volumes", "volumes")
async def _(pilot):
    await test_volumes.opened(pilot, ("data", "models"))


@state("volumes, none", "volumes")
async def _(pilot):
    await test_volumes.opened(pilot, names=())


@state("compare", "compare")
async def _(pilot):
    app = await settled(pilot)
    await EVERY_SCREEN[CompareScreen](pilot, app)
    await front(pilot, CompareScreen)
    await until(pilot, lambda: not app.screen.is_comparing)


# Reading


@state("log", "log")
async def _(pilot):
    await settled(pilot)
    await pilot.press("L")
    screen = await front(pilot, LogScreen)
    await until(pilot, lambda: screen.pane.shown)


@state("logs of two", "log")
async def _(pilot):
    await settled(pilot)
    await pilot.press("space", "space", "L")
    screen = await front(pilot, LogScreen)
    await until(pilot, lambda: all(pane.shown for pane in screen.panes))


@state("activity", "activity")
async def _(pilot):
    app = await settled(pilot)
    app.services.notifier.notify("something was done")
    await activity(pilot)


@state("activity, empty", "activity")
async def _(pilot):
    await settled(pilot)
    await activity(pilot)


async def activity(pilot):
    await pilot.press("5")
    await until(pilot, lambda: pilot.app.screen.SCOPE == "activity")


@state("shell", "shell")
async def _(pilot):
    app, _ = await test_shell.opened(pilot)
    await pilot.press(DETACH_KEY)
    await until(pilot, lambda: not app.screen.takes_all_keys)


@state("shell, ended", "shell")
async def _(pilot):
    app, opener = await test_shell.opened(pilot)
    opener.last.say(3)
    await until(pilot, lambda: not app.screen.takes_all_keys)


@state("recordings", "recordings", world=test_recordings.Recorded)
async def _(pilot):
    await test_recordings.listed(pilot)


@state("recordings, none", "recordings", world=test_recordings.Unrecorded)
async def _(pilot):
    await settled(pilot)
    await pilot.press("R")
    await front(pilot, RecordingsScreen)


@state("player", "player", world=test_recordings.Recorded)
async def _(pilot):
    await player(pilot)
    await pilot.press("right", "right")


@state("player, at the beginning and slow", "player", world=test_recordings.Recorded)
async def _(pilot):
    await player(pilot)
    await pilot.press("g", *("less_than_sign",) * 4)


@state("player, at the end and fast", "player", world=test_recordings.Recorded)
async def _(pilot):
    await player(pilot)
    await pilot.press("G", *("greater_than_sign",) * 8)


async def player(pilot):
    await test_recordings.played(pilot)
    await front(pilot, PlayerScreen)


@state("create", "create")
async def _(pilot):
    await settled(pilot)
    await pilot.press("n")
    await front(pilot, CreateScreen)
    # The platform's word on the image comes later than the form.
    await until(pilot, lambda: "image available" in text_of(pilot.app))


@state("create, with errors", "create")
async def _(pilot):
    await settled(pilot)
    await pilot.press("n", *(["tab"] * 8), *"99", "ctrl+s")
    await front(pilot, CreateScreen)


# The test

STEPS_BACK = ("submit", "back", "close", "leave")
QUITS = {"app.quit", "fleet.quit"}
ASKS_ANEW = {
    "app.refresh",
    "recordings.reload",
    "files.reload",
    "ports.probe",
    "log.reload",
    "checkpoints.reload",
    "volumes.reload",
    "compare.reload",
}
TERMINALS = {"terminal.out", "terminal.again"}
"""Keys while a shell has all keys; the shell's own tests press them."""


def picture(app):
    """What the user sees, and what was put into the clipboard."""
    return (
        tuple(map(id, app.screen_stack)),
        strips(app.screen),
        len(app.services.notifier.messages),
        tuple(app.services.clipboard.copied),
        id(app.focused),
    )


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """No editor and no browser are started, and directories are made up."""
    monkeypatch.setenv("EDITOR", "no-such-editor")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)

    def make_pane(screen, sandbox_id):
        entries = test_files.HERE if sandbox_id is None else test_files.THERE
        path = "/home/me/work" if sandbox_id is None else "/workspace"
        return test_files.Pane(test_files.FakeSide(sandbox_id, entries), "local" if sandbox_id is None else "box", path)

    monkeypatch.setattr(FilesScreen, "make_pane", make_pane)

    async def read_more(_):
        return Growth()

    monkeypatch.setattr(LogWindow, "read_more", read_more)

    async def compare(*_):
        # It would read all that this machine has.
        await asyncio.Event().wait()

    monkeypatch.setattr(Transfers, "compare", compare)


def pressed(scopes):
    """Return the actions of some scopes in the order in which they are tried: those that leave come last."""
    actions = [action for scope in scopes for action in in_scope(scope) if action.keys and action.id not in QUITS]
    return sorted(actions, key=lambda action: action.name in STEPS_BACK)


def tick(app):
    """Let a second pass for the screen in front, unless a dialog is."""
    if app.front is not None:
        app.front.tick()


async def press(app, key):
    """Press a key as the driver does: pilot.press() waits twice for an idle process, which is most of the time."""
    taken = asyncio.Event()
    app.post_message(events.Key(key, key if len(key) == 1 else None))
    app.call_later(taken.set)
    await taken.wait()
    while not app.dispatcher.is_idle:
        await asyncio.sleep(0.001)


async def answered(app, before):
    """Wait for an effect of a key; return whether there was one."""
    for turn in range(25):
        if picture(app) != before:
            return True
        # Answers of threads and of the platform take a moment, and ages are drawn once a second.
        await asyncio.sleep(turn / 100)
        tick(app)
    return False


async def restored(pilot, screens, focus):
    """Close what a key has opened; return whether the screen under test is still there."""
    app = pilot.app
    # What was seen first need not be all that the key does.
    await pilot.pause()
    while len(app.screen_stack) > len(screens):
        app.pop_screen()
        await pilot.pause()
    if list(app.screen_stack) != screens:
        return False
    if app.front is not None and app.front.takes_all_keys:
        await pilot.press(DETACH_KEY)
    if focus is not None and focus.is_attached:
        app.screen.set_focus(focus)
    app.clear_notifications()
    return True


@pytest.mark.parametrize("name", STATES)
async def test_every_key_answers(name):
    scopes, fleet, world, opening = STATES[name]
    silent, left = [], pressed(scopes)
    while left:
        app = world(fleet=fleet) if world is World else world()
        async with app.run_test(size=(80, 24)) as pilot:
            await opening(pilot)
            app.clear_notifications()
            await pilot.pause()
            screens, focus = list(app.screen_stack), app.focused
            while left:
                action = left.pop(0)
                if action.id in ASKS_ANEW:
                    # Only ages tell that something was asked anew; for others their change would pass for an answer.
                    app.manual_clock.advance(5)
                    tick(app)
                stop_blinking(app)
                await pilot.pause()
                before = picture(app)
                await press(app, action.keys[0])
                did = await answered(app, before)
                broken = [said.text for said in app.services.notifier.messages if "inside sandtui" in said.text]
                assert broken == [], action.id
                if not did:
                    silent.append(action.id)
                if not await restored(pilot, screens, focus):
                    break
    assert silent == []


def test_every_screen_is_tried():
    tried = {scope for scopes, *_ in STATES.values() for scope in scopes}
    assert tried == {action.scope for action in ACTIONS} - {"terminal"}
    assert BY_ID.keys() >= QUITS | TERMINALS
    assert {action.id for action in in_scope("terminal")} == TERMINALS
