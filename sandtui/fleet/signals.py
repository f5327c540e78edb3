"""Signals with any number of subscribers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Signal(Generic[P]):
    """Calling it calls all subscribers with the same arguments, in the order of subscription."""

    def __init__(self) -> None:
        self._listeners: list[Callable[P, object]] = []

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call all current subscribers; subscribing or unsubscribing meanwhile does not affect this call."""
        for listener in list(self._listeners):
            listener(*args, **kwargs)

    def subscribe(self, listener: Callable[P, object]) -> Callable[[], None]:
        """Add a subscriber; return a function that removes it, and may be called repeatedly."""

        def entry(*args: P.args, **kwargs: P.kwargs) -> None:
            listener(*args, **kwargs)

        self._listeners.append(entry)

        def unsubscribe() -> None:
            if entry in self._listeners:
                self._listeners.remove(entry)

        return unsubscribe
