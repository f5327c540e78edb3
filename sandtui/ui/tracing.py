"""Carries the trace of an action through callbacks, so that its requests are filed under its activity entry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sandtui.fleet.activity.trace import current_trace, following

T = TypeVar("T")


def with_current_trace(function: Callable[..., T]) -> Callable[..., T]:
    """Return a function that runs in the current trace."""
    trace = current_trace()

    def traced(*arguments: object) -> T:
        with following(trace):
            return function(*arguments)

    return traced


def with_current_trace_async(function: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    """Return a coroutine function that runs in the current trace."""
    trace = current_trace()

    async def traced() -> T:
        with following(trace):
            return await function()

    return traced
