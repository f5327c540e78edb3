"""The share of the worker that a sandbox may use: connections, buffered bytes and file descriptors."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from typing import Final

MAX_FLOWS: Final = 1000
"""The most connections of a sandbox, and the most UDP flows."""

MAX_BYTES: Final = 16 * 1024 * 1024
"""The most bytes that all connections of a sandbox buffer before each gets only the minimum."""

MIN_SHARE: Final = 16 * 1024
MAX_SHARE: Final = 4 * 1024 * 1024

_RESERVE: Final = 64
"""Descriptors that are not used for connections: for devices of new sandboxes and for the worker itself."""


def raise_descriptor_limit() -> int:
    """Raise the descriptor limit of this process to the maximum; return how many descriptors connections may use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 20
    return max(limit - _RESERVE, limit // 2)


class Descriptors:
    """Divides the descriptors of the worker: a sandbox alone may use half of them, the rest is left for others."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self._limit = limit
        self._used: dict[ConnectionBudget, int] = {}

    def join(self, budget: ConnectionBudget) -> None:
        """Add a sandbox."""
        # Its device uses one.
        self._used[budget] = 1

    def leave(self, budget: ConnectionBudget) -> None:
        """Remove a sandbox and release its descriptors."""
        self._used.pop(budget, None)

    def take(self, budget: ConnectionBudget, count: int) -> bool:
        """Take descriptors for a sandbox; return False if too few are left for it."""
        used = self._used.get(budget, 0)
        total = sum(self._used.values())
        fair = self._limit // (2 * max(1, len(self._used)))
        if total + count > self._limit or (total + count > self._limit // 2 and used + count > fair):
            return False
        self._used[budget] = used + count
        return True

    def release(self, budget: ConnectionBudget, count: int) -> None:
        """Release descriptors of a sandbox."""
        if budget in self._used:
            self._used[budget] -= count


class ConnectionBudget:
    """The descriptors and the buffered bytes of one sandbox."""

    def __init__(self, descriptors: Descriptors | None = None) -> None:
        self._descriptors = descriptors or Descriptors()
        self._descriptors.join(self)
        self.held = 0
        """Bytes that its connections buffer now."""

    @property
    def is_spent(self) -> bool:
        """Whether its connections buffer all that they may."""
        return self.held >= MAX_BYTES

    def share(self, flows: int) -> int:
        """Return the bytes that each of ``flows`` connections may buffer."""
        return MIN_SHARE if self.is_spent else max(MIN_SHARE, min(MAX_SHARE, MAX_BYTES // max(1, flows)))

    def take(self, count: int = 1) -> bool:
        """Take descriptors for a connection; return False if too few are left."""
        return self._descriptors.take(self, count)

    def release(self, count: int = 1) -> None:
        """Release descriptors of a connection."""
        self._descriptors.release(self, count)

    def close(self) -> None:
        """Release all descriptors."""
        self._descriptors.leave(self)


def close_all(descriptors: list[int | None]) -> None:
    """Close descriptors that were not taken over."""
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)
