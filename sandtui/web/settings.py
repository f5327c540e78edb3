"""How the dashboard is served to browsers, and the limits on what they may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BACK_SECONDS: Final = 600.0
"""How long a session waits for its browser to come back, and the server for anybody."""

MAX_BROWSERS: Final = 8
"""The most browsers that are logged in, each with one session: a process with a dashboard."""

MAX_VIEWERS: Final = 8
"""The most tabs that show one session."""

MAX_MESSAGE: Final = 64 * 1024
"""The most bytes of one message from a browser; the page sends larger pastes in parts."""

MAX_DROP: Final = 1 << 30
"""The most bytes of the files that a browser may have dropped into a session at a time."""

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class WebError(Exception):
    """The dashboard cannot be served; the text says what to do."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What to serve. ``command`` starts a dashboard in the terminal that it gets, with the variables of ``environ``.

    ``password`` replaces the one-time address. ``once`` ends the server with its first session.
    """

    command: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None
    key: Path | None = None
    password: str = field(default="", repr=False)
    takes_files: bool = True
    once: bool = False
    back_seconds: float = BACK_SECONDS

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        return self.host in LOOPBACK
