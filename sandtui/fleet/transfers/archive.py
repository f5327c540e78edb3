"""Copying small files as one archive: one request for thousands of files, each still written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import stat
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandtui.directories import make_private
from sandtui.fleet.files.local import leads_out
from sandtui.fleet.files.names import base, beside, parent
from sandtui.fleet.files.shell import ShellArguments, raw_word
from sandtui.fleet.transfers import upload_check as arrival
from sandtui.fleet.transfers.model import TransferError
from sandtui.fleet.transfers.plan import TransferItem

_WRONG_SUM, _NOT_UNPACKED, _NOT_MOVED = 71, 72, 73
MOVES = "moves"
FILES = "files"
NAMES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Packed:
    """A local archive."""

    path: Path
    sha256: str


def pack(items: Sequence[TransferItem], folder: Path, *, keep: bool) -> Packed:
    """Pack files into an archive, with a script that moves each into place.

    The script is part of the archive and not of a command, since a file may contain names of any bytes.

    Raises:
        TransferError: one of them can't be read, or changed meanwhile.
    """
    make_private(folder)
    path = folder / f"{secrets.token_hex(8)}.tar"
    now = int(time.time())
    groups: dict[str, list[tuple[TransferItem, str]]] = {}
    for item in items:
        groups.setdefault(parent(item.target), []).append((item, base(item.target)))
    try:
        with path.open("xb") as raw, tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
            script = _moves(groups)
            _add(tar, MOVES, io.BytesIO(script), len(script), 0o600, now)
            for number, members in enumerate(groups.values()):
                top = tarfile.TarInfo(f"{FILES}/{number}")
                top.type, top.mode, top.mtime = tarfile.DIRTYPE, 0o700, now
                tar.addfile(top)
                for item, name in members:
                    _pack_file(tar, item, f"{FILES}/{number}/{name}", item.modified if keep else now, keep)
        with path.open("rb") as written:
            return Packed(path, hashlib.file_digest(written, "sha256").hexdigest())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise TransferError(f"{error.filename or path}: {error.strerror or error}") from None
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def unpack_command(stage: str, root: str, sha256: str) -> str:
    """Return the command that unpacks an archive into a staging directory and moves the files into place."""
    arguments = ShellArguments()
    path, top = arguments.add(stage), arguments.add(root)
    return (
        f'{arguments.preamble}s={path}; trap \'rm -rf "$s" "$s.tar"\' EXIT; trap "exit 143" HUP INT TERM; '
        f"t=$s.tar; {arrival.check_command('t')}"
        "if command -v sha256sum >/dev/null 2>&1; then "
        f'[ "$(sha256sum < "$s.tar" | cut -d" " -f1)" = {sha256} ] || exit {_WRONG_SUM}; fi; '
        f'mkdir "$s" && tar -xf "$s.tar" -C "$s" || exit {_NOT_UNPACKED}; '
        f'cd -- {top} && SOURCE="$s/{FILES}" sh "$s/{MOVES}" || exit {_NOT_MOVED}'
    )


def explain(code: int, stderr: str, root: str) -> TransferError:
    """Return the error for an exit code of :func:`unpack_command`; ``root`` was the target directory."""
    if missing := arrival.problem(code, stderr, root):
        return TransferError(missing)
    more = stderr.strip().replace("\n", "; ")[-200:] or f"exit code {code}"
    texts = {
        _WRONG_SUM: "sha256 mismatch after the upload: no file was changed",
        _NOT_UNPACKED: f"unpacking failed in the sandbox, no file was changed: {more}",
        _NOT_MOVED: f"some files could not be moved into place: {more}",
    }
    return TransferError(texts.get(code) or more)


def pack_script(items: Sequence[TransferItem], root: str, target: str) -> bytes:
    """Return the script that packs files of a sandbox into an archive there."""
    names = b" ".join(raw_word(f"./{item.path}") for item in items)
    # Files that were deleted or changed meanwhile make tar fail; the reader of the archive sees what it contains.
    return b"cd -- %s && { tar -cf %s %s 2>/dev/null; true; }\n" % (
        raw_word(root),
        raw_word(target),
        names,
    )


def unpack(path: Path, wanted: Mapping[str, TransferItem], suffix: str, *, keep: bool, root: str = "") -> list[str]:
    """Unpack an archive from a sandbox; return the paths of the files that were complete.

    With ``root`` all files belong into that tree, and nothing is written through a link out of it.

    The archive is not trusted: only regular files that were requested by name are accepted, with the announced size.
    If the program is killed, each file is either complete or missing. Files are not synced to disk one by one, as
    large ones are: for 2,000 files of 4 KiB that took 6 s on ext4 instead of 0.1 s.

    Raises:
        TransferError: one can't be written, or the archive can't be read.
    """
    done: list[str] = []
    left = dict(wanted)
    fresh: list[tuple[Path, TransferItem]] = []
    try:
        with tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                item = left.get(name)
                if item is None or not member.isreg() or member.size != item.size:
                    continue
                del left[name]
                source = tar.extractfile(member)
                assert source is not None
                data = source.read()
                if len(data) != item.size:
                    continue
                check_inside(item, root)
                temporary = Path(beside(item.target, suffix))
                temporary.unlink(missing_ok=True)  # left by a run that was killed
                fresh.append((temporary, item))
                with temporary.open("xb") as file:
                    file.write(data)
                    file.flush()
                    settle(file.fileno(), item, keep=keep)
        for temporary, item in fresh:
            temporary.replace(item.target)
            done.append(item.path)
    except tarfile.TarError as error:
        raise TransferError(f"invalid archive from the sandbox: {error}") from None
    except OSError as error:
        raise TransferError(f"{error.filename or path}: {error.strerror or error}") from None
    finally:
        for temporary, _ in fresh[len(done) :]:
            temporary.unlink(missing_ok=True)
    return done


def check_inside(item: TransferItem, root: str) -> None:
    """Check that a file is written inside the local tree that it belongs to, if any.

    Raises:
        TransferError: a link in its path leads elsewhere; another copy may have created it meanwhile.
    """
    if root and item.path and leads_out(root, item.target):
        raise TransferError(f"{parent(item.target)} is not a directory")


def settle(descriptor: int, item: TransferItem, *, keep: bool) -> None:
    """Set permissions and time of a complete local file, before it is moved into place."""
    mode = stat.S_IMODE(item.mode) & 0o777
    try:
        there = os.lstat(item.target).st_mode
    except FileNotFoundError:
        there = 0
    if not keep and stat.S_ISREG(there):
        os.fchmod(descriptor, stat.S_IMODE(there))
    elif keep:
        os.fchmod(descriptor, mode)
        os.utime(descriptor, (item.modified, item.modified))
    elif mode & 0o111:
        os.fchmod(descriptor, os.fstat(descriptor).st_mode | (0o111 & ~_umask()))


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _moves(groups: Mapping[str, Sequence[tuple[TransferItem, str]]]) -> bytes:
    lines = []
    for number, (folder, members) in enumerate(groups.items()):
        target = raw_word(folder)
        for start in range(0, len(members), NAMES_AT_ONCE):
            some = members[start : start + NAMES_AT_ONCE]
            sources = b" ".join(b'"$SOURCE"/%d/%s' % (number, raw_word(name)) for _, name in some)
            lines.append(b"mv -f %s %s/ || exit 1\n" % (sources, target))
    return b"".join(lines)


def _pack_file(tar: tarfile.TarFile, item: TransferItem, name: str, moment: int, keep: bool) -> None:
    with open(item.source, "rb", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size != item.size:
            raise TransferError(f"{item.source} changed during the upload: try again when it is complete")
        data = file.read(item.size + 1)
    if len(data) != item.size:
        raise TransferError(f"{item.source} changed during the upload: try again when it is complete")
    mode = stat.S_IMODE(item.mode) if keep else (0o755 if item.mode & 0o111 else 0o644)
    _add(tar, name, io.BytesIO(data), item.size, mode, moment)


def _add(tar: tarfile.TarFile, name: str, data: io.BytesIO, size: int, mode: int, moment: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, mode, moment
    tar.addfile(info, data)


def _without_waiting(path: str, flags: int) -> int:
    # Don't block on a pipe that has replaced the file.
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
