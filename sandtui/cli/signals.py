"""SIGTERM and SIGHUP end a command like ctrl+c, so that it cleans up."""

from __future__ import annotations

import signal
from collections.abc import Callable


def ending_like_ctrl_c(command: Callable[[], int]) -> int:
    """Run a command; return its exit code, or 128 plus the signal number after SIGTERM or SIGHUP."""
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        received.append(number)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A shell without job control makes background commands ignore SIGINT.
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    # Ignored signals stay ignored, as under nohup.
    numbers = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        code = command()
    except KeyboardInterrupt:
        if not received:
            raise
        code = 0
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
    return 128 + received[0] if received else code
