"""The dashboard on a simulated fleet inside this process: one clock that stands still, one seed, no sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from textual.pilot import Pilot, WaitForScreenTimeout
from textual.widgets import Input, TextArea

from sandtui.client import AsyncSandboxClient, Config
from sandtui.clock import ManualClock
from sandtui.clock import ManualClock as LocalClock
from sandtui.config.contexts import Context
from sandtui.config.paths import Paths
from sandtui.config.settings import Settings
from sandtui.fleet.inventory.connection import Connection
from sandtui.fleet.inventory.refresh import Phase
from sandtui.local.platform import LocalPlatform
from sandtui.local.settings import PlatformSettings
from sandtui.ui.app import SandtuiApp
from sandtui.ui.dialogs.refusal import RefusalDialog
from sandtui.ui.services.context_switcher import ConnectTo
from sandtui.ui.startup import StartupOptions
from tests.probes import text_of
from tests.ui.strips import cache_on_demand
from tests.ui.stylesheets import parse_once

parse_once()
cache_on_demand()

NOW = datetime(2026, 11, 24, 14, 14, 30, tzinfo=UTC)
SEED = 7
BASE_URL = "http://127.0.0.1"

PATIENCE = float(os.environ.get("SANDTUI_TEST_PATIENCE", "60"))
"""Seconds after which a wait has failed: only an end, so it may be long for the sake of a busy machine."""

Wrap = Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]


class World(SandtuiApp):
    """The real app, connected to a platform that lives as long as it does."""

    CONTAIN_FAULTS = False

    def __init__(
        self,
        fleet: int = 40,
        wrap: Wrap = lambda transport: transport,
        contexts: Sequence[Context] = (),
        connect_to: ConnectTo | None = None,
        settings: Settings | None = None,
        home: Path | None = None,
    ) -> None:
        self.local_clock = LocalClock(NOW)
        self._wrap = wrap
        self.on_client: Callable[[AsyncSandboxClient], None] = lambda _: None
        self.folder = tempfile.TemporaryDirectory(prefix="sandtui-ui-")
        local = PlatformSettings(state_dir=Path(self.folder.name) / "state", driver="simulated", fleet=fleet, seed=SEED)
        self.platform = LocalPlatform(local, clock=self.local_clock)
        folder = Path(self.folder.name)
        super().__init__(
            StartupOptions(self._start, settings, contexts, connect_to),
            clock=ManualClock(NOW),
            make_client=self._client,
            # With a home of the test's own, the next app finds what this one has stored.
            paths=Paths((home or folder) / "config", (home or folder) / "user-state"),
            ticking=False,
        )

        # Only tests that wait for it have the ends of logs read beside the list.
        self.services.platform.rest_seconds = 3600.0

    @property
    def manual_clock(self) -> ManualClock:
        """The dashboard's clock."""
        assert isinstance(self.services.clock, ManualClock)
        return self.services.clock

    async def _start(self) -> Connection:
        await self.platform.__aenter__()
        self.platform.base_url = BASE_URL
        return Connection(Config(api_key=self.platform.api_key, base_url=BASE_URL), "local · simulated")

    def _client(self, connection: Connection) -> AsyncSandboxClient:
        transport = self._wrap(httpx.ASGITransport(app=self.platform.app))
        client = AsyncSandboxClient(config=connection.config, transport=transport, keep_tokens=False)
        self.on_client(client)
        return client

    async def on_unmount(self) -> None:
        await super().on_unmount()
        await self.platform.__aexit__(None, None, None)
        self.folder.cleanup()


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Let the app work until something is so."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                # A widget that goes away meanwhile never tells the pilot that it has done its work.
                with contextlib.suppress(WaitForScreenTimeout):
                    await pilot.pause()
                await wait_a_turn()
    except TimeoutError:
        shown = text_of(pilot.app)
        raise AssertionError(f"the app did not get there; {pilot.app.screen!r} shows\n{shown}") from None
    await pilot.pause()


async def wait_a_turn() -> None:
    """Let threads hand over their results."""
    await asyncio.sleep(0.005)


async def settled(pilot: Pilot[None]) -> World:
    """Wait until the fleet is shown."""
    app = pilot.app
    assert isinstance(app, World)
    await until(pilot, lambda: app.services.platform.freshness.phase is not Phase.LOADING)
    stop_blinking(app)
    await pilot.pause()
    return app


async def refused(pilot: Pilot[None], words: str) -> None:
    """Wait until something is refused for a reason that holds some words, and close the refusal."""
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, RefusalDialog))
    assert isinstance(app.screen, RefusalDialog)
    assert words in app.screen.reason
    await pilot.press("escape")
    await until(pilot, lambda: not isinstance(app.screen, RefusalDialog))


def without_live_channels(app: SandtuiApp) -> None:
    """Have consoles open no SSH connection beside the answers that a test makes up."""
    work = app.services.work
    start = work.worker

    def worker(flow: Any, group: str, *, exclusive: bool = False) -> Any:
        if group.startswith("live "):
            flow.close()
            return None
        return start(flow, group, exclusive=exclusive)

    work.worker = worker  # type: ignore[method-assign]


def stop_blinking(app: SandtuiApp) -> None:
    """Hold the cursors of the screen in front still, for pictures."""
    for field in app.screen.query(Input):
        field.cursor_blink = False
    for area in app.screen.query(TextArea):
        area.cursor_blink = False


def keys(*presses: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Return what presses these keys once the fleet is shown."""

    async def run(pilot: Pilot[None]) -> None:
        app = await settled(pilot)
        for key in presses:
            await pilot.press(key)
            await pilot.pause()
        stop_blinking(app)
        await pilot.pause()

    return run
