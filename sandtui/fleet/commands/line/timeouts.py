"""The choices for a command's timeout, in seconds."""

from __future__ import annotations

from sandtui.client.toolkit import DEFAULT_TIMEOUT, MAX_TIMEOUT

TIMEOUTS = (60, DEFAULT_TIMEOUT, MAX_TIMEOUT)


def next_timeout(seconds: int) -> int:
    """Return the next choice, cyclically."""
    return next((choice for choice in TIMEOUTS if choice > seconds), TIMEOUTS[0])
