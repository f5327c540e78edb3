"""Listing a sandbox's directory: one command for any POSIX shell with ``find`` and ``stat``, and its strict parser.

GNU, BusyBox and toybox agree on ``stat -c``. A record is ``MODE SIZE TIME //./NAME`` and a newline: ``find`` never
prints two slashes in a row, so names may contain anything else, including newlines. Times are seconds since 1970,
independent of the locale.
"""

from __future__ import annotations

import re

from sandtui.fleet.files.entry import FileEntry, FileKind, Listing, TreeItem, kind_of
from sandtui.fleet.files.names import FilesError, NoSuchFileError, decode, is_safe, is_safe_path
from sandtui.fleet.files.shell import PACK, ShellArguments, unpack

NO_SUCH, NO_FOLDER, NO_ACCESS, NO_TOOLS = 44, 45, 46, 47
"""Exit codes of the commands in this module."""

LINKS_READ = 200
"""Links per directory whose targets are read: each costs a process in the sandbox."""

_STAT = "stat -c '%f %s %Y //%n'"
_STAT_THROUGH = "stat -L -c '%f %s %Y //%n'"
_HEADER = re.compile(rb"([0-9a-f]{1,8}) ([0-9]{1,20}) (-?[0-9]{1,20})")
_SPACE = re.compile(rb" ([0-9]{1,18}) +([0-9]{1,18}) +([0-9]{1,18}) +[0-9]{1,3}% ")
_SECTIONS = (b"entries", b"kinds", b"space", b"targets")
_END = b"///end\n"

_READ_LINKS = (
    "i=0; for p do [ $i -lt %d ] || exit 0; i=$((i+1)); "
    't=$(readlink "$p" && echo x) && printf "%%s\\0%%s\\0" "$p" "$t"; done'
)


# GNU's find reads all links by itself; elsewhere each costs a process.
_READ_ALL_LINKS = (
    "if find . -prune -printf '' >/dev/null 2>&1; then "
    "find {roots} ! -name . -type l -printf '%p\\0%l\\nx\\0'; else "
    "find {roots} ! -name . -type l -exec sh -c "
    '\'for p do t=$(readlink "$p" && echo x) && printf "%s\\0%s\\0" "$p" "$t"; done\' sh {{}} +; fi'
)


def list_command(path: str) -> str:
    """Return the command that lists a directory."""
    here = "find . ! -name . -prune"
    links = _READ_LINKS % LINKS_READ
    return _enter(path) + (
        "{ pwd -P; printf '///entries\\n'; "
        f"{here} -exec {_STAT} {{}} +; printf '///kinds\\n'; "
        f"{here} -type l -exec {_STAT_THROUGH} {{}} +; printf '///space\\n'; "
        f"df -P -k .; printf '///targets\\n'; "
        f"{here} -type l -exec sh -c '{links}' sh {{}} +; printf '///end\\n'; }} 2>/dev/null | {PACK}"
    )


def walk_command(path: str, arguments: ShellArguments, roots: str) -> str:
    """Return the command that lists everything under some ``roots`` of a directory; links are not followed."""
    return _enter(path) + (
        f"{arguments.preamble}{{ printf '///entries\\n'; find {roots} ! -name . -exec {_STAT} {{}} +; "
        f"printf '///targets\\n'; {_READ_ALL_LINKS.format(roots=roots)}; "
        f"printf '///end\\n'; }} 2>/dev/null | {PACK}"
    )


def stat_command(path: str) -> str:
    """Return the command that stats one path, following links."""
    arguments = ShellArguments()
    word = arguments.add(path)
    return (
        f'LC_ALL=C; export LC_ALL; {arguments.preamble}p={word}; [ -e "$p" ] || exit {NO_SUCH}; '
        "stat -L -c '%f %s %Y' \"$p\""
    )


def read_listing(output: str, path: str) -> Listing:
    """Parse the output of :func:`list_command`.

    Raises:
        FilesError: the output is invalid.
    """
    parts = _sections(unpack(output), _SECTIONS)
    through = {name: kind_of(mode) for mode, _, _, name in _records(parts[b"kinds"])}
    targets = _targets(parts[b"targets"])
    entries, refused = [], 0
    for mode, size, modified, raw in _records(parts[b"entries"]):
        name = decode(raw)
        if not is_safe(name):
            refused += 1
            continue
        is_link = kind_of(mode) is FileKind.LINK
        target = decode(targets.get(raw, b"")) if is_link else ""
        entries.append(FileEntry(name, mode, size, modified, target, through.get(raw) if is_link else None))
    space = _SPACE.search(parts[b"space"])
    real = decode(parts[b""].removesuffix(b"\n"))
    return Listing(
        path if path.startswith("/") else real,
        entries,
        int(space[3]) * 1024 if space else None,
        int(space[1]) * 1024 if space else None,
        refused,
    )


def read_tree(output: str) -> tuple[list[TreeItem], int]:
    """Parse the output of :func:`walk_command`: the items, parents first, and the number of refused names.

    Raises:
        FilesError: the output is invalid.
    """
    data = unpack(output)
    # The simulated platform has no links.
    names = (b"entries", b"targets") if b"///targets\n" in data else (b"entries",)
    parts = _sections(data, names)
    targets = _targets(parts.get(b"targets", b""))
    items, refused = [], 0
    for mode, size, modified, raw in _records(parts[b"entries"]):
        path = decode(raw)
        if is_safe_path(path):
            target = decode(targets.get(raw, b"")) if kind_of(mode) is FileKind.LINK else ""
            items.append(TreeItem(path, mode, size, modified, target))
        else:
            refused += 1
    items.sort(key=lambda item: item.path.split("/"))
    return items, refused


def read_stat(output: str) -> TreeItem:
    """Parse the output of :func:`stat_command`.

    Raises:
        FilesError: the output is invalid.
    """
    header = _HEADER.fullmatch(output.strip().encode("ascii", "replace"))
    if header is None:
        raise FilesError("unexpected response to stat")
    return TreeItem("", int(header[1], 16), int(header[2]), int(header[3]))


def explain(code: int, path: str, stderr: str) -> FilesError:
    """Return the error for an exit code of a command in this module."""
    if code == NO_SUCH:
        return NoSuchFileError(f"{path}: no such file or directory")
    texts = {
        NO_FOLDER: f"{path} is not a directory",
        NO_ACCESS: f"{path} can't be read: permission denied",
        NO_TOOLS: "directories can't be listed: the sandbox has no find or stat",
    }
    return FilesError(texts.get(code) or f"{path}: {stderr.strip()[-200:] or f'exit code {code}'}")


def _enter(path: str) -> str:
    arguments = ShellArguments()
    word = arguments.add(path)
    # A variable of its own: the arguments that follow may count theirs from one again.
    return (
        f"LC_ALL=C; export LC_ALL; {arguments.preamble}d={word}; "
        f"command -v find >/dev/null && command -v stat >/dev/null || exit {NO_TOOLS}; "
        f'[ -e "$d" ] || exit {NO_SUCH}; [ -d "$d" ] || exit {NO_FOLDER}; '
        f'cd -- "$d" 2>/dev/null && [ -r . ] || exit {NO_ACCESS}; '
    )


def _sections(data: bytes, names: tuple[bytes, ...]) -> dict[bytes, bytes]:
    """Split at the lines ``///NAME``: ``find`` never prints three slashes in a path.

    Link targets are the last section, because a target may contain anything.
    """
    if not data.endswith(_END):
        raise FilesError("incomplete listing: try again, or list a smaller directory")
    parts: dict[bytes, bytes] = {}
    rest, current = data.removesuffix(_END), b""
    for name in names:
        parts[current], mark, rest = rest.partition(b"///" + name + b"\n")
        if not mark:
            raise FilesError("invalid line in the listing")
        current = name
    parts[current] = rest
    return parts


def _records(data: bytes) -> list[tuple[int, int, int, bytes]]:
    if not data:
        return []
    headers, *names = data.split(b" //./")
    records = []
    header = headers
    for index, part in enumerate(names):
        if index == len(names) - 1:
            if not part.endswith(b"\n"):
                raise FilesError("incomplete listing: try again")
            name, following = part[:-1], b""
        else:
            name, _, following = part.rpartition(b"\n")
        found = _HEADER.fullmatch(header)
        if found is None:
            raise FilesError("invalid line in the listing")
        records.append((int(found[1], 16), int(found[2]), int(found[3]), name))
        header = following
    if header:
        raise FilesError("invalid line in the listing")
    return records


def _targets(data: bytes) -> dict[bytes, bytes]:
    """Parse pairs of name and target; a target ends in a newline and an ``x`` that the command adds."""
    fields = data.split(b"\0")
    return {
        name.removeprefix(b"./"): target.removesuffix(b"x").removesuffix(b"\n")
        for name, target in zip(fields[::2], fields[1::2], strict=False)
    }
