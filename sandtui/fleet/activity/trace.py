"""What goes on belongs to a trace, by a context variable: tasks inherit it from whoever starts them."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandtui.fleet.activity.requests import Trace

_CAUSE: ContextVar[Trace | None] = ContextVar("sandtui_trace", default=None)


def current_trace() -> Trace | None:
    """Return the trace that what runs now belongs to."""
    return _CAUSE.get()


@contextmanager
def following(trace: Trace | None) -> Iterator[None]:
    """Make what is done inside, and what is started there, belong to a trace, or to none."""
    before = _CAUSE.set(trace)
    try:
        yield
    finally:
        _CAUSE.reset(before)
