"""A question or a form that does not open takes what was typed for it: no key does another thing instead."""

from dataclasses import replace

import pytest
from textual.widgets import Input

from sandtui.fleet.actions import in_scope
from sandtui.ui.dialogs.refusal import RefusalDialog
from tests.fleet.factory import sandbox
from tests.ui.every_screen import opened, running
from tests.ui.test_every_screen import SCREENS
from tests.ui.world import NOW, World, refused, settled, until

WIDE = (120, 36)
ANSWERS = ("y", "n", "1", "2", "d", "s", "D", "slash", "q", "x", "space")


async def fleet_of(pilot, count=3):
    """Show a few sandboxes that run."""
    app = await settled(pilot)
    app.services.platform.session.store.apply(sandbox(number, created_at=NOW) for number in range(1, count + 1))
    await until(pilot, lambda: len(app.screen.table.visible_ids) == count)
    return app


def end(app, *ids):
    store = app.services.platform.session.store
    store.apply([store.get(each).sandbox.model_copy(update={"status": "TERMINATED"}) for each in ids])


async def answered_in_vain(pilot, app, presses, words):
    """Press keys whose last is refused, then answers: they end in the refusal."""
    await pilot.press(*presses)
    await until(pilot, lambda: isinstance(app.screen, RefusalDialog))
    stack, copied = app.screen_stack[:-1], [*app.services.clipboard.copied]
    assert words in app.screen.reason
    await pilot.press(*ANSWERS)
    await pilot.pause()
    assert isinstance(app.screen, RefusalDialog)
    await until(pilot, lambda: app.screen.can_be_read)
    await pilot.press("enter")
    await until(pilot, lambda: app.screen is stack[-1])
    assert [*app.services.clipboard.copied] == copied


async def test_what_has_ended_is_not_deleted_and_the_answer_copies_nothing():
    app = World(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        await fleet_of(pilot, 1)
        end(app, app.screen.target.id)
        await until(pilot, lambda: app.screen.target.sandbox.is_finished)
        await pilot.press("D", "y")
        await refused(pilot, "1 sandbox has ended")
        assert not app.services.clipboard.copied


async def test_the_refusal_stays_until_it_could_be_read():
    app = World(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        await fleet_of(pilot, 1)
        end(app, app.screen.target.id)
        await until(pilot, lambda: app.screen.target.sandbox.is_finished)
        fleet = app.screen
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, RefusalDialog) and app.screen.can_be_read)
        await pilot.press("j", "x", "q")
        assert isinstance(app.screen, RefusalDialog)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is fleet)


async def marked_and_ended(pilot, app):
    await fleet_of(pilot)
    await pilot.press("asterisk")
    ids = app.screen.table.visible_ids
    end(app, *ids)
    await until(pilot, lambda: app.screen.target.sandbox.is_finished)
    return ids


REFUSED = {
    "delete": (("D",), "3 marked sandboxes have ended. u clears the marks."),
    "many, delete": (("m", "D"), ""),
    "exec": (("x",), "3 marked sandboxes have ended. u clears the marks."),
    "files": (("f",), "3 marked sandboxes have ended. u clears the marks."),
    "measure": (("percent_sign",), "3 marked sandboxes have ended. u clears the marks."),
    "no context to go to": (("at",), "This is the only context"),
    "nothing ran on many": (("X",), "No multi-sandbox run"),
    "no view to forget": (("v", "D"), "No saved views"),
}


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "many, delete"])
async def test_keys_typed_for_what_did_not_open_do_nothing_else(name):
    app = World(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        ids = await marked_and_ended(pilot, app)
        # Marked after they had ended: such marks are the user's own wish.
        app.services.navigator.mark(ids)
        await pilot.pause()
        await answered_in_vain(pilot, app, *REFUSED[name])


@SCREENS
async def test_what_a_read_only_context_refuses_takes_the_answer(kind):
    app = World(fleet=30)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, kind)
        screen, connection = app.screen, app.services.platform.connection
        app.services.platform.connection = replace(connection, config=replace(connection.config, read_only=True))
        in_field = isinstance(screen.focused, Input)
        for action in [each for scope in screen.hint_scopes() for each in in_scope(scope) if each.dangerous]:
            if screen.why_not(action.name) or (in_field and len(action.keys[0]) == 1):
                continue
            if screen.check_action(action.name, ()) is False:
                continue
            await answered_in_vain(pilot, app, action.keys[:1], "Read-only context")
            assert app.screen is screen


@pytest.mark.parametrize("hidden", [False, True], ids=["in view", "hidden by the filter"])
@pytest.mark.parametrize("how", ["ended", "deleting", "gone"])
async def test_marks_go_with_what_they_are_on(how, hidden):
    app = World(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        await fleet_of(pilot)
        fleet, store = app.screen, app.services.platform.session.store
        ids = fleet.table.visible_ids
        await pilot.press("asterisk")
        if hidden:
            await pilot.press("slash", *"nothing like it", "enter")
            await until(pilot, lambda: not fleet.table.visible_ids)
        assert len(app.services.navigator.marked) == 3
        if how == "ended":
            end(app, *ids[:2])
        elif how == "deleting":
            store.mark_deleting(ids[:2])
        else:
            store.remove(ids[:2])
        await until(pilot, lambda: [row.id for row in app.services.navigator.marked] == ids[2:])
        await until(pilot, lambda: "1 marked" in fleet.query_one("#activity").render().plain)


async def test_a_mark_on_what_had_ended_before_stays():
    app = World(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        ids = await marked_and_ended(pilot, app)
        assert not app.services.navigator.marked
        await pilot.press("asterisk")
        store = app.services.platform.session.store
        store.apply([store.get(ids[0]).sandbox.model_copy(update={"name": "renamed"})])
        await pilot.pause()
        assert len(app.services.navigator.marked) == 3


async def test_marks_are_up_to_date_while_another_screen_is_in_front():
    app = World(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        await fleet_of(pilot)
        await pilot.press("asterisk", "5")
        await until(pilot, lambda: app.screen.SCOPE == "activity")
        end(app, *running(app)[:1])
        assert len(app.services.navigator.marked) == 2


async def test_a_job_and_a_port_for_marks_that_have_ended_say_so():
    app = World(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        await fleet_of(pilot)
        ids = app.screen.table.visible_ids
        await pilot.press("asterisk", "b")
        await until(pilot, lambda: app.screen.SCOPE == "jobs")
        end(app, *ids)
        await pilot.pause()
        await answered_in_vain(pilot, app, ("n",), "3 sandboxes have ended")
        await pilot.press("escape")
