"""Copies of directory trees as they are: links, times, attributes, holes and names of any bytes.

A sandbox made the tree, so nothing in it is followed, and its depth costs neither descriptors nor long paths.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import time

from sandtui.local.copier.images import CLONE, check_space, copy_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

_RANGE: Final = 65536
_LINKS: Final = b".sandtui-links"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LISTS: Final = ("system.posix_acl_access", "system.posix_acl_default")
_CHECK_EVERY: Final = 256
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_TIMED: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs"})
"""File systems on which a change of a file sets its ctime, also through a mapping once the file is written out."""
_ROUGH: Final = 100_000_000
"""Nanoseconds by which the kernel's clock for files may lag behind."""


def copy_tree(source: str, target: str, reserve: int, old: int | None = None, new: int | None = None) -> int:
    """Copy the content and the attributes of a directory into another, which may exist; return the bytes in use.

    Files of the users from ``old`` on are given to those from ``new`` on.
    """
    if not os.path.isdir(target):
        os.mkdir(target, 0o700)
    copy = _TreeCopy(source, target, reserve, old, new)
    copy.run()
    return copy.occupied


class StagedCopy:
    """A copy of a tree in use: most of it while it changes, and what has changed since then while it stands still.

    No process can set the ctime of a file. One that is the same as in the first pass means the same content, unless it
    was set after the file system was last written out: then a mapping of the file may have changed it unseen, or a
    change in the same tick of the clock. Such files are copied again.
    """

    def __init__(self, source: str, target: str, reserve: int) -> None:
        self._source = source
        self._target = target
        self._reserve = reserve
        self._seen: _Directory | None = None

    def prepare(self, sync: Callable[[], None]) -> None:
        """Copy what can be copied while the tree changes; ``sync`` writes out its file system."""
        os.mkdir(self._target, 0o700)
        if _file_system(self._source) not in _TIMED:
            return
        try:
            # The second pass takes much less time than the first, so that little changes until the last one.
            for _ in range(2):
                began = time.time_ns()
                sync()
                copy = _TreeCopy(self._source, self._target, self._reserve, None, None)
                self._seen = copy.run(self._seen, since=began - _ROUGH)
        except OSError as error:
            if error.errno in _FULL:
                raise
            # Such as a directory that was moved out of the one that it was copied for.
            self._seen = None
            clear(self._target)

    def complete(self) -> int:
        """Bring the copy up to date; return the bytes in use."""
        copy = _TreeCopy(self._source, self._target, self._reserve, None, None)
        copy.run(self._seen)
        return copy.occupied


class _Directory:
    """What was seen of a directory and copied: the identity of each entry, or None if that may have changed unseen."""

    __slots__ = ("entries", "identity")

    def __init__(self, identity: tuple[int, ...] | None) -> None:
        self.identity = identity
        self.entries: dict[bytes, _Directory | tuple[int, ...] | None] = {}


class _Level:
    """A directory that is being copied. ``old`` is what was seen of it before, ``seen`` what is now."""

    __slots__ = ("found", "names", "old", "seen", "touched")

    def __init__(self, names: list[bytes], found: os.stat_result, old: _Directory | None, seen: _Directory) -> None:
        self.names = names
        self.found = found
        self.old = old
        self.seen = seen
        self.touched = old is None


class _TreeCopy:
    def __init__(self, source: str, target: str, reserve: int, old: int | None, new: int | None) -> None:
        self._since: int | None = None
        self._source = source
        self._target = target
        self._reserve = reserve
        self._old = old
        self._shift = 0 if old is None or new is None else new - old
        self._is_root = os.geteuid() == 0
        self._links: dict[int, bytes] = {}
        self._store = -1
        self._count = 0
        self.occupied = 0
        self._shares = True

    def run(self, seen: _Directory | None = None, since: int | None = None) -> _Directory:
        """Copy the tree, or bring the copy up to date in which ``seen`` was seen; return what is in it now.

        With ``since``, a time in nanoseconds, the tree changes meanwhile.
        """
        self._since = since
        top = os.open(self._target, _DIRECTORY)
        try:
            # The first name of each file with several; other names are links to it, without a long path.
            os.mkdir(_LINKS, 0o700, dir_fd=top)
            self._store = os.open(_LINKS, _DIRECTORY, dir_fd=top)
            try:
                result = self._copy_levels(seen)
            finally:
                for name in self._links.values():
                    os.unlink(name, dir_fd=self._store)
                os.close(self._store)
                os.rmdir(_LINKS, dir_fd=top)
            # Once more, since removing those changed the time.
            found = os.stat(self._source)
            os.utime(top, ns=(found.st_atime_ns, found.st_mtime_ns))
            return result
        finally:
            os.close(top)

    def _copy_levels(self, seen: _Directory | None) -> _Directory:
        """Go through the tree with two open directories, and back up through ``..``."""
        read, write = os.open(os.fsencode(self._source), _DIRECTORY), os.open(os.fsencode(self._target), _DIRECTORY)
        found = os.fstat(read)
        result = _Directory(self._identity(found))
        levels = [_Level(_names(read), found, seen, result)]
        try:
            while True:
                level = levels[-1]
                if level.names:
                    name = level.names.pop()
                    if len(levels) == 1 and name == _LINKS:
                        continue
                    try:
                        entry = os.stat(name, dir_fd=read, follow_symlinks=False)
                    except FileNotFoundError:
                        if self._since is None:
                            raise
                        continue
                    if not stat.S_ISDIR(entry.st_mode):
                        self._update_entry(name, entry, level, read, write)
                        continue
                    below = self._enter(name, entry, level, read, write)
                    if below is not None:
                        self._counted(4096)
                        below, beside = below, os.open(name, _DIRECTORY, dir_fd=write)
                        os.close(read)
                        os.close(write)
                        read, write = below, beside
                        levels.append(self._level(name, entry, level, read, write))
                    continue
                self._remove_missing(level, write)
                levels.pop()
                if not levels:
                    self._finish(read, write, level.found, is_top=True)
                    return result
                # First up, since the final mode may not let an ordinary user do that.
                above, beside = os.open("..", _DIRECTORY, dir_fd=read), os.open("..", _DIRECTORY, dir_fd=write)
                try:
                    if self._since is not None and os.fstat(above).st_ino != levels[-1].found.st_ino:
                        raise OSError(errno.EBUSY, "a directory was moved while it was copied")
                    if level.touched or level.old is None or level.old.identity != level.seen.identity:
                        self._finish(read, write, level.found, is_top=False)
                finally:
                    os.close(read)
                    os.close(write)
                    read, write = above, beside
        finally:
            os.close(read)
            os.close(write)

    def _level(self, name: bytes, entry: os.stat_result, above: _Level, read: int, write: int) -> _Level:
        known = None if above.old is None else above.old.entries.get(name)
        old = known if isinstance(known, _Directory) else None
        seen = _Directory(self._identity(entry))
        above.seen.entries[name] = seen
        level = _Level(_names(read), entry, old, seen)
        if not self._is_root and old is not None:
            os.fchmod(write, 0o700)
            level.touched = True
        return level

    def _enter(self, name: bytes, entry: os.stat_result, level: _Level, read: int, write: int) -> int | None:
        """Open a directory and make sure that there is one in the copy; return None if it cannot be opened yet."""
        try:
            below = os.open(name, _DIRECTORY, dir_fd=read) if self._since is not None else _open_readable(
                name, _DIRECTORY, read
            )  # fmt: skip
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            if self._since is None:
                raise
            return None
        try:
            if os.fstat(below).st_ino != entry.st_ino:
                raise OSError(errno.EBUSY, "a directory was replaced while it was copied")
            known = None if level.old is None else level.old.entries.get(name)
            if not isinstance(known, _Directory):
                self._remove_copy(name, level, write)
                os.mkdir(name, 0o700, dir_fd=write)
                level.touched = True
            return below
        except BaseException:
            os.close(below)
            raise

    def _update_entry(self, name: bytes, found: os.stat_result, level: _Level, read: int, write: int) -> None:
        identity = self._identity(found)
        known = None if level.old is None else level.old.entries.get(name)
        if known is not None and known == _identity(found):
            level.seen.entries[name] = identity
            self.occupied += found.st_blocks * 512
            return
        self._remove_copy(name, level, write)
        level.touched = True
        try:
            self._copy_entry(name, found, read, write)
        except OSError as error:
            if self._since is None or error.errno in _FULL:
                raise
            # It goes, or changes into something else, at this moment: the next pass sees what has become of it.
            _remove(name, write)
            return
        level.seen.entries[name] = identity

    def _remove_copy(self, name: bytes, level: _Level, write: int) -> None:
        if level.old is not None and name in level.old.entries:
            _remove(name, write)

    def _remove_missing(self, level: _Level, write: int) -> None:
        """Remove what is in the copy only."""
        if level.old is not None:
            for name in level.old.entries.keys() - level.seen.entries.keys():
                _remove(name, write)
                level.touched = True

    def _identity(self, found: os.stat_result) -> tuple[int, ...] | None:
        return None if self._since is not None and found.st_ctime_ns >= self._since else _identity(found)

    def _copy_entry(self, name: bytes, found: os.stat_result, read: int, write: int) -> None:
        mode = found.st_mode
        if found.st_nlink > 1 and found.st_ino in self._links:
            os.link(self._links[found.st_ino], name, src_dir_fd=self._store, dst_dir_fd=write, follow_symlinks=False)
            return
        if stat.S_ISREG(mode):
            self._copy_file(name, found, read, write)
        elif stat.S_ISLNK(mode):
            self._counted(0)
            os.symlink(os.readlink(name, dir_fd=read), name, dir_fd=write)
            self._own(name, found, write)
        elif stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or self._is_root:
            self._counted(0)
            os.mknod(name, stat.S_IFMT(mode) | 0o600, 0 if stat.S_ISFIFO(mode) else found.st_rdev, dir_fd=write)
            self._own(name, found, write)
            os.chmod(name, stat.S_IMODE(mode), dir_fd=write)
        else:
            return  # a device, which an ordinary user can neither have nor make
        os.utime(name, ns=(found.st_atime_ns, found.st_mtime_ns), dir_fd=write, follow_symlinks=False)
        if found.st_nlink > 1:
            stored = str(found.st_ino).encode()
            os.link(name, stored, src_dir_fd=write, dst_dir_fd=self._store, follow_symlinks=False)
            self._links[found.st_ino] = stored

    def _copy_file(self, name: bytes, found: os.stat_result, read: int, write: int) -> None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        source = os.open(name, flags, dir_fd=read) if self._since is not None else _open_readable(name, flags, read)
        try:
            if not stat.S_ISREG(os.fstat(source).st_mode):
                raise OSError(errno.EBUSY, "a file changed while it was copied")
            self._counted(found.st_blocks * 512)
            target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=write)
            try:
                self._copy_content(source, target)
                self._finish_file(source, target, found)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _copy_content(self, source: int, target: int) -> None:
        if self._shares:
            try:
                fcntl.ioctl(target, CLONE, source)
            except OSError:
                self._shares = False
            else:
                return
        copy_data(source, target)

    def _counted(self, size: int) -> None:
        """Count an entry, and look from time to time whether the disk has room for more."""
        self.occupied += size
        self._count += 1
        if size > 1 << 20 or self._count % _CHECK_EVERY == 0:
            check_space(self._target, size, self._reserve)

    def _finish(self, read: int, write: int, found: os.stat_result, *, is_top: bool) -> None:
        if is_top and self._old is not None:
            # The root belongs to the new sandbox already.
            os.fchmod(write, stat.S_IMODE(found.st_mode))
            self._copy_attributes(read, write)
            return
        self._finish_file(read, write, found)
        if not self._is_root and stat.S_IMODE(os.fstat(read).st_mode) != stat.S_IMODE(found.st_mode):
            os.fchmod(read, stat.S_IMODE(found.st_mode))

    def _finish_file(self, read: int, write: int, found: os.stat_result) -> None:
        if self._is_root:
            os.fchown(write, self._moved(found.st_uid), self._moved(found.st_gid))
        # A change of the owner takes these bits, and an attribute may depend on them.
        os.fchmod(write, stat.S_IMODE(found.st_mode))
        self._copy_attributes(read, write)
        os.utime(write, ns=(found.st_atime_ns, found.st_mtime_ns))

    def _own(self, name: bytes, found: os.stat_result, write: int) -> None:
        if self._is_root:
            owner, group = self._moved(found.st_uid), self._moved(found.st_gid)
            os.chown(name, owner, group, dir_fd=write, follow_symlinks=False)

    def _copy_attributes(self, read: int, write: int) -> None:
        try:
            names = os.listxattr(read)
        except OSError:
            return  # the file system has none
        for name in names:
            try:
                os.setxattr(write, name, self._attribute(name, os.getxattr(read, name)))
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENODATA, errno.EINVAL):
                    raise

    def _attribute(self, name: str, value: bytes) -> bytes:
        data = bytearray(value)
        if name in _LISTS:
            for start in range(4, len(data) - 7, 8):
                tag, _, owner = struct.unpack_from("<HHI", data, start)
                if tag in (2, 8):
                    struct.pack_into("<I", data, start + 4, self._moved(owner))
        elif name == "security.capability" and len(data) == 24:
            (owner,) = struct.unpack_from("<I", data, 20)
            struct.pack_into("<I", data, 20, self._moved(owner))
        return bytes(data)

    def _moved(self, number: int) -> int:
        if self._old is not None and self._old <= number < self._old + _RANGE:
            return number + self._shift
        return number


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_mode)


def _remove(name: bytes, parent: int) -> None:
    """Remove an entry of a copy, if it exists, at any depth."""
    try:
        os.unlink(name, dir_fd=parent)
        return
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        pass
    here = _open_writable(name, parent)
    levels = [(name, _names(here))]
    try:
        while levels:
            name, names = levels[-1]
            if names:
                below = names.pop()
                if stat.S_ISDIR(os.stat(below, dir_fd=here, follow_symlinks=False).st_mode):
                    inner = _open_writable(below, here)
                    os.close(here)
                    here = inner
                    levels.append((below, _names(here)))
                else:
                    os.unlink(below, dir_fd=here)
                continue
            levels.pop()
            above = os.open("..", _DIRECTORY, dir_fd=here)
            os.close(here)
            here = above
            os.rmdir(name, dir_fd=here)
    finally:
        os.close(here)


def _open_writable(name: bytes, parent: int) -> int:
    try:
        directory = os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        directory = os.open(name, _DIRECTORY, dir_fd=parent)
    os.fchmod(directory, 0o700)
    return directory


def clear(target: str) -> None:
    """Remove everything in a copy."""
    top = os.open(target, _DIRECTORY)
    try:
        for name in _names(top):
            _remove(name, top)
    finally:
        os.close(top)


def _file_system(path: str) -> str:
    """Return the kind of a path's file system; empty if unknown."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            fields = line.split()
            if fields[2] == wanted:
                return fields[fields.index("-") + 1]
    return ""


def _names(directory: int) -> list[bytes]:
    # Through a descriptor, os.listdir returns text; its escapes stand for the bytes.
    return [os.fsencode(name) for name in os.listdir(directory)]


def _open_readable(name: bytes, flags: int, parent: int) -> int:
    """Open what an ordinary user owns, even if its mode does not let them; a sandbox that stands still sees nothing."""
    try:
        return os.open(name, flags, dir_fd=parent)
    except PermissionError:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        mode = stat.S_IMODE(found.st_mode)
        os.chmod(name, mode | (0o700 if stat.S_ISDIR(found.st_mode) else 0o400), dir_fd=parent)
        try:
            return os.open(name, flags, dir_fd=parent)
        finally:
            if not stat.S_ISDIR(found.st_mode):
                os.chmod(name, mode, dir_fd=parent)
