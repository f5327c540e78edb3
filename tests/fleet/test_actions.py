import itertools

import pytest

from sandtui.fleet.actions import ACTIONS, FORBIDDEN_KEYS, in_scope

SCREENS = (
    ("activity",),
    ("recordings",),
    ("player",),
    ("fleet",),
    ("detail",),
    ("create",),
    ("ports",),
    ("jobs",),
    ("job_log",),
    ("launch",),
    ("console", "output"),
    ("fanout", "results"),
    ("log",),
    ("bulk",),
    ("terminal",),
    ("shell",),
    ("files", "queue"),
    ("preview",),
)


def test_ids_are_unique_and_titles_short():
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    for action in ACTIONS:
        assert 1 <= len(action.title.split()) <= 3, action.id
        assert not action.help.endswith("."), action.id
        assert action.help[0].isupper(), action.id


def test_no_key_that_terminals_need():
    for action in ACTIONS:
        assert not FORBIDDEN_KEYS & set(action.keys), action.id
        assert not all(key.startswith(("alt+", "ctrl+shift+")) for key in action.keys), action.id


@pytest.mark.parametrize("scopes", SCREENS, ids="+".join)
def test_no_two_actions_of_a_screen_share_a_key(scopes):
    keys = list(itertools.chain.from_iterable(action.keys for scope in scopes for action in in_scope(scope)))
    assert len(keys) == len(set(keys))


def test_dangerous_keys_are_capitals_or_lead_to_a_form():
    deleting = [action for action in ACTIONS if action.name == "delete"]
    assert deleting
    assert all(key.isupper() for action in deleting for key in action.keys)


def test_every_command_has_one_name():
    names = [action.command for action in ACTIONS if action.command]
    assert len(names) == len(set(names))
