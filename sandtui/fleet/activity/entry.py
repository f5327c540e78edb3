"""Entries of the activity log, and the interface of their storage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from sandtui.fleet.activity.requests import Request, Trace

Kind = Literal["did", "information", "warning", "error"]
"""``did`` is an action of the user, the others are notifications."""


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """One entry. ``context`` is the connection that it belongs to, ``trace`` identifies its requests.

    ``requests`` and ``failed`` are their numbers at the time the entry was read.
    """

    moment: datetime
    context: str
    kind: Kind
    text: str
    trace: str = ""
    requests: int = 0
    failed: int = 0


class Activity(Protocol):
    """Stores entries between runs, without secrets."""

    def add(self, entry: ActivityEntry, secrets: Sequence[str] = ()) -> None:
        """Store an entry, asynchronously; ``secrets`` and anything that looks like one are redacted."""
        ...

    def keep_traces(self, traces: Sequence[Trace]) -> None:
        """Store the requests of entries, asynchronously, replacing earlier ones."""
        ...

    def search(self, text: str) -> list[ActivityEntry]:
        """Return the entries that contain every word, in the entry or its requests, newest first.

        Blocks: not for the event loop.

        Raises:
            OSError: the storage can't be read.
        """
        ...

    def requests_of(self, entry: ActivityEntry) -> list[Request]:
        """Return the stored requests of an entry, in order. Blocks: not for the event loop.

        Raises:
            OSError: the storage can't be read.
        """
        ...

    def close(self) -> None:
        """Finish pending writes."""
        ...
