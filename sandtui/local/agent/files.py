"""The file service of the agent, for clients that need more than reading and writing whole files."""

from __future__ import annotations

import errno
import os
import stat

from sandtui.local.agent.tree import Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PAGE = 1000
"""Entries of a directory in one response."""
_OPEN_FLAGS = os.O_ACCMODE | os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_APPEND


def call(tree: Tree, message: dict[str, Any]) -> dict[str, Any]:
    """Carry out a call; raise an OSError if it fails."""
    path = str(message["path"])
    match message.get("call"):
        case "stat":
            return _at(tree, path, bool(message.get("follow", True)))
        case "list":
            return _list(tree, path, int(message.get("from", 0)))
        case "readlink":
            directory, name = tree.walk(path, follow=False)
            try:
                return {"target": os.readlink(name, dir_fd=directory)}
            finally:
                os.close(directory)
        case "rename":
            _rename(tree, path, str(message["to"]), replace=bool(message.get("replace")))
        case "set":
            _set(tree, path, message)
        case name:
            _change(tree, path, str(name), message)
    return {"ok": True}


def open_file(tree: Tree, path: str, flags: int, mode: int) -> int:
    """Open a regular file with flags of open(2); directories, devices, sockets and pipes are refused."""
    directory, name = tree.walk(path)
    try:
        # Non-blocking: opening a named pipe without a writer would block the only thread.
        safe = flags & _OPEN_FLAGS | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
        fd = os.open(name, safe, mode & 0o777, dir_fd=directory)
    finally:
        os.close(directory)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return fd


def attributes(found: os.stat_result) -> dict[str, Any]:
    """Return the attributes of a file that clients may see."""
    return {
        "mode": found.st_mode,
        "size": found.st_size,
        "uid": found.st_uid,
        "gid": found.st_gid,
        "atime": int(found.st_atime),
        "mtime": int(found.st_mtime),
        "nlink": found.st_nlink,
    }


def _at(tree: Tree, path: str, follow: bool) -> dict[str, Any]:
    directory, name = tree.walk(path, follow=follow)
    try:
        return attributes(os.stat(name, dir_fd=directory, follow_symlinks=False))
    finally:
        os.close(directory)


def _list(tree: Tree, path: str, start: int) -> dict[str, Any]:
    parent, name = tree.walk(path)
    try:
        directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)
    try:
        names = sorted(os.listdir(directory))
        entries = []
        for entry in names[start : start + PAGE]:
            try:
                found = os.stat(entry, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed in the meantime
            entries.append({"name": entry, **attributes(found)})
        return {"entries": entries, "next": start + PAGE if start + PAGE < len(names) else None}
    finally:
        os.close(directory)


def _rename(tree: Tree, path: str, to: str, *, replace: bool) -> None:
    directory, name = tree.walk(path, follow=False)
    try:
        target, target_name = tree.walk(to, follow=False)
        try:
            if not replace:
                try:
                    os.stat(target_name, dir_fd=target, follow_symlinks=False)
                except FileNotFoundError:
                    pass
                else:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), to)
            os.rename(name, target_name, src_dir_fd=directory, dst_dir_fd=target)
        finally:
            os.close(target)
    finally:
        os.close(directory)


def _change(tree: Tree, path: str, what: str, message: dict[str, Any]) -> None:
    directory, name = tree.walk(path, follow=False)
    try:
        match what:
            case "mkdir":
                os.mkdir(name, int(message.get("mode", 0o755)) & 0o777, dir_fd=directory)
            case "rmdir":
                os.rmdir(name, dir_fd=directory)
            case "remove":
                os.unlink(name, dir_fd=directory)
            case "symlink":
                os.symlink(str(message["target"]), name, dir_fd=directory)
            case _:
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), what)
    finally:
        os.close(directory)


def _set(tree: Tree, path: str, message: dict[str, Any]) -> None:
    if message.get("size") is not None:
        fd = open_file(tree, path, os.O_WRONLY, 0)
        try:
            os.ftruncate(fd, int(message["size"]))
        finally:
            os.close(fd)
    directory, name = tree.walk(path)
    try:
        if message.get("uid") is not None:
            os.chown(name, int(message["uid"]), int(message["gid"]), dir_fd=directory, follow_symlinks=False)
        if message.get("mode") is not None:
            os.chmod(name, int(message["mode"]) & 0o7777, dir_fd=directory)
        if message.get("mtime") is not None:
            times = (int(message["atime"]), int(message["mtime"]))
            os.utime(name, times, dir_fd=directory, follow_symlinks=False)
    finally:
        os.close(directory)
