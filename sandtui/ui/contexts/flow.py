"""Which platform is worked with: switching while the program runs, and what a context forbids or asks twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING

from textual.dom import DOMNode

from sandtui.config.contexts import Context
from sandtui.fleet.actions import BY_ID, GLOBAL, Action, opens
from sandtui.fleet.inventory.session import ConnectError, Connection
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.tracing import carrying_on

if TYPE_CHECKING:
    from sandtui.ui.app import SandtuiApp

BUSY = {
    "console": "a command",
    "fan-out": "a command on many",
    "shells": "a shell",
    "bulk": "work on many",
    "job": "a job being started",
    "delete": "a deletion",
}
"""Work that ends with the connection, by the first word of its workers' group."""


ConnectTo = Callable[[Context], Awaitable[Connection]]


class ContextFlow:
    """Holds the contexts. ``sure`` runs what was asked for when the user is sure about it."""

    def __init__(self, app: SandtuiApp, known: Sequence[Context], connect_to: ConnectTo | None) -> None:
        self._app = app
        self._known = known
        self._connect_to = connect_to
        self.in_use = ""
        """The name of the context that is worked with; empty when it is not known which."""

    @property
    def read_only(self) -> bool:
        """Whether everything that changes something is switched off."""
        connection = self._app.bridge.connection
        return connection is not None and connection.config.read_only

    @property
    def production(self) -> bool:
        """Whether every change is asked for twice."""
        connection = self._app.bridge.connection
        return connection is not None and connection.production

    def choose(self) -> None:
        """Ask which context to work with."""
        if self._connect_to is None or not self._known:
            self._app.refuse("There is only this one; `sandtui config init` writes a file for more.", "context")
            return
        if any(launch.running for launch in self._app.launches):
            stop = self._app.named_key("launch.cancel")
            self._app.refuse(
                f"A launch is under way here: wait for it, or stop it with {stop} on its board.", "context"
            )
            return
        letters = "123456789abcdefghijklmnopqrstuvwxyz"
        choices = [
            Choice(
                context.name,
                letters[place] if place < len(letters) else "",
                context.name,
                f"{_words(context)} · in use" if context.name == self.in_use else _words(context),
            )
            for place, context in enumerate(self._known)
        ]

        def chosen(name: str | None) -> None:
            for context in self._known:
                if context.name == name:
                    self._leave_for(context)

        self._app.push_screen(ChooseDialog("Where to work", choices), chosen)

    def _leave_for(self, context: Context) -> None:
        groups = {worker.group.partition(" ")[0] for worker in self._app.workers if not worker.is_finished}
        going = [words for group, words in BUSY.items() if group in groups]
        queue = self._app.transfers.queue
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
        self._app.action_fleet()
        self._app.forget_previous()
        self._app.launches.clear()
        self.in_use = context.name
        self._app.say(f"Connecting to {context.name} …")
        self._app.bridge.switch(lambda: connect_to(context))

    def offer(self, problem: ConnectError, *, again: bool) -> None:
        """Ask whether to connect in the other way that an error knows; a no from before holds until ``again``."""
        offer, bridge = problem.offer, self._app.bridge
        if offer is None or (offer.declined and not again):
            return

        def answered(sure: bool | None) -> None:
            if bridge.problem is not problem:
                return  # Another platform was chosen meanwhile.
            if sure:
                bridge.switch(offer.accept)
            else:
                bridge.run_flow(offer.decline(), "decline")

        self._app.push_screen(AskDialog(offer.title, offer.question, offer.yes), answered)

    def may(self, action: Action) -> bool:
        """Whether an action is there at all."""
        return not (action.dangerous and self.read_only)

    async def run(
        self, action: object, namespace: DOMNode | None, run: Callable[[], Coroutine[object, object, bool]]
    ) -> bool:
        """Run an action: in a read-only context what changes something is not there, in production it is asked for."""
        app = self._app
        known = self.find(action, namespace) if isinstance(action, str) else None
        # A screen, a dialog or a pane may say why one of its actions can't be done now.
        explain: Callable[[str], str] | None = getattr(namespace, "why_not", None)
        if isinstance(action, str) and explain is not None and (words := explain(_name(action))):
            if known is not None:
                self._refuse(known, words)
            else:
                app.say(words, "warning")
            return True
        if known is None or not known.dangerous:
            return await run()
        if not self.may(known):
            other = app.named_key("app.context")
            self._refuse(known, f"This context is read-only: {known.title} is switched off. {other} chooses another.")
            return True
        screen = app.screen
        where = [*screen.crumbs(), screen.subject()] if isinstance(screen, AppScreen) else []
        with app.doing(" › ".join([known.title, *filter(None, where)])):
            if self.production:
                going_on = carrying_on(run)
                self.ask(known, lambda: app.call_later(going_on))
                return True
            return await run()

    def _refuse(self, action: Action, reason: str) -> None:
        if opens(action):
            self._app.refuse(reason, action.title)
        else:
            self._app.say(reason, "warning")

    def find(self, action: str, namespace: DOMNode | None) -> Action | None:
        """Return the action of the registry that a binding of a screen or of the app means."""
        name = action.partition("(")[0]
        if name in BY_ID:
            return BY_ID[name]
        scopes = (*namespace.hint_scopes(), namespace.SCOPE) if isinstance(namespace, AppScreen) else (GLOBAL,)
        return next((BY_ID[f"{scope}.{name}"] for scope in scopes if f"{scope}.{name}" in BY_ID), None)

    def ask(self, action: Action, go_on: Callable[[], object]) -> None:
        """Ask whether something is to be done in production."""
        self._ask(action.title, action.help, go_on)

    def sure(self, title: str, words: str, go_on: Callable[[], object]) -> None:
        """Go on, in production after a question: for what no action of the registry stands for."""
        if self.production:
            self._ask(title, words, go_on)
        else:
            go_on()

    def _ask(self, title: str, words: str, go_on: Callable[[], object]) -> None:
        label = self._app.bridge.connection.label if self._app.bridge.connection is not None else ""

        def answered(sure: bool | None) -> None:
            if sure:
                go_on()

        question = f"{label} is production. {title.capitalize()}: {words}"
        self._app.push_screen(AskDialog("Production", question, "Go on"), answered)


def _name(action: str) -> str:
    """Return the name of an action without its scope and its arguments."""
    return action.partition("(")[0].rpartition(".")[2]


def _words(context: Context) -> str:
    marks = [word for word, is_so in (("read-only", context.read_only), ("PRODUCTION", context.production)) if is_so]
    return " · ".join([context.words, *marks])
