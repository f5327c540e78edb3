"""Shutdown: by key, by signal, or because the terminal is gone.

In each case the state of transfers and launches is saved first, and every step is bounded.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable
from time import monotonic
from typing import Any

from textual.app import App

from sandtui.ui.driver import TerminalDriver

LOG = logging.getLogger("sandtui.ui")

CODES = {signal.SIGHUP: 129, signal.SIGTERM: 143}
"""The exit code for each signal, as a shell would report it."""

GONE_SECONDS = 1.2
"""How long the last steps may take in total when the terminal is gone."""

STEP_SECONDS = 5.0
"""How long each of them may take otherwise: a platform that does not respond must not hold up the user."""

HARD_SECONDS = {signal.SIGHUP: 1.8, signal.SIGTERM: 8.0}
"""When the process exits without its last steps, because something hangs."""

THREADS_SECONDS = 5.0
"""How long threads, such as a name lookup, may continue when everything else is done."""


class Shutdown:
    """Ends the app within bounded time."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._end: float | None = None
        self._hard: threading.Timer | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the program is shutting down, so that nothing new starts."""
        return self._app._exit

    def handle_signals(self) -> None:
        """Exit on SIGHUP and SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in CODES:
            loop.add_signal_handler(number, self._exit_on, number)

    def terminal_gone(self) -> None:
        """Exit as on SIGHUP, which does not always arrive."""
        self._exit_on(signal.SIGHUP)

    def begin(self) -> None:
        """Ignore ctrl+c: once the terminal is left it is a signal again, and would interrupt the last steps.

        They are bounded anyway.
        """
        if self._takes_signals():
            # Not in the loop, which would restore the default handler when it closes.
            signal.signal(signal.SIGINT, _log_interrupt)

    async def bounded(self, step: Awaitable[object]) -> None:
        """Run one of the last steps; it is abandoned if it takes too long, and logged if it fails."""
        left = STEP_SECONDS if self._end is None else max(0.05, self._end - monotonic())
        try:
            async with asyncio.timeout(left):
                await step
        except TimeoutError:
            LOG.warning("a step of the shutdown took too long")
        except Exception:
            # The next steps must still run.
            LOG.exception("a step of the shutdown failed")

    def begin_final(self) -> None:
        """From now on wait only for threads, not for the terminal."""
        driver = self._app._driver
        if isinstance(driver, TerminalDriver):
            driver.finish()
        if self._hard is None and not self._app.is_headless:
            self._end_within(THREADS_SECONDS, self._app.return_code or 0)

    def finished(self) -> None:
        """The app has ended; later code in this process is not bounded."""
        if self._hard is not None:
            self._hard.cancel()
        if self._takes_signals():
            # The interpreter removes all handlers but this one when it exits.
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _takes_signals(self) -> bool:
        return not self._app.is_headless and threading.current_thread() is threading.main_thread()

    def _exit_on(self, number: signal.Signals) -> None:
        code = CODES[number]
        if self._hard is not None:
            self._hard.cancel()
        self._end_within(HARD_SECONDS[number], code)
        if number is signal.SIGHUP and self._end is None:
            self._end = monotonic() + GONE_SECONDS
        if not self.has_begun:
            self._app.exit(return_code=code)

    def _end_within(self, seconds: float, code: int) -> None:
        self._hard = threading.Timer(seconds, self._end_now, (code,))
        self._hard.daemon = True
        self._hard.start()

    def _end_now(self, code: int) -> None:
        LOG.error("the shutdown hangs; ending now")
        driver = self._app._driver
        if driver is not None:
            # Bounded, and without effect if the terminal was left already.
            driver.stop_application_mode()
        os._exit(code)


def _log_interrupt(number: int, frame: object) -> None:
    LOG.info("interrupted during shutdown")
