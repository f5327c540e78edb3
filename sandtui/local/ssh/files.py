"""SFTP and SCP. The sandbox's agent opens every path inside the sandbox; the platform resolves none."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import AsyncIterator
from io import FileIO
from typing import Any, Final

import asyncssh
from asyncssh import constants as sftp

from sandtui.local.drivers.base import DriverError, FileFailed, Instance

HOME: Final = b"/root"
_CHUNK: Final = 1024 * 1024


class SandboxFiles(asyncssh.SFTPServer):
    """The files of one sandbox."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], instance: Instance) -> None:
        super().__init__(channel)
        self._instance = instance

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file with the flags of protocol version 3."""
        access = {
            sftp.FXF_READ: os.O_RDONLY,
            sftp.FXF_WRITE: os.O_WRONLY,
            sftp.FXF_READ | sftp.FXF_WRITE: os.O_RDWR,
        }.get(pflags & (sftp.FXF_READ | sftp.FXF_WRITE), os.O_RDONLY)
        for flag, system in (
            (sftp.FXF_APPEND, os.O_APPEND),
            (sftp.FXF_CREAT, os.O_CREAT),
            (sftp.FXF_TRUNC, os.O_TRUNC),
            (sftp.FXF_EXCL, os.O_EXCL),
        ):
            access |= system if pflags & flag else 0
        mode = 0o644 if attrs.permissions is None else attrs.permissions
        try:
            fd = await self._instance.open_descriptor(_whole(path), access, mode)
        except DriverError as error:
            raise _system_error(error) from error
        # The library's methods for open files need a Python file object.
        return FileIO(fd, {os.O_RDONLY: "r", os.O_WRONLY: "w"}.get(access & os.O_ACCMODE, "r+"))

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Refuse: only version 3 of the protocol is supported."""
        raise asyncssh.SFTPOpUnsupported("Only version 3 is supported")

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """Read from an open file."""
        return os.pread(_fd(file_obj), min(size, _CHUNK), offset)

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """Write to an open file."""
        view = memoryview(data)
        while view:
            count = os.pwrite(_fd(file_obj), view, offset)
            view, offset = view[count:], offset + count
        return len(data)

    def close(self, file_obj: object) -> None:
        """Close an open file."""
        assert isinstance(file_obj, FileIO)
        file_obj.close()

    def fsync(self, file_obj: object) -> None:
        """Make an open file durable."""
        os.fsync(_fd(file_obj))

    def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        """Return the attributes of an open file, without its owner, who has another number on the machine."""
        found = os.fstat(_fd(file_obj))
        return asyncssh.SFTPAttrs(
            size=found.st_size, permissions=found.st_mode, atime=int(found.st_atime), mtime=int(found.st_mtime)
        )

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        """Change the attributes of an open file."""
        fd = _fd(file_obj)
        if attrs.size is not None:
            os.ftruncate(fd, attrs.size)
        if attrs.permissions is not None:
            os.fchmod(fd, attrs.permissions & 0o7777)
        if attrs.atime is not None and attrs.mtime is not None:
            os.utime(fd, (attrs.atime, attrs.mtime))

    async def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        """Return the attributes of a file; links are followed."""
        return _attributes(await self._call("stat", path))

    async def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        """Return the attributes of a file or link."""
        return _attributes(await self._call("stat", path, follow=False))

    async def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Change the attributes of a file."""
        values = {"size": attrs.size, "mode": attrs.permissions, "uid": attrs.uid, "gid": attrs.gid}
        await self._call("set", path, **values, atime=attrs.atime, mtime=attrs.mtime)

    async def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Refuse: links have no attributes worth changing."""
        raise asyncssh.SFTPOpUnsupported("Attributes of links cannot be changed")

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """Yield the entries of a directory."""
        for name in (b".", b".."):
            yield asyncssh.SFTPName(name, attrs=await self.stat(posixpath.join(path, name)))
        start: int | None = 0
        while start is not None:
            page = await self._call("list", path, **{"from": start})
            for entry in page["entries"]:
                yield asyncssh.SFTPName(os.fsencode(str(entry["name"])), attrs=_attributes(entry))
            start = page.get("next")

    async def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Create a directory."""
        await self._call("mkdir", path, mode=0o755 if attrs.permissions is None else attrs.permissions)

    async def rmdir(self, path: bytes) -> None:
        """Remove an empty directory."""
        await self._call("rmdir", path)

    async def remove(self, path: bytes) -> None:
        """Remove a file or link."""
        await self._call("remove", path)

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file; an existing target is an error."""
        await self._call("rename", oldpath, to=_whole(newpath))

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file; an existing target is replaced."""
        await self._call("rename", oldpath, to=_whole(newpath), replace=True)

    async def readlink(self, path: bytes) -> bytes:
        """Return the target of a link, as seen in the sandbox."""
        return os.fsencode(str((await self._call("readlink", path))["target"]))

    async def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Create a link."""
        await self._call("symlink", newpath, target=os.fsdecode(oldpath))

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        """Refuse hard links."""
        raise asyncssh.SFTPOpUnsupported("Hard links are not supported")

    def lock(self, file_obj: object, offset: int, length: int, flags: int) -> None:
        """Refuse locks."""
        raise asyncssh.SFTPOpUnsupported("Locks are not supported")

    def unlock(self, file_obj: object, offset: int, length: int) -> None:
        """Refuse locks."""
        raise asyncssh.SFTPOpUnsupported("Locks are not supported")

    def statvfs(self, path: bytes) -> os.statvfs_result:
        """Refuse: the size of the machine's disk is not disclosed."""
        raise asyncssh.SFTPOpUnsupported("The disk size is not disclosed")

    def fstatvfs(self, file_obj: object) -> os.statvfs_result:
        """Refuse: the size of the machine's disk is not disclosed."""
        raise asyncssh.SFTPOpUnsupported("The disk size is not disclosed")

    def realpath(self, path: bytes) -> bytes:
        """Return an absolute path."""
        return os.fsencode(_whole(path))

    def map_path(self, path: bytes) -> bytes:
        """Return an absolute path."""
        return os.fsencode(_whole(path))

    def reverse_map_path(self, path: bytes) -> bytes:
        """Return a path unchanged."""
        return path

    def format_user(self, uid: int | None) -> str:
        """Return the number: names would be those of the machine, not of the sandbox."""
        return "" if uid is None else str(uid)

    def format_group(self, gid: int | None) -> str:
        """Return the number: names would be those of the machine, not of the sandbox."""
        return "" if gid is None else str(gid)

    def exit(self) -> None:
        """Send an exit status: OpenSSH's scp treats a missing one as a failure."""
        self.channel.exit(0)

    async def _call(self, call: str, path: bytes, **arguments: Any) -> dict[str, Any]:
        try:
            return await self._instance.files(call, _whole(path), **arguments)
        except DriverError as error:
            raise _system_error(error) from error


def _fd(file_obj: object) -> int:
    assert isinstance(file_obj, FileIO)
    return file_obj.fileno()


def _whole(path: bytes) -> str:
    return os.fsdecode(posixpath.normpath(posixpath.join(HOME, path)).replace(b"//", b"/"))


def _attributes(row: dict[str, Any]) -> asyncssh.SFTPAttrs:
    return asyncssh.SFTPAttrs(
        size=int(row["size"]),
        uid=int(row["uid"]),
        gid=int(row["gid"]),
        permissions=int(row["mode"]),
        atime=int(row["atime"]),
        mtime=int(row["mtime"]),
        nlink=int(row["nlink"]),
    )


def _system_error(error: DriverError) -> OSError:
    code = error.code if isinstance(error, FileFailed) else errno.EIO
    return OSError(code or errno.EIO, str(error))
