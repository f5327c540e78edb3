"""The restrictions of the current context: read-only and production."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import App

from sandtui.fleet.actions import Action, touches_machine
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.rendering.text import sentence_case
from sandtui.ui.services.platform import PlatformConnection


class Contexts:
    """The restrictions of the current connection."""

    def __init__(self, app: App[Any], platform: PlatformConnection, *, confined: bool = False) -> None:
        self._app, self._platform, self.confined = app, platform, confined

    @property
    def read_only(self) -> bool:
        """Whether the context is read-only."""
        connection = self._platform.connection
        return connection is not None and connection.config.read_only

    @property
    def production(self) -> bool:
        """Whether every change needs an extra confirmation."""
        connection = self._platform.connection
        return connection is not None and connection.production

    def may(self, action: Action) -> bool:
        """Whether an action is allowed."""
        return not (action.dangerous and self.read_only) and not (self.confined and touches_machine(action))

    def ask(self, action: Action, go_on: Callable[[], object]) -> None:
        """Ask for confirmation in production."""
        self._ask(action.title, action.help, go_on)

    def sure(self, title: str, text: str, go_on: Callable[[], object]) -> None:
        """Continue, in production after a confirmation: for operations that are not in the action registry."""
        if self.production:
            self._ask(title, text, go_on)
        else:
            go_on()

    def _ask(self, title: str, text: str, go_on: Callable[[], object]) -> None:
        def on_result(sure: bool | None) -> None:
            if sure:
                go_on()

        question = f"{self._platform.label} is production. {sentence_case(title)}: {text}"
        self._app.push_screen(AskDialog("Production", question, "Continue"), on_result)
