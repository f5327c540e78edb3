"""Views of the fleet that are one key away: the built-in ones, and those that the user saved."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SavedView:
    """A filter with an order and a grouping. ``key`` is the letter after ``v``."""

    key: str
    name: str
    query: str
    sort: str = "age"
    descending: bool = True
    group: str = ""
    words: str = ""


FAILED_KEY = "E"
IDLE_KEY = "f"

FAILED = SavedView(FAILED_KEY, "failed", "status:error", "ended", words="failed sandboxes, newest first")

BUILT_IN: tuple[SavedView, ...] = (
    SavedView("m", "mine", "mine", words="created by you"),
    SavedView("b", "just failed", "status:error ended<1h", "ended", words="failed in the last hour, newest first"),
    FAILED,
    SavedView("e", "expiring", "left<1h", "left", False, words="less than 1 h left"),
    SavedView(
        "s",
        "stuck",
        "(status:pending,provisioning age>10m) or status:deleting",
        "age",
        False,
        words="pending >10 min or deleting",
    ),
    SavedView("d", "died", "status:error,timeout", "ended", group="cause", words="ended by themselves, by cause"),
    SavedView("o", "orphaned", "orphaned", words="left running by a program that has ended"),
    SavedView(
        IDLE_KEY,
        "idle",
        "status:running age>4h untouched -used>2%",
        "age",
        False,
        words="running >4 h with no known activity",
    ),
)
"""The built-in views; their keys are reserved."""

EVERYTHING_KEY = "a"
SAVE_KEY, REMOVE_KEY = "S", "D"
TAKEN = frozenset({view.key for view in BUILT_IN} | {EVERYTHING_KEY, SAVE_KEY, REMOVE_KEY})


def check_key(key: str) -> str:
    """Return what is wrong with the key of a new view; empty if it is valid."""
    if len(key) != 1 or not key.isalnum() or not key.isascii():
        return "The key must be one letter or digit"
    return f'"{key}" is used by a built-in view' if key in TAKEN else ""
