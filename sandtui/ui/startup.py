"""The first frame. What takes long to load comes after it, in a thread: this module imports next to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.rendering.text import Piece

if TYPE_CHECKING:
    from sandtui.config.contexts import Context
    from sandtui.config.settings import Settings
    from sandtui.ui.services.context_switcher import ConnectTo
    from sandtui.ui.services.platform import Connector


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
