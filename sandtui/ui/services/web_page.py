"""The page that shows this dashboard, if `sandtui web` does: what a browser can do and a terminal cannot."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sandtui.web.channel import WebChannel

STATUS_SECONDS: Final = 5.0
"""How often a screen reader may be told a changed status line."""


class WebPage:
    """The browser's side of the dashboard; without a page, everything does nothing."""

    def __init__(self, end: socket.socket | None) -> None:
        self._channel = WebChannel(end, self._heard) if end is not None else None
        self._on_drop: Callable[[Path], object] = lambda _: None
        self._status, self._told_at = "", 0.0

    @property
    def is_shown(self) -> bool:
        """Whether a browser shows the dashboard."""
        return self._channel is not None

    async def start(self, on_drop: Callable[[Path], object]) -> None:
        """Begin; ``on_drop`` is called with each file that was dropped into the page, a temporary copy."""
        self._on_drop = on_drop
        if self._channel is not None:
            await self._channel.open()

    async def stop(self) -> None:
        """End."""
        if self._channel is not None:
            await self._channel.close()

    def open_url(self, url: str) -> None:
        """Open a page in the browser."""
        self._send("open", url)

    def announce(self, text: str, *, urgent: bool = False) -> None:
        """Have a screen reader say a text."""
        self._send("say", text, urgent=urgent)

    def announce_status(self, text: str, now: float) -> None:
        """Have a screen reader say the status line if it has changed, not too often."""
        if text != self._status and now - self._told_at >= STATUS_SECONDS:
            self._status, self._told_at = text, now
            self.announce(text)

    def offer(self, path: str) -> None:
        """Offer a file that was copied to this machine to the browser, to be saved there."""
        self._send("saved", path)

    def _send(self, kind: str, text: str, **more: object) -> None:
        if self._channel is not None and text:
            self._channel.send({"type": kind, "text": text, **more})

    def _heard(self, message: dict[str, Any]) -> None:
        if message.get("type") == "dropped":
            self._on_drop(Path(str(message.get("text", ""))))
