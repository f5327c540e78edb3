"""What the fleet screen remembers between runs: columns, order, views. The caller stores the text."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sandtui.fleet.inventory.order import ORDERS_BY_ID
from sandtui.fleet.inventory.query import QueryError, parse
from sandtui.fleet.inventory.saved_views import SavedView, check_key

MOST_VIEWS = 50
NOTIFY = {
    "app": "in the app",
    "bell": "in the app + terminal bell",
    "osc9": "in the app + desktop notification (OSC 9)",
    "off": "no notifications",
}
"""How sandtui can notify when a job ends."""


@dataclass(slots=True)
class Preferences:
    """Columns by id, in order (none: those that come with it), widths in cells, order, saved
    views, and how the end of a job is told."""

    columns: list[str] = field(default_factory=list)
    widths: dict[str, int] = field(default_factory=dict)
    sort: str = "age"
    descending: bool = True
    active_only: bool = False
    inspector: bool = True
    notify: str = "app"
    views: list[SavedView] = field(default_factory=list)

    def dump(self) -> str:
        """Return the text to store."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, text: str) -> Preferences:
        """Read stored text. What is invalid keeps its default: a damaged file must not prevent the start."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(values, dict):
            return cls()
        chosen = cls()
        columns, widths = values.get("columns"), values.get("widths")
        if isinstance(columns, list):
            chosen.columns = [column for column in columns if isinstance(column, str)]
        if isinstance(widths, dict):
            chosen.widths = {name: min(width, 200) for name, width in widths.items() if type(width) is int}
        if values.get("sort") in ORDERS_BY_ID:
            chosen.sort = values["sort"]
        for name in ("descending", "active_only", "inspector"):
            if isinstance(values.get(name), bool):
                setattr(chosen, name, values[name])
        if values.get("notify") in NOTIFY:
            chosen.notify = values["notify"]
        views = values.get("views")
        if isinstance(views, list):
            chosen.views = [view for each in views[:MOST_VIEWS] if (view := _view(each)) is not None]
        return chosen

    def keep_view(self, view: SavedView) -> None:
        """Save a view; it replaces one with the same key."""
        self.views = [each for each in self.views if each.key != view.key] + [view]

    def drop_view(self, key: str) -> bool:
        """Delete a view by its key; return whether it existed."""
        before = len(self.views)
        self.views = [each for each in self.views if each.key != key]
        return len(self.views) < before


def _view(values: Any) -> SavedView | None:
    if not isinstance(values, dict):
        return None
    known = {each.name for each in fields(SavedView)}
    given = {name: value for name, value in values.items() if name in known}
    texts = [given.get(name, "") for name in ("key", "name", "query", "sort", "group", "words")]
    if not all(isinstance(text, str) for text in texts) or not isinstance(given.get("descending", True), bool):
        return None
    try:
        view = SavedView(**given)
        parse(view.query, me="someone")
    except (TypeError, QueryError):
        return None
    return view if not check_key(view.key) and view.sort in ORDERS_BY_ID else None
