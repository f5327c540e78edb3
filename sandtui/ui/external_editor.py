"""Has a text edited in the user's editor, which gets the whole terminal meanwhile."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.directories import describe
from sandtui.ui.chrome.gate import still_open
from sandtui.ui.terminal_loan import TerminalLoanError, editor_command, run_in_terminal

if TYPE_CHECKING:
    from sandtui.ui.app import SandtuiApp


def edit_text(app: SandtuiApp, text: str, name: str, done: Callable[[str], None]) -> None:
    """Have a text edited; ``done`` gets what was saved. A failure is told and leaves the text as it was.

    The text lies in a folder that only this user can read, and is gone afterwards. It belongs to the screen in front:
    when that has been left, no editor opens for it, and nothing comes back to it.
    """
    is_wanted = still_open(app.screen)
    app.run_worker(_edit(app, text, name, done, is_wanted), group="editor", exclusive=True, exit_on_error=False)


async def _edit(
    app: SandtuiApp, text: str, name: str, done: Callable[[str], None], is_wanted: Callable[[], bool]
) -> None:
    try:
        command = editor_command()
        with tempfile.TemporaryDirectory(prefix="sandtui-edit-") as folder:
            path = Path(folder) / name
            await asyncio.to_thread(path.write_text, text, encoding="utf-8")
            if not is_wanted():
                return
            code = await run_in_terminal(app, [*command, str(path)])
            edited = await asyncio.to_thread(path.read_text, encoding="utf-8")
    except UnicodeDecodeError:
        app.say("Not edited: the file is not valid UTF-8.", "error")
    except (OSError, TerminalLoanError) as error:
        app.say(f"Not edited: {describe(error)}", "error")
    else:
        if code:
            app.say(f"{command[0]} ended with exit code {code}; the text is unchanged.", "warning")
        elif edited != text and is_wanted():
            done(edited)
