"""What a client can read: the versions of the official SDK differ (client/WIRE.md 0)."""

from __future__ import annotations

import re
from typing import Any, Final

_SDK: Final = re.compile(r"\bprime-sandboxes/(\d+)\.(\d+)\.(\d+)")
_OFFICIAL: Final = re.compile(r"\bprime\b", re.IGNORECASE)

OBJECTS_FROM: Final = (0, 2, 35)
NO_STRINGS_FROM: Final = (0, 4, 0)


def start_command_for(user_agent: str, command: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """Return a start command in a shape that the client can read, or None, which all can.

    The command is a string for containers and an object for VMs. A client of the official SDK rejects a whole list for
    one row of the other shape. The official command line sends only its own name, not the version of its SDK.
    """
    version = _SDK.search(user_agent)
    if version is None:
        return None if _OFFICIAL.search(user_agent) else command
    number = tuple(map(int, version.groups()))
    read = isinstance(command, dict) if number >= NO_STRINGS_FROM else isinstance(command, str)
    if OBJECTS_FROM <= number < NO_STRINGS_FROM:
        read = True
    return command if read else None
