"""The /usr/local of a sandbox: the platform's Python, as in Python's own images, and the machine's own files there.

Login shells reset PATH, but /usr/local/bin is always on it. The Python there is a virtual environment, so that ``pip``
installs into the sandbox and not into the machine.
"""

from __future__ import annotations

import os
import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

PLACE: Final = "/usr/local"

# Directories that programs are installed into; all others below /usr/local are packages.
_SHARED: Final = ("bin", "etc", "games", "include", "lib", "lib64", "libexec", "sbin", "share", "src")
# Only directories that everyone may list are split: a sandbox must not learn the names in others.
_OPEN: Final = 0o005
_LONGEST_SHEBANG: Final = 120
_PIP: Final = """\
import sys

from pip._internal.cli.main import main

sys.exit(main())
"""


class Python:
    """An interpreter of the machine. ``pip`` is a path to import pip from, "" for its own, or None."""

    def __init__(self, executable: str, prefix: str, version: str, library: str, pip: str | None) -> None:
        self.executable = executable
        self.prefix = prefix
        self.version = version
        self.library = library
        self.pip = pip


def make_environment(top: str, python: Python, *, place: str = PLACE, owner: int = 0) -> None:
    """Create a virtual environment in ``top``, to be seen as ``place``; packages of the machine stay importable."""
    home = os.path.dirname(python.executable)
    short = ".".join(python.version.split(".")[:2])
    for name in ("bin", "lib"):
        directory(f"{top}/{name}", owner)
    link("lib", f"{top}/lib64", owner)
    deep_directory(top, python.library, owner)
    text = (
        f"home = {home}\ninclude-system-site-packages = true\nversion = {python.version}\n"
        f"executable = {python.executable}\n"
    )
    _write(f"{top}/pyvenv.cfg", text, 0o644, owner)
    for name, target in ((f"python{short}", python.executable), ("python3", f"python{short}"), ("python", "python3")):
        link(target, f"{top}/bin/{name}", owner)
    if python.pip is None:
        return
    if python.pip:
        _write(f"{top}/{python.library}/pip.pth", f"{python.pip}\n", 0o644, owner)
    for name in ("pip", "pip3", f"pip{short}"):
        _write(f"{top}/bin/{name}", _shebang(f"{place}/bin/python3") + _PIP, 0o755, owner)


def show_machine(top: str, shown: str, owner: int) -> None:
    """Link the content of the machine's /usr/local, which the sandbox sees as ``shown``, into ``top``."""
    for entry in os.scandir(PLACE):
        inside = f"{top}/{entry.name}"
        if entry.is_symlink():
            link(os.readlink(entry.path), inside, owner)
        elif entry.name in _SHARED and entry.is_dir() and entry.stat().st_mode & _OPEN == _OPEN:
            directory(inside, owner)
            _show_entries(entry.path, inside, f"{shown}/{entry.name}", owner)
        else:
            link(f"{shown}/{entry.name}", inside, owner)


def deep_directory(top: str, name: str, owner: int) -> None:
    """Create a directory below ``top`` and its parents."""
    path = top
    for part in name.strip("/").split("/"):
        path = f"{path}/{part}"
        directory(path, owner)


def directory(name: str, owner: int) -> None:
    """Create a directory of the sandbox unless it exists."""
    try:
        os.mkdir(name, 0o755)
    except FileExistsError:
        return
    os.chmod(name, 0o755)  # noqa: S103 # whatever the umask is, since the sandbox's users need access
    if owner:
        os.chown(name, owner, owner)


def link(target: str, name: str, owner: int) -> None:
    """Create a link of the sandbox unless the name is taken."""
    try:
        os.symlink(target, name)
    except FileExistsError:
        return
    if owner:
        os.lchown(name, owner, owner)


def _show_entries(source: str, top: str, shown: str, owner: int) -> None:
    for entry in os.scandir(source):
        name = entry.name
        if os.path.isdir(f"{top}/{name}"):
            # The library of our own Python: Debian has the machine's packages beside it.
            name += "/dist-packages"
            if not os.path.isdir(f"{source}/{name}"):
                continue
        link(os.readlink(entry.path) if entry.is_symlink() else f"{shown}/{name}", f"{top}/{name}", owner)


def _write(path: str, text: str, mode: int, owner: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        os.write(fd, text.encode("utf-8", "surrogateescape"))
        os.fchmod(fd, mode)  # whatever the umask is
        if owner:
            os.fchown(fd, owner, owner)
    finally:
        os.close(fd)


def _shebang(python: str) -> str:
    if len(python) <= _LONGEST_SHEBANG and not any(char.isspace() for char in python):
        return f"#!{python}\n"
    # The kernel truncates long shebang lines and splits them at spaces. A shell runs this; Python sees a string.
    return f"#!/bin/sh\n'''exec' {shlex.quote(python)} \"$0\" \"$@\"\n' '''\n"
