"""Limits the disk space and inodes of a sandbox, with a project quota or a file system for each sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import secrets
import shutil
import struct
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from sandtui.directories import make_private
from sandtui.local.agent import libc
from sandtui.local.agent.disk import LOST_AND_FOUND
from sandtui.local.agent.layout import fingerprint, lay_out
from sandtui.local.agent.usr_local import Python
from sandtui.local.drivers.base import DriverError
from sandtui.local.drivers.disk_templates import BLOCK, INODE, DiskTemplate
from sandtui.local.drivers.machine_python import machine_python
from sandtui.local.files import remove_tree
from sandtui.local.store.disk import is_full

BYTES_PER_INODE: Final = 8192
MIN_INODES: Final = 16384


def inodes_for(size: int) -> int:
    """Return the number of files that a disk may hold."""
    return max(MIN_INODES, size // BYTES_PER_INODE)


class DiskImage(NamedTuple):
    """A file system for a root, and whether it contains what :func:`lay_out` creates."""

    path: str
    is_laid_out: bool


class DiskLimit(Protocol):
    """Limits the space of all files of a sandbox."""

    name: str
    text: str
    """A description of the limits for users."""

    def open(self) -> None:
        """Prepare; called in the thread of the event loop."""
        ...

    def prepare(self, root: Path, size: int, first_uid: int) -> DiskImage | None:
        """Limit a new root; return the image to mount there, if any. May block."""
        ...

    def give_up(self, root: Path, agent: int) -> None:
        """Discard unwritten data of a sandbox that is about to be ended."""
        ...

    def release(self, root: Path, first_uid: int) -> None:
        """Release what is stored outside of the sandbox's directory, which is already removed."""
        ...


# Calls of quotactl(2), used for project quotas.
_QUOTACTL_FD: Final = 443  # Linux 5.14, the same number on every architecture
_SET_QUOTA: Final = 0x800008 << 8 | 2
_GET_ATTRIBUTES: Final = 0x801C581F
_SET_ATTRIBUTES: Final = 0x401C5820
_ATTRIBUTES: Final = struct.Struct("=5I8s")
_INHERIT: Final = 0x200
_LIMITS: Final = struct.Struct("=8QI4x")
_SPACE_AND_INODES: Final = 1 | 4
_UNIT: Final = 1024
_RESOURCE: Final = 24  # CAP_SYS_RESOURCE, which exempts from quotas

_libc = ctypes.CDLL(None, use_errno=True)


class ProjectQuota:
    """Each sandbox is a project of the file system of the state directory.

    The project's number is the sandbox's first user id, which the locks of this machine keep unique. Only root of the
    machine can change the project of a file; in a user namespace, the kernel refuses it.
    """

    name = "quota"
    text = "disk space and inodes are limited by a project quota"

    def open(self) -> None:
        """Apply quotas to the platform's own writes to sandboxes."""
        enforce_quotas()
        # Existing threads keep the capability.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())

    def prepare(self, root: Path, size: int, first_uid: int) -> None:
        """Set the limits of a new root."""
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # The limit first: a reused id may have files that count.
            _set_limits(fd, first_uid, size, inodes_for(size))
            found = list(_ATTRIBUTES.unpack(fcntl.ioctl(fd, _GET_ATTRIBUTES, bytes(_ATTRIBUTES.size))))
            found[0], found[3] = found[0] | _INHERIT, first_uid
            fcntl.ioctl(fd, _SET_ATTRIBUTES, _ATTRIBUTES.pack(*found))
        finally:
            os.close(fd)

    def give_up(self, root: Path, agent: int) -> None:
        """Do nothing: data of removed files is not written."""

    def release(self, root: Path, first_uid: int) -> None:
        """Remove the limit; the file system then removes the unused project."""
        above = next(path for path in root.parents if path.is_dir())
        fd = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):
                _set_limits(fd, first_uid, 0, 0)
        finally:
            os.close(fd)


def _set_limits(fd: int, project: int, size: int, inodes: int) -> None:
    limits = _LIMITS.pack(-(-size // _UNIT), 0, 0, inodes, 0, 0, 0, 0, _SPACE_AND_INODES)
    result = _libc.syscall(
        ctypes.c_long(_QUOTACTL_FD), ctypes.c_uint(fd), ctypes.c_uint(_SET_QUOTA), ctypes.c_uint(project), limits
    )
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def enforce_quotas() -> None:
    """Apply quotas to this thread and to those that it starts from now on."""
    if os.geteuid() == 0:
        libc.set_aside(_RESOURCE)


def try_quota(directory: Path, project: int) -> str | None:
    """Return why project quotas do not work in a directory, or None. Tested, since much can prevent them."""
    outcome: list[str | None] = ["no reason given"]

    def work() -> None:
        enforce_quotas()
        outcome[0] = _try_quota(directory, project)

    # A separate thread, since it gives up the capability to exceed quotas.
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return outcome[0]


def _try_quota(directory: Path, project: int) -> str | None:
    quota, root = ProjectQuota(), directory / f"probe-{secrets.token_hex(4)}"
    try:
        make_private(root)
        quota.prepare(root, 64 * 1024, project)
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _set_limits(fd, project, 64 * 1024, 8)
        finally:
            os.close(fd)
        if not _is_refused(lambda: (root / "large").write_bytes(bytes(1024 * 1024))):
            return "project quotas of the file system of the state directory are not enforced"
        if not _is_refused(lambda: _make_files(root, 16)):
            return "project quotas of the file system of the state directory do not count inodes"
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS):
            return "the file system of the state directory has no project quotas, or they are off"
        return f"project quotas cannot be set: {error.strerror}"
    finally:
        with contextlib.suppress(OSError):
            remove_tree(root)
            quota.release(root, project)
    return None


def _make_files(directory: Path, count: int) -> None:
    for number in range(count):
        (directory / str(number)).touch()


def _is_refused(work: Callable[[], object]) -> bool:
    try:
        work()
    except OSError as error:
        if is_full(error):
            return True
        raise
    return False


_BLOCKS_PER_GROUP: Final = 8 * BLOCK
_SPARE_BLOCKS: Final = 256
# What the kernel reserves for its own use.
_RESERVED_SHARE, _RESERVED_BLOCKS = 50, 4096
_FEATURES: Final = (
    "none,dir_index,dir_nlink,ext_attr,extent,extra_isize,filetype,flex_bg,huge_file,large_file,sparse_super,uninit_bg,"
    "64bit"
)
_TEMPLATES: Final = 16
_LITTLE: Final = 4 * 1024 * 1024
_MIN_FREE: Final = 4 * 1024 * 1024
_LOOP_MAJOR: Final = 7
_GET_STATUS: Final = 0x4C05
_STATUS_BYTES: Final = 232
_SHUT_DOWN: Final = 0x8004587D
_WITHOUT_WRITING: Final = 2


class ImageLimit:
    """Each sandbox has an ext4 file system in a sparse file, mounted where only that sandbox sees it.

    The kernel removes the mount and its loop device with the last process of the sandbox, even without the platform.
    """

    name = "image"
    text = "disk space and inodes are limited by a file system of its own for each sandbox, on a loop device"

    def __init__(self, state_dir: Path, program: str) -> None:
        self._scratch = state_dir / "disks"
        self._program = program
        self._lock = threading.Lock()
        self._templates: dict[int, tuple[object, DiskTemplate]] = {}
        self._empty: dict[int, DiskTemplate] = {}

    def open(self) -> None:
        """Remove what a killed platform was making."""
        remove_tree(self._scratch)

    def prepare(self, root: Path, size: int, first_uid: int) -> DiskImage:
        """Create an image beside a root."""
        image = root.with_name("disk.img")
        found = os.statvfs(root)
        if found.f_bavail * found.f_frsize < _MIN_FREE:
            # Writes in the sandbox would seem to succeed and be lost.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        template = self._template(size)
        template.write(image, first_uid)
        return DiskImage(str(image), template.is_laid_out)

    def give_up(self, root: Path, agent: int) -> None:
        """Shut the file system down without writing: unmounting could write gigabytes that are removed right after."""
        with contextlib.suppress(OSError):
            top = os.open(f"/proc/{agent}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                found = os.fstatvfs(top)
                used = (found.f_blocks - found.f_bfree) * found.f_frsize
                # The kernel logs each shutdown, which takes longer than to write the little that most have.
                if used > _LITTLE and is_mounted_from(root.with_name("disk.img"), os.fstat(top).st_dev):
                    fcntl.ioctl(top, _SHUT_DOWN, struct.pack("=I", _WITHOUT_WRITING))
            finally:
                os.close(top)

    def release(self, root: Path, first_uid: int) -> None:
        """Do nothing: the image was in the directory of the sandbox."""

    def prepare_empty(self, image: Path, size: int, first_uid: int) -> None:
        """Create an image without any files for a volume. May block."""
        with self._lock:
            template = self._empty.get(size)
            if template is None:
                make_private(self._scratch)
                try:
                    self._make(self._scratch / "image", size)
                    template = self._empty[size] = DiskTemplate(self._scratch / "image", is_laid_out=False)
                finally:
                    remove_tree(self._scratch)
        template.write(image, first_uid)

    def _template(self, size: int) -> DiskTemplate:
        """Return the template for a size, which is made again when the machine's programs change."""
        python = Python(**machine_python())
        with self._lock:
            version = fingerprint(python)
            made, template = self._templates.pop(size, (None, None))
            if template is None or made != version:
                template = self._make_template(size, python)
            while len(self._templates) >= _TEMPLATES:
                del self._templates[next(iter(self._templates))]  # the one that was not used for the longest time
            self._templates[size] = version, template
        return template

    def _make_template(self, size: int, python: Python) -> DiskTemplate:
        make_private(self._scratch)
        image, tree = self._scratch / "image", self._scratch / "tree"
        try:
            remove_tree(tree)
            tree.mkdir()
            lay_out(str(tree), python, 0)
            (tree / "root").rename(tree / LOST_AND_FOUND)  # it is renamed back once it is mounted
            try:
                self._make(image, size, "-d", str(tree))
            except DriverError:
                # An old program, which makes empty file systems only.
                self._make(image, size)
                return DiskTemplate(image, is_laid_out=False)
            return DiskTemplate(image, is_laid_out=True)
        finally:
            remove_tree(self._scratch)

    def _make(self, image: Path, size: int, *options: str) -> None:
        blocks, inodes = layout(size)
        with image.open("wb") as file:
            file.truncate(blocks * BLOCK)
        command = [self._program, "-q", "-F", "-b", str(BLOCK), "-I", str(INODE), "-N", str(inodes), "-m", "0"]
        command += ["-O", _FEATURES, "-E", "lazy_itable_init=1,nodiscard", *options, str(image), str(blocks)]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/", env={}
        )
        if done.returncode != 0:
            reason = done.stderr.strip()[-500:] or f"exit code {done.returncode}"
            raise DriverError(f"The disk of the sandbox could not be created: {reason}")


def layout(size: int) -> tuple[int, int]:
    """Return the blocks and inodes of a file system with ``size`` bytes for files."""
    inodes = inodes_for(size)
    blocks = -(-size // BLOCK)
    blocks += min(blocks // _RESERVED_SHARE, _RESERVED_BLOCKS) + inodes * INODE // BLOCK + _SPARE_BLOCKS
    groups = blocks // _BLOCKS_PER_GROUP + 1
    # Each group has two bitmaps and a rounded inode table; some have copies of the descriptors.
    return blocks + groups * 4 + groups * 64 // BLOCK * 16, inodes


def is_mounted_from(image: Path, device: int) -> bool:
    """Return whether a device is the loop device of an image; nothing else may ever be shut down."""
    if os.major(device) != _LOOP_MAJOR:
        return False
    found = image.stat()
    loop = os.open(f"/dev/loop{os.minor(device)}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(loop).st_rdev != device:
            return False
        status = fcntl.ioctl(loop, _GET_STATUS, bytes(_STATUS_BYTES))
    finally:
        os.close(loop)
    return struct.unpack_from("=2Q", status) == (found.st_dev, found.st_ino)


def find_mkfs() -> str | None:
    """Return the path of mkfs.ext4, or None."""
    return shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
