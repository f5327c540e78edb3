"""When the program is told to end from outside, or its terminal goes away: it leaves as if by its own key."""

from __future__ import annotations

import asyncio
import select
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App

CODES = {signal.SIGHUP: 129, signal.SIGTERM: 143}
"""The exit code for each signal, as a shell would tell it."""


def leave_on_signals(app: App[None]) -> None:
    """Have the signals of a closed terminal and of ``kill`` end the app: it cleans up, and the terminal heals."""
    loop = asyncio.get_running_loop()
    for number, code in CODES.items():
        loop.add_signal_handler(number, app.exit, None, code)


def terminal_is_gone() -> bool:
    """Whether nobody is at the other end of the terminal any more: Textual would ask it for keys without a pause."""
    stream = sys.__stdin__
    if stream is None or stream.closed:
        return True
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return any(event & (select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0))
