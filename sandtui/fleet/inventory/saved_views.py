"""Ways to look at the fleet that are one key away: six that come with it, and those that were saved."""

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


BUILT_IN: tuple[SavedView, ...] = (
    SavedView("m", "mine", "mine", words="what you made"),
    SavedView("b", "broken", "status:error ended<1h", "age", True, words="ended in error in the last hour"),
    SavedView("E", "errors", "status:error", words="all that ended in error, newest first"),
    SavedView("e", "expiring", "left<1h", "left", False, words="ends within the hour, soonest first"),
    SavedView(
        "s",
        "stuck",
        "(status:pending,provisioning age>10m) or status:deleting",
        "age",
        False,
        words="takes too long to come or go",
    ),
    SavedView(
        "f",
        "forgotten",
        "status:running age>4h untouched -used>2%",
        "age",
        False,
        words="runs for hours, unused as far as known",
    ),
)
"""The views that come with it; their letters can't be taken."""

EVERYTHING_KEY = "a"
SAVE_KEY, REMOVE_KEY = "S", "D"
TAKEN = frozenset({view.key for view in BUILT_IN} | {EVERYTHING_KEY, SAVE_KEY, REMOVE_KEY})


def check_key(key: str) -> str:
    """Return what is wrong with a letter for a view, or an empty text."""
    if len(key) != 1 or not key.isalnum() or not key.isascii():
        return "one letter or digit calls a view"
    return f'"{key}" is taken by a view that comes with it' if key in TAKEN else ""
