"""Switching the context at runtime."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from textual.app import App

from sandtui.config.contexts import Context
from sandtui.fleet.inventory.connection import Connection
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.navigator import Navigator
from sandtui.ui.services.launches import Launches
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import ConnectFailure, PlatformConnection
from sandtui.ui.services.quitting import RunningWork
from sandtui.ui.services.work import Work

ConnectTo = Callable[[Context], Awaitable[Connection]]

LETTERS = "123456789abcdefghijklmnopqrstuvwxyz"


class ContextSwitcher:
    """Switches between contexts. ``in_use`` is the name of the current one, empty when unknown."""

    def __init__(
        self,
        app: App[Any],
        known: Sequence[Context],
        connect_to: ConnectTo | None,
        in_use: str,
        key_of: KeyOf,
        work: Work,
        notifier: Notifier,
        platform: PlatformConnection,
        navigator: Navigator,
        launches: Launches,
        running: RunningWork,
    ) -> None:
        self._app, self._known, self._connect_to, self.in_use = app, known, connect_to, in_use
        self._key_of, self._work, self._notifier = key_of, work, notifier
        self._platform, self._navigator = platform, navigator
        self._launches, self._running = launches, running
        platform.failed.subscribe(self._offer)

    def choose(self) -> None:
        """Ask which context to switch to."""
        if self._connect_to is None or not self._known:
            self._notifier.refuse(
                "This is the only context: `sandtui config init` creates a file to add more", "context"
            )
            return
        if self._launches.running:
            stop = self._key_of("launch.cancel")
            self._notifier.refuse(
                f"A launch is in progress: wait for it, or press {stop} on its screen to stop it", "context"
            )
            return
        choices = [
            Choice(
                context.name,
                LETTERS[index] if index < len(LETTERS) else "",
                context.name,
                f"{_description(context)} · current" if context.name == self.in_use else _description(context),
            )
            for index, context in enumerate(self._known)
        ]

        def chosen(name: str | None) -> None:
            for context in self._known:
                if context.name == name:
                    self._confirm_switch(context)

        self._app.push_screen(ChooseDialog("Switch context", choices), chosen)

    def _confirm_switch(self, context: Context) -> None:
        going = self._running.described()
        if not going:
            self._switch(context)
            return

        def on_result(sure: bool | None) -> None:
            if sure:
                self._switch(context)

        question = f"Still running, and stopped by switching: {', '.join(going)}."
        self._app.push_screen(AskDialog(f"Switch to {context.name}", question, "Switch"), on_result)

    def _switch(self, context: Context) -> None:
        connect_to = self._connect_to
        assert connect_to is not None
        self._navigator.go_to_fleet()
        self._navigator.forget_previous()
        self._launches.all.clear()
        self.in_use = context.name
        self._notifier.notify(f"Connecting to {context.name} …")
        self._platform.switch(lambda: connect_to(context))

    def _offer(self, failure: ConnectFailure) -> None:
        """Offer the alternative connection of an error; a refusal is remembered until the user asks again."""
        problem = failure.problem
        offer = problem.offer
        if offer is None or (offer.declined and not failure.again):
            return

        def on_result(sure: bool | None) -> None:
            if self._platform.problem is not problem:
                return  # The user has switched to another platform meanwhile.
            if sure:
                self._platform.switch(offer.accept)
            else:
                self._work.start(offer.decline(), "decline")

        self._app.push_screen(AskDialog(offer.title, offer.question, offer.yes), on_result)


def _description(context: Context) -> str:
    marks = [word for word, is_so in (("read-only", context.read_only), ("PRODUCTION", context.production)) if is_so]
    return " · ".join([context.description, *marks])
