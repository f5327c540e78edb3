"""The agents as processes of this machine: started, found again, and made sure to be gone."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sandtui.local.drivers.agent_instance import SOCKET_NAME
from sandtui.local.drivers.base import DriverError, SandboxGone
from sandtui.local.drivers.channel import Channel

AGENT = Path(__file__).resolve().parent.parent / "agent" / "__main__.py"
INTERPRETER = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_LAUNCH_SECONDS = 30.0


def reap(pid: int) -> None:
    """Make sure that a child of ours is dead and gone; one of another parent is left to it."""
    with contextlib.suppress(ChildProcessError, ProcessLookupError):
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            # As long as it is not reaped, its number can't mean anything else.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


class LaunchFailed(DriverError):
    """A sandbox could not be set up; ``code`` is the error number of the call that failed, if it was one."""

    def __init__(self, reason: str, code: int | None) -> None:
        super().__init__(f"The sandbox could not be set up: {reason}")
        self.reason = reason
        self.code = code


async def launch(spec: dict[str, Any]) -> int:
    """Start an agent and return its pid; it answers on its socket from then on."""
    lock = (spec["isolation"] or {}).get("lock")
    process = await asyncio.create_subprocess_exec(
        INTERPRETER, "-I", "-S", AGENT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PATH": PATH, "LANG": "C.UTF-8"}, cwd="/", pass_fds=() if lock is None else (lock,),
    )  # fmt: skip
    try:
        async with asyncio.timeout(_LAUNCH_SECONDS):
            out, err = await process.communicate(json.dumps(spec).encode())
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise DriverError("The sandbox could not be set up in time.") from error
    except asyncio.CancelledError:
        process.kill()
        # Bounded: asyncio also waits for the pipes, which the dying agent still holds.
        await asyncio.wait({asyncio.ensure_future(process.wait())}, timeout=1.0)
        raise
    try:
        reply = json.loads(out)
    except ValueError:
        reply = {}
    if "pid" not in reply:
        reason = reply.get("error") or err.decode("utf-8", "replace").strip()[-1000:] or "no reason given"
        code = reply.get("errno")
        raise LaunchFailed(reason, code if isinstance(code, int) else None)
    return int(reply["pid"])


async def find_agent(directory: Path) -> int | None:
    """Return a descriptor that means the agent of a sandbox and no later process with its number."""
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
    return fd
