"""What an examination has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "so-so", "bad"]
"""``so-so`` works, but less well than it could."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``mend`` says what to do about it."""

    name: str
    state: State
    words: str
    mend: str = ""
