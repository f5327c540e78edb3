"""When to send a request again, and after how long."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from sandtui.client.call import Repeat

_REPEATABLE_STATUSES = frozenset({502, 503, 504})


@dataclass(slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter, inside a total deadline. Times are in seconds."""

    attempts: int = 4
    first_delay: float = 0.25
    longest_delay: float = 8.0
    deadline: float = 90.0
    longest_retry_after: float = 60.0
    random: random.Random = field(default_factory=random.Random)

    def delay(self, attempt: int, retry_after: float | None = None) -> float:
        """Return the pause after the given attempt, counted from 1.

        ``Retry-After`` is honoured as a minimum; the jitter comes on top, so that a fleet of clients that
        were refused together does not come back together.
        """
        backoff = min(self.longest_delay, self.first_delay * 2 ** (attempt - 1))
        jitter = self.random.uniform(0, backoff)
        return min(retry_after, self.longest_retry_after) + jitter if retry_after is not None else jitter


def may_repeat_status(status_code: int, repeat: Repeat) -> bool:
    """Whether a reply with this status allows the request to be sent again.

    A 429 was refused before anything happened, so it may always be repeated.
    """
    return status_code == 429 or (repeat is Repeat.SAFE and status_code in _REPEATABLE_STATUSES)


def may_repeat_fault(sent: bool, timeout: bool, repeat: Repeat) -> bool:
    """Whether a request that got no reply may be sent again."""
    if not sent:
        return True
    return repeat is Repeat.SAFE and not timeout
