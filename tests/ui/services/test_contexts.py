"""Contexts in the dashboard: switching, read-only, production."""

from dataclasses import replace

import pytest

from sandtui.client import CreateSandboxRequest
from sandtui.client.errors import InvalidRequestError
from sandtui.config.contexts import Context
from sandtui.config.settings import Profile
from sandtui.fleet.actions import ACTIONS
from sandtui.fleet.inventory.connection import ConnectError, Offer
from sandtui.fleet.inventory.refresh import Phase
from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.choose import ChooseDialog
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.inventory.screen import FleetScreen
from tests.ui.world import World, refused, settled, until

CONTEXTS = [
    Context("look", "profile", Profile(read_only=True), description="[b]words[/b]"),
    Context("prod", "profile", production=True),
    Context("gone", "profile"),
]


def world():
    async def connect_to(context):
        if context.name == "gone":
            raise ConnectError("the key's command 'x' can't be run", "Mend it.")
        first = app.first
        config = replace(first.config, read_only=context.read_only)
        return replace(first, config=config, label=context.name, production=context.production)

    app = World(fleet=5, contexts=CONTEXTS, connect_to=connect_to)

    async def settle(pilot):
        await settled(pilot)
        app.first = app.services.platform.connection

    app.settle = settle
    return app


def header(app):
    return app.screen.query_one("#header").render().plain


async def go_to(app, pilot, key):
    old = app.services.platform.session
    await pilot.press("at")
    await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
    await pilot.press(key)
    await until(
        pilot,
        lambda: (
            app.services.platform.problem
            or (app.services.platform.session and app.services.platform.session is not old)
        ),
    )
    await until(pilot, lambda: app.services.platform.problem or app.services.platform.freshness.phase is Phase.LIVE)


async def test_a_read_only_context_has_nothing_that_changes_something():
    app = world()
    async with app.run_test(size=(120, 36)) as pilot:
        await app.settle(pilot)
        await go_to(app, pilot, "1")
        await until(pilot, lambda: app.screen.target is not None)
        assert "READ-ONLY" in header(app)
        assert not [action.id for action in app.actions_here() if action.dangerous]
        fleet = app.screen
        for action in (each for each in ACTIONS if each.scope == "fleet" and each.dangerous):
            await pilot.press(action.keys[0])
            await refused(pilot, "Read-only")
            assert app.screen is fleet, action.id
        assert "new" not in fleet.query_one("#hints").render().plain
        session = app.services.platform.session
        with pytest.raises(InvalidRequestError, match="read-only"):
            await session.client.create(CreateSandboxRequest(name="x", docker_image="x"))
        row = fleet.target
        for change in (
            session.client.delete(row.id),
            session.client.execute_command(row.id, "true"),
            session.client.upload_bytes(row.id, "/x", b"", "x"),
            session.client.bulk_delete(labels=["x"]),
        ):
            with pytest.raises(InvalidRequestError, match="read-only"):
                await change
        assert (await session.client.get_logs(row.id)) is not None
        assert (await session.client.get_sandbox_statuses([row.id])) is not None
        await pilot.press("m")
        await pilot.pause()
        choices = app.screen.choices
        assert {choice.id for choice in choices} <= {"copy", "csv", "json"}
        await pilot.press("escape")
        await pilot.press("at")
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        assert [choice.text.endswith("current") for choice in app.screen.choices][:2] == [True, False]
        await pilot.press("escape")
        await go_to(app, pilot, "2")
        assert "READ-ONLY" not in header(app)


async def test_work_on_many_is_asked_for_twice_in_production_too():
    app = world()
    async with app.run_test(size=(120, 36)) as pilot:
        await app.settle(pilot)
        await go_to(app, pilot, "2")
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        app.screen.dismiss(True)
        await until(pilot, lambda: isinstance(app.screen, PlanDialog))
        app.screen.dismiss(False)
        # What changes nothing is not asked for.
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))
        assert app.services.clipboard.copied


async def test_production_is_coloured_and_asks_before_every_change():
    app = world()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.settle(pilot)
        await go_to(app, pilot, "2")
        await until(pilot, lambda: app.screen.target is not None)
        assert "PRODUCTION" in header(app)
        fleet = app.screen
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is fleet
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, CreateScreen))


async def test_a_context_without_a_key_says_so_and_another_can_be_chosen():
    app = world()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.settle(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, CreateScreen))
        await pilot.press("escape")
        await pilot.pause()
        await go_to(app, pilot, "3")
        assert isinstance(app.screen, FleetScreen)
        assert "not connected" in header(app)
        assert "can't be run" in app.services.platform.problem.message
        await go_to(app, pilot, "1")
        await until(pilot, lambda: app.screen.target is not None)
        assert "not connected" not in header(app)


async def test_a_launch_under_way_keeps_the_context():
    app = world()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.settle(pilot)

        class Running:
            running = True

        app.services.launches.all.append(Running())
        await pilot.press("at")
        await refused(pilot, "in progress")
        assert isinstance(app.screen, FleetScreen)


def offering(app, said, *, declined=False):
    """Return a way to connect that needs the user's consent."""

    async def accept():
        said.append("yes")
        return replace(app.first, isolated=False, warning=True, note="Sandboxes are [b]NOT isolated[/b].")

    async def decline():
        said.append("no")

    async def connect():
        said.append("tried")
        offer = Offer("Nothing isolates", "Start [plain] processes?", "Start", accept, decline, declined)
        raise ConnectError("Nothing here isolates sandboxes.", offer=offer)

    return connect


async def test_plain_processes_are_started_only_with_the_users_consent():
    app, said = world(), []
    async with app.run_test(size=(120, 36)) as pilot:
        await app.settle(pilot)
        assert "NOT ISOLATED" not in header(app)
        app.services.platform.switch(offering(app, said))
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        # The focus is on Cancel.
        await pilot.press("enter")
        await until(pilot, lambda: said == ["tried", "no"])
        assert app.services.platform.session is None
        app.services.platform.refresh()
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        await pilot.press("y")
        await until(pilot, lambda: app.services.platform.freshness.phase is Phase.LIVE)
        assert said == ["tried", "no", "tried", "yes"]
        await until(pilot, lambda: "NOT ISOLATED" in header(app))


async def test_a_no_from_before_is_asked_again_only_on_request():
    app, said = world(), []
    async with app.run_test(size=(120, 36)) as pilot:
        await app.settle(pilot)
        app.services.platform.switch(offering(app, said, declined=True))
        await until(pilot, lambda: app.services.platform.problem is not None)
        await pilot.pause()
        assert not isinstance(app.screen, AskDialog)
        app.services.platform.refresh()
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
