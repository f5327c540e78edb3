"""Every action there is, once: bindings, palette, ``:`` commands, key hints and help are made from this list.

One module for each screen or group of screens. Grammar of the keys (tui.md 3.1): lower case looks, a capital
changes, ``:`` names, ``/`` narrows, Escape undoes one step, space marks, ``?`` explains.
"""

from __future__ import annotations

from sandtui.fleet.actions import activity, console, create, fanout, files, fleet, jobs, log, ports, program, shell
from sandtui.fleet.actions.action import FORBIDDEN_KEYS, GLOBAL, Action

__all__ = ["ACTIONS", "BY_ID", "FORBIDDEN_KEYS", "GLOBAL", "Action", "in_scope"]

_GROUPS = (program, activity, fleet, create, console, fanout, files, log, ports, jobs, shell)

ACTIONS: tuple[Action, ...] = tuple(action for group in _GROUPS for action in group.ACTIONS)

BY_ID = {action.id: action for action in ACTIONS}


def in_scope(scope: str) -> list[Action]:
    """Return the actions of a scope, in the order of the list."""
    return [action for action in ACTIONS if action.scope == scope]
