"""The few Linux calls that Python's standard library does not have."""

from __future__ import annotations

import ctypes
import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_CAPBSET_DROP: Final = 24
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_MOUNT_SETATTR: Final = 442  # the same number on every architecture
_MOUNT_ATTR_RDONLY: Final = 1
_MOUNT_ATTR_NOSUID: Final = 2
_MOUNT_ATTR_NODEV: Final = 4
_OPEN_TREE: Final = 428  # Linux 5.2, the same number on every architecture
_OPEN_TREE_CLONE: Final = 1
_KEYCTL: Final = {"x86_64": 250, "aarch64": 219, "riscv64": 219}
_KEYCTL_JOIN_SESSION_KEYRING: Final = 1
_CAP_VERSION_3: Final = 0x20080522

# What a container engine leaves to root by default, without the raw sockets and device nodes:
# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot, setfcap.
KEPT_CAPABILITIES: Final = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31})

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    """Give this process namespaces of its own."""
    _check(_libc.unshare(flags), "unshare")


def enter_network(namespace: int) -> None:
    """Move this process into a network namespace."""
    _check(_libc.setns(namespace, CLONE_NEWNET), "setns")


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """Mount a file system."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _check(result, f"mount {target}")


def make_private() -> None:
    """RetentionLimits every later mount of this namespace to itself."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)


def pivot_root_here() -> None:
    """Make the current directory the root and drop the old one."""
    _check(_libc.pivot_root(b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount of the old root")


def open_alone(path: str) -> int:
    """Open a directory as it is without what is or will be mounted in it."""
    flags = ctypes.c_uint(_OPEN_TREE_CLONE | os.O_CLOEXEC)
    found = _libc.syscall(ctypes.c_long(_OPEN_TREE), ctypes.c_int(_AT_FDCWD), ctypes.c_char_p(os.fsencode(path)), flags)
    _check(found, "open_tree")
    return int(found)


class _MountAttributes(ctypes.Structure):
    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


def bind_read_only(source: str, target: str) -> None:
    """Show a host directory or file, with all that is mounted below it, and let nothing write there."""
    mount(source, target, None, MS_BIND | MS_REC)
    wanted = _MountAttributes(_MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NODEV, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.byref(wanted),
        ctypes.c_size_t(ctypes.sizeof(wanted)),
    )
    if result == 0:
        return
    # Linux before 5.12 can only be told so mount by mount.
    for point in _mounts_below(os.path.realpath(target)):
        # The flags that a mount already has are locked in a user namespace, so they are said again.
        flags = os.statvfs(point).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount(None, point, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | flags)


def _mounts_below(top: str) -> list[str]:
    points = []
    with open("/proc/self/mountinfo", "rb") as table:
        for line in table:
            raw = line.split(b" ")[4].decode("unicode_escape").encode("latin-1")
            point = os.fsdecode(raw)
            if point == top or point.startswith(top.rstrip("/") + "/"):
                points.append(point)
    return points


def prctl(option: int, value: int) -> None:
    """Change an attribute of this process."""
    result = _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    _check(result, f"prctl {option}")


class _FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]


def filter_calls(program: bytes) -> None:
    """Have the kernel run a seccomp program of eight-byte steps before each call of this process."""
    given = _FilterProgram(len(program) // 8, program)
    none = ctypes.c_ulong(0)
    mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
    _check(_libc.prctl(_PR_SET_SECCOMP, mode, ctypes.byref(given), none, none), "seccomp")


def own_keyring() -> bool:
    """Leave the session keyring that we came with for an empty one; say whether that is done.

    A kernel without keyrings has none to leave.
    """
    number = _KEYCTL.get(os.uname().machine)
    if number is None:
        return False
    joined = _libc.syscall(ctypes.c_long(number), ctypes.c_int(_KEYCTL_JOIN_SESSION_KEYRING), None)
    return bool(joined >= 0 or ctypes.get_errno() == errno.ENOSYS)


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def reduce_capabilities() -> None:
    """RetentionLimits, for this process and all it starts, only what ordinary programs expect of root."""
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for capability in range(last + 1):
        if capability not in KEPT_CAPABILITIES:
            prctl(PR_CAPBSET_DROP, capability)
    mask = sum(1 << capability for capability in KEPT_CAPABILITIES)
    data = (_CapData * 2)(
        _CapData(mask & 0xFFFFFFFF, mask & 0xFFFFFFFF, 0),
        _CapData(mask >> 32, mask >> 32, 0),
    )
    _check(_libc.capset(ctypes.byref(_CapHeader(_CAP_VERSION_3, 0)), data), "capset")


def set_aside(capability: int) -> None:
    """Do without a capability from now on; it can be taken up again, and programs that are started have it."""
    header = _CapHeader(_CAP_VERSION_3, 0)
    data = (_CapData * 2)()
    _check(_libc.capget(ctypes.byref(header), data), "capget")
    data[capability // 32].effective &= ~(1 << capability % 32)
    _check(_libc.capset(ctypes.byref(header), data), "capset")
