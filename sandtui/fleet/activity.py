"""What was done and what went wrong: the kinds of entries, and who keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Kind = Literal["did", "information", "warning", "error"]
"""``did`` is what the user asked for, the others are what was said."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. ``context`` is the connection that it belongs to."""

    moment: datetime
    context: str
    kind: Kind
    text: str


class Activity(Protocol):
    """Keeps entries between runs, without secrets."""

    def add(self, entry: Entry, secrets: Sequence[str] = ()) -> None:
        """Keep an entry, soon; ``secrets`` are taken out of it, and so is what looks like one."""
        ...

    def search(self, text: str) -> list[Entry]:
        """Return the entries that hold every word, newest first; not from the event loop.

        Raises:
            OSError: they can't be read.
        """
        ...

    def close(self) -> None:
        """Write what is still to be written."""
        ...
