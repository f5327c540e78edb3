"""One letter, one meaning on every screen."""

from collections import defaultdict

import pytest

from sandtui.fleet.actions import ACTIONS, GLOBAL
from sandtui.fleet.actions.grammar import MATCHES, MEANINGS, TEXTS, group_of, meaning_of

KEYS = [(action, key) for action in ACTIONS for key in action.keys]
IDS = [f"{action.id} {key}" for action, key in KEYS]

WITHOUT_MEANING = ("ctrl+", "f")
"""How the names of keys begin that have no grammar: with ctrl, and function keys."""

NAMES = {
    "B": {"web", "browse"},
    "C": {"copy"},
    "D": {"delete", "unexpose"},
    "F": {"fork"},
    "H": {"clear", "forget"},
    "I": {"invert"},
    "K": {"cancel", "stop", "close_tab", "reap"},
    "L": {"logs"},
    "M": {"rename"},
    "N": {"clone", "forward", "previous_hit", "restore"},
    "R": {"recordings"},
    "S": {"whole_shell"},
    "U": {"again", "retry", "rerun"},
    "V": {"range"},
    "W": {"save", "record", "publish"},
    "X": {"fan_outs"},
    "Y": {"copy_more", "copy_output", "copy_answer", "copy_curl"},
    "Z": {"fold", "fold_all"},
    "a": {"active", "hidden"},
    "b": {"jobs"},
    "c": {"columns", "stamps"},
    "d": {"inspector", "details", "queue"},
    "e": {"edit", "egress", "targets"},
    "f": {"files"},
    "i": {"type"},
    "l": {"logs"},
    "m": {"many", "copy_as"},
    "n": {"new", "expose", "mkdir", "next_hit", "take"},
    "o": {"sort"},
    "O": {"reverse"},
    "p": {"ports"},
    "q": {"back", "close", "leave", "quit"},
    "r": {"refresh", "reload", "probe", "look"},
    "s": {"shell"},
    "t": {"follow", "live"},
    "u": {"unmark"},
    "v": {"views", "hex"},
    "w": {"wrap"},
    "x": {"exec"},
    "y": {"copy", "copy_entry", "yank"},
    "z": {"group"},
}
"""What the actions of a letter are called. To use a letter for something else, look at the grammar first."""


DIFFER = frozenset(
    "open mark edit pause fold back leave clear copy filter again code type history job".split()  # noqa: SIM905
)
"""Names that stand for different things: open a row or its details, fold one or all, filter rows or lines."""


@pytest.mark.parametrize(("action", "key"), KEYS, ids=IDS)
def test_every_key_has_a_meaning(action, key):
    if key.startswith("ctrl+") or key[1:].isdigit():
        return
    assert meaning_of(action, key) is not None, f"{key} of {action.id} is not in the grammar"


def test_no_key_has_two_meanings():
    keys = [key for meaning in MEANINGS for key in meaning.keys]
    assert len(keys) == len(set(keys))
    # The one exception, which is named.
    assert {key for key in keys if key in MATCHES.keys} == {"n", "N"}


def test_a_letter_is_used_for_what_it_means():
    used = defaultdict(set)
    for action, key in KEYS:
        if key in NAMES:
            used[key].add(action.name)
    assert {key: names - NAMES[key] for key, names in used.items() if names - NAMES[key]} == {}


def test_the_same_action_has_the_same_key_everywhere():
    keys = defaultdict(set)
    for action in ACTIONS:
        if action.keys and action.scope != GLOBAL and action.name not in DIFFER:
            keys[action.name].add(action.keys[0])
    assert {name: found for name, found in keys.items() if len(found) > 1} == {}, "one action, one key"


def test_matches_are_only_in_texts():
    for action in ACTIONS:
        if action.name in {"next_hit", "previous_hit"}:
            assert action.scope in TEXTS, action.id


def test_capitals_and_signs_change_and_small_letters_do_not():
    """Small letters that change something only open a form, a field or a question for it."""
    asks = {"new", "exec", "shell", "edit", "egress", "many", "copy_as", "expose", "mkdir", "targets", "take"}
    for action in ACTIONS:
        small = any(len(key) == 1 and key.islower() for key in action.keys)
        if action.dangerous and small:
            assert action.name in asks, action.id


def test_number_keys_go_to_screens_from_anywhere():
    numbers = {key: action.id for action, key in KEYS if key.isdigit()}
    assert numbers == {
        "1": "app.fleet",
        "2": "app.jobs",
        "3": "app.files",
        "4": "app.ports",
        "5": "app.messages",
        "7": "app.checkpoints",
        "8": "app.volumes",
        "6": "app.launches",
    }


def test_every_action_is_in_a_group_of_the_help():
    assert {group_of(action).value for action in ACTIONS} == {"Move", "Mark", "Act", "View", "Go"}
