"""Which keys the actions have: those of the registry, changed by the user's settings; what can't be is told."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from sandtui.fleet.actions import ACTIONS, BY_ID, FORBIDDEN_KEYS, GLOBAL, Action

TOGETHER = (frozenset({"console", "output"}), frozenset({"fanout", "results"}), frozenset({"files", "queue"}))
"""Scopes that are on one screen at the same time."""

LEAVING = "terminal.out"
"""The action that must have a key: a shell gets all others."""

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
"""How people write keys whose names are others."""

_NAMES = {label: name for name, label in LABELS.items()}
_KEY = re.compile(r"(?:(?:ctrl|shift|alt)\+)*(?:[a-zA-Z0-9]|[a-z][a-z0-9_]+)")


@dataclass(frozen=True, slots=True)
class Keymap:
    """The keys as they are now. ``changed`` holds those that the user has set; ``problems`` are sentences."""

    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def of(self, action: Action) -> tuple[str, ...]:
        """Return the keys of an action; there may be none."""
        return self.changed.get(action.id, action.keys)


def key_label(key: str) -> str:
    """Return a key as people write it."""
    return LABELS.get(key, key)


def read_keymap(changes: Mapping[str, Sequence[str]]) -> Keymap:
    """Check the user's keys. What is wrong is left out and told; the rest holds."""
    problems: list[str] = []
    changed: dict[str, tuple[str, ...]] = {}
    for action_id, written in changes.items():
        if action_id not in BY_ID:
            close = get_close_matches(action_id, BY_ID, 1)
            more = f"; is {close[0]} meant?" if close else ""
            problems.append(f"[keys] {action_id}: there is no such action{more}")
            continue
        keys, trouble = _read_keys(written)
        if not keys and action_id == LEAVING:
            trouble = "without a key no shell could be left"
        if trouble:
            problems.append(f"[keys] {action_id}: {trouble}")
        else:
            changed[action_id] = keys
    for action_id, keys in list(changed.items()):
        others = [action for action in _beside(BY_ID[action_id]) if action.id != action_id]
        taken = {key: action for action in others for key in changed.get(action.id, action.keys)}
        for key in keys:
            if key in taken:
                problems.append(
                    f"[keys] {action_id}: {key_label(key)} is {taken[key].id} there; give that another key first"
                )
                changed.pop(action_id, None)
    return Keymap(changed, tuple(problems))


def table(keymap: Keymap) -> list[tuple[str, str, str, str]]:
    """Return what every key does: screen, keys, id, and a sentence, in the order of the registry."""
    return [
        (
            "everywhere" if action.scope == GLOBAL else action.scope,
            " ".join(map(key_label, keymap.of(action))),
            action.id,
            action.help,
        )
        for action in ACTIONS
    ]


def _beside(action: Action) -> list[Action]:
    scopes = next((group for group in TOGETHER if action.scope in group), {action.scope})
    return [other for other in ACTIONS if other.scope in scopes]


def _read_keys(written: Sequence[str]) -> tuple[tuple[str, ...], str]:
    keys: list[str] = []
    for text in written:
        if not text.strip():
            continue
        key = _key_name(text.strip())
        if not _KEY.fullmatch(key):
            return (), f"{text!r} is no key; they are written as r, D, ctrl+r, f5, space, ?"
        if key in FORBIDDEN_KEYS:
            return (), f"{text} is needed by terminals and text fields; choose another"
        keys.append(key)
    return tuple(dict.fromkeys(keys)), ""


def _key_name(text: str) -> str:
    """Return a key by the name under which it arrives: ``?`` is ``question_mark``."""
    *modifiers, last = text.split("+") if len(text) > 1 else [text]
    if last in _NAMES:
        last = _NAMES[last]
    elif len(last) == 1 and not last.isalnum():
        last = unicodedata.name(last, last).lower().replace("-", "_").replace(" ", "_")
    return "+".join([*(modifier.lower() for modifier in modifiers), last])
