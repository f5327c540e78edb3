"""The end of the program: by its own key, by a signal, or because its terminal is gone.

However it comes, what is being copied and created is written down first, and every step has a bound.
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
"""The exit code for each signal, as a shell would tell it."""

GONE_SECONDS = 1.2
"""How long the last steps may take when nobody waits at a terminal any more."""

STEP_SECONDS = 5.0
"""How long one of them may take otherwise: a platform that does not answer must not hold the user."""

HARD_SECONDS = {signal.SIGHUP: 1.8, signal.SIGTERM: 8.0}
"""When the process ends without its last steps: something in it hangs."""

THREADS_SECONDS = 5.0
"""How long threads may go on when everything else is done, such as one that looks up a name."""


class Shutdown:
    """Ends the app, in time."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._end: float | None = None
        self._hard: threading.Timer | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the program is ending: nothing new begins."""
        return self._app._exit

    def on_signals(self) -> None:
        """Have the signals of a closed terminal and of ``kill`` end the app."""
        loop = asyncio.get_running_loop()
        for number in CODES:
            loop.add_signal_handler(number, self._leave, number)

    def terminal_gone(self) -> None:
        """End as by the signal of a closed terminal, which does not always come."""
        self._leave(signal.SIGHUP)

    def begin(self) -> None:
        """The program ends now: ctrl+c, a signal again once the terminal is left, must not cut its last steps short.

        They are bounded, and so is the wait for them.
        """
        if self._takes_signals():
            # Not by the loop, which would put the usual handler back when it closes.
            signal.signal(signal.SIGINT, _go_on)

    async def bounded(self, step: Awaitable[object]) -> None:
        """Do one of the last steps; one that takes too long is left, one that fails is logged."""
        left = STEP_SECONDS if self._end is None else max(0.05, self._end - monotonic())
        try:
            async with asyncio.timeout(left):
                await step
        except TimeoutError:
            LOG.warning("a step of the shutdown took too long")
        except Exception:
            # The next steps matter as much.
            LOG.exception("a step of the shutdown failed")

    def begin_last(self) -> None:
        """Note that only threads are waited for from now on, and not the terminal."""
        driver = self._app._driver
        if isinstance(driver, TerminalDriver):
            driver.finish()
        if self._hard is None and not self._app.is_headless:
            self._end_within(THREADS_SECONDS, self._app.return_code or 0)

    def finished(self) -> None:
        """The app has ended; what follows in this process has its own time."""
        if self._hard is not None:
            self._hard.cancel()
        if self._takes_signals():
            # The interpreter's own end takes every handler away but this.
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _takes_signals(self) -> bool:
        return not self._app.is_headless and threading.current_thread() is threading.main_thread()

    def _leave(self, number: signal.Signals) -> None:
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
            # Bounded itself, and nothing when the terminal was left already.
            driver.stop_application_mode()
        os._exit(code)


def _go_on(number: int, frame: object) -> None:
    LOG.info("an interrupt while the program ends")
