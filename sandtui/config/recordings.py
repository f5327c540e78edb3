"""The directory of recordings: one file each, only readable by the user, renamed to its final name when complete."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sandtui.directories import make_private
from sandtui.fleet.recordings.asciicast import CastHeader, parse_header
from sandtui.saving import free_name

SUFFIX, UNFINISHED = ".cast", ".cast.part"
MAX_BYTES = 256 * 1024 * 1024
"""The most bytes of a file that can be played, since it is read as a whole."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording. ``unfinished``: cut off, or still being recorded. ``problem``: why it cannot be played."""

    path: Path
    header: CastHeader | None
    size: int
    unfinished: bool
    problem: str = ""


class FileTape:
    """A file being recorded. One thread does all writes, in order.

    ``on_problem`` is called once, in that thread, if the file cannot be written; the rest is discarded.
    """

    def __init__(self, path: Path, on_problem: Callable[[OSError], None]) -> None:
        self.path = path
        self._part = path.with_name(path.name.removesuffix(SUFFIX) + UNFINISHED)
        self._on_problem = on_problem
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandtui-recording")
        self._descriptor: int | None = None
        self._failed = False

    def append(self, text: str) -> None:
        """Queue text for writing."""
        self._thread.submit(self._try, lambda: self._append(text.encode("utf-8", "replace")))

    def finish(self) -> None:
        """Wait until everything is written, and rename the file to its final name."""
        self._thread.submit(self._try, self._finish)
        self._thread.shutdown(wait=True)

    def _append(self, data: bytes) -> None:
        if self._descriptor is None:
            make_private(self.path.parent)
            self._descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def _finish(self) -> None:
        if self._descriptor is not None:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
            self._part.replace(self.path)

    def _try(self, work: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            work()
        except OSError as error:
            self._failed = True
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            self._on_problem(error)


class RecordingStore:
    """The directory. Methods block; do not call them in the event loop (use ``asyncio.to_thread``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new_tape(self, moment: datetime, title: str, on_problem: Callable[[OSError], None]) -> FileTape:
        """Return a new file named after the time and the title; nothing is written yet."""
        name = f"{moment:%Y-%m-%d-%H%M%S}-{_UNSAFE.sub('-', title).strip('-.')[:60] or 'recording'}"

        def is_taken(name: str) -> bool:
            unfinished = name.removesuffix(SUFFIX) + UNFINISHED
            return (self.folder / name).exists() or (self.folder / unfinished).exists()

        return FileTape(self.folder / free_name(f"{name}{SUFFIX}", is_taken), on_problem)

    def list(self) -> list[Recording]:
        """Return all recordings, newest first.

        Raises:
            OSError: the directory can't be read; if it doesn't exist, there are no recordings.
        """
        try:
            paths = [path for path in self.folder.iterdir() if path.name.endswith((SUFFIX, UNFINISHED))]
        except FileNotFoundError:
            return []
        return [_read_head(path) for path in sorted(paths, key=lambda path: path.name, reverse=True)]

    def read(self, path: Path) -> str:
        """Return the text of a recording.

        Raises:
            OSError: it cannot be read, or is too large.
        """
        if path.stat().st_size > MAX_BYTES:
            raise OSError(f"{path.name} is larger than {MAX_BYTES >> 20} MiB")
        return path.read_text(encoding="utf-8", errors="replace")

    def delete(self, path: Path) -> None:
        """Delete a recording.

        Raises:
            OSError: it cannot be deleted.
        """
        path.unlink()


def _read_head(path: Path) -> Recording:
    unfinished = path.name.endswith(UNFINISHED)
    try:
        size = path.stat().st_size
        with path.open(encoding="utf-8", errors="replace") as stream:
            return Recording(path, parse_header(stream.readline(64 * 1024)), size, unfinished)
    except (OSError, ValueError) as error:
        return Recording(path, None, 0, unfinished, str(error))
