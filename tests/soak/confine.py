"""Keeps random keys from doing harm: they may delete files and type into shells, so they get a machine of their own.

The soak test runs itself once more in fresh namespaces: every file system is read-only but one temporary directory,
there is no network but loopback, and no process but its own, which all end with it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE = 16384, 1 << 18
FLAGS = {"nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC, "ro": MS_RDONLY}
KERNEL_TYPES = frozenset({"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue"})
KERNEL_PLACES = ("/proc", "/sys")
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

_COMMAND = ["unshare", "--mount", "--pid", "--net", "--fork", "--mount-proc", "--kill-child"]


def command() -> list[str]:
    """Return the command that runs another one apart."""
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    return [_COMMAND[0], *mapped, *_COMMAND[1:]]


def problem() -> str:
    """Say why this machine can't do it; empty when it can."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return "only Linux with unshare(1) can keep random keys from this machine's files"
    done = subprocess.run([*command(), "true"], capture_output=True, text=True)
    return f"no namespaces here: {done.stderr.strip()}" if done.returncode else ""


def run_inside(root: Path, arguments: Sequence[str]) -> int:
    """Run the soak test apart, with one directory to write to; return its exit code."""
    inside = [sys.executable, "-m", "tests.soak", "--inside", str(root), *arguments]
    return subprocess.run([*command(), *inside], cwd=Path(__file__).parents[2]).returncode


def shut(root: Path) -> None:
    """Make everything but ``root`` read-only; called inside."""
    if os.getpid() != 1:
        raise SystemExit("tests.soak: --inside is for the soak test's own use")
    _mount("none", "/", MS_REC | MS_PRIVATE)
    _mount(str(root), str(root), MS_BIND)
    for place, kind, options in _mounts():
        kept = Path(place) == root or kind in KERNEL_TYPES or place.startswith(KERNEL_PLACES)
        if not kept and Path(place).is_dir():
            flags = sum(FLAGS.get(option, 0) for option in options)
            _mount("none", place, MS_REMOUNT | MS_BIND | flags | MS_RDONLY)
    _loopback_up()


def _mounts() -> list[tuple[str, str, list[str]]]:
    rows = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        place = words[4].encode().decode("unicode_escape")
        rows.append((place, words[words.index("-") + 1], words[5].split(",")))
    return rows


def _mount(source: str, target: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{os.strerror(error)} (mount {target})")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh", b"lo", 0)
        name, flags = struct.unpack("16sh", fcntl.ioctl(control, SIOCGIFFLAGS, request.ljust(40, b"\0"))[:18])
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh", name, flags | IFF_UP).ljust(40, b"\0"))
