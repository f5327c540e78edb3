"""What a streamed command yields."""

from dataclasses import dataclass
from typing import Literal

Transport = Literal["session", "ssh", "job"]
"""The way that output took: a VM's command session, an SSH channel, or a background job that is tailed."""


@dataclass(frozen=True, slots=True)
class CommandStarted:
    """The command is running; ``transport`` tells which way its output comes."""

    transport: Transport


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """Bytes that the command wrote, as they came."""

    stream: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True, slots=True)
class CommandEnded:
    """The command is done."""

    exit_code: int


CommandEvent = CommandStarted | CommandOutput | CommandEnded
