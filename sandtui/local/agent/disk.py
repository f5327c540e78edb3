"""Mounts the file system with all files of a sandbox, which ends with the sandbox's last process."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from sandtui.local.agent import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

LOST_AND_FOUND: Final = "lost+found"
"""A directory that every ext4 file system begins with; it becomes /root."""

_CONTROL: Final = "/dev/loop-control"
_GET_FREE: Final = 0x4C82
_CONFIGURE: Final = 0x4C0A  # Linux 5.8
_AUTOCLEAR: Final = 4
_CONFIGURATION: Final = struct.Struct("=II 5Q4I 64s64s32s 2Q 8Q")
_ATTEMPTS: Final = 100
_FLAGS: Final = libc.MS_NOSUID | libc.MS_NODEV
# The files of a sandbox do not survive a restart of the machine, so the order of writes does not matter. Freed space
# is returned to the machine.
_OPTIONS: Final = "discard,noinit_itable,nobarrier"


def mount_image(image: str, target: str) -> None:
    """Mount an ext4 image; the kernel releases its loop device once nothing is mounted from it."""
    file = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        device, path = _attach(file)
    finally:
        os.close(file)
    try:
        libc.mount(path, target, "ext4", _FLAGS, _OPTIONS)
    finally:
        os.close(device)


def furnish(target: str, owner: int, *, is_laid_out: bool) -> None:
    """Make a root of a new file system."""
    # Not removed: to free its blocks would wait for the disk of the machine.
    os.rename(f"{target}/{LOST_AND_FOUND}", f"{target}/root")
    if not is_laid_out:
        os.chown(f"{target}/root", owner, owner)
        os.chown(target, owner, owner)
    os.chmod(target, 0o755)  # noqa: S103


def _attach(file: int) -> tuple[int, str]:
    """Attach a file to a loop device; return the device's descriptor and path."""
    control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_ATTEMPTS):
            number = fcntl.ioctl(control, _GET_FREE)
            path = f"/dev/loop{number}"
            device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            words = (file, 0, *(0,) * 5, number, 0, 0, _AUTOCLEAR, b"", b"", b"", *(0,) * 10)
            try:
                fcntl.ioctl(device, _CONFIGURE, _CONFIGURATION.pack(*words))
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:
                    raise
                continue  # taken by another launch
            return device, path
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, "no loop device is free")
