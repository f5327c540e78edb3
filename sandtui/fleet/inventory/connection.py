"""Where a platform is, and why it can't be connected to. Loads no HTTP library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandtui.client import Config


@dataclass(frozen=True, slots=True)
class Connection:
    """Where to connect and what to call it. ``note`` is a sentence to show once, such as the isolation.

    In ``production`` every change is asked for twice. ``isolated`` is false where sandboxes are plain processes.
    """

    config: Config
    label: str
    note: str = ""
    warning: bool = False
    production: bool = False
    isolated: bool = True


@dataclass(frozen=True, slots=True)
class Offer:
    """Another way to connect, which only the user can agree to; ``declined`` when they said no before."""

    title: str
    question: str
    yes: str
    accept: Callable[[], Awaitable[Connection]]
    decline: Callable[[], Coroutine[Any, Any, None]]
    declined: bool = False


class ConnectError(Exception):
    """No connection is possible; ``advice`` says what to do, ``offer`` what the user may accept."""

    def __init__(self, message: str, advice: str = "", offer: Offer | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.offer = offer
