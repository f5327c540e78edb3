"""The retry policy."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from sandtui.client.call import Repeat

_REPEATABLE_STATUSES = frozenset({502, 503, 504})


@dataclass(slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter within an overall deadline. Times are in seconds."""

    attempts: int = 4
    first_delay: float = 0.25
    max_delay: float = 8.0
    deadline: float = 90.0
    max_retry_after: float = 60.0
    random: random.Random = field(default_factory=random.Random)

    def delay(self, attempt: int, retry_after: float | None = None) -> float:
        """Return the pause after the given attempt, counted from 1.

        ``Retry-After`` is a minimum; jitter is added to it, so that clients that were refused together do not return
        together.
        """
        backoff = min(self.max_delay, self.first_delay * 2 ** (attempt - 1))
        jitter = self.random.uniform(0, backoff)
        return min(retry_after, self.max_retry_after) + jitter if retry_after is not None else jitter


def may_repeat_status(status_code: int, repeat: Repeat) -> bool:
    """Whether a request may be retried after a response with this status.

    A request that was refused with 429 had no effect and may always be retried.
    """
    return status_code == 429 or (repeat is Repeat.SAFE and status_code in _REPEATABLE_STATUSES)


def may_repeat_fault(sent: bool, timeout: bool, repeat: Repeat) -> bool:
    """Whether a request without a response may be retried."""
    if not sent:
        return True
    return repeat is Repeat.SAFE and not timeout
