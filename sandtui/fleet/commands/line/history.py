"""The command history of earlier sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PastCommand:
    """A stored command, redacted. ``sandbox_id`` is empty when it ran in many sandboxes."""

    command: str
    sandbox_id: str
    sandbox_name: str
    moment: datetime


class CommandHistory(Protocol):
    """Storage of commands. All methods but :meth:`add` may block."""

    def add(self, sandbox_id: str, sandbox_name: str, command: str) -> None:
        """Store a command, asynchronously. Secrets are redacted, see ``redaction``."""
        ...

    def search(self, text: str, sandbox_id: str | None = None) -> Sequence[PastCommand]:
        """Return the commands that contain a text, newest first, without duplicates.

        Raises:
            OSError: the storage can't be read.
        """
        ...

    def close(self) -> None:
        """Finish pending writes."""
        ...
