"""The current trace, in a context variable: tasks inherit it from their creator."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandtui.fleet.activity.requests import Trace

_CAUSE: ContextVar[Trace | None] = ContextVar("sandtui_trace", default=None)


def current_trace() -> Trace | None:
    """Return the current trace."""
    return _CAUSE.get()


@contextmanager
def following(trace: Trace | None) -> Iterator[None]:
    """Set the current trace for a block and the tasks started in it; None for no trace."""
    before = _CAUSE.set(trace)
    try:
        yield
    finally:
        _CAUSE.reset(before)
