"""Turns a flow into a blocking method with the same signature and docstring.

The client with the method has the object with the flows as ``_flows``: inside a flow ``self`` must be the object whose
methods are coroutines.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

from sandtui.client.port import run_blocking

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")


def blocking(flow: Callable[Concatenate[S, P], Coroutine[Any, Any, R]]) -> Callable[Concatenate[Any, P], R]:
    """Return ``flow`` as a blocking method."""

    @functools.wraps(flow)
    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return run_blocking(flow(self._flows, *args, **kwargs))

    return method


def same(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Return an ordinary method of the flows as a method of the client."""

    @functools.wraps(method)
    def twin(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        result: R = getattr(self._flows, method.__name__)(*args, **kwargs)
        return result

    return twin


def blocking_iterator(
    flow: Callable[Concatenate[S, P], AsyncIterator[R]],
) -> Callable[Concatenate[Any, P], Iterator[R]]:
    """Return ``flow`` as a method that returns an ordinary iterator."""

    @functools.wraps(flow)
    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        items: Any = flow(self._flows, *args, **kwargs)
        try:
            while True:
                try:
                    yield run_blocking(items.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            run_blocking(items.aclose())

    return method
