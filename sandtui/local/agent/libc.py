"""The few Linux calls that are missing in Python's standard library."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

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

_PR_SET_NAME: Final = 15
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
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
_KEEP_POLICY: Final = 8
_TURN_NANOSECONDS: Final = 300_000

# The default of container engines for root, without raw sockets and device nodes:
# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot, setfcap.
KEPT_CAPABILITIES: Final = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31})

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> Callable[..., int]:
    """Look a call up and say what it takes: once, not in every fork of this process."""
    found: Any = getattr(_libc, name, None)
    if found is None:
        return _is_missing
    found.argtypes = arguments
    call: Callable[..., int] = found
    return call


def _is_missing(*_: object) -> int:
    ctypes.set_errno(errno.ENOSYS)
    return -1


_unshare = _call("unshare", ctypes.c_int)
_setns = _call("setns", ctypes.c_int, ctypes.c_int)
_mount = _call("mount", *[ctypes.c_char_p] * 3, ctypes.c_ulong, ctypes.c_char_p)
_pivot_root = _call("pivot_root", ctypes.c_char_p, ctypes.c_char_p)
_umount2 = _call("umount2", ctypes.c_char_p, ctypes.c_int)
_prctl = _call("prctl", ctypes.c_int, *[ctypes.c_ulong] * 4)
_capget = _call("capget", ctypes.c_void_p, ctypes.c_void_p)
_capset = _call("capset", ctypes.c_void_p, ctypes.c_void_p)


def _check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def read_file(path: str) -> bytes:
    """Return the content of a small file; unlike ``open`` it costs a fork next to no memory."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65536)
    finally:
        os.close(fd)


def write_file(path: str, data: bytes, mode: int = 0o644) -> None:
    """Write a small file, one of the kernel's or one that is made."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def set_name(name: str) -> None:
    """Say what this process is in lists of processes, where forks all have the same command line."""
    text = ctypes.create_string_buffer(name.encode())
    _prctl(_PR_SET_NAME, ctypes.addressof(text), 0, 0, 0)


def run_in_short_turns() -> None:
    """Have this process, and all that it starts, take short turns on a core that many want.

    Between a request and its response, several processes run one after the other. Beside programs that never sleep,
    each of them would wait for a whole turn of one of those.
    """
    number = _SCHED_SETATTR.get(os.uname().machine)
    if number is None:
        return
    # A kernel before 6.12 ignores the length.
    wanted = struct.pack(
        "=IIQiIQQQ", 48, 0, _KEEP_POLICY, os.getpriority(os.PRIO_PROCESS, 0), 0, _TURN_NANOSECONDS, 0, 0
    )
    _libc.syscall(ctypes.c_long(number), ctypes.c_int(0), wanted, ctypes.c_uint(0))


def unshare(flags: int) -> None:
    """Move this process into new namespaces."""
    _check(_unshare(flags), "unshare")


def enter(namespace: int, kind: int) -> None:
    """Move this process into a namespace; ``kind`` is one of ``CLONE_NEW...``."""
    _check(_setns(namespace, kind), "setns")


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """Mount a file system."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    _check(_mount(*encoded[:3], flags, encoded[3]), f"mount {target}")


def make_private() -> None:
    """Keep all later mounts inside this namespace."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)


def pivot_root_here() -> None:
    """Make the current directory the root and unmount the old one."""
    _check(_pivot_root(b".", b"."), "pivot_root")
    _check(_umount2(b".", MNT_DETACH), "umount of the old root")


def open_alone(path: str) -> int:
    """Open a directory without what is or will be mounted in it."""
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
    """Mount a host directory or file read-only, with everything that is mounted below it."""
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
    # Linux before 5.12 needs a call for each mount.
    for point in _mounts_below(os.path.realpath(target)):
        # In a user namespace, existing flags of a mount are locked and must be repeated.
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
    _check(_prctl(option, value, 0, 0, 0), f"prctl {option}")


class _FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]


def filter_calls(program: bytes) -> None:
    """Run a seccomp program of eight-byte instructions before each system call of this process."""
    given = _FilterProgram(len(program) // 8, program)
    _check(_prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(given), 0, 0), "seccomp")


def own_keyring() -> bool:
    """Replace the inherited session keyring with an empty one; return whether that worked.

    On a kernel without keyrings, there is none to replace.
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


_Capabilities = _CapData * 2


def reduce_capabilities() -> None:
    """Keep, for this process and its children, only the capabilities that ordinary programs expect of root."""
    last = int(read_file("/proc/sys/kernel/cap_last_cap"))
    for capability in range(last + 1):
        if capability not in KEPT_CAPABILITIES:
            prctl(PR_CAPBSET_DROP, capability)
    mask = sum(1 << capability for capability in KEPT_CAPABILITIES)
    data = _Capabilities(
        _CapData(mask & 0xFFFFFFFF, mask & 0xFFFFFFFF, 0),
        _CapData(mask >> 32, mask >> 32, 0),
    )
    _check(_capset(ctypes.byref(_CapHeader(_CAP_VERSION_3, 0)), data), "capset")


def set_aside(capability: int) -> None:
    """Drop a capability from the effective set; it can be raised again, and started programs have it."""
    header = _CapHeader(_CAP_VERSION_3, 0)
    data = _Capabilities()
    _check(_capget(ctypes.byref(header), data), "capget")
    data[capability // 32].effective &= ~(1 << capability % 32)
    _check(_capset(ctypes.byref(header), data), "capset")
