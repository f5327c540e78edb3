"""How the requests of a flow find the entry of the activity that they belong to, past dialogs and screens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sandtui.fleet.activity.trace import current_trace, following

T = TypeVar("T")


def carrying(function: Callable[..., T]) -> Callable[..., T]:
    """Return a function that runs as a part of what goes on now."""
    trace = current_trace()

    def carried(*arguments: object) -> T:
        with following(trace):
            return function(*arguments)

    return carried


def carrying_on(function: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    """Return the same of a function that is awaited."""
    trace = current_trace()

    async def carried() -> T:
        with following(trace):
            return await function()

    return carried
