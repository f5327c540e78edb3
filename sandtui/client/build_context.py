"""The context of an image build: a directory as a compressed tar, without what its .dockerignore names."""

from __future__ import annotations

import os
import re
import stat
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from sandtui.client.errors import InvalidRequestError
from sandtui.directories import reason

DOCKERFILE: Final = ".__sandtui_dockerfile__"
"""The Dockerfile in the archive: it may be outside of the directory, or be left out by .dockerignore."""

_LEVEL: Final = 1
_PIECE: Final = 1024 * 1024


class Cancelled(Exception):
    """The caller does not want the archive any more."""


class Ignored:
    """The patterns of a .dockerignore: the last one that matches a path or a directory above it decides."""

    def __init__(self, text: str) -> None:
        self._rules: list[tuple[bool, re.Pattern[str]]] = []
        for line in text.removeprefix("\ufeff").splitlines():
            pattern = line.strip()
            if not pattern or line.startswith("#"):
                continue
            keeps = pattern.startswith("!")
            pattern = os.path.normpath(pattern.removeprefix("!").strip()).strip("/")
            if pattern not in ("", "."):
                self._rules.append((keeps, _pattern(pattern)))
        self._has_exceptions = any(keeps for keeps, _ in self._rules)

    def leaves_out(self, path: str) -> bool:
        """Whether a path is left out."""
        left_out = False
        for keeps, pattern in self._rules:
            if left_out == keeps and pattern.match(path):
                left_out = not keeps
        return left_out

    def leaves_out_all(self, directory: str) -> bool:
        """Whether nothing in a directory needs to be looked at."""
        return not self._has_exceptions and self.leaves_out(directory)


def _pattern(text: str) -> re.Pattern[str]:
    out, at = "", 0
    while at < len(text):
        part = text[at]
        if text.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
        elif text.startswith("**", at):
            out, at = out + ".*", at + 2
        elif part == "*":
            out, at = out + "[^/]*", at + 1
        elif part == "?":
            out, at = out + "[^/]", at + 1
        elif part == "[" and (end := text.find("]", at + 2)) > 0:
            inner = text[at + 1 : end].replace("\\", "\\\\")
            out, at = out + (f"[^/{inner[1:]}]" if inner[0] in "^!" else f"[{inner}]"), end + 1
        else:
            at += part == "\\" and at + 1 < len(text)
            out, at = out + re.escape(text[at]), at + 1
    try:
        return re.compile(f"(?:{out})(?:/.*)?\\Z", re.DOTALL)
    except re.error:
        return re.compile(re.escape(text) + r"(?:/.*)?\Z")


def pack(context: Path, dockerfile: Path | None, stop: threading.Event) -> IO[bytes]:
    """Return a temporary file with the archive, which goes when it is closed.

    Raises:
        InvalidRequestError: the directory, or something in it, cannot be read.
        Cancelled: ``stop`` was set.
    """
    dockerfile = dockerfile or context / "Dockerfile"
    if not context.is_dir():
        raise InvalidRequestError(f"{context} is not a directory")
    if not dockerfile.is_file():
        raise InvalidRequestError(f"there is no Dockerfile {dockerfile}")
    archive = tempfile.TemporaryFile(prefix="sandtui-context-")  # noqa: SIM115
    try:
        ignored = Ignored(_rules(context, dockerfile))
        with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=_LEVEL, dereference=False) as tar:
            for path, name in _entries(context, ignored):
                if stop.is_set():
                    raise Cancelled
                _add(tar, path, name)
            _add(tar, dockerfile.resolve(), DOCKERFILE)
        archive.seek(0)
    except OSError as error:
        archive.close()
        raise InvalidRequestError(f"the context {context} can't be packed: {reason(error, context)}") from None
    except BaseException:
        archive.close()
        raise
    return archive


def pieces(archive: IO[bytes]) -> Iterator[bytes]:
    """Yield an archive from its beginning."""
    archive.seek(0)
    while piece := archive.read(_PIECE):
        yield piece


def _rules(context: Path, dockerfile: Path) -> str:
    # As Docker does: the file beside a Dockerfile of another name comes first.
    for path in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), context / ".dockerignore"):
        if path.is_file():
            return path.read_text("utf-8", "replace")
    return ""


def _entries(context: Path, ignored: Ignored) -> Iterator[tuple[Path, str]]:
    """Yield what belongs to the context, directories before what is in them."""
    todo = [""]
    while todo:
        above = todo.pop()
        with os.scandir(context / above) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            name = f"{above}/{entry.name}".lstrip("/")
            is_directory = entry.is_dir(follow_symlinks=False)
            if is_directory and not ignored.leaves_out_all(name):
                todo.append(name)
            if not ignored.leaves_out(name):
                yield Path(entry.path), name


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    found = path.lstat()
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        return  # sockets, pipes and devices mean nothing elsewhere
    entry = tar.gettarinfo(str(path), name)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    if not entry.isreg():
        tar.addfile(entry)
        return
    with path.open("rb") as file:
        # What grows meanwhile is cut off, and what shrinks is an error.
        tar.addfile(entry, file)
