"""Every action there is, once: bindings, palette, ``:`` commands, key hints and help are made from this list.

One module for each screen or group of screens. Grammar of the keys: lower case looks, a capital
changes, ``:`` names, ``/`` narrows, Escape undoes one step, space marks, ``?`` explains.
"""

from __future__ import annotations

from sandtui.fleet.actions import activity, console, create, fanout, files, fleet, jobs, log, ports, program, shell
from sandtui.fleet.actions.action import FORBIDDEN_KEYS, GLOBAL, Action

__all__ = ["ACTIONS", "BY_ID", "FORBIDDEN_KEYS", "GLOBAL", "OPENING", "PANES", "Action", "in_scope", "opens"]

_GROUPS = (program, activity, fleet, create, console, fanout, files, log, ports, jobs, shell)

ACTIONS: tuple[Action, ...] = tuple(action for group in _GROUPS for action in group.ACTIONS)

BY_ID = {action.id: action for action in ACTIONS}


OPENING = frozenset(
    {
        "app.context", "app.launches", "app.manual",
        "activity.open",
        "fleet.open", "fleet.fan_outs", "fleet.files", "fleet.logs", "fleet.many", "fleet.views", "fleet.group",
        "fleet.columns", "fleet.copy_more",
        "detail.copy_more", "detail.files", "detail.logs",
        "jobs.open", "jobs.save", "jobs.announce",
        "job_log.search", "output.search", "output.save", "results.search", "results.save", "results.targets",
        "results.marked", "log.save",
        "ports.copy_more", "ports.qr",
        "files.open", "files.view", "files.filter", "files.go", "files.side", "files.bookmarks",
        "recordings.play",
    }
)  # fmt: skip
"""Actions that change nothing, and after which keys are meant for the screen, the menu or the field that opens."""


PANES = {"console": ("output",), "fanout": ("results",), "files": ("queue",), "jobs": ("job_log",)}
"""The scopes of the panes beside that of their screen."""


def opens(action: Action) -> bool:
    """Whether something is expected to open: when it does not, the keys typed for it must do nothing else."""
    return action.dangerous or action.id in OPENING


def in_scope(scope: str) -> list[Action]:
    """Return the actions of a scope, in the order of the list."""
    return [action for action in ACTIONS if action.scope == scope]
