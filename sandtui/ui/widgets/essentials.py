"""What a notice must never cover."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from textual.geometry import Region

MARKS_WIDTH = 4
"""Cells at the left of a list in which the cursor and the marks are drawn."""


@runtime_checkable
class HasEssentials(Protocol):
    """A widget with parts that stay in view: the row under the cursor, the column of marks."""

    def essentials(self) -> list[Region]:
        """Return these parts, relative to the content of the widget."""
        ...
