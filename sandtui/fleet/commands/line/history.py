"""The commands of earlier sessions, for the arrows and for searching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PastCommand:
    """A command as it is kept: without secrets. ``sandbox_id`` is empty when it ran on many."""

    command: str
    sandbox_id: str
    sandbox_name: str
    moment: datetime


class CommandHistory(Protocol):
    """Where commands are kept. All but :meth:`add` may take a while."""

    def add(self, sandbox_id: str, sandbox_name: str, command: str) -> None:
        """Keep a command, soon. What may not be kept (see ``masking``) is left out."""
        ...

    def search(self, text: str, sandbox_id: str | None = None) -> Sequence[PastCommand]:
        """Return the commands that hold a text, newest first, each once.

        Raises:
            OSError: they can't be read.
        """
        ...

    def close(self) -> None:
        """Write what is still to be written."""
        ...
