"""Bindings, key hints and help, generated from the registry of actions."""

from __future__ import annotations

from collections.abc import Callable

from textual.binding import Binding, BindingType

from sandtui.fleet.actions import BY_ID, GLOBAL, Action, in_scope
from sandtui.fleet.keymap import Keymap, key_label
from sandtui.ui.chrome.key_hints import Hint

DEFAULT = Keymap()

KeyOf = Callable[[str], str]
"""The key of an action, as the user's keymap has it."""


NO_KEY = "no_key"
"""Placeholder for an action without a key: for an empty text Textual would use the default keys."""

PALETTE = "app.command_palette"
"""The action that opens the palette, which lists actions without keys too."""

PRIORITY = frozenset({"console.interrupt", "fanout.interrupt", PALETTE})
"""Actions whose keys take precedence over the focused text field."""


def bindings(scope: str) -> list[BindingType]:
    """Return the bindings of a scope, with the ids by which they are remapped."""
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


def textual_keymap(keymap: Keymap) -> dict[str, str]:
    """Return the user's keys in the format of Textual."""
    return {action_id: ",".join(keys) or NO_KEY for action_id, keys in keymap.changed.items()}


def hints(*scopes: str, keymap: Keymap = DEFAULT, allowed: Callable[[Action], bool] = lambda _: True) -> list[Hint]:
    """Return the hints of the allowed actions of some scopes that have keys, in the order of the registry."""
    actions = [action for scope in scopes for action in in_scope(scope)]
    return [
        Hint(key_label(keys[0]), action.title, action.hint, action.id)
        for action in actions
        if action.hint and action.id != "app.help" and allowed(action) and (keys := keymap.of(action))
    ]


def key_of(action_id: str, keymap: Keymap = DEFAULT) -> str:
    """Return the key of an action for a text: its first key, or its command, or the key of the palette."""
    action = BY_ID[action_id]
    keys = keymap.of(action)
    if keys:
        return key_label(keys[0])
    if action.command:
        return f":{action.command}"
    return key_of(PALETTE, keymap) if action_id != PALETTE and keymap.of(BY_ID[PALETTE]) else "the palette"


def help_hint(typing: bool, keymap: Keymap = DEFAULT) -> Hint:
    """Return the hint for help. In a text field ``?`` is a character, so the function key is shown."""
    action = BY_ID[f"{GLOBAL}.help"]
    keys = keymap.of(action) or action.keys
    return Hint(key_label(keys[-1 if typing else 0]), action.title, action.hint, action.id)
