"""``kill`` and a closed terminal end a command as ctrl+c does, so that it cleans up behind itself."""

from __future__ import annotations

import signal
from collections.abc import Callable


def ending_like_ctrl_c(command: Callable[[], int]) -> int:
    """Run a command; return its exit code, or 128 and the signal's number after SIGTERM or SIGHUP."""
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        received.append(number)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A shell without job control has its background commands ignore ctrl+c.
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    # What is ignored stays ignored: `nohup` means it.
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
