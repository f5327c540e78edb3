"""The interface between the platform and whatever runs its sandboxes."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from sandtui.local.drivers.logs import SandboxLogs
from sandtui.local.store.records import SandboxRecord

Stream = Literal["stdout", "stderr"]

MAX_WORD: Final = 32 * os.sysconf("SC_PAGE_SIZE") - 1
"""Bytes of one argument or variable that Linux hands to a program."""

COMMAND_TOO_LONG = "The command or its variables are too long. Upload it as a file and run that file."


class DriverError(Exception):
    """A sandbox could not be made or reached; the text is for people."""


class Refused(DriverError):
    """A request for something that this driver can't honour."""

    def __init__(self, param: str, details: str) -> None:
        super().__init__(details)
        self.param = param
        self.details = details


class SandboxGone(DriverError):
    """The sandbox doesn't answer any more."""


class ImageUnavailable(DriverError):
    """The image of a sandbox can't be had."""


class NeverStarted(DriverError):
    """A sandbox could not be brought up; ``error_type`` is the platform's word for the cause."""

    def __init__(self, error_type: str, text: str) -> None:
        super().__init__(text)
        self.error_type = error_type


class CommandFailed(DriverError):
    """A command could not be started; ``code`` is the system's error number."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class FileTrouble(DriverError):
    """A file could not be opened; ``code`` is the system's error number."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class PortClosed(DriverError):
    """Nobody listens on a port of the sandbox."""


def size_of(text: str) -> int:
    """Return the bytes of a text, which may hold half a character."""
    return len(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class Command:
    """What to run in a sandbox."""

    argv: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    cwd: str | None = None
    user: str | None = None
    stdin: bool = False
    """Whether the command reads what :meth:`RunningCommand.write` sends; /dev/null otherwise."""
    pty: tuple[int, int] | None = None
    """Columns and rows of a terminal; everything then comes as ``stdout``."""

    def check_length(self) -> None:
        """Refuse what no program can be started with, whatever runs the sandbox.

        Raises:
            CommandFailed: an argument or a variable is too long.
        """
        words = (*self.argv, *(f"{name}={value}" for name, value in self.env.items()))
        if any(size_of(word) > MAX_WORD for word in words):
            raise CommandFailed(errno.E2BIG, os.strerror(errno.E2BIG))


@dataclass(frozen=True)
class Ending:
    """How a sandbox ended by itself."""

    exit_code: int | None
    error_type: str | None = None
    message: str | None = None


class RunningCommand(Protocol):
    """A command that runs. Closing it kills its process group unless it has ended by itself."""

    @property
    def pid(self) -> int:
        """The process as the sandbox numbers it."""
        ...

    def output(self, stream: Stream) -> AsyncIterator[bytes]:
        """Yield what the command writes to one stream, until its end."""
        ...

    async def wait(self) -> int:
        """Return the exit code; a command killed by signal n has 128 + n."""
        ...

    async def kill(self, signal: int) -> None:
        """Send a signal to the command's process group."""
        ...

    async def write(self, data: bytes) -> None:
        """Write to its input or terminal; OSError when nobody reads there."""
        ...

    def close_input(self) -> None:
        """End its input; a terminal has no end."""
        ...

    def resize(self, cols: int, rows: int) -> None:
        """Change the size of its terminal."""
        ...

    def close(self) -> None:
        """Let go of the command and its streams."""
        ...


class ReadableFile(Protocol):
    """A file opened for reading."""

    @property
    def size(self) -> int:
        """Bytes in the file when it was opened."""
        ...

    async def read(self, offset: int, length: int) -> bytes:
        """Return bytes from a place in the file; fewer only at its end."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class WritableFile(Protocol):
    """A file being written; it replaces its target only on commit."""

    async def write(self, data: bytes) -> None:
        """Add bytes."""
        ...

    async def commit(self) -> None:
        """Make the file durable and put it in its place."""
        ...

    def close(self) -> None:
        """Let go of the file; without a commit nothing of it is left."""
        ...


class Instance(Protocol):
    """One sandbox that runs."""

    async def run(self, command: Command) -> RunningCommand:
        """Start a command."""
        ...

    async def open_read(self, path: str) -> ReadableFile:
        """Open a regular file within the sandbox."""
        ...

    async def open_write(self, path: str) -> WritableFile:
        """Open a file within the sandbox for being replaced; parents are made."""
        ...

    async def files(self, call: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Look at or change files, as :mod:`sandtui.local.agent.files` describes; FileTrouble says what went wrong."""
        ...

    async def open_descriptor(self, path: str, flags: int, mode: int) -> int:
        """Open a regular file with flags of open(2); the descriptor is the caller's to close."""
        ...

    async def listen(self, port: int) -> socket.socket:
        """Listen on a port of the sandbox' own loopback, any free one for 0; FileTrouble says what went wrong."""
        ...

    async def dial(self, port: int) -> socket.socket:
        """Connect to a port of the sandbox' own loopback; the socket is the caller's to close."""
        ...

    async def overran(self) -> bool:
        """Return whether the sandbox has gone over its memory and is coming to its end."""
        ...

    async def ended(self) -> Ending:
        """Wait until the sandbox ends by itself."""
        ...


class Driver(Protocol):
    """A way to run sandboxes."""

    name: str
    keeps_sandboxes: bool
    """Whether sandboxes go on when the platform is stopped cleanly."""

    @property
    def logs(self) -> SandboxLogs | None:
        """The logs that are kept on disk, also of sandboxes that have ended; None where there are none."""
        ...

    @property
    def isolation(self) -> str:
        """A sentence that says what keeps a sandbox apart from the machine, and what doesn't."""
        ...

    @property
    def warning(self) -> str:
        """What everyone who starts or uses the platform has to know about its isolation, or nothing."""
        ...

    def fleet(self) -> list[SandboxRecord]:
        """Return the sandboxes that are there from the beginning, oldest first."""
        ...

    def may_end(self, record: SandboxRecord) -> bool:
        """Whether a sandbox can end without being told to, so that its end has to be waited for."""
        ...

    async def open(self) -> None:
        """Get ready."""
        ...

    def check(self, record: SandboxRecord) -> None:
        """Raise :class:`Refused` for what can't be honoured."""
        ...

    async def admit(self, record: SandboxRecord) -> None:
        """Wait until there is room for a sandbox; it is PENDING until then."""
        ...

    async def image_trouble(self, image: str) -> str | None:
        """Return why an image can't be had, or None."""
        ...

    def check_egress(self, record: SandboxRecord, old: SandboxRecord | None = None) -> None:
        """Raise :class:`Refused` for egress lists that can't be kept to.

        ``old`` is what the sandbox has until now, None for one that is to be made.
        """
        ...

    async def apply_egress(self, record: SandboxRecord) -> None:
        """Hand new egress lists, which were checked, to where they are kept to."""
        ...

    async def applied_egress(self, record: SandboxRecord) -> int:
        """Return the generation of the lists in force, as it was observed; 0 for none.

        One that is on its way is given a moment to arrive.
        """
        ...

    async def start(self, record: SandboxRecord) -> Instance:
        """Make a sandbox and start it; :class:`ImageUnavailable` when its image can't be had."""
        ...

    async def adopt(self, record: SandboxRecord) -> Instance | None:
        """Find a sandbox again that an earlier platform started; None when it is gone."""
        ...

    async def discard(self, sandbox_id: str) -> None:
        """End every process of a sandbox and remove its files. Works for what is half-made or gone."""
        ...

    async def remains(self) -> list[str]:
        """Return the ids of which anything but a log is left."""
        ...

    async def log(self, record: SandboxRecord) -> str:
        """Return the log of a sandbox, also of one that has ended."""
        ...

    def note(self, sandbox_id: str, text: str) -> None:
        """Write a line of the platform's own to a sandbox's log."""
        ...

    async def close(self) -> None:
        """Let go of everything; sandboxes are ended before by :meth:`discard`."""
        ...
