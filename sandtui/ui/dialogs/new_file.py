"""Asks where to save something: a file that must not exist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import App

from sandtui.saving import check_new_file, typed_path
from sandtui.ui.dialogs.value import ValueDialog


def ask_new_file(
    app: App[Any],
    title: str,
    example: str,
    save: Callable[[Path], None],
    *,
    label: str = "new file",
    value: str = "",
) -> None:
    """Ask for the path of a new file or directory, and pass it to ``save``; existing paths are rejected."""

    def on_result(text: str | None) -> None:
        if text:
            save(typed_path(text))

    app.push_screen(ValueDialog(title, label, example, check_new_file, value), on_result)
