"""Asks who runs the next commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import App

from sandtui.fleet.commands.line.users import EXAMPLE, user_problem
from sandtui.ui.dialogs.value import ValueDialog


def ask_user(app: App[Any], user: str | None, on_result: Callable[[str | None], None]) -> None:
    """Ask for a user of the sandbox; an empty answer stands for the platform's default, None for no answer."""
    dialog = ValueDialog("Run as", "user, empty for the default", EXAMPLE, user_problem, user or "")
    app.push_screen(dialog, on_result)
