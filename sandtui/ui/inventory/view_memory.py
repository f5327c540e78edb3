"""Remembers how the list of each context was left."""

from __future__ import annotations

import contextlib

from sandtui.config.paths import write_private
from sandtui.config.view_states import ViewStatesError
from sandtui.fleet.inventory.view_state import ViewState
from sandtui.ui.services.bundle import Services


class ViewMemory:
    """The stored state of the list of the current context."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._context = ""
        self._stored: ViewState | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether another context is connected than the one that is remembered."""
        return self._name() != self._context

    def recall(self) -> ViewState | None:
        """Return how the list of the connected context was left, if that is known."""
        self._context = self._name()
        try:
            self._stored = self._services.view_states.read(self._context)
        except ViewStatesError as error:
            self._stored = None
            self._services.notifier.notify(f"The last view is not restored: {error}", "warning")
        return self._stored

    def keep(self, state: ViewState) -> None:
        """Store a state, if it is another."""
        if self._context and state != self._stored:
            self._stored = state
            states = self._services.view_states
            self._services.files.keep(states.path(self._context), states.text(state))

    def keep_now(self, state: ViewState) -> None:
        """Store a state at the end, when nothing is started any more."""
        if self._context and state != self._stored:
            states = self._services.view_states
            with contextlib.suppress(OSError):
                write_private(states.path(self._context), states.text(state))

    def _name(self) -> str:
        """Return the name of the context; that of the connection if it has none."""
        return self._services.switcher.in_use or self._services.platform.label
