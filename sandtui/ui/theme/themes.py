"""Our two themes: quiet grounds, colour for status and focus only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textual.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from textual.app import App
    from textual.types import AnimationLevel

    from sandtui.config.settings import UiSettings

DARK = Theme(
    name="sandtui-dark",
    dark=True,
    primary="#7aa2f7",
    secondary="#9aa5ce",
    accent="#7dcfff",
    success="#9ece6a",
    warning="#e0af68",
    error="#f7768e",
    foreground="#d5daf0",
    background="#16161e",
    surface="#1a1b26",
    panel="#24283b",
    variables={
        "text-muted": "#8f98bd",
        "text-success": "#9ece6a",
        "text-warning": "#e0af68",
        "text-error": "#f7768e",
        "text-accent": "#7dcfff",
        "text-primary": "#9ab8ff",
        "border-blurred": "#3b4261",
        "input-selection-background": "#7aa2f7 35%",
    },
)

LIGHT = Theme(
    name="sandtui-light",
    dark=False,
    primary="#2e5aac",
    secondary="#4c5a80",
    accent="#0a6b8b",
    success="#2f6f1f",
    warning="#855600",
    error="#b3213f",
    foreground="#1f2335",
    background="#eceef4",
    surface="#f7f8fb",
    panel="#dfe3ee",
    variables={
        "text-muted": "#545c7e",
        "text-success": "#2f6f1f",
        "text-warning": "#855600",
        "text-error": "#b3213f",
        "text-accent": "#0a6b8b",
        "text-primary": "#2e5aac",
        "border-blurred": "#b3bad0",
        "input-selection-background": "#2e5aac 25%",
    },
)

SIXTEEN = Theme(
    name="sandtui-16",
    dark=True,
    # Each is one of the 16 colours: what lies between them would be drawn as some grey.
    primary="#55ffff",
    secondary="#aaaaaa",
    accent="#55ffff",
    success="#55ff55",
    warning="#ffff55",
    error="#ff5555",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    variables={
        "text-muted": "#aaaaaa",
        "text-success": "#55ff55",
        "text-warning": "#ffff55",
        "text-error": "#ff5555",
        "text-accent": "#55ffff",
        "text-primary": "#55ffff",
        "border-blurred": "#aaaaaa",
        "input-selection-background": "#0000aa",
    },
)
"""For terminals of 16 colours: ours there, unless the settings name another."""

THEMES = (DARK, LIGHT, SIXTEEN)


def begin_looks(app: App[None], wanted: UiSettings, chosen_last: str) -> str:
    """Give an app our themes, the one to begin with, and its animations; return what there is to say about it."""
    for theme in THEMES:
        app.register_theme(theme)
    if has_few_colours(app):
        chosen_last = SIXTEEN.name
    app.theme, problem = first_theme(wanted.theme, chosen_last, app.available_themes)
    app.set_class(app.no_color or has_few_colours(app), "-plain")
    if "TEXTUAL_ANIMATIONS" not in os.environ:
        app.animation_level = animation_level(wanted.animations, os.environ)
    return problem


def last_looks(app: App[None], chosen_last: str) -> None:
    """Give an app the theme of the last time, until its settings are read."""
    for theme in THEMES:
        app.register_theme(theme)
    app.theme, _ = first_theme("", SIXTEEN.name if has_few_colours(app) else chosen_last, app.available_themes)


def has_few_colours(app: App[None]) -> bool:
    """Return whether the terminal has 16 colours at most."""
    return app.console.color_system in {None, "standard", "windows"}


def first_theme(wanted: str, chosen_last: str, known: Container[str]) -> tuple[str, str]:
    """Return the theme to begin with, and what to say when the wanted one does not exist."""
    if wanted and wanted not in known:
        return DARK.name, f"There is no theme {wanted!r}; the command palette lists all under Theme."
    for name in (wanted, chosen_last.strip()):
        if name in known:
            return name, ""
    return DARK.name, ""


def animation_level(wanted: bool | None, environ: Mapping[str, str]) -> AnimationLevel:
    """Return how much moves: over a slow link, which SSH may be, nothing does unless it is asked for."""
    moves = not environ.get("SSH_CONNECTION") if wanted is None else wanted
    return "full" if moves else "none"
