import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.actions import ACTIONS, BY_ID
from sandtui.fleet.keymap import LABELS, RENAMED, Keymap, read_keymap, table


def test_keys_are_changed_and_taken_away():
    keymap = read_keymap({"fleet.delete": ("ctrl+x",), "app.refresh": ("r", "f5", "r"), "fleet.copy": ("",)})
    assert not keymap.problems
    assert keymap.of(BY_ID["fleet.delete"]) == ("ctrl+x",)
    assert keymap.of(BY_ID["app.refresh"]) == ("r", "f5")
    assert keymap.of(BY_ID["fleet.copy"]) == ()
    assert keymap.of(BY_ID["fleet.open"]) == ("enter",)


def test_keys_are_written_as_people_write_them():
    keymap = read_keymap({"fleet.copy": ("^",), "fleet.mark": ("ctrl+/",), "log.save": ("F",), "log.back": ("esc",)})
    assert not keymap.problems
    assert set(keymap.changed.values()) == {("circumflex_accent",), ("ctrl+slash",), ("F",), ("escape",)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fleet.delte": ("x",)}, "no such action; did you mean fleet.delete?"),
        ({"fleet.delete": ("no such key",)}, "is not a key"),
        ({"fleet.delete": ("ctrl+",)}, "is not a key"),
        ({"fleet.delete": ("ctrl+w",)}, "reserved for terminals"),
        ({"console.clear": ("f9",), "output.follow": ("f9",)}, "f9 is already used by"),
        ({"fleet.open": ("f9",), "fleet.mark": ("f9",)}, "f9 is already used by fleet."),
    ],
)
def test_an_impossible_key_is_reported_and_left_out(changes, words):
    keymap = read_keymap(changes)
    assert len(keymap.problems) == 1
    assert words in keymap.problems[0]
    assert len(keymap.changed) == len(changes) - 1


@pytest.mark.parametrize(
    ("changes", "loser", "left", "note"),
    [
        ({"fleet.delete": ("x",)}, "fleet.exec", (), "x is fleet.delete, so fleet.exec has no key"),
        ({"output.follow": ("ctrl+l",)}, "console.clear", (), "ctrl+l is output.follow"),
        ({"fleet.exec": ("d",)}, "fleet.inspector", (), "d is fleet.exec, so fleet.inspector has no key"),
        ({"fleet.exec": ("l",)}, "fleet.logs", ("L",), "l is fleet.exec, so fleet.logs has L"),
    ],
)
def test_a_key_of_the_users_takes_the_place_of_a_default(changes, loser, left, note):
    """Settings that were written for earlier defaults keep working."""
    keymap = read_keymap(changes)
    assert not keymap.problems
    for action_id, keys in changes.items():
        assert keymap.of(BY_ID[action_id]) == keys
    assert keymap.of(BY_ID[loser]) == left
    assert note in keymap.notes[0]


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_id_of_earlier_versions_is_known_and_means_no_other_action(old, new):
    assert old not in BY_ID
    keymap = read_keymap({old: ("f4",)})
    assert keymap.of(BY_ID[new]) == ("f4",)
    assert keymap.notes[0].startswith(f"[keys] {old} is now {new}")


def test_an_id_of_earlier_versions_still_works_and_is_reported():
    keymap = read_keymap({"files.view": ("f4",)})
    assert not keymap.problems
    assert keymap.of(BY_ID["files.open"]) == ("f4",)
    assert keymap.notes[0] == "[keys] files.view is now files.open: change the id in the settings file"
    both = read_keymap({"files.view": ("f4",), "files.open": ("f5",)})
    assert both.of(BY_ID["files.open"]) == ("f5",)


def test_the_only_key_that_leaves_a_shell_is_not_taken():
    keymap = read_keymap({"terminal.again": ("ctrl+right_square_bracket",)})
    assert "detaches from a shell" in keymap.problems[0]
    assert keymap.of(BY_ID["terminal.out"])


def test_keys_can_be_exchanged():
    keymap = read_keymap({"fleet.delete": ("x",), "fleet.exec": ("D",)})
    assert not keymap.problems


@given(st.dictionaries(st.sampled_from(sorted(BY_ID)), st.lists(st.text(max_size=8), max_size=3), max_size=6))
def test_whatever_is_written_no_two_actions_of_a_screen_share_a_key(changes):
    keymap = read_keymap(changes)
    for scope in {action.scope for action in ACTIONS}:
        keys = [key for action in ACTIONS if action.scope == scope for key in keymap.of(action)]
        assert len(keys) == len(set(keys))


def test_the_table_holds_every_action_once():
    rows = table(Keymap({"fleet.delete": ("question_mark",)}))
    assert [row[2] for row in rows] == [action.id for action in ACTIONS]
    assert ("fleet", LABELS["question_mark"], "fleet.delete", BY_ID["fleet.delete"].help) in rows
