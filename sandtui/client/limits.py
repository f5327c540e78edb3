"""Client-side rate limits, so that a fan-out does not run into the hosted platform's."""

from __future__ import annotations

import threading
from collections import deque

from sandtui.client.call import Rate
from sandtui.client.forking import renew_in_child

WINDOW = 60.0
"""The window of a limit in seconds (WIRE.md 2.1)."""


class RateLimiter:
    """A sliding window for each kind of request: at most the allowed number in any one minute.

    A burst up to the limit is sent at once; each further request waits until an earlier one is a minute old.
    Times are in seconds on a monotonic clock.
    """

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], deque[float]] = {}
        self._calls = 0
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Reset in a forked process: a thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def reserve(self, rate: Rate, now: float) -> float:
        """Reserve a slot for one request; return the seconds to wait before sending it."""
        with self._lock:
            self._calls += 1
            if self._calls % 1000 == 0:
                self._forget_old(now)
            sent = self._sent.setdefault((rate.kind, rate.key), deque())
            while sent and sent[0] <= now - WINDOW:
                sent.popleft()
            when = now
            if len(sent) >= rate.per_minute:
                when = max(now, sent[len(sent) - rate.per_minute] + WINDOW)
            sent.append(when)
            return when - now

    def _forget_old(self, now: float) -> None:
        for key in [key for key, sent in self._sent.items() if not sent or sent[-1] <= now - WINDOW]:
            del self._sent[key]
