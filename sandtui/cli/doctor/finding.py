"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "error"]
"""``warning`` works, with limitations."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check; ``fix`` says what to do about it."""

    name: str
    state: State
    text: str
    fix: str = ""
