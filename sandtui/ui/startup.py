"""The first frame. What takes long to load comes after it, in a thread: this module imports next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.rendering.text import Piece

if TYPE_CHECKING:
    from sandtui.config.contexts import Context
    from sandtui.config.settings import Settings
    from sandtui.ui.connection.bridge import Connector
    from sandtui.ui.contexts.flow import ConnectTo


@dataclass(frozen=True, slots=True)
class Opening:
    """What the dashboard is opened with. ``connect`` finds the platform, ``connect_to`` that of another context.

    ``context`` is the name of the first one, if it is among the ``contexts``.
    """

    connect: Connector
    settings: Settings | None = None
    contexts: Sequence[Context] = ()
    connect_to: ConnectTo | None = None
    context: str = ""


class OpeningError(Exception):
    """The dashboard can't be opened; the text says what to do."""


class OpeningLine(ChromeLine):
    """Stands at the top of the empty screen until the fleet screen is loaded, some tenths of a second."""

    def on_mount(self) -> None:
        """Say what is going on."""
        self.show([Piece(" sandtui", "key"), Piece("  opening …", "dim")], [])


def load(prepare: Callable[[], Opening]) -> Opening:
    """Import what the fleet screen and everything behind it need, in a thread; return what to open it with."""
    import sandtui.ui.inventory.screen
    import sandtui.ui.services  # noqa: F401

    return prepare()


def load_the_rest() -> None:
    """Import the other screens and SSH, in a thread: the first key that asks for one should not wait for it."""
    import sandtui.fleet.ports.link
    import sandtui.ui.activity.screen
    import sandtui.ui.commands.console_screen
    import sandtui.ui.commands.fanout_screen
    import sandtui.ui.creation.launch_screen
    import sandtui.ui.creation.screen
    import sandtui.ui.dialogs.command
    import sandtui.ui.dialogs.help
    import sandtui.ui.files
    import sandtui.ui.inventory.detail_screen
    import sandtui.ui.jobs.screen
    import sandtui.ui.logs.screen
    import sandtui.ui.ports.screen
    import sandtui.ui.recordings
    import sandtui.ui.shells.screen  # noqa: F401
    from sandtui.client.toolkit import SSHChannel  # noqa: F401 - asyncssh comes with it
