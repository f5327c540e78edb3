"""The sessions of all browsers: started when first shown, ended when nobody has come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from sandtui.web.files import WebDrops, WebOffers
from sandtui.web.session import WebSession
from sandtui.web.settings import WebSettings
from sandtui.web.viewer import WebViewer

TABS_A_SECOND: Final = 10
"""How often a session may be shown to a further tab; tabs that come faster wait."""


@dataclass(slots=True)
class HeldSession:
    """The session of one browser, with what belongs to it."""

    session: WebSession
    drops: WebDrops
    offers: WebOffers
    timer: asyncio.TimerHandle | None = None
    drawn_at: float = 0.0
    """The time by :func:`monotonic` for which the next tab is due; see :meth:`turn`."""

    async def turn(self) -> None:
        """Wait for the turn of a further tab: each one is drawn anew, which takes time that others need."""
        self.drawn_at = max(self.drawn_at, monotonic() - 1.0) + 1 / TABS_A_SECOND
        await asyncio.sleep(max(0.0, self.drawn_at - monotonic()))


class WebSessions:
    """One session for each browser. ``on_change`` is called when one begins or ends, or a tab comes or goes."""

    def __init__(self, settings: WebSettings, on_change: Callable[[], object]) -> None:
        self._settings, self._on_change = settings, on_change
        self._held: dict[str, HeldSession] = {}
        self._starting = asyncio.Lock()
        self._number = 0
        self.ended = 0
        """How many have ended."""
        self.idle_since: float | None = monotonic()
        """Since when there has been no session; None while there is one."""

    def __len__(self) -> int:
        return len(self._held)

    @property
    def browsers(self) -> tuple[str, ...]:
        """The ids of the browsers that have one."""
        return tuple(self._held)

    def get(self, browser_id: str) -> HeldSession | None:
        """Return the session of a browser, if it has one."""
        return self._held.get(browser_id)

    async def start(self, browser_id: str, size: tuple[int, int]) -> HeldSession:
        """Return the session of a browser; start one if it has none.

        Raises:
            OSError: it cannot be started.
        """
        async with self._starting:
            held = self._held.get(browser_id)
            if held is None:
                held = await self._begin(browser_id, size)
            return held

    async def _begin(self, browser_id: str, size: tuple[int, int]) -> HeldSession:
        self._number += 1
        settings = self._settings
        session = WebSession(
            settings.command,
            settings.environ,
            size,
            lambda message: self._heard(browser_id, message),
            lambda _: self._ended(browser_id),
        )
        await session.start()
        held = HeldSession(session, WebDrops(settings.folder / str(self._number)), WebOffers())
        self._held[browser_id] = held
        self.idle_since = None
        self._wait_for_return(held)
        self._on_change()
        return held

    def attach(self, held: HeldSession, viewer: WebViewer) -> None:
        """Show a session in a tab."""
        if held.timer is not None:
            held.timer.cancel()
            held.timer = None
        held.session.attach(viewer)
        self._on_change()

    def detach(self, held: HeldSession, viewer: WebViewer) -> None:
        """Note that a tab is gone."""
        held.session.detach(viewer)
        if not held.session.viewers and held.session.exit_code is None:
            self._wait_for_return(held)
        self._on_change()

    async def end_all(self, text: str) -> None:
        """End all sessions; the tabs show a text."""
        sessions = [held.session for held in self._held.values()]
        for session in sessions:
            session.tell({"type": "stopped", "text": text})
        await asyncio.gather(*(session.end() for session in sessions))

    def _wait_for_return(self, held: HeldSession) -> None:
        if held.timer is not None:
            held.timer.cancel()
        loop = asyncio.get_running_loop()
        held.timer = loop.call_later(self._settings.back_seconds, held.session.hang_up)

    def _ended(self, browser_id: str) -> None:
        held = self._held.pop(browser_id, None)
        if held is None:
            return
        if held.timer is not None:
            held.timer.cancel()
        for viewer in list(held.session.viewers):
            viewer.end({"type": "ended", "code": held.session.exit_code, "last": self._settings.once})
        held.session.viewers.clear()
        held.drops.close()
        self.ended += 1
        if not self._held:
            self.idle_since = monotonic()
        self._on_change()

    def _heard(self, browser_id: str, message: dict[str, Any]) -> None:
        """Pass on what a dashboard sends beside its terminal."""
        held = self._held.get(browser_id)
        if held is None:
            return
        kind, text = message.get("type"), str(message.get("text", ""))
        if kind == "open" and text.startswith(("http://", "https://")):
            held.session.tell({"type": "open", "url": text}, owner_only=True)
        elif kind == "say":
            held.session.tell({"type": "say", "text": text[:2000], "urgent": message.get("urgent") is True})
        elif kind == "saved":
            path = Path(text)
            offer = held.offers.add(path)
            if offer is not None:
                told = {"type": "save", "id": offer[0], "name": path.name, "size": offer[1]}
                held.session.tell(told, owner_only=True)
        elif kind == "taken":
            held.drops.forget(Path(text))
