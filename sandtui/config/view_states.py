"""How the list of each context was left: one file for each, so that dashboards on different ones do not meet.

Two dashboards on the same context replace the file as a whole; the one that changes its list last is remembered.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from sandtui.fleet.inventory.view_state import ViewState

VERSION = 1
LARGEST_FILE = 256 * 1024


class ViewStatesError(ValueError):
    """A stored state cannot be used."""


class ViewStates:
    """The files in a directory. A context may have any name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, context: str) -> Path:
        """Return the file of a context."""
        readable = re.sub(r"[^A-Za-z0-9]+", "-", context).strip("-")[:40]
        digest = hashlib.sha256(context.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        return self._folder / f"{readable}-{digest}.json"

    def text(self, state: ViewState) -> str:
        """Return the text of a file."""
        return json.dumps({"version": VERSION, **state.record()}, indent=2) + "\n"

    def read(self, context: str) -> ViewState | None:
        """Return the state of a context; None if none is stored.

        Raises:
            ViewStatesError: the file is damaged, or of another version.
        """
        path = self.path(context)
        try:
            with path.open(encoding="utf-8") as file:
                text = file.read(LARGEST_FILE + 1)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ViewStatesError(f"{path.name} cannot be read") from error
        try:
            record = json.loads(text)
            if not isinstance(record, dict) or record.pop("version", None) != VERSION:
                raise ViewStatesError(f"{path.name} is of another version")
            return ViewState.read(record)
        except ViewStatesError:
            raise
        except (ValueError, RecursionError) as error:
            raise ViewStatesError(f"{path.name} is damaged") from error
