"""Changing the egress lists of one sandbox by a dialog and of many by a plan; the platform's answers are made up."""

import asyncio

import pytest
from textual.widgets import Input

from sandtui.client import APIError
from sandtui.client.models.access import EgressPolicy, EgressPolicyReply
from sandtui.fleet.inventory.bulk import BulkState
from sandtui.ui.dialogs.bulk import BulkDialog
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.inventory.egress_dialog import EgressDialog, EgressField
from sandtui.ui.inventory.screen import FleetScreen
from tests.ui.world import World, settled, stop_blinking, until

WIDE, NARROW = (120, 36), (80, 24)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])


class Network:
    """Plays the platform: one policy for all sandboxes."""

    def __init__(self, allow=None, deny=None):
        self.policy = EgressPolicy(allowlist=allow, denylist=deny)
        self.changes = []
        self.refusal = None
        self.hold = asyncio.Event()
        self.hold.set()

    async def get_network(self, sandbox_id):
        await self.hold.wait()
        if self.refusal:
            raise self.refusal
        return EgressPolicyReply(policy=self.policy, applied=True)

    async def set_network(self, sandbox_id, *, allow=None, deny=None):
        if self.refusal:
            raise self.refusal
        self.changes.append((sandbox_id, allow, deny))
        policy = EgressPolicy(allowlist=None if allow is None else [*allow], denylist=None if deny is None else [*deny])
        return EgressPolicyReply(policy=policy, applied=True)


async def fleet(pilot, network):
    app = await settled(pilot)
    client = app.services.platform.session.client
    client.get_network, client.set_network = network.get_network, network.set_network
    app.screen.query_one("#filter", Input).value = "status:running"
    await pilot.pause()
    app.screen.leave_filter()
    return app


async def dialog(pilot, network):
    app = await fleet(pilot, network)
    await pilot.press("e")
    await until(pilot, lambda: isinstance(app.screen, EgressDialog))
    stop_blinking(app)
    return app, app.screen


def state(screen):
    return screen.query_one("#egress-state").render().plain


def keys_line(screen):
    return screen.query_one("#dialog-keys").render().plain


async def test_the_lists_are_shown_edited_and_replaced():
    network = Network(allow=["pypi.org", "*.debian.org"])
    async with World().run_test(size=WIDE) as pilot:
        app, screen = await dialog(pilot, network)
        await until(pilot, lambda: "2 entries" in state(screen))
        field = screen.query_one(EgressField)
        assert field.text == "allow pypi.org *.debian.org"
        await pilot.press("space", *"x.example", "enter")
        await until(pilot, lambda: network.changes)
        await until(
            pilot,
            lambda: any(
                "allow pypi.org *.debian.org x.example" in each.text for each in app.services.notifier.messages
            ),
        )
        assert network.changes[0][1:] == (("pypi.org", "*.debian.org", "x.example"), None)


async def test_what_is_not_valid_is_said_and_the_text_stays():
    network = Network()
    async with World().run_test(size=NARROW) as pilot:
        app, screen = await dialog(pilot, network)
        await until(pilot, lambda: "now: open" in state(screen))
        for wrong, words in (("", "use open"), ("allow", "at least one"), ("allow a/b", "without a path")):
            screen.query_one(EgressField).text = wrong
            await pilot.press("enter")
            await until(pilot, lambda words=words: words in keys_line(screen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))
        assert network.changes == []


async def test_what_was_typed_before_the_answer_is_kept():
    network = Network(allow=["late.example"])
    network.hold.clear()
    async with World().run_test(size=NARROW) as pilot:
        _, screen = await dialog(pilot, network)
        assert "reading" in state(screen)
        screen.query_one(EgressField).text = "deny mine.example"
        await pilot.pause()
        network.hold.set()
        await until(pilot, lambda: "1 entry" in state(screen))
        assert screen.query_one(EgressField).text == "deny mine.example"


async def test_a_platform_that_offers_none_says_so_in_the_dialog_and_after_it():
    network = Network()
    network.refusal = APIError("only VMs have egress lists [x]", status_code=400)
    async with World().run_test(size=NARROW) as pilot:
        app, screen = await dialog(pilot, network)
        await until(pilot, lambda: "only VMs have egress lists [x]" in state(screen))
        screen.query_one(EgressField).text = "blocked"
        await pilot.press("enter")
        await until(pilot, lambda: any("Egress not changed" in each.text for each in app.services.notifier.messages))


async def test_many_are_changed_after_a_plan():
    network = Network()
    async with World().run_test(size=WIDE) as pilot:
        app = await fleet(pilot, network)
        await pilot.press("space", "space", "e")
        await until(pilot, lambda: isinstance(app.screen, ValueDialog))
        app.screen.query_one(Input).value = "allow"
        await pilot.press("enter")
        assert "at least one" in keys_line(app.screen)
        app.screen.query_one(Input).value = "allow a.example"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog) and app.screen.can_be_read)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, BulkDialog) and app.screen.run.is_over)
        assert app.screen.run.count(BulkState.DONE) == 2
        assert [change[1:] for change in network.changes] == [(("a.example",), None)] * 2


async def test_the_screen_of_a_sandbox_has_the_same_dialog_while_it_runs():
    network = Network(deny=["10.0.0.0/8"])
    async with World().run_test(size=NARROW) as pilot:
        app = await fleet(pilot, network)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, EgressDialog))
        await until(pilot, lambda: app.screen.query_one(EgressField).text == "deny 10.0.0.0/8")


@SIZES
def test_dialog(snap_compare, size):
    async def steps(pilot):
        hosts = [f"host-{number}.example.com" for number in range(9)]
        _, screen = await dialog(pilot, Network(allow=hosts))
        await until(pilot, lambda: "9 entries" in state(screen))

    assert snap_compare(World(), terminal_size=size, run_before=steps)


@SIZES
def test_dialog_with_a_mistake(snap_compare, size):
    async def steps(pilot):
        _, screen = await dialog(pilot, Network())
        await until(pilot, lambda: "now: open" in state(screen))
        screen.query_one(EgressField).text = "allow https://pypi.org"
        await pilot.press("enter")
        await pilot.pause()

    assert snap_compare(World(), terminal_size=size, run_before=steps)
