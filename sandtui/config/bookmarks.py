"""The bookmarks of the file browser: directories of this machine, and of sandboxes, which share one list."""

from __future__ import annotations

import json
from collections.abc import Callable

MAX_BOOKMARKS = 30


class Bookmarks:
    """Paths, newest first. ``save`` is called with the text to store whenever they change."""

    def __init__(self, text: str, save: Callable[[str], None]) -> None:
        self._save = save
        self._paths: dict[str, list[str]] = {"local": [], "sandbox": []}
        try:
            found = json.loads(text or "{}")
        except ValueError:
            found = {}
        for place, paths in self._paths.items():
            known = found.get(place) if isinstance(found, dict) else None
            paths += (
                [path for path in known if isinstance(path, str)][:MAX_BOOKMARKS] if isinstance(known, list) else []
            )

    def of(self, local: bool) -> list[str]:
        """Return the bookmarks of this machine, or of sandboxes."""
        return list(self._paths["local" if local else "sandbox"])

    def toggle(self, local: bool, path: str) -> None:
        """Add a bookmark, or remove it."""
        paths = self._paths["local" if local else "sandbox"]
        if path in paths:
            paths.remove(path)
        else:
            paths.insert(0, path)
            del paths[MAX_BOOKMARKS:]
        self._save(json.dumps(self._paths))
