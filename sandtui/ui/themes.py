"""Our two themes: quiet grounds, colour for status and focus only."""

from __future__ import annotations

from textual.theme import Theme

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
    boost="#2b3048",
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
    accent="#0b6e8f",
    success="#2f6f1f",
    warning="#8a5a00",
    error="#b3213f",
    foreground="#1f2335",
    background="#eceef4",
    surface="#f7f8fb",
    panel="#dfe3ee",
    boost="#d5dcec",
    variables={
        "text-muted": "#545c7e",
        "text-success": "#2f6f1f",
        "text-warning": "#8a5a00",
        "text-error": "#b3213f",
        "text-accent": "#0b6e8f",
        "text-primary": "#2e5aac",
        "border-blurred": "#b3bad0",
        "input-selection-background": "#2e5aac 25%",
    },
)

THEMES = (DARK, LIGHT)
