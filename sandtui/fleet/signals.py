"""News with any number of listeners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Signal(Generic[P]):
    """Called with news, calls every listener with them, in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: list[Callable[P, object]] = []

    def __call__(self, *news: P.args, **named: P.kwargs) -> None:
        """Tell all who listen now; one that begins or ends meanwhile changes nothing about this call."""
        for listener in list(self._listeners):
            listener(*news, **named)

    def subscribe(self, listener: Callable[P, object]) -> Callable[[], None]:
        """Have a listener called from now on; return what ends that. To end it twice does nothing."""

        def entry(*news: P.args, **named: P.kwargs) -> None:
            listener(*news, **named)

        self._listeners.append(entry)

        def end() -> None:
            if entry in self._listeners:
                self._listeners.remove(entry)

        return end
