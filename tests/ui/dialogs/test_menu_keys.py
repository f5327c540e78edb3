"""No menu and no dialog has one key for two entries."""

import importlib
import pkgutil
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.screen import ModalScreen

import sandtui.ui
from sandtui.fleet.actions import in_scope
from sandtui.fleet.inventory.preferences import NOTIFY
from sandtui.fleet.keymap import SHARED_SCREENS
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from tests.ui.jobs.test_jobs import opened
from tests.ui.world import World, until

for module in pkgutil.walk_packages(sandtui.ui.__path__, "sandtui.ui."):
    importlib.import_module(module.name)


def dialogs(base=ModalScreen):
    for each in base.__subclasses__():
        if each.__module__.startswith("sandtui."):
            yield each
        yield from dialogs(each)


@pytest.mark.parametrize("dialog", sorted(set(dialogs()), key=lambda each: each.__name__))
def test_a_dialog_has_one_entry_for_each_key(dialog):
    keys = Counter(
        key.strip() for binding in dialog.BINDINGS for key in getattr(binding, "key", "").split(",") if key.strip()
    )
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize("scopes", SHARED_SCREENS, ids=lambda scopes: " ".join(sorted(scopes)))
def test_scopes_that_are_on_one_screen_have_one_action_for_each_key(scopes):
    keys = Counter(key for scope in scopes for action in in_scope(scope) for key in action.keys)
    assert [key for key, count in keys.items() if count > 1] == []


@given(
    st.lists(st.tuples(st.sampled_from(["", *"abco12"]), st.sampled_from(["off", "osc9", "bell", "app", "名前", "a"]))),
    st.sampled_from(["", "S", "aS"]),
)
def test_a_menu_has_one_entry_for_each_key(entries, extra):
    choices = [Choice(str(place), key, title) for place, (key, title) in enumerate(entries)]
    menu = ChooseDialog("Menu", choices, extra=[(key, key) for key in extra])
    keys = [choice.key for choice in menu.choices if choice.key] + list(extra)
    assert len(keys) == len(set(keys))
    assert [choice.title for choice in menu.choices] == [choice.title for choice in choices]
    first = {}
    for choice in choices:
        first.setdefault(choice.key, choice.id)
    for choice in menu.choices:
        wanted = choices[int(choice.id)].key
        if wanted and wanted not in extra and first[wanted] == choice.id:
            assert choice.key == wanted, "the first keeps its key"


async def test_every_way_to_tell_the_end_of_a_job_is_a_key_away():
    app = World(fleet=0)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot)
        jobs = app.screen
        await pilot.press("A")
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        keys = {choice.id: choice.key for choice in app.screen.choices}
        assert len(set(keys.values())) == len(NOTIFY)
        await pilot.press("escape")
        for way, key in keys.items():
            await pilot.press("A")
            await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
            await pilot.press(key)
            await until(pilot, lambda: app.screen is jobs)
            assert app.services.preferences.notify == way
