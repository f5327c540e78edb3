"""Copies of directory trees as they are: links, times, attributes, holes and names of any bytes.

A sandbox made the tree, so nothing in it is followed, and its depth costs neither descriptors nor long paths.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from sandtui.local.copier.images import CLONE, check_space, copy_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_RANGE: Final = 65536
_LINKS: Final = b".sandtui-links"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LISTS: Final = ("system.posix_acl_access", "system.posix_acl_default")
_CHECK_EVERY: Final = 256


def copy_tree(source: str, target: str, reserve: int, old: int | None = None, new: int | None = None) -> int:
    """Copy the content and the attributes of a directory into another, which may exist; return the bytes in use.

    Files of the users from ``old`` on are given to those from ``new`` on.
    """
    if not os.path.isdir(target):
        os.mkdir(target, 0o700)
    return _TreeCopy(source, target, reserve, old, new).run()


class _TreeCopy:
    def __init__(self, source: str, target: str, reserve: int, old: int | None, new: int | None) -> None:
        self._source = source
        self._target = target
        self._reserve = reserve
        self._old = old
        self._shift = 0 if old is None or new is None else new - old
        self._is_root = os.geteuid() == 0
        self._links: dict[int, bytes] = {}
        self._store = -1
        self._count = 0
        self._bytes = 0
        self._shares = True

    def run(self) -> int:
        top = os.open(self._target, _DIRECTORY)
        try:
            # The first name of each file with several; other names are links to it, without a long path.
            os.mkdir(_LINKS, 0o700, dir_fd=top)
            self._store = os.open(_LINKS, _DIRECTORY, dir_fd=top)
            try:
                self._copy_levels()
            finally:
                for name in self._links.values():
                    os.unlink(name, dir_fd=self._store)
                os.close(self._store)
                os.rmdir(_LINKS, dir_fd=top)
            # Once more, since removing those changed the time.
            found = os.stat(self._source)
            os.utime(top, ns=(found.st_atime_ns, found.st_mtime_ns))
            return self._bytes
        finally:
            os.close(top)

    def _copy_levels(self) -> None:
        """Go through the tree with two open directories, and back up through ``..``."""
        read, write = os.open(os.fsencode(self._source), _DIRECTORY), os.open(os.fsencode(self._target), _DIRECTORY)
        # Per level: the names that are left, and the attributes that a directory gets once it is complete.
        levels = [(_names(read), os.fstat(read))]
        try:
            while True:
                names, found = levels[-1]
                if names:
                    name = names.pop()
                    if len(levels) == 1 and name == _LINKS:
                        continue
                    entry = os.stat(name, dir_fd=read, follow_symlinks=False)
                    if not stat.S_ISDIR(entry.st_mode):
                        self._copy_entry(name, entry, read, write)
                        continue
                    self._counted(4096)
                    os.mkdir(name, 0o700, dir_fd=write)
                    read, write = self._descend(name, read, write)
                    levels.append((_names(read), entry))
                    continue
                levels.pop()
                if not levels:
                    self._finish(read, write, found, is_top=True)
                    return
                # First up, since the final mode may not let an ordinary user do that.
                above, beside = os.open("..", _DIRECTORY, dir_fd=read), os.open("..", _DIRECTORY, dir_fd=write)
                try:
                    self._finish(read, write, found, is_top=False)
                finally:
                    os.close(read)
                    os.close(write)
                    read, write = above, beside
        finally:
            os.close(read)
            os.close(write)

    def _descend(self, name: bytes, read: int, write: int) -> tuple[int, int]:
        below, beside = _open_readable(name, _DIRECTORY, read), os.open(name, _DIRECTORY, dir_fd=write)
        os.close(read)
        os.close(write)
        return below, beside

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
        source = _open_readable(name, flags, read)
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
        self._bytes += size
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
