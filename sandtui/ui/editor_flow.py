"""Hands the whole terminal to the user's editor for a text, and takes it back at its end."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

if TYPE_CHECKING:
    from sandtui.ui.app import SandtuiApp

EDITORS = ("nano", "vim", "vi")
"""Tried in this order when neither VISUAL nor EDITOR is set."""


def editor_command() -> list[str]:
    """Return the user's editor: ``$VISUAL``, ``$EDITOR``, or one that is there; empty when there is none."""
    for name in ("VISUAL", "EDITOR"):
        if command := os.environ.get(name, "").strip():
            return shlex.split(command)
    return next(([found] for editor in EDITORS if (found := shutil.which(editor))), [])


def edit_text(app: SandtuiApp, text: str, name: str, done: Callable[[str], None]) -> None:
    """Have a text edited; ``done`` gets what was saved. A failure is told and leaves the text as it was.

    The text lies in a folder that only this user can read, and is gone afterwards.
    """
    app.run_worker(_edit(app, text, name, done), group="editor", exclusive=True, exit_on_error=False)


async def _edit(app: SandtuiApp, text: str, name: str, done: Callable[[str], None]) -> None:
    command = editor_command()
    if not command:
        app.say("There is no editor: set EDITOR to the command of one.", "error")
        return
    with tempfile.TemporaryDirectory(prefix="sandtui-edit-") as folder:
        path = Path(folder) / name
        await asyncio.to_thread(path.write_text, text, encoding="utf-8")
        loop = asyncio.get_running_loop()
        try:
            # As with a shell: nothing may be painted meanwhile, nor fill the writer's queue (traps.md 3).
            with app.batch_update(), app.suspend():
                # What ctrl+c means is the editor's business now.
                before = signal.getsignal(signal.SIGINT)
                loop.add_signal_handler(signal.SIGINT, lambda: None)
                try:
                    process = await asyncio.create_subprocess_exec(*command, str(path))
                    code = await process.wait()
                finally:
                    loop.remove_signal_handler(signal.SIGINT)
                    signal.signal(signal.SIGINT, before)
            edited = await asyncio.to_thread(path.read_text, encoding="utf-8")
        except (OSError, UnicodeDecodeError, SuspendNotSupported) as error:
            app.say(f"Not edited with {command[0]}: {error}", "error")
            return
        finally:
            app.refresh(layout=True)
    if code:
        app.say(f"{command[0]} ended with exit code {code}: nothing was taken over.", "warning")
    elif edited != text:
        done(edited)
