"""The bookmarks of the file browser: directories of this machine, and those of sandboxes, which are all alike."""

from __future__ import annotations

import json
from collections.abc import Callable

KEPT = 30


class Bookmarks:
    """Paths, newest first. ``keep`` is given the text to be written whenever they change."""

    def __init__(self, text: str, keep: Callable[[str], None]) -> None:
        self._keep = keep
        self._paths: dict[str, list[str]] = {"local": [], "sandbox": []}
        try:
            found = json.loads(text or "{}")
        except ValueError:
            found = {}
        for place, paths in self._paths.items():
            known = found.get(place) if isinstance(found, dict) else None
            paths += [path for path in known if isinstance(path, str)][:KEPT] if isinstance(known, list) else []

    def of(self, local: bool) -> list[str]:
        """Return the bookmarks of this machine, or of sandboxes."""
        return list(self._paths["local" if local else "sandbox"])

    def toggle(self, local: bool, path: str) -> None:
        """Set a bookmark, or take it away."""
        paths = self._paths["local" if local else "sandbox"]
        if path in paths:
            paths.remove(path)
        else:
            paths.insert(0, path)
            del paths[KEPT:]
        self._keep(json.dumps(self._paths))
