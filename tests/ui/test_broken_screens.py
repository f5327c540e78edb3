"""An exception in one screen closes that screen, and the program lives on."""

import pytest
from textual.message import Message
from textual.widgets import Static

from sandtui.ui.activity.screen import ActivityScreen
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.inventory.screen import FleetScreen
from tests.ui.world import World, settled, wait_a_turn


async def until(_, condition):
    """Wait for something without the pilot: it would wait for the widgets of the screen that breaks."""
    for _ in range(2000):
        if condition():
            return
        await wait_a_turn()
    raise AssertionError("the app did not get there")


class Resilient(World):
    CONTAIN_FAULTS = True


class Poke(Message):
    pass


class Fragile(Static):
    def render(self):
        if self.screen.broken == "render":
            raise ZeroDivisionError("in a widget")
        return "fine"


class FragileScreen(AppScreen):
    """Breaks where it is told to."""

    BINDINGS = [("x", "break", "break")]  # noqa: RUF012

    def __init__(self, services, where=""):
        super().__init__(services)
        self.broken = where

    def compose_body(self):
        if self.broken == "compose":
            raise ZeroDivisionError("in compose")
        yield Fragile()

    def on_mount(self):
        super().on_mount()
        if self.broken == "mount":
            raise ZeroDivisionError("in mount")
        if self.broken == "timer":
            self.set_timer(0.01, self.fail)
        if self.broken == "refresh":
            self.call_after_refresh(self.fail)
        if self.broken == "flow":
            self.run_flow(self.flow(), "activity")

    def fail(self):
        raise ZeroDivisionError("later")

    async def flow(self):
        raise ZeroDivisionError("in a flow")

    def tick(self):
        if self.broken == "tick":
            raise ZeroDivisionError("in a tick")

    def on_poke(self, _):
        raise ZeroDivisionError("in a message")

    def action_break(self):
        raise ZeroDivisionError("in an action")


def told(app):
    return [said.text for said in app.services.notifier.messages if "nternal error" in said.text]


async def alive(pilot, app, screen=FleetScreen):
    await until(pilot, lambda: isinstance(app.screen, screen) and bool(told(app)))
    assert app.is_running
    (report,) = list(app.paths.crashes.glob("crash-*.txt"))
    assert "ZeroDivisionError" in report.read_text()
    assert str(report) in told(app)[0]
    await pilot.press("j")
    await pilot.pause()


@pytest.mark.parametrize("where", ["compose", "mount", "timer", "refresh"])
async def test_a_screen_that_breaks_on_its_own_is_closed(where):
    app = Resilient()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.push_screen(FragileScreen(app.services, where))
        await alive(pilot, app)


@pytest.mark.parametrize("by", ["tick", "message", "key", "render", "covered"])
async def test_a_screen_that_is_broken_from_outside_is_closed(by):
    app = Resilient()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        screen = FragileScreen(app.services)
        app.push_screen(screen)
        await pilot.pause()
        screen.broken = by
        if by == "tick":
            app.tick()
        elif by == "message":
            screen.post_message(Poke())
        elif by == "key":
            await pilot.press("x")
        elif by == "render":
            screen.query_one(Fragile).refresh()
        else:
            app.push_screen(ActivityScreen(app.services))
            await pilot.pause()
            screen.post_message(Poke())
        await alive(pilot, app, ActivityScreen if by == "covered" else FleetScreen)
        assert screen not in app.screen_stack


async def test_a_flow_that_breaks_is_reported_and_its_screen_stays():
    app = Resilient()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.push_screen(FragileScreen(app.services, "flow"))
        await alive(pilot, app, FragileScreen)


async def test_a_dialog_over_a_broken_screen_stays():
    app = Resilient()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        screen = FragileScreen(app.services)
        app.push_screen(screen)
        app.push_screen(AskDialog("Really?", "It goes.", "Yes"))
        await pilot.pause()
        screen.post_message(Poke())
        await alive(pilot, app, AskDialog)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))


async def test_the_fleet_opens_again_when_it_breaks():
    app = Resilient()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        broken = app.screen
        broken.call_later(lambda: 1 / 0)
        await until(pilot, lambda: app.screen is not broken and isinstance(app.screen, FleetScreen))
        await alive(pilot, app)
        assert app.screen.query("#header")


async def break_often(app):
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for _ in range(8):
            app.call_later(lambda: 1 / 0)
        await until(pilot, lambda: not app.is_running)


async def test_what_breaks_again_and_again_ends_the_program_with_a_report():
    app = Resilient()
    with pytest.raises(ZeroDivisionError):
        await break_often(app)
    assert app.return_code == 1
