"""The agents as processes of this machine: started, found again, and made sure to be gone."""

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
    """Make sure that a child of ours is dead and gone; one of another parent is left to it."""
    with contextlib.suppress(ChildProcessError, ProcessLookupError):
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            # As long as it is not reaped, its number can't mean anything else.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


async def find_agent(directory: Path) -> tuple[int, int] | None:
    """Return the pid of a sandbox' agent, and a descriptor that means it and no later process with its number."""
    try:
        with await Channel.connect(directory, SOCKET_NAME) as channel:
            pid = channel.peer_pid
        if not pid:
            return None
        fd = os.pidfd_open(pid)
        try:
            # Only now is it sure: it still listened after the descriptor was there.
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
