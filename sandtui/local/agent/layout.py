"""The directories and links of a sandbox's root, before anything is mounted there.

They only depend on the machine, so that they can be prepared in a file system that is copied for each sandbox.
"""

from __future__ import annotations

import errno
import os

from sandtui.local.agent import usr_local
from sandtui.local.agent.usr_local import deep_directory, directory, link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

HOST_DIRECTORIES: Final = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "nix")
OWN_DIRECTORIES: Final = (
    "app", "data", "dev", "home", "mnt", "opt", "proc", "root", "run", "sandbox-workspace", "srv", "sys",
    "tmp", "var", "var/tmp", "workspace",
)  # fmt: skip
USR_LOCAL: Final = "opt/sandtui/local"
MACHINE_USR_LOCAL: Final = "opt/sandtui/machine"


def lay_out(top: str, python: usr_local.Python, owner: int) -> None:
    """Create the directories and links of a root in ``top``, for the host user ``owner``."""
    for name in OWN_DIRECTORIES:
        directory(f"{top}/{name}", owner)
    os.chmod(f"{top}/tmp", 0o1777)  # noqa: S103, S108
    os.chmod(f"{top}/var/tmp", 0o1777)  # noqa: S103, S108
    prefix = interpreter_directory(python)
    # Every user of the sandbox may run an interpreter in there, so all may pass through; only the owner may list it.
    os.chmod(f"{top}/root", 0o711 if f"{prefix}/".startswith("root/") else 0o700)
    for name in HOST_DIRECTORIES:
        if os.path.islink(f"/{name}"):
            link(os.readlink(f"/{name}"), f"{top}/{name}", owner)
        elif os.path.isdir(f"/{name}"):
            directory(f"{top}/{name}", owner)
    if is_split():
        _lay_out_usr(top, owner)
    if prefix:
        deep_directory(top, prefix, owner)
    deep_directory(top, USR_LOCAL, owner)
    if os.path.isdir(usr_local.PLACE):
        directory(f"{top}/{MACHINE_USR_LOCAL}", owner)
    usr_local.make_environment(f"{top}/{USR_LOCAL}", _as_seen(python), owner=owner)
    if os.path.isdir(usr_local.PLACE):
        usr_local.show_machine(f"{top}/{USR_LOCAL}", f"/{MACHINE_USR_LOCAL}", owner)
    target = usr_local_target()
    if target.split("/")[0] not in HOST_DIRECTORIES:
        deep_directory(top, target, owner)


def make_mount_points(top: str, python: usr_local.Python, owner: int) -> None:
    """Make the directories that others are mounted over, in a root that a sandbox may have left in any state.

    A link there would lead a mount out of the root, so it is replaced.
    """
    names = ["dev", "proc", "run", USR_LOCAL, MACHINE_USR_LOCAL, interpreter_directory(python)]
    names += [name for name in HOST_DIRECTORIES if _is_real_directory(f"/{name}")]
    if is_split():
        names += [f"usr/{part}" for part in (*parts_of_usr(), "local")]
    target = usr_local_target()
    if target.split("/")[0] not in HOST_DIRECTORIES:
        names.append(target)
    for name in names:
        if name:
            make_real(top, name, owner)


def make_real(top: str, name: str, owner: int) -> None:
    """Make a directory below ``top`` and its parents, none of which may be a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    parent = os.open(top, flags)
    try:
        for part in name.split("/"):
            try:
                below = os.open(part, flags, dir_fd=parent)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
                _replace(part, parent, owner)
                below = os.open(part, flags, dir_fd=parent)
            os.close(parent)
            parent = below
    finally:
        os.close(parent)


def _replace(name: str, parent: int, owner: int) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        pass
    os.mkdir(name, 0o755, dir_fd=parent)
    if owner:
        os.chown(name, owner, owner, dir_fd=parent)


def is_split() -> bool:
    """Whether the entries of /usr are shown one by one.

    Nothing can be created in a directory of the machine, so that one without a place for /usr/local cannot be shown.
    """
    return os.path.isdir("/usr") and not os.path.islink("/usr") and not os.path.isdir(usr_local.PLACE)


def parts_of_usr() -> list[str]:
    """Return the names of the directories of /usr that are shown if it is split."""
    return [name for name in os.listdir("/usr") if name != "local" and _is_real_directory(f"/usr/{name}")]


def interpreter_directory(python: usr_local.Python) -> str:
    """Return where Python is if no other directory of the machine shows it, or an empty text."""
    prefix = python.prefix.strip("/")
    return "" if prefix.split("/")[0] in HOST_DIRECTORIES else prefix


def usr_local_target() -> str:
    """Return where /usr/local is; some systems have a link into /var there."""
    return os.path.realpath(usr_local.PLACE).strip("/")


def fingerprint(python: usr_local.Python) -> tuple[object, ...]:
    """Return a value that changes whenever :func:`lay_out` would create something else."""
    place = usr_local.PLACE
    found: list[object] = [_state(f"/{name}", with_entries=False) for name in HOST_DIRECTORIES]
    found += [_state("/usr", with_entries=is_split()), _state(place), usr_local_target()]
    try:
        found += [_state(entry.path) for entry in os.scandir(place)]
    except OSError:
        pass  # there is none
    # The one directory of which more than the names is shown: packages of the machine beside our own.
    found.append(_state(f"{place}/{os.path.dirname(python.library)}"))
    return tuple(found)


def _state(path: str, *, with_entries: bool = True) -> tuple[object, ...]:
    try:
        found = os.lstat(path)
        target = os.readlink(path) if os.path.islink(path) else ""
    except OSError:
        return (path,)
    return (path, found.st_mode, target, found.st_ino, found.st_mtime_ns if with_entries else 0)


def _lay_out_usr(top: str, owner: int) -> None:
    for name in os.listdir("/usr"):
        if os.path.islink(f"/usr/{name}"):
            link(os.readlink(f"/usr/{name}"), f"{top}/usr/{name}", owner)
    for name in parts_of_usr():
        directory(f"{top}/usr/{name}", owner)
    directory(f"{top}/usr/local", owner)


def _is_real_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _as_seen(python: usr_local.Python) -> usr_local.Python:
    """Return the interpreter with its path in a sandbox, where the machine's /usr/local is elsewhere."""
    executable, place = python.executable, usr_local.PLACE
    if os.path.isdir(place) and executable.startswith(f"{place}/"):
        executable = f"/{MACHINE_USR_LOCAL}{executable.removeprefix(place)}"
    return usr_local.Python(executable, python.prefix, python.version, python.library, python.pip)
