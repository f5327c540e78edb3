"""Starts commands as child processes, each with its own session, pipes and user."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import termios

from sandtui.local.agent import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, NoReturn


class ChildCommand:
    """A command as the platform sent it."""

    def __init__(self, argv: list[str], env: dict[str, str], cwd: str, user: str | None) -> None:
        self.argv = argv
        self.env = env
        self.cwd = cwd
        self.user = user

    @classmethod
    def parse(cls, message: dict[str, Any]) -> ChildCommand:
        """Read a command from a message, which the platform's own code wrote."""
        user = message.get("user")
        return cls(
            argv=[str(part) for part in message["argv"]],
            env={str(key): str(value) for key, value in message["env"].items()},
            cwd=str(message.get("cwd") or "/"),
            user=None if user is None else str(user),
        )


class SpawnError(Exception):
    """A command could not be started; the text names the step that failed."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Identity:
    """The user that a command runs as."""

    def __init__(self, uid: int, gid: int, home: str, name: str) -> None:
        self.uid = uid
        self.gid = gid
        self.home = home
        self.name = name


def spawn(
    command: ChildCommand, stdin: int, stdout: int, stderr: int, *, die_with_us: bool, terminal: bool = False
) -> int:
    """Start a command and return its pid once the new program runs."""
    identity = find_identity(command.user) if command.user else None
    if identity is not None:
        # The command must be able to open its /dev/stdout.
        for fd in {stdin, stdout, stderr}:
            try:
                os.fchown(fd, identity.uid, identity.gid)
            except OSError:
                pass
    report, status = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(report)
        _become(command, identity, (stdin, stdout, stderr), status, die_with_us, terminal)
    os.close(status)
    try:
        failure = os.read(report, 4096)
    finally:
        os.close(report)
    if failure:
        code, _, text = failure.decode("utf-8", "replace").partition(" ")
        raise SpawnError(int(code), text)
    return pid


def _become(
    command: ChildCommand,
    identity: Identity | None,
    streams: Iterable[int],
    status: int,
    die_with_us: bool,
    terminal: bool,
) -> NoReturn:
    """Turn this new process into the command; never returns."""
    step = "start"
    try:
        os.setsid()
        _unspare()
        if die_with_us:
            libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for target, fd in enumerate(streams):
            # Descriptors above 2 are close-on-exec, so no others are inherited.
            os.dup2(fd, target)
        if terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        env = command.env
        if identity is not None:
            step = f"user {command.user}"
            os.setgroups([identity.gid])
            os.setresgid(identity.gid, identity.gid, identity.gid)
            os.setresuid(identity.uid, identity.uid, identity.uid)
            env = {**env, "HOME": identity.home, "USER": identity.name}
        step = command.cwd
        os.chdir(command.cwd)
        step = command.argv[0]
        os.execvpe(command.argv[0], command.argv, env)  # noqa: S606
    except OSError as error:
        os.write(status, f"{error.errno or 0} {step}: {os.strerror(error.errno or 0)}".encode()[:4000])
    except Exception as error:
        os.write(status, f"0 {step}: {error}".encode()[:4000])
    finally:
        os._exit(127)


def _unspare() -> None:
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(fd, b"0")
    except OSError:
        pass
    finally:
        os.close(fd)


def find_identity(user: str) -> Identity:
    """Look up ``USER`` or ``USER:GROUP``, by name or number, in the sandbox's own files.

    The files are parsed here, since the C library would load code from the sandbox to do it.
    """
    wanted, _, wanted_group = user.partition(":")
    entry = _find("/etc/passwd", wanted, 7)
    if entry is not None:
        name, uid, gid, home = entry[0], int(entry[2]), int(entry[3]), entry[5] or "/"
    elif wanted.isdecimal():
        name, uid, gid, home = wanted, int(wanted), int(wanted), "/"
    else:
        raise SpawnError(errno.ENOENT, f"there is no user {wanted!r} in this sandbox")
    if wanted_group:
        group = _find("/etc/group", wanted_group, 4)
        if group is not None:
            gid = int(group[2])
        elif wanted_group.isdecimal():
            gid = int(wanted_group)
        else:
            raise SpawnError(errno.ENOENT, f"there is no group {wanted_group!r} in this sandbox")
    return Identity(uid, gid, home, name)


def _find(path: str, wanted: str, columns: int) -> list[str] | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                row = line.rstrip("\n").split(":")
                if len(row) >= columns and row[2].isdecimal() and wanted in (row[0], row[2]):
                    return row
    except OSError:
        pass
    return None


def open_files(pids: list[int]) -> Iterator[str]:
    """Yield the paths under ``/proc`` of all that some processes have open."""
    for pid in pids:
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue  # it has ended, or is not readable
        for name in names:
            yield f"/proc/{pid}/fd/{name}"


def descendants(pid: int) -> list[int]:
    """Return all processes below ``pid``, if the system has a /proc."""
    children: dict[int, list[int]] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in names:
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # The name in parentheses may contain anything, so count the fields from its end.
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    todo = [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def outcome(status: int) -> dict[str, Any]:
    """Return how a child ended, in the form that the platform reads."""
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return {"exit": os.waitstatus_to_exitcode(status)}
