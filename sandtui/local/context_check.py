"""Checks the context of an image build, a tar archive on standard input, before a container engine unpacks it.

A process of its own, with little memory and time: a small archive can be made so that reading it takes very much of
both. Runs as a file with ``python -I -S``. Its argument is the path of the Dockerfile; it prints why the context is
refused, or nothing.
"""

from __future__ import annotations

import posixpath
import resource
import sys
import tarfile

MAX_ENTRIES = 200_000
MAX_BYTES = 4 * 1024**3
"""Of all files, unpacked."""
_MEMORY = 512 * 1024**2
_SECONDS = 120


def refusal(archive: tarfile.TarFile, dockerfile: str) -> str | None:
    """Return why an archive is refused, or None."""
    wanted, found = posixpath.normpath(dockerfile), False
    count = size = 0
    for entry in archive:
        archive.members = []  # type: ignore[attr-defined] # they would stay in memory
        count += 1
        size += entry.size
        shown = ascii(entry.name[:200])
        if count > MAX_ENTRIES:
            return f"it has more than {MAX_ENTRIES:,} entries"
        if size > MAX_BYTES:
            return f"its files have more than {MAX_BYTES // 1024**3} GiB"
        if _leads_out(entry.name):
            return f"the path {shown} leads out of it"
        if entry.islnk() and _leads_out(entry.linkname):
            return f"{shown} is a link to a file outside of it"
        if not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk()):
            return f"{shown} is neither a file, a directory nor a link"
        found = found or (posixpath.normpath(entry.name) == wanted and not entry.isdir())
    if not count:
        return "it is empty"
    return None if found else f"it has no file {dockerfile!a}"


def _leads_out(path: str) -> bool:
    return path.startswith("/") or ".." in path.split("/") or "\\" in path.split("/")[0]


def main() -> None:
    """Check the archive and end."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|*") as archive:
            print(refusal(archive, sys.argv[1]) or "", end="")  # noqa: T201
    except (tarfile.TarError, EOFError, OSError, ValueError, MemoryError, OverflowError) as error:
        print(f"it is not a tar archive that can be read ({type(error).__name__})", end="")  # noqa: T201


if __name__ == "__main__":
    main()
