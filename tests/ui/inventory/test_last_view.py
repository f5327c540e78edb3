"""The list of each context is shown as it was left, at the next start and after another context."""

import json
from dataclasses import replace

import pytest
from textual.widgets import Input

from sandtui.config.contexts import Context
from sandtui.config.view_states import ViewStates
from sandtui.fleet.inventory.refresh import Phase
from sandtui.fleet.inventory.view_state import ViewState
from sandtui.ui.dialogs.choose import ChooseDialog
from tests.ui.world import World, settled, until

SIZE = (120, 24)
LABEL = "local · simulated"
CONTEXTS = [Context("one", "profile"), Context("two", "profile")]


def shown(app):
    """Return all that is to be as it was."""
    fleet, table = app.screen, app.screen.table
    return {
        "filter": fleet.query_one("#filter", Input).value,
        "order": (fleet.view.order.id, fleet.view.descending),
        "active": fleet.view.active_only,
        "groups": [(group.key, group.collapsed) for group in fleet.view.groups],
        "columns": [placed.column.id for placed in table.placed],
        "cursor": (table.cursor_line.id, table.cursor - table.scroll_offset.y),
        "top": table.scroll_offset.y,
    }


async def arranged(pilot, app):
    """Show a list that is not as it comes."""
    fleet = app.screen
    await until(pilot, lambda: fleet.target is not None)
    app.services.preferences.columns = ["status", "name", "age", "region"]
    fleet.apply_preferences()
    await pilot.press("slash", *"rollout", "enter", "z", "1")
    await until(pilot, lambda: fleet.view.grouping is not None)
    fleet.view.toggle_group(fleet.view.groups[0].id)
    fleet.show_rows(by_user=True)
    fleet.view.sort_by("name")
    fleet.show_rows(by_user=True)
    await pilot.press("G", "k", "k", "k")
    await pilot.pause()


async def at_rest(pilot, app):
    await settled(pilot)
    await until(pilot, lambda: app.services.platform.freshness.phase is Phase.LIVE)
    await until(pilot, lambda: app.screen.view.line_count and not app.screen.table.is_waiting)


async def test_the_next_start_shows_the_list_as_it_was_left(tmp_path):
    first = World(fleet=80, home=tmp_path)
    async with first.run_test(size=SIZE) as pilot:
        await at_rest(pilot, first)
        await arranged(pilot, first)
        before = shown(first)
        assert before["top"] > 0
        assert any(collapsed for _, collapsed in before["groups"])
    again = World(fleet=80, home=tmp_path)
    async with again.run_test(size=SIZE) as pilot:
        await at_rest(pilot, again)
        assert shown(again) == before
        assert again.screen.table.armed
        await pilot.press("escape")
        assert again.screen.query_one("#filter", Input).value == ""


async def test_a_list_without_a_past_starts_as_ever(tmp_path):
    app = World(home=tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await at_rest(pilot, app)
        assert app.screen.view.state == ViewState()
        assert app.screen.table.cursor == 0


def two_contexts(tmp_path):
    async def connect_to(context):
        return replace(app.first, label=context.name)

    app = World(fleet=80, contexts=CONTEXTS, connect_to=connect_to, home=tmp_path)
    return app


async def go_to(app, pilot, key):
    old = app.services.platform.session
    await pilot.press("at")
    await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
    await pilot.press(key)
    await until(pilot, lambda: app.services.platform.session not in (None, old))
    await at_rest(pilot, app)


async def test_each_context_has_a_list_of_its_own(tmp_path):
    app = two_contexts(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await at_rest(pilot, app)
        app.first = app.services.platform.connection
        await go_to(app, pilot, "1")
        await arranged(pilot, app)
        first = shown(app)
        await go_to(app, pilot, "2")
        assert shown(app)["filter"] == ""
        assert app.screen.view.grouping is None
        await pilot.press("slash", *"eval", "enter", "j")
        await until(pilot, lambda: app.screen.view.query.text == "eval")
        second = shown(app)
        await go_to(app, pilot, "1")
        assert shown(app) == first
        await go_to(app, pilot, "2")
        assert shown(app) == second


async def test_a_cursor_whose_sandbox_is_gone_is_on_the_first_and_counts_as_selected(tmp_path):
    states = ViewStates(World(home=tmp_path).paths.view_states)
    path = states.path(LABEL)
    path.parent.mkdir(parents=True)
    path.write_text(states.text(ViewState(query="rollout", cursor="sbx_gone", line=7)))
    app = World(home=tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await at_rest(pilot, app)
        assert app.screen.view.query.text == "rollout"
        assert app.screen.table.cursor == 0
        assert app.screen.table.armed


async def test_who_moves_on_meanwhile_is_not_taken_back(tmp_path):
    app = World(fleet=80, home=tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await at_rest(pilot, app)
        table = app.screen.table
        last = app.screen.view.line(79).id
        app.services.platform.session.store.remove([last])
        app.screen.view.update()
        table.return_to(last, 3)
        assert table.is_waiting
        assert not table.armed
        await pilot.press("j")
        chosen = table.cursor_id
        assert not table.is_waiting
        app.screen.show_rows()
        assert table.cursor_id == chosen


DAMAGED = {
    "no JSON": "{",
    "deep": "[" * 100_000,
    "a list": "[]",
    "of another version": json.dumps({"version": 99}),
    "without a version": json.dumps(ViewState().record()),
    "an order that does not exist": json.dumps({"version": 1, "sort": "colour"}),
    "a grouping that does not exist": json.dumps({"version": 1, "group": "colour"}),
    "numbers for texts": json.dumps({"version": 1, "query": 7}),
    "a negative line": json.dumps({"version": 1, "line": -1}),
    "no texts": "\udcff",
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
async def test_what_cannot_be_used_is_ignored_with_a_notice(tmp_path, text):
    app = World(home=tmp_path)
    path = app.services.view_states.path(LABEL)
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    notices = []
    app.services.notifier.notify = lambda words, severity="information": notices.append((words, severity))
    async with app.run_test(size=SIZE) as pilot:
        await at_rest(pilot, app)
        assert app.screen.view.count == 40
        assert [severity for words, severity in notices if "last view" in words] == ["warning"]


async def test_a_filter_that_is_no_longer_understood_is_shown_as_a_mistake(tmp_path):
    app = World(home=tmp_path)
    states = app.services.view_states
    path = states.path(LABEL)
    path.parent.mkdir(parents=True)
    path.write_text(states.text(ViewState(query="colour:red", sort="name")))
    async with app.run_test(size=SIZE) as pilot:
        await at_rest(pilot, app)
        assert app.screen.view.order.id == "name"
        assert app.screen.view.count == 40
        assert app.screen.query_one("#filter", Input).value == "colour:red"


async def test_two_dashboards_on_one_context_do_not_break_it(tmp_path):
    one, other = World(home=tmp_path), World(home=tmp_path)
    async with one.run_test(size=SIZE) as first, other.run_test(size=SIZE) as second:
        await at_rest(first, one)
        await at_rest(second, other)
        for pilot, app, text in ((first, one, "rollout"), (second, other, "eval"), (first, one, "agent")):
            app.screen.query_one("#filter", Input).value = text
            await until(pilot, lambda app=app, text=text: app.screen.view.query.text == text)
        states = one.services.view_states
        await until(first, lambda: states.path(LABEL).exists() and states.read(LABEL).query in {"eval", "agent"})
    assert states.read(LABEL).query in {"eval", "agent"}


async def test_what_is_stored_is_the_arrangement_and_for_the_user_only(tmp_path):
    app = World(home=tmp_path)
    path = app.services.view_states.path(LABEL)
    async with app.run_test(size=SIZE) as pilot:
        await at_rest(pilot, app)
        await pilot.press("j")
        await until(pilot, path.exists)
        key = app.services.platform.connection.config.api_key
    assert key not in path.read_text()
    assert set(json.loads(path.read_text())) == {"version", *ViewState().record()}
    assert path.stat().st_mode & 0o077 == 0
