"""What tests can learn only from inside: each probe says why nothing public shows it.

No other test reaches an attribute that begins with an underscore; `test_private_names.py` holds that.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from textual import events
from textual._compositor import ChopsUpdate as ChopsUpdate  # Parts of a picture that changed.
from textual._compositor import Compositor as Compositor  # What lays out and draws, to count how often.
from textual._compositor import LayoutUpdate as LayoutUpdate  # A whole picture.
from textual.app import App
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Input

from sandtui.client import SandboxClient
from sandtui.local.drivers.namespace import NamespaceDriver

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser

    from textual.driver import Driver
    from textual.pilot import Pilot
    from textual.widget import Widget

    from sandtui.client import AsyncSandboxClient
    from sandtui.client.session import Session
    from sandtui.local.platform import LocalPlatform

# Textual


def strips(screen: Screen[Any]) -> list[Strip]:
    """Return the lines of a screen as they are drawn; Textual exports them as a picture only."""
    return screen._compositor.render_strips()


def text_of(app: App[Any]) -> str:
    """Return the text of the screen in front as the user sees it."""
    return "\n".join(strip.text for strip in strips(app.screen))


def text_of_all(app: App[Any]) -> str:
    """Return the text of the screen in front and of those that are seen around a dialog."""
    picture = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    assert isinstance(picture, LayoutUpdate)
    return "\n".join("".join(strip.text for strip in line) for line in picture.strips)


def has_painted(app: App[Any]) -> bool:
    """Whether nothing is left to lay out, to draw or to hear; a test's pilot waits for that, a benchmark has none."""
    screen = app.screen
    return not screen._dirty_widgets and not screen._layout_required and not app._message_queue.qsize()


def suggestion(field: Input) -> str:
    """Return what a field suggests after its value; it is drawn as a part of it."""
    return field._suggestion


def driver_of(app: App[Any]) -> Driver:
    """Return what writes to the terminal, to see bytes that are not part of the picture."""
    assert app._driver is not None
    return app._driver


async def turn_wheel(pilot: Pilot[Any], widget: Widget, offset: tuple[int, int]) -> None:
    """Turn the wheel of the mouse up over a widget; a pilot only clicks and moves."""
    await pilot._post_mouse_events([events.MouseScrollUp], widget, offset=offset)


def break_down(app: App[Any]) -> None:
    """End the program by the exception that is handled now, as Textual does with one that nothing contains."""
    app._fatal_error()


# The client


def session_of(client: AsyncSandboxClient | SandboxClient) -> Session:
    """Return a client's session, to make its retries few, to give it tokens and to see what it sends."""
    return client._flows._session if isinstance(client, SandboxClient) else client._session


def end_live_side(client: SandboxClient) -> None:
    """End the thread of a client's live connections, which ends by itself only with the client."""
    client._live.close()


# The platform


def carrier_of(platform: LocalPlatform) -> int:
    """Return the process that carries packets, to kill it as the kernel might."""
    driver = platform.driver
    assert isinstance(driver, NamespaceDriver)
    assert driver._carrier is not None
    assert driver._carrier._process is not None
    return driver._carrier._process.pid


def lose_memory(platform: LocalPlatform) -> None:
    """Have a platform lose all that it has in memory, as a SIGKILL does, which a test can't send to itself."""
    for task in platform.lifecycle._tasks.values():
        task.cancel()
    platform.lifecycle._tasks.clear()
    platform.registry._records.clear()


# The command line


def arguments_of(parser: ArgumentParser) -> list[Action]:
    """Return the arguments of a parser; argparse itself shows them only as a text."""
    return parser._actions


FORK_EXEC = "subprocess._fork_exec"
fork_exec = subprocess._fork_exec  # type: ignore[attr-defined]
"""Where Python's own module has :func:`fork_exec`, to see whether it is told to use vfork."""
