"""What an action is, and which keys none may have."""

from __future__ import annotations

from dataclasses import dataclass

GLOBAL = "app"

FORBIDDEN_KEYS = frozenset(
    {
        *(f"ctrl+{letter}" for letter in "imhabdwku"),
        "ctrl+left_square_bracket",
        "ctrl+space",
        "ctrl+at",
    }
)
"""Keys that terminals, multiplexers or text fields need."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a user can do.

    ``id`` is ``scope.name``: the scope is the screen, or ``app``. ``keys`` are in Textual's spelling.
    ``title`` has three words at most; ``help`` is a sentence. ``hint`` orders the key footer: the
    smaller, the longer it stays when the line gets narrow; 0 keeps it out. ``dangerous`` actions
    change something outside: they are confirmed, or gone in read-only mode. ``command`` is the name
    under ``:``.
    """

    id: str
    keys: tuple[str, ...]
    title: str
    help: str
    hint: int = 0
    dangerous: bool = False
    command: str = ""

    @property
    def scope(self) -> str:
        """The screen it belongs to."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """The name inside its scope."""
        return self.id.partition(".")[2]
