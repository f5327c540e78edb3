"""Opens files below a root directory; no link, ``..`` or race leads out of it."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque

MAX_LINKS = 40
# With O_PATH, a directory that may be searched but not listed can be passed through.
_DIRECTORY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


class PendingFile:
    """A file being written beside its target, which it replaces on commit."""

    def __init__(self, fd: int, directory: int, temporary: str, name: str) -> None:
        self.fd = fd
        self._directory = directory
        self._temporary = temporary
        self._name = name

    def commit(self) -> None:
        """Replace the target; the caller has already synced the content."""
        try:
            os.rename(self._temporary, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except OSError:
            self.abort()
            raise
        self._close()

    def abort(self) -> None:
        """Remove the file."""
        try:
            os.unlink(self._temporary, dir_fd=self._directory)
        except OSError:
            pass
        self._close()

    def _close(self) -> None:
        for fd in (self.fd, self._directory):
            if fd >= 0:
                os.close(fd)
        self.fd = self._directory = -1


class Tree:
    """The files of a sandbox. Paths are resolved step by step with descriptors, so that nothing can be swapped."""

    def __init__(self, root: str) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors that this object needs."""
        return (self._root,)

    def open_read(self, path: str) -> int:
        """Open a regular file; directories, devices, sockets and pipes are refused."""
        directory, name = self.walk(path, create=False)
        try:
            # Non-blocking: opening a named pipe without a writer would block the only thread.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
            fd = os.open(name, flags, dir_fd=directory)
        finally:
            os.close(directory)
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            os.close(fd)
            code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
            raise OSError(code, "not a regular file", path)
        return fd

    def open_write(self, path: str) -> PendingFile:
        """Open a new file beside the target, creating its parents; links are followed within the root."""
        directory, name = self.walk(path, create=True)
        try:
            mode = 0o644
            try:
                old = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
            except FileNotFoundError:
                pass
            else:
                if stat.S_ISDIR(old):
                    raise IsADirectoryError(errno.EISDIR, "is a directory", path)
                if stat.S_ISREG(old):
                    mode = stat.S_IMODE(old) & 0o777
            temporary = f".{name[:200]}.{os.urandom(6).hex()}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(temporary, flags, 0o600, dir_fd=directory)
            os.fchmod(fd, mode)
        except OSError:
            os.close(directory)
            raise
        return PendingFile(fd, directory, temporary, name)

    def walk(self, path: str, *, create: bool = False, follow: bool = True) -> tuple[int, str]:
        """Return the directory of the last component, and the component's name in it.

        Links are followed within the root, the last one only with ``follow``.
        """
        if "\0" in path:
            raise OSError(errno.EINVAL, "a path must not contain a NUL byte")
        todo = deque(_parts(path))
        inside: list[str] = []
        here = os.dup(self._root)
        links = 0
        try:
            while todo:
                part = todo.popleft()
                if part == "..":
                    # Start again from the root: ".." of a directory that is being moved may lead out of it.
                    del inside[-1:]
                    here = self._descend(inside, here)
                    continue
                target = _link_target(part, here) if todo or follow else None
                if target is not None:
                    links += 1
                    if links > MAX_LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                    if target.startswith("/"):
                        inside.clear()
                        here = self._descend(inside, here)
                    todo.extendleft(reversed(_parts(target)))
                    continue
                if not todo:
                    found, here = here, -1
                    return found, part
                here = _replace(here, _enter(part, here, create=create))
                inside.append(part)
            found, here = here, -1
            return found, "."
        finally:
            if here >= 0:
                os.close(here)

    def _descend(self, names: list[str], old: int) -> int:
        """Return the directory at a path of plain names, and close another."""
        here = os.dup(self._root)
        try:
            for name in names:
                here = _replace(here, _enter(name, here, create=False))
        except OSError:
            os.close(here)
            raise
        os.close(old)
        return here


def _replace(old: int, new: int) -> int:
    os.close(old)
    return new


def _link_target(name: str, directory: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


def _enter(name: str, directory: int, *, create: bool) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=directory)
    except FileNotFoundError:
        if not create:
            raise
    try:
        os.mkdir(name, 0o755, dir_fd=directory)
    except FileExistsError:
        pass
    return os.open(name, _DIRECTORY, dir_fd=directory)
