"""The keys of all actions: the defaults of the registry with the user's changes, and problems with those."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from sandtui.fleet.actions import ACTIONS, BY_ID, FORBIDDEN_KEYS, GLOBAL, Action

SHARED_SCREENS = (frozenset({"console", "output"}), frozenset({"fanout", "results"}), frozenset({"files", "queue"}))
"""Scopes that share a screen."""

RENAMED: Mapping[str, str] = {
    "activity.open": "activity.details",
    "files.view": "files.open",
    "jobs.open": "jobs.log",
    "ports.open": "ports.browse",
    "results.fold": "results.open",
}
"""Ids of earlier versions, and the actions that do the same now."""

DETACH = "terminal.out"
"""The action that must have a key, because a shell gets all others."""

LABELS: Mapping[str, str] = {
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "asterisk": "*",
    "minus": "-",
    "at": "@",
    "escape": "esc",
    "full_stop": ".",
    "equals_sign": "=",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "ampersand": "&",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "ctrl+right_square_bracket": "ctrl+]",
    "exclamation_mark": "!",
    "apostrophe": "'",
    "tilde": "~",
    "vertical_line": "|",
    "number_sign": "#",
    "percent_sign": "%",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "left": "←",
    "right": "→",
    "plus": "+",
}
"""How keys are written, if not by their names."""

_NAMES = {label: name for name, label in LABELS.items()}
_KEY = re.compile(r"(?:(?:ctrl|shift|alt)\+)*(?:[a-zA-Z0-9]|[a-z][a-z0-9_]+)")


@dataclass(frozen=True, slots=True)
class Keymap:
    """The current keys. ``changed`` are those set by the user, and those of actions that lost a key to them.

    ``problems`` are messages about invalid settings, ``notes`` about what else the settings have changed.
    """

    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, action: Action) -> tuple[str, ...]:
        """Return the keys of an action, possibly none."""
        return self.changed.get(action.id, action.keys)


def key_label(key: str) -> str:
    """Return a key as it is written in texts."""
    return LABELS.get(key, key)


def read_keymap(changes: Mapping[str, Sequence[str]]) -> Keymap:
    """Return the keymap with the user's changes. Invalid changes are ignored and reported.

    A key of the user's takes the place of a default: the other action loses it, and a note says so.
    """
    problems: list[str] = []
    notes: list[str] = []
    changed: dict[str, tuple[str, ...]] = {}
    for written_id, written in changes.items():
        action_id = RENAMED.get(written_id, written_id)
        if action_id != written_id:
            notes.append(f"[keys] {written_id} is now {action_id}: change the id in the settings file")
            if action_id in changes:
                continue
        if action_id not in BY_ID:
            close = get_close_matches(action_id, BY_ID, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            problems.append(f"[keys] {action_id}: no such action{hint}")
            continue
        keys, problem = _read_keys(written)
        if not keys and action_id == DETACH:
            problem = "cannot be empty, because no other key detaches from a shell"
        if problem:
            problems.append(f"[keys] {action_id}: {problem}")
        else:
            changed[action_id] = keys
    for action_id, keys in list(changed.items()):
        others = {other.id for other in _on_same_screen(BY_ID[action_id])} - {action_id}
        taken = {key: other for other in others & changed.keys() for key in changed[other]}
        for key in keys:
            if key in taken:
                problems.append(
                    f"[keys] {action_id}: {key_label(key)} is already used by {taken[key]}; change one of the two"
                )
                changed.pop(action_id, None)
                break
    return Keymap(_without_taken_defaults(changed, notes, problems), tuple(problems), tuple(notes))


def _without_taken_defaults(
    changed: Mapping[str, tuple[str, ...]], notes: list[str], problems: list[str]
) -> dict[str, tuple[str, ...]]:
    """Return the changes, and what is left to the actions whose default keys the user has given to others."""
    result = dict(changed)
    for action_id, keys in changed.items():
        for other in _on_same_screen(BY_ID[action_id]):
            lost = [key for key in result.get(other.id, other.keys) if key in keys]
            if other.id in changed or not lost:
                continue
            left = tuple(key for key in result.get(other.id, other.keys) if key not in keys)
            if not left and other.id == DETACH:
                problems.append(f"[keys] {action_id}: {key_label(lost[0])} is the only key that detaches from a shell")
                result.pop(action_id, None)
                break
            result[other.id] = left
            keys_left = f"has {' '.join(map(key_label, left))}" if left else "has no key"
            notes.append(f"[keys] {key_label(lost[0])} is {action_id}, so {other.id} {keys_left}")
    return result


def table(keymap: Keymap) -> list[tuple[str, str, str, str]]:
    """Return the table of keys: scope, keys, id and help of each action, in the order of the registry."""
    return [
        (
            "global" if action.scope == GLOBAL else action.scope,
            " ".join(map(key_label, keymap.of(action))),
            action.id,
            action.help,
        )
        for action in ACTIONS
    ]


def _on_same_screen(action: Action) -> list[Action]:
    scopes = next((group for group in SHARED_SCREENS if action.scope in group), {action.scope})
    return [other for other in ACTIONS if other.scope in scopes]


def _read_keys(written: Sequence[str]) -> tuple[tuple[str, ...], str]:
    keys: list[str] = []
    for text in written:
        if not text.strip():
            continue
        key = _key_name(text.strip())
        if not _KEY.fullmatch(key):
            return (), f"{text!r} is not a key; examples: r, D, ctrl+r, f5, space, ?"
        if key in FORBIDDEN_KEYS:
            return (), f"{text} is reserved for terminals and text fields; choose another key"
        keys.append(key)
    return tuple(dict.fromkeys(keys)), ""


def _key_name(text: str) -> str:
    """Return Textual's name of a key: ``?`` is ``question_mark``."""
    *modifiers, last = text.split("+") if len(text) > 1 else [text]
    if last in _NAMES:
        last = _NAMES[last]
    elif len(last) == 1 and not last.isalnum():
        last = unicodedata.name(last, last).lower().replace("-", "_").replace(" ", "_")
    return "+".join([*(modifier.lower() for modifier in modifiers), last])
