"""The logs of sandboxes, one file each; they remain after their sandboxes."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from sandtui.local.files import private_directory

_TAIL: Final = 4 * 1024 * 1024
_ENDING: Final = ".log"

_log = logging.getLogger(__name__)


class StoredLog(NamedTuple):
    """A log on disk."""

    sandbox_id: str
    size: int
    """In bytes."""
    changed_at: datetime


class SandboxLogs:
    """The logs in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self) -> None:
        """Create or check the directory."""
        private_directory(self._directory, "directory")

    def path(self, sandbox_id: str) -> Path:
        """Return the path of a sandbox's log."""
        return self._directory / f"{sandbox_id}{_ENDING}"

    def append(self, sandbox_id: str, text: str) -> None:
        """Append text to a log if there is space: a full disk must not prevent the end of a sandbox."""
        try:
            fd = os.open(self.path(sandbox_id), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(fd, text.encode("utf-8", "backslashreplace"))
            finally:
                os.close(fd)
        except OSError as error:
            _log.warning("the log of %s cannot be written: %s", sandbox_id, error)

    def note(self, sandbox_id: str, text: str) -> None:
        """Append a line of the platform."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.append(sandbox_id, f"{stamp} platform: {text}\n")

    def tail(self, sandbox_id: str) -> str:
        """Return a log, without the beginning of a very long one; empty if there is none."""
        try:
            with self.path(sandbox_id).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL))
                return file.read(_TAIL).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def stored(self) -> list[StoredLog]:
        """Return all logs."""
        found = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.endswith(_ENDING) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    changed = datetime.fromtimestamp(status.st_mtime, UTC)
                    found.append(StoredLog(entry.name.removesuffix(_ENDING), status.st_size, changed))
        return found

    def remove(self, sandbox_id: str) -> None:
        """Remove the log of a sandbox if it exists."""
        self.path(sandbox_id).unlink(missing_ok=True)
