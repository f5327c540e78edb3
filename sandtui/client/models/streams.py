"""The events of a streamed command."""

from dataclasses import dataclass
from typing import Literal

Transport = Literal["session", "ssh", "job"]
"""The transport of a command: a VM's command session, an SSH channel, or a polled background job."""


@dataclass(frozen=True, slots=True)
class CommandStarted:
    """The command has started over ``transport``."""

    transport: Transport


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """Output of the command."""

    stream: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True, slots=True)
class CommandEnded:
    """The command has finished."""

    exit_code: int


CommandEvent = CommandStarted | CommandOutput | CommandEnded
