"""How the requests of a flow find the entry of the activity that they belong to, past dialogs and screens."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from textual.app import App

from sandtui.fleet.activity.trace import current_trace, following

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from sandtui.fleet.activity.entry import Kind

T = TypeVar("T")

LOG = logging.getLogger("sandtui.ui")


class Tracing(App[None]):
    """The part of the app that carries a trace from a dialog to what its answer starts."""

    def note(self, kind: Kind, text: str) -> None:
        """Keep what was done or said for later runs, without secrets."""
        raise NotImplementedError

    @contextmanager
    def doing(self, words: str) -> Iterator[None]:
        """Note what the user asked for; the requests of what is started inside stand behind that entry."""
        from sandtui.fleet.activity.requests import Trace

        with following(Trace()):
            self.note("did", words)
            yield

    # The arguments are told to type checkers by Textual's own overloads.
    if not TYPE_CHECKING:

        def push_screen(self, screen: Any, callback: Any = None, *rest: Any, **named: Any) -> Any:
            """Show a screen; what its answer starts belongs to what opened it."""
            LOG.debug("shows %s", type(screen).__name__)
            if callback is not None:
                callback = carrying(callback)
            # A screen lives longer than what opened it: what it does later has causes of its own.
            with following(None):
                return super().push_screen(screen, callback, *rest, **named)


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
