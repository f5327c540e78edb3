"""Resolves keys that terminals cannot tell apart by what the current screen can handle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textual import events
from textual.app import App
from textual.widgets import Input, TextArea

from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.driver.input import AltKey


def resolve(app: App[Any], in_shell: Callable[[], bool], event: events.Event) -> Sequence[events.Event]:
    """Return the events that a terminal event stands for; none during shutdown.

    ``in_shell`` returns whether a shell gets all keys.
    """
    if app._exit:
        return ()
    if isinstance(app.screen, Dialog) and not app.screen.accepts(event):
        return ()
    if not isinstance(event, events.Key):
        return (event,)
    shell_has_keys = in_shell()
    if isinstance(event, AltKey):
        return _alt(app, event, in_shell=shell_has_keys)
    if event.key == "ctrl+j" and event.character == "\n" and not shell_has_keys:
        # Keypad Enter in many terminals; with the kitty protocol ctrl+j has no character.
        return (events.Key("enter", "\r"),)
    return (event,)


def _alt(app: App[Any], event: AltKey, *, in_shell: bool) -> Sequence[events.Event]:
    if in_shell:
        return (events.Key(event.key, event.parts[-1].character),)
    if any(event.key in bindings.key_to_bindings for _, bindings in app.screen._modal_binding_chain):
        return (events.Key(event.key, None),)
    if event.mapped is not None and isinstance(app.focused, Input | TextArea):
        return (event.mapped,)
    return event.parts
