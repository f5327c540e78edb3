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
    "exclamation_mark": "!",
    "full_stop": ".",
    "equals_sign": "=",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "ampersand": "&",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "ctrl+right_square_bracket": "ctrl+]",
    "left": "←",
    "right": "→",
    "plus": "+",
}
"""How keys are written, if not by their names."""

_NAMES = {label: name for name, label in LABELS.items()}
_KEY = re.compile(r"(?:(?:ctrl|shift|alt)\+)*(?:[a-zA-Z0-9]|[a-z][a-z0-9_]+)")


@dataclass(frozen=True, slots=True)
class Keymap:
    """The current keys. ``changed`` are those set by the user; ``problems`` are messages about invalid settings."""

    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def of(self, action: Action) -> tuple[str, ...]:
        """Return the keys of an action, possibly none."""
        return self.changed.get(action.id, action.keys)


def key_label(key: str) -> str:
    """Return a key as it is written in texts."""
    return LABELS.get(key, key)


def read_keymap(changes: Mapping[str, Sequence[str]]) -> Keymap:
    """Return the keymap with the user's changes. Invalid changes are ignored and reported."""
    problems: list[str] = []
    changed: dict[str, tuple[str, ...]] = {}
    for action_id, written in changes.items():
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
        others = [action for action in _on_same_screen(BY_ID[action_id]) if action.id != action_id]
        taken = {key: action for action in others for key in changed.get(action.id, action.keys)}
        for key in keys:
            if key in taken:
                problems.append(
                    f"[keys] {action_id}: {key_label(key)} is already used by {taken[key].id}; change that key first"
                )
                changed.pop(action_id, None)
    return Keymap(changed, tuple(problems))


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
