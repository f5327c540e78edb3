"""The registry of actions: bindings, palette, ``:`` commands, key hints, help and manual are generated from it.

One module for each screen or group of screens. Conventions of the keys: lower case shows, capitals change something,
``:`` runs by name, ``/`` filters or searches, Escape goes back one step, space marks, ``?`` shows help.
"""

from __future__ import annotations

from sandtui.fleet.actions import (
    activity,
    checkpoints,
    console,
    create,
    fanout,
    files,
    fleet,
    jobs,
    log,
    ports,
    program,
    shell,
    volumes,
)
from sandtui.fleet.actions.action import FORBIDDEN_KEYS, GLOBAL, Action

__all__ = [
    "ACTIONS", "BY_ID", "FORBIDDEN_KEYS", "GLOBAL", "OPENING", "PANES", "Action", "in_scope", "opens",
    "touches_machine",
]  # fmt: skip

_GROUPS = (program, activity, fleet, create, checkpoints, volumes, console, fanout, files, log, ports, jobs, shell)

ACTIONS: tuple[Action, ...] = tuple(action for group in _GROUPS for action in group.ACTIONS)

BY_ID = {action.id: action for action in ACTIONS}


_OF_ROWS = frozenset(
    f"{scope}.{name}"
    for scope in ("activity", "launch", "results", "jobs", "ports", "bulk", "files", "checkpoints")
    for name in ("open", "open_sandbox", "logs", "files")
)

OPENING = _OF_ROWS | frozenset(
    {
        "app.context", "app.launches", "app.checkpoints", "app.volumes", "app.manual",
        "checkpoints.compare", "compare.go", "compare.filter", "compare.open",
        "activity.details",
        "fleet.open", "fleet.fan_outs", "fleet.files", "fleet.logs", "fleet.many", "fleet.views", "fleet.group",
        "fleet.columns", "fleet.copy_more",
        "detail.copy_more", "detail.files", "detail.logs",
        "jobs.log", "jobs.save", "jobs.announce",
        "job_log.search", "output.search", "output.save", "results.search", "results.save", "results.targets",
        "results.marked", "log.save",
        "ports.copy_more", "ports.qr",
        "files.filter", "files.go", "files.side", "files.bookmarks",
        "recordings.play",
    }
)  # fmt: skip
"""Actions that change nothing, and open a screen, a menu or a field for which the next keys are meant."""


PANES = {"console": ("output",), "fanout": ("results",), "files": ("queue",), "jobs": ("job_log",)}
"""The scopes of panes, by the scope of their screen."""


def opens(action: Action) -> bool:
    """Whether an action opens something. If it fails to, the keys typed for it must have no other effect."""
    return action.dangerous or action.id in OPENING


_MACHINE_SCOPES = frozenset({"files", "queue", "preview", "recordings", "player"})
_MACHINE_NAMES = frozenset({"context", "edit", "files", "presets", "record", "recordings", "save", "suspend"})


def touches_machine(action: Action) -> bool:
    """Whether an action shows or writes files of this machine, starts its programs, or leads to other platforms."""
    return action.scope in _MACHINE_SCOPES or action.name in _MACHINE_NAMES


def in_scope(scope: str) -> list[Action]:
    """Return the actions of a scope, in the order of the registry."""
    return [action for action in ACTIONS if action.scope == scope]
