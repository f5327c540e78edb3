"""Choosing where to work while the program runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from textual.app import App

from sandtui.config.contexts import Context
from sandtui.fleet.inventory.session import Connection
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.navigator import Navigator
from sandtui.ui.services.launches import Launches
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import Failure, Platform
from sandtui.ui.services.transfers import Transfers
from sandtui.ui.services.work import Work

ConnectTo = Callable[[Context], Awaitable[Connection]]

ENDED_BY_LEAVING = {
    "console": "a command",
    "fan-out": "a command on many",
    "shells": "a shell",
    "bulk": "work on many",
    "job": "a job being started",
    "delete": "a deletion",
}
"""Work that ends with the connection, by the first word of its group."""

LETTERS = "123456789abcdefghijklmnopqrstuvwxyz"


class ContextSwitcher:
    """Knows the contexts and goes from one to another. ``in_use`` is a name; empty when it is not known which."""

    def __init__(
        self,
        app: App[Any],
        known: Sequence[Context],
        connect_to: ConnectTo | None,
        in_use: str,
        key_of: KeyOf,
        work: Work,
        notifier: Notifier,
        platform: Platform,
        navigator: Navigator,
        launches: Launches,
        transfers: Transfers,
    ) -> None:
        self._app, self._known, self._connect_to, self.in_use = app, known, connect_to, in_use
        self._key_of, self._work, self._notifier = key_of, work, notifier
        self._platform, self._navigator = platform, navigator
        self._launches, self._transfers = launches, transfers
        platform.failed.subscribe(self._offer)

    def choose(self) -> None:
        """Ask which context to work with."""
        if self._connect_to is None or not self._known:
            self._notifier.refuse("There is only this one; `sandtui config init` writes a file for more.", "context")
            return
        if self._launches.running:
            stop = self._key_of("launch.cancel")
            self._notifier.refuse(
                f"A launch is under way here: wait for it, or stop it with {stop} on its board.", "context"
            )
            return
        choices = [
            Choice(
                context.name,
                LETTERS[index] if index < len(LETTERS) else "",
                context.name,
                f"{_words(context)} · in use" if context.name == self.in_use else _words(context),
            )
            for index, context in enumerate(self._known)
        ]

        def chosen(name: str | None) -> None:
            for context in self._known:
                if context.name == name:
                    self._leave_for(context)

        self._app.push_screen(ChooseDialog("Where to work", choices), chosen)

    def _leave_for(self, context: Context) -> None:
        groups = self._work.groups
        going = [words for group, words in ENDED_BY_LEAVING.items() if group in groups]
        queue = self._transfers.queue
        if queue is not None and not queue.is_idle:
            going.append("transfers, which are offered again there")
        if not going:
            self._switch(context)
            return

        def answered(sure: bool | None) -> None:
            if sure:
                self._switch(context)

        question = f"{', '.join(going).capitalize()}: still going on here, and ended by leaving."
        self._app.push_screen(AskDialog(f"Go to {context.name}?", question, "Leave"), answered)

    def _switch(self, context: Context) -> None:
        connect_to = self._connect_to
        assert connect_to is not None
        self._navigator.go_to_fleet()
        self._navigator.forget_previous()
        self._launches.all.clear()
        self.in_use = context.name
        self._notifier.notify(f"Connecting to {context.name} …")
        self._platform.switch(lambda: connect_to(context))

    def _offer(self, failure: Failure) -> None:
        """Ask whether to connect in the other way that an error knows; a no from before holds until it is asked for."""
        problem = failure.problem
        offer = problem.offer
        if offer is None or (offer.declined and not failure.again):
            return

        def answered(sure: bool | None) -> None:
            if self._platform.problem is not problem:
                return  # Another platform was chosen meanwhile.
            if sure:
                self._platform.switch(offer.accept)
            else:
                self._work.start(offer.decline(), "decline")

        self._app.push_screen(AskDialog(offer.title, offer.question, offer.yes), answered)


def _words(context: Context) -> str:
    marks = [word for word, is_so in (("read-only", context.read_only), ("PRODUCTION", context.production)) if is_so]
    return " · ".join([context.description, *marks])
