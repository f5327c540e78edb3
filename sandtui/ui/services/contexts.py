"""What the context that is worked with forbids, or asks twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import App

from sandtui.fleet.actions import Action
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.services.platform import Platform


class Contexts:
    """The rules of the connection that is in use."""

    def __init__(self, app: App[Any], platform: Platform) -> None:
        self._app, self._platform = app, platform

    @property
    def read_only(self) -> bool:
        """Whether everything that changes something is switched off."""
        connection = self._platform.connection
        return connection is not None and connection.config.read_only

    @property
    def production(self) -> bool:
        """Whether every change is asked for twice."""
        connection = self._platform.connection
        return connection is not None and connection.production

    def may(self, action: Action) -> bool:
        """Whether an action is there at all."""
        return not (action.dangerous and self.read_only)

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
        def answered(sure: bool | None) -> None:
            if sure:
                go_on()

        question = f"{self._platform.label} is production. {title.capitalize()}: {words}"
        self._app.push_screen(AskDialog("Production", question, "Go on"), answered)
