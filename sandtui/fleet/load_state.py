"""Whether the content of a list is known: a list is called empty only after it was loaded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class LoadPhase(Enum):
    """How far loading is."""

    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LoadState:
    """``detail`` says what is still missing, or why loading failed; it may come from outside."""

    phase: LoadPhase = LoadPhase.LOADING
    detail: str = ""

    @property
    def is_loaded(self) -> bool:
        """Whether the content is known."""
        return self.phase is LoadPhase.LOADED

    @property
    def is_loading(self) -> bool:
        """Whether an answer is still awaited."""
        return self.phase is LoadPhase.LOADING


LOADING = LoadState()
LOADED = LoadState(LoadPhase.LOADED)


def failed(reason: str) -> LoadState:
    """Return the state after loading has failed."""
    return LoadState(LoadPhase.FAILED, reason)
