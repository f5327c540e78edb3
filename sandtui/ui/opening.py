"""The first frame. What takes long to load comes after it, in a thread: this module imports next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandtui.ui.render.text import Piece
from sandtui.ui.widgets.line import ChromeLine

if TYPE_CHECKING:
    from sandtui.config.contexts import Context
    from sandtui.config.settings import Settings
    from sandtui.ui.bridge import Connector
    from sandtui.ui.context_flow import ConnectTo


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
    import sandtui.ui.furnishing
    import sandtui.ui.screens.fleet  # noqa: F401

    return prepare()


def load_the_rest() -> None:
    """Import the other screens and SSH, in a thread: the first key that asks for one should not wait for it."""
    import sandtui.fleet.forwards.link
    import sandtui.ui.screens.activity
    import sandtui.ui.screens.console
    import sandtui.ui.screens.create
    import sandtui.ui.screens.detail
    import sandtui.ui.screens.dialogs.command
    import sandtui.ui.screens.dialogs.help
    import sandtui.ui.screens.fanout
    import sandtui.ui.screens.files
    import sandtui.ui.screens.jobs.screen
    import sandtui.ui.screens.launch
    import sandtui.ui.screens.log
    import sandtui.ui.screens.ports
    import sandtui.ui.screens.recordings
    import sandtui.ui.screens.shell  # noqa: F401
    from sandtui.client.toolkit import SSHChannel  # noqa: F401 - asyncssh comes with it
