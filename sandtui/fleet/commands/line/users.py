"""Who runs a command in a sandbox: a name or a uid."""

from __future__ import annotations

import re
from typing import TypedDict

EXAMPLE = "nobody or 1000"

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\$?")


def user_problem(text: str) -> str:
    """Return what is wrong with a user; empty if it is valid, or for the platform's default."""
    user = text.strip()
    return "" if not user or _USER.fullmatch(user) else "use a user name or a uid of the sandbox"


class AsUser(TypedDict, total=False):
    """The argument of a call that runs a command as a user."""

    user: str


def as_user(user: str | None) -> AsUser:
    """Return the argument for a user, none for the platform's default."""
    return {} if user is None else {"user": user}
