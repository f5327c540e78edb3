"""The built-in themes: quiet backgrounds, and color for what needs attention.

What is well has a soft color (``text-success``, ``text-accent``), so that in a list of a thousand running sandboxes the
one that failed is seen. Saturated are only warnings, errors and the focus.
"""

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
        "text-success": "#9db69a",
        "text-warning": "#e0af68",
        "text-error": "#f7768e",
        "text-accent": "#a0b6c9",
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
        "text-success": "#4a6146",
        "text-warning": "#855600",
        "text-error": "#b3213f",
        "text-accent": "#47607a",
        "text-primary": "#2e5aac",
        "border-blurred": "#b3bad0",
        "input-selection-background": "#2e5aac 25%",
    },
)

SIXTEEN = Theme(
    name="sandtui-16",
    dark=True,
    # Each is one of the 16 colors: the terminal would show anything between them as gray.
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
        "text-success": "#00aa00",
        "text-warning": "#ffff55",
        "text-error": "#ff5555",
        "text-accent": "#00aaaa",
        "text-primary": "#55ffff",
        "border-blurred": "#aaaaaa",
        "input-selection-background": "#0000aa",
    },
)
"""The default on terminals with 16 colors."""

THEMES = (DARK, LIGHT, SIXTEEN)


def apply_theme(app: App[None], wanted: UiSettings, chosen_last: str) -> str:
    """Apply the theme and animations of the settings; return a problem to report, or an empty text."""
    for theme in THEMES:
        app.register_theme(theme)
    if has_few_colors(app):
        chosen_last = SIXTEEN.name
    app.theme, problem = first_theme(wanted.theme, chosen_last, app.available_themes)
    app.set_class(app.no_color or has_few_colors(app), "-plain")
    if "TEXTUAL_ANIMATIONS" not in os.environ:
        app.animation_level = animation_level(wanted.animations, os.environ)
    return problem


def apply_last_theme(app: App[None], chosen_last: str) -> None:
    """Apply the theme of the last session until the settings are read."""
    for theme in THEMES:
        app.register_theme(theme)
    app.theme, _ = first_theme("", SIXTEEN.name if has_few_colors(app) else chosen_last, app.available_themes)


def has_few_colors(app: App[None]) -> bool:
    """Return whether the terminal has at most 16 colors."""
    return app.console.color_system in {None, "standard", "windows"}


def first_theme(wanted: str, chosen_last: str, known: Container[str]) -> tuple[str, str]:
    """Return the initial theme, and a problem to report if the wanted one does not exist."""
    if wanted and wanted not in known:
        return DARK.name, f'No theme "{wanted}": the command palette lists the themes under "Theme"'
    for name in (wanted, chosen_last.strip()):
        if name in known:
            return name, ""
    return DARK.name, ""


def animation_level(wanted: bool | None, environ: Mapping[str, str]) -> AnimationLevel:
    """Return the animation level: none over SSH, which may be slow, unless the settings ask for it."""
    animated = not environ.get("SSH_CONNECTION") if wanted is None else wanted
    return "full" if animated else "none"
