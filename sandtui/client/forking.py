"""What a forked process must not share with its parent: connections, threads, and locks that a thread held.

Two processes that read from one socket get each other's replies.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """Something that starts anew in a child."""

    def renew(self) -> None:
        """Let go of what belongs to the parent, without a word to the other side of any connection."""


_all: WeakSet[Renewable] = WeakSet()


def renew_in_child(thing: Renewable) -> None:
    """Have something start anew in each process that is forked from this one, as long as it lives."""
    _all.add(thing)


def _renew() -> None:
    for thing in list(_all):
        thing.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
