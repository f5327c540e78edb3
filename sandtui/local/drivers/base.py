"""The interface between the platform and the drivers, which run its sandboxes."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

from sandtui.local.drivers.logs import SandboxLogs
from sandtui.local.store.networks import NetworkRecord
from sandtui.local.store.records import Attachment, SandboxRecord

Stream = Literal["stdout", "stderr"]

MAX_WORD: Final = 32 * os.sysconf("SC_PAGE_SIZE") - 1
"""The most bytes of an argument or variable that Linux passes to a program."""

COMMAND_TOO_LONG = "The command or its variables are too long. Upload it as a file and run that file."


class DriverError(Exception):
    """A sandbox could not be created or reached; the text is for users."""


class Refused(DriverError):
    """A request that this driver does not support."""

    def __init__(self, param: str, details: str) -> None:
        super().__init__(details)
        self.param = param
        self.details = details


class SandboxGone(DriverError):
    """The sandbox no longer responds."""


class SandboxBusy(SandboxGone):
    """The sandbox has not responded in time; it may still exist, as on a machine without a core to spare."""


class ImageUnavailable(DriverError):
    """The image of a sandbox is not available."""


class NeverStarted(DriverError):
    """A sandbox could not be started; ``error_type`` is the platform's name for the cause."""

    def __init__(self, error_type: str, text: str) -> None:
        super().__init__(text)
        self.error_type = error_type


class CommandFailed(DriverError):
    """A command could not be started; ``code`` is the errno."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class FileFailed(DriverError):
    """A file operation failed; ``code`` is the errno."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class PortClosed(DriverError):
    """Nothing listens on a port of the sandbox."""


def size_of(text: str) -> int:
    """Return the size of a text in bytes; it may contain lone surrogates."""
    return len(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class Command:
    """A command to run in a sandbox."""

    argv: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    cwd: str | None = None
    user: str | None = None
    stdin: bool = False
    """Whether the command reads what :meth:`RunningCommand.write` sends; otherwise it reads /dev/null."""
    pty: tuple[int, int] | None = None
    """Columns and rows of a terminal; all output is then ``stdout``."""

    def check_length(self) -> None:
        """Refuse a command that no program could be started with.

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
    """A running command. Closing it kills its process group unless it has ended."""

    @property
    def pid(self) -> int:
        """The process id inside the sandbox."""
        ...

    def output(self, stream: Stream) -> AsyncIterator[bytes]:
        """Yield what the command writes to a stream, until its end."""
        ...

    async def wait(self) -> int:
        """Return the exit code; 128 + n for a command that was killed by signal n."""
        ...

    async def kill(self, signal: int) -> None:
        """Send a signal to the process group of the command."""
        ...

    async def write(self, data: bytes) -> None:
        """Write to its input or terminal; raise an OSError if nothing reads it."""
        ...

    def close_input(self) -> None:
        """Close its input; no effect on a terminal."""
        ...

    def resize(self, cols: int, rows: int) -> None:
        """Resize its terminal."""
        ...

    def close(self) -> None:
        """Close the command and its streams."""
        ...


class ReadableFile(Protocol):
    """A file opened for reading."""

    @property
    def size(self) -> int:
        """The size in bytes when the file was opened."""
        ...

    async def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from an offset; fewer only at the end of the file."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class WritableFile(Protocol):
    """A file being written; it replaces its target only on commit."""

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        ...

    async def commit(self) -> None:
        """Sync the file and move it to its target."""
        ...

    def close(self) -> None:
        """Close the file; unless it was committed, it is removed."""
        ...


class Instance(Protocol):
    """A running sandbox."""

    async def run(self, command: Command) -> RunningCommand:
        """Start a command."""
        ...

    async def open_read(self, path: str) -> ReadableFile:
        """Open a regular file inside the sandbox."""
        ...

    async def open_write(self, path: str) -> WritableFile:
        """Open a file inside the sandbox for replacing it; its parents are created."""
        ...

    async def files(self, call: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Make a call of the file service (:mod:`sandtui.local.agent.files`); raise a FileFailed if it fails."""
        ...

    async def open_descriptor(self, path: str, flags: int, mode: int) -> int:
        """Open a regular file with flags of open(2); the caller must close the descriptor."""
        ...

    async def listen(self, port: int) -> socket.socket:
        """Listen on a port of the sandbox's loopback, for 0 on any free one; raise a FileFailed if it fails."""
        ...

    async def dial(self, port: int) -> socket.socket:
        """Connect to a port of the sandbox's loopback; the caller must close the socket."""
        ...

    async def exceeded_limits(self) -> bool:
        """Return whether the sandbox has exceeded its memory, and so is ending."""
        ...

    async def ended(self) -> Ending:
        """Wait until the sandbox ends by itself."""
        ...


class Captured(NamedTuple):
    """What a checkpoint takes on disk, and how long its sandbox stood still for it."""

    occupied_bytes: int
    frozen_seconds: float


class CheckpointDriver(Protocol):
    """Takes checkpoints of sandboxes. A sandbox is created from one by its record's ``checkpoint_id``."""

    @property
    def no_volumes(self) -> str | None:
        """Why sandboxes can have no volumes, as the beginning of a sentence; None if they can."""
        ...

    async def take(
        self,
        record: SandboxRecord,
        checkpoint_id: str,
        on_captured: Callable[[], None],
        volume: Attachment | None = None,
    ) -> Captured:
        """Copy the files of a running sandbox, or of a volume; ``on_captured`` is called once the sandbox goes on.

        Raises:
            DriverError: there is no copy, and nothing is left of it.
            OSError: the same, for a reason such as a full disk.
        """
        ...

    async def remove(self, checkpoint_id: str) -> None:
        """Remove the files of a checkpoint, which may be incomplete or missing."""
        ...

    async def remains(self) -> list[str]:
        """Return the ids of all checkpoints of which there are files."""
        ...


class ImageDriver(Protocol):
    """Makes the images of a platform, which sandboxes are created from by their records' ``image_id``."""

    @property
    def no_builds(self) -> str | None:
        """Why Dockerfiles cannot be built, as the beginning of a sentence; None if they can."""
        ...

    def check(self, platform: str) -> None:
        """Raise :class:`Refused` for a platform, such as ``linux/arm64``, that sandboxes here do not have."""
        ...

    async def transfer(self, image_id: str, source: str, platform: str, note: Callable[[str], None]) -> int | None:
        """Copy an image from its registry and return its size in bytes; ``note`` gets lines for the build's log.

        Raises:
            DriverError: there is no image.
        """
        ...

    async def build(
        self, image_id: str, context: Path, dockerfile: str, platform: str, note: Callable[[str], None]
    ) -> int | None:
        """Build an image from a tar archive; otherwise like :meth:`transfer`."""
        ...

    async def remove(self, image_id: str) -> None:
        """Remove an image, which may be missing."""
        ...

    async def remains(self) -> list[str]:
        """Return the ids of all images that there are."""
        ...


class NetworkDriver(Protocol):
    """Carries LAN networks between sandboxes."""

    @property
    def refusal(self) -> str | None:
        """Why there are no networks here, as the beginning of a sentence; None if there are."""
        ...

    def member_refusal(self, record: SandboxRecord) -> str | None:
        """Return why a running sandbox cannot be a member, or None if it can."""
        ...

    def apply(self, network: NetworkRecord) -> None:
        """Put the members and rules of a network in force."""
        ...

    def withdraw(self, network_id: str) -> None:
        """Remove a network; its members no longer reach each other through it."""
        ...

    def applied(self, network: NetworkRecord) -> int:
        """Return the version of a network that is in force, as observed; 0 if there is none."""
        ...

    async def wait_applied(self, network: NetworkRecord) -> None:
        """Wait a moment until this version of a network is in force."""
        ...


class Driver(Protocol):
    """Runs sandboxes."""

    name: str
    keeps_sandboxes: bool
    """Whether sandboxes continue to run when the platform is stopped."""

    @property
    def logs(self) -> SandboxLogs | None:
        """The logs on disk, including those of ended sandboxes; None if there are none."""
        ...

    @property
    def isolation(self) -> str:
        """A sentence about what separates a sandbox from the machine, and what does not."""
        ...

    @property
    def warning(self) -> str:
        """What all users of the platform must know about its isolation; may be empty."""
        ...

    @property
    def checkpoints(self) -> CheckpointDriver | None:
        """The part that takes checkpoints; None if this driver has none."""
        ...

    @property
    def images(self) -> ImageDriver:
        """The part that makes images."""
        ...

    @property
    def networks(self) -> NetworkDriver | None:
        """The part that carries LAN networks; None if this driver has none."""
        ...

    def fleet(self) -> list[SandboxRecord]:
        """Return the initial sandboxes, oldest first."""
        ...

    def may_end(self, record: SandboxRecord) -> bool:
        """Whether a sandbox can end by itself, so that its end must be awaited."""
        ...

    async def open(self) -> None:
        """Prepare for the other calls."""
        ...

    def check(self, record: SandboxRecord) -> None:
        """Raise :class:`Refused` for what is not supported."""
        ...

    async def admit(self, record: SandboxRecord) -> None:
        """Wait until there is room for a sandbox; it is PENDING until then."""
        ...

    async def image_error(self, image: str) -> str | None:
        """Return why an image is not available, or None if it is."""
        ...

    def check_egress(self, record: SandboxRecord, old: SandboxRecord | None = None) -> None:
        """Raise :class:`Refused` for egress lists that cannot be enforced.

        ``old`` is the sandbox's current record, or None for a new sandbox.
        """
        ...

    async def apply_egress(self, record: SandboxRecord) -> None:
        """Apply new egress lists, which were checked."""
        ...

    async def applied_egress(self, record: SandboxRecord) -> int:
        """Return the generation of the lists in force, as observed; 0 if there are none.

        Waits a moment for one that is being applied.
        """
        ...

    async def start(self, record: SandboxRecord) -> Instance:
        """Create a sandbox and start it; raise :class:`ImageUnavailable` if its image is not available."""
        ...

    async def adopt(self, record: SandboxRecord) -> Instance | None:
        """Return a running sandbox that an earlier platform started, or None if it is gone."""
        ...

    async def discard(self, sandbox_id: str) -> None:
        """End all processes of a sandbox and remove its files. Works for incomplete and missing sandboxes."""
        ...

    async def remains(self) -> list[str]:
        """Return the ids of sandboxes with anything left but a log."""
        ...

    async def log(self, record: SandboxRecord) -> str:
        """Return the log of a sandbox, even of an ended one."""
        ...

    def note(self, sandbox_id: str, text: str) -> None:
        """Write a line of the platform to the log of a sandbox."""
        ...

    async def close(self) -> None:
        """Close everything; sandboxes are ended before, with :meth:`discard`."""
        ...
