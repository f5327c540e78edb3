"""An action, and the keys that no action may have."""

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
"""Keys reserved for terminals, multiplexers or text fields."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a user can do.

    ``id`` is ``scope.name``; the scope is a screen, a pane or ``app``. ``keys`` are Textual's names. ``title`` has at
    most three words; ``help`` is an imperative without a full stop. ``hint`` is the rank in the footer of key hints:
    the smaller, the later it is dropped in a narrow window; 0 leaves it out. ``dangerous`` actions change something on
    the platform: they are confirmed in production and disabled in read-only mode. ``command`` is the name after ``:``.
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
        """The screen or pane that it belongs to."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """The name within the scope."""
        return self.id.partition(".")[2]
