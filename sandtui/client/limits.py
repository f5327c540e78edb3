"""Staying within the hosted platform's limits, so that a fan-out never earns a storm of refusals."""

from __future__ import annotations

import threading
from collections import deque

from sandtui.client.call import Rate
from sandtui.client.forking import renew_in_child

WINDOW = 60.0
"""Seconds that a limit counts over (WIRE.md 2.1)."""


class RateLimiter:
    """Keeps the times of the last requests of each kind: never more than allowed in any one minute.

    A burst up to the limit goes out at once; after it each request waits until an earlier one is a minute old.
    Times are in seconds on any clock that never goes back.
    """

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], deque[float]] = {}
        self._calls = 0
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Start anew in a forked process, whose parent's threads may have held the lock."""
        self._lock = threading.Lock()

    def reserve(self, rate: Rate, now: float) -> float:
        """Take a place for one request; return the seconds to wait before it may be sent."""
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
