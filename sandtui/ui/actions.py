"""Runs actions: gives the reason if one is not possible, and applies the rules of the context to dangerous ones."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from textual.app import App
from textual.dom import DOMNode

from sandtui.fleet.actions import BY_ID, GLOBAL, Action, opens, touches_machine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.services.bundle import Services
from sandtui.ui.tracing import with_current_trace_async


class ActionRunner:
    """Runs between a key and the method that it is bound to."""

    def __init__(self, app: App[Any], services: Services) -> None:
        self._app, self._services = app, services

    async def run(
        self, action: object, namespace: DOMNode | None, run: Callable[[], Coroutine[object, object, bool]]
    ) -> bool:
        """Run an action. Dangerous actions are refused in a read-only context, and confirmed in production."""
        services = self._services
        known = self.find(action, namespace) if isinstance(action, str) else None
        # A screen, a dialog or a pane may give a reason why its action is not possible now.
        explain: Callable[[str], str] | None = getattr(namespace, "why_not", None)
        # First: nothing that the user does here would make it possible.
        if known is not None and known.dangerous and not services.contexts.may(known):
            other = services.key_of("app.context")
            self._refuse(known, f'Read-only context: "{known.title}" is disabled. Press {other} to switch context')
            return True
        if isinstance(action, str) and explain is not None and (reason := explain(_name(action))):
            if known is not None:
                self._refuse(known, reason)
            else:
                services.notifier.notify(reason, "warning")
            return True
        if known is not None and services.contexts.confined and touches_machine(known):
            self._refuse(known, f'"{known.title}" is disabled: this dashboard stays off the machine where it runs')
            return True
        if known is None or not known.dangerous:
            return await run()
        screen = self._app.screen
        where = [*screen.crumbs(), screen.subject()] if isinstance(screen, AppScreen) else []
        with services.notifier.doing(" › ".join([known.title, *filter(None, where)])):
            if services.contexts.production:
                confirmed = with_current_trace_async(run)
                services.contexts.ask(known, lambda: self._app.call_later(confirmed))
                return True
            return await run()

    def find(self, action: str, namespace: DOMNode | None) -> Action | None:
        """Return the registered action of a binding of a screen or of the app."""
        name = action.partition("(")[0]
        if name in BY_ID:
            return BY_ID[name]
        own: str = getattr(namespace, "SCOPE", "") or GLOBAL
        scopes = (*namespace.hint_scopes(), own) if isinstance(namespace, AppScreen) else (own,)
        return next((BY_ID[f"{scope}.{name}"] for scope in scopes if f"{scope}.{name}" in BY_ID), None)

    def _refuse(self, action: Action, reason: str) -> None:
        if opens(action):
            self._services.notifier.refuse(reason, action.title)
        else:
            self._services.notifier.notify(reason, "warning")


def _name(action: str) -> str:
    """Return the name of an action without its scope and its arguments."""
    return action.partition("(")[0].rpartition(".")[2]
