"""Agents as processes of this machine: starts them, finds running ones, and makes sure that they are gone."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from pathlib import Path

from sandtui.local.drivers.agent_instance import SOCKET_NAME
from sandtui.local.drivers.base import SandboxGone
from sandtui.local.drivers.channel import Channel

PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


def reap(pid: int) -> None:
    """Kill and reap a child process; a process of another parent is left alone."""
    with contextlib.suppress(ChildProcessError, ProcessLookupError):
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            # Until it is reaped, its number cannot belong to another process.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


async def find_agent(directory: Path) -> tuple[int, int] | None:
    """Return the pid of a sandbox's agent and a pidfd of it, or None if there is none."""
    try:
        with await Channel.connect(directory, SOCKET_NAME) as channel:
            pid = channel.peer_pid
        if not pid:
            return None
        fd = os.pidfd_open(pid)
        try:
            # Connect again: if it still listens, the descriptor is not that of a later process with the same number.
            (await Channel.connect(directory, SOCKET_NAME)).close()
        except BaseException:
            os.close(fd)
            raise
    except (SandboxGone, ProcessLookupError):
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise
    return pid, fd
