"""What was done and what went wrong: the kinds of entries, and who keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from sandtui.fleet.activity.requests import Request, Trace

Kind = Literal["did", "information", "warning", "error"]
"""``did`` is what the user asked for, the others are what was said."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. ``context`` is the connection that it belongs to, ``trace`` names the requests behind it.

    ``requests`` and ``failed`` count them, as far as they were made when the entry was read.
    """

    moment: datetime
    context: str
    kind: Kind
    text: str
    trace: str = ""
    requests: int = 0
    failed: int = 0


class Activity(Protocol):
    """Keeps entries between runs, without secrets."""

    def add(self, entry: Entry, secrets: Sequence[str] = ()) -> None:
        """Keep an entry, soon; ``secrets`` are taken out of it, and so is what looks like one."""
        ...

    def keep_traces(self, traces: Sequence[Trace]) -> None:
        """Keep the requests behind entries, soon, in place of what was kept of them before."""
        ...

    def search(self, text: str) -> list[Entry]:
        """Return the entries that hold every word, in themselves or their requests, newest first.

        Not from the event loop.

        Raises:
            OSError: they can't be read.
        """
        ...

    def requests_of(self, entry: Entry) -> list[Request]:
        """Return what is kept of the requests behind an entry, in their order; not from the event loop.

        Raises:
            OSError: they can't be read.
        """
        ...

    def close(self) -> None:
        """Write what is still to be written."""
        ...
