"""Bindings, key hints and help, made from the registry of actions."""

from __future__ import annotations

from collections.abc import Callable

from textual.binding import Binding, BindingType

from sandtui.fleet.actions import BY_ID, GLOBAL, Action, in_scope
from sandtui.ui.widgets.key_hints import Hint

_LABELS = {
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
    "exclamation_mark": "!",
    "ampersand": "&",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "ctrl+right_square_bracket": "ctrl+]",
    "left": "←",
    "right": "→",
    "plus": "+",
}

PRIORITY = frozenset({"console.interrupt", "fanout.interrupt"})
"""Actions whose key must win over the text field that has the focus.

Only those: a priority key overtakes the letters that were typed before it and are still on their way to the field.
"""


def bindings(scope: str) -> list[BindingType]:
    """Return the bindings of a scope; each carries the id under which it can be remapped."""
    return [
        Binding(
            ",".join(action.keys),
            action.name if scope == action.scope else f"{action.scope}.{action.name}",
            action.title,
            show=False,
            id=action.id,
            priority=action.id in PRIORITY,
        )
        for action in in_scope(scope)
    ]


def key_label(key: str) -> str:
    """Return a key as people write it."""
    return _LABELS.get(key, key)


def hint(action: Action) -> Hint:
    """Return the hint of an action: its first key and its title."""
    return Hint(key_label(action.keys[0]), action.title, action.hint, action.id)


def hints(*scopes: str, allowed: Callable[[Action], bool] = lambda _: True) -> list[Hint]:
    """Return the hints of the allowed actions of some scopes, in the order of the registry."""
    actions = [action for scope in scopes for action in in_scope(scope)]
    return [hint(action) for action in actions if action.hint and action.id != "app.help" and allowed(action)]


def help_hint(typing: bool) -> Hint:
    """Return the hint for help; in a text field ``?`` is a letter and only the function key works."""
    action = BY_ID[f"{GLOBAL}.help"]
    return Hint(key_label(action.keys[-1 if typing else 0]), action.title, action.hint, action.id)
