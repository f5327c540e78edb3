"""Startup: the first frame and its options. Imports little; slow imports follow in a thread."""

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
class StartupOptions:
    """The options of the dashboard. ``connect`` connects to the platform, ``connect_to`` to that of another context.

    A ``confined`` dashboard starts no programs and neither shows nor writes files of this machine.
    ``context`` is the name of the first context, if it is one of ``contexts``. ``sandbox_id`` is the sandbox to open.
    """

    connect: Connector
    settings: Settings | None = None
    contexts: Sequence[Context] = ()
    connect_to: ConnectTo | None = None
    context: str = ""
    sandbox_id: str = ""
    confined: bool = False


class StartupError(Exception):
    """The dashboard cannot start; the text says what to do."""


class StartupLine(ChromeLine):
    """The header of the empty screen until the first screen is loaded, some tenths of a second."""

    def on_mount(self) -> None:
        self.show([Piece(" sandtui", "key"), Piece("  starting…", "dim")], [])
