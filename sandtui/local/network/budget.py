"""How much of the worker one sandbox may use: connections, the bytes they hold, and this process's descriptors."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from typing import Final

MAX_FLOWS: Final = 1000
"""Connections of one sandbox, and as many flows of datagrams."""

BYTES: Final = 16 * 1024 * 1024
"""What the connections of one sandbox hold together before each has to do with the least."""

LEAST: Final = 16 * 1024
MOST: Final = 4 * 1024 * 1024

_RESERVE: Final = 64
"""Descriptors that no connection takes: for devices of new sandboxes, and what the worker needs itself."""


def raise_descriptor_limit() -> int:
    """Let this process have as many descriptors as it may; return how many connections may take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 20
    return max(limit - _RESERVE, limit // 2)


class Descriptors:
    """Divides the descriptors of the worker: one sandbox alone gets half of them, the rest is the others'."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self._limit = limit
        self._used: dict[ConnectionBudget, int] = {}

    def join(self, budget: ConnectionBudget) -> None:
        """Count a sandbox in."""
        # Its device takes one.
        self._used[budget] = 1

    def leave(self, budget: ConnectionBudget) -> None:
        """Count a sandbox out."""
        self._used.pop(budget, None)

    def take(self, budget: ConnectionBudget, count: int) -> bool:
        """Take descriptors for a sandbox, or return False when others need them."""
        used = self._used.get(budget, 0)
        total = sum(self._used.values())
        fair = self._limit // (2 * max(1, len(self._used)))
        if total + count > self._limit or (total + count > self._limit // 2 and used + count > fair):
            return False
        self._used[budget] = used + count
        return True

    def give_back(self, budget: ConnectionBudget, count: int) -> None:
        """Give descriptors of a sandbox back."""
        if budget in self._used:
            self._used[budget] -= count


class ConnectionBudget:
    """What one sandbox has."""

    def __init__(self, descriptors: Descriptors | None = None) -> None:
        self._descriptors = descriptors or Descriptors()
        self._descriptors.join(self)
        self.held = 0
        """Bytes that its connections hold now."""

    @property
    def is_spent(self) -> bool:
        """Whether its connections hold all that they may together."""
        return self.held >= BYTES

    def share(self, flows: int) -> int:
        """Return the bytes that one of some connections may hold."""
        return LEAST if self.is_spent else max(LEAST, min(MOST, BYTES // max(1, flows)))

    def take(self, count: int = 1) -> bool:
        """Take descriptors for a connection."""
        return self._descriptors.take(self, count)

    def give_back(self, count: int = 1) -> None:
        """Give them back."""
        self._descriptors.give_back(self, count)

    def close(self) -> None:
        """Give everything back."""
        self._descriptors.leave(self)


def close_all(descriptors: list[int | None]) -> None:
    """Close descriptors that nobody took."""
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)
