"""The logs of sandboxes, one file each; they outlive their sandboxes."""

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
    """One log on disk."""

    sandbox_id: str
    size: int
    """Bytes."""
    changed_at: datetime


class SandboxLogs:
    """The logs in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self) -> None:
        """Make the directory, or check it."""
        private_directory(self._directory, "directory")

    def path(self, sandbox_id: str) -> Path:
        """Return where the log of a sandbox is."""
        return self._directory / f"{sandbox_id}{_ENDING}"

    def append(self, sandbox_id: str, text: str) -> None:
        """Add text to a log, as far as there is space: a full disk must not keep a sandbox from being ended."""
        try:
            fd = os.open(self.path(sandbox_id), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(fd, text.encode("utf-8", "backslashreplace"))
            finally:
                os.close(fd)
        except OSError as error:
            _log.warning("the log of %s can't be written: %s", sandbox_id, error)

    def note(self, sandbox_id: str, text: str) -> None:
        """Add a line of the platform's own."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.append(sandbox_id, f"{stamp} platform: {text}\n")

    def tail(self, sandbox_id: str) -> str:
        """Return a log, its beginning left out when it is very long; nothing when there is none."""
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
        """Remove the log of a sandbox, if there is one."""
        self.path(sandbox_id).unlink(missing_ok=True)
