"""Resets in forked processes: connections, threads and held locks must not be shared with the parent.

Two processes that read from one socket would get each other's responses.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """An object that is reset in a child process."""

    def renew(self) -> None:
        """Drop what belongs to the parent, without sending anything on its connections."""


_all: WeakSet[Renewable] = WeakSet()


def renew_in_child(thing: Renewable) -> None:
    """Reset an object in each process forked from this one, for as long as the object lives."""
    _all.add(thing)


def _renew() -> None:
    for thing in list(_all):
        thing.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
