"""Contains exceptions: the broken screen closes with a notice, and the program continues if it can still draw."""

from __future__ import annotations

import logging
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from textual._context import active_message_pump
from textual.screen import Screen
from textual.widget import Widget

from sandtui.ui.chrome.gate import WIDGETS_ARE_GONE, ScreenGate

if TYPE_CHECKING:
    from textual.message_pump import MessagePump


LOG = logging.getLogger("sandtui.ui")

MOST_FAULTS, FAULTS_SECONDS = 5, 10.0
"""More faults within this time end the program with a report."""


class RecoverableApp(Protocol):
    """What is needed of the app."""

    @property
    def is_leaving(self) -> bool:
        """Whether the program is shutting down."""

    @property
    def is_ready(self) -> bool:
        """Whether screens can be closed and notifications shown."""

    def write_report(self, error: BaseException) -> str:
        """Save a report of an error; return its path, or an empty text if that failed."""

    def notify_error(self, text: str) -> None:
        """Notify the user."""

    def close_broken(self, screen: Screen[Any]) -> bool:
        """Close a screen; return whether another one is left."""


class Faults:
    """Decides whether an exception closes a screen or ends the program."""

    def __init__(self, app: RecoverableApp) -> None:
        self._app = app
        self._times: deque[float] = deque(maxlen=MOST_FAULTS)

    def contain(self, error: BaseException, node: MessagePump | None = None) -> bool:
        """Close the screen in which an exception was raised; return False when the program must end.

        ``node`` is where it was raised, by default the widget, screen or app whose queue is being processed.
        """
        app = self._app
        if node is None:
            node = active_message_pump.get(None)
        screen = _screen_of(node)
        if app.is_leaving:
            LOG.error("an error during shutdown", exc_info=error)
            return True
        if screen is not None and isinstance(screen, ScreenGate) and screen.is_closing:
            # It was closed meanwhile: there is nothing left to close, and nobody misses the result.
            level = logging.DEBUG if isinstance(error, WIDGETS_ARE_GONE) else logging.ERROR
            LOG.log(level, "an error in a screen that was closed", exc_info=error)
            return True
        if not app.is_ready or self._too_many():
            return False
        report = app.write_report(error)
        where = f"Report: {report}" if report else "The report could not be saved."
        if screen is None:
            app.notify_error(f"Internal error ({type(error).__name__}). {where}")
        elif app.close_broken(screen):
            app.notify_error(f"{_title(screen)} closed after an internal error ({type(error).__name__}). {where}")
        else:
            return False
        return True

    def _too_many(self) -> bool:
        now = monotonic()
        full = len(self._times) == MOST_FAULTS and now - self._times[0] < FAULTS_SECONDS
        self._times.append(now)
        return full


def _screen_of(node: MessagePump | None) -> Screen[object] | None:
    while node is not None and not isinstance(node, Screen):
        node = node._parent if isinstance(node, Widget) else None
    return node


def _title(screen: Screen[object]) -> str:
    name = type(screen).__name__
    for ending in ("Screen", "Dialog"):
        name = name.removesuffix(ending)
    title = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    kind = "dialog" if type(screen).__name__.endswith("Dialog") else "screen"
    return f"The {title} {kind}"
