"""How long a command may take: three choices, in seconds."""

from __future__ import annotations

from sandtui.client.toolkit import DEFAULT_TIMEOUT, MAX_TIMEOUT

TIMEOUTS = (60, DEFAULT_TIMEOUT, MAX_TIMEOUT)


def next_timeout(seconds: int) -> int:
    """Return the choice after this one, from the longest to the shortest again."""
    return next((choice for choice in TIMEOUTS if choice > seconds), TIMEOUTS[0])
