"""News with any number of listeners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Signal(Generic[T]):
    """Calls every listener with a value, in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[T], object]] = []

    def subscribe(self, listener: Callable[[T], object]) -> Callable[[], None]:
        """Have a listener called from now on; return what ends that. A second call of it does nothing."""
        # Of its own, so that the same function may listen twice.
        entry: Callable[[T], object] = lambda value: listener(value)  # noqa: E731
        self._listeners.append(entry)

        def end() -> None:
            if entry in self._listeners:
                self._listeners.remove(entry)

        return end

    def publish(self, value: T) -> None:
        """Tell all who listen now; one that begins or ends meanwhile changes nothing about this call."""
        for listener in list(self._listeners):
            listener(value)
