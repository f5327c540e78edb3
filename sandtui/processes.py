"""What identifies a process of this machine: its boot, its pid namespace, its pid and its start, as pids are reused.

psutil could report the start time too; it would be a compiled dependency for two numbers that the system prints.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_ASK_SECONDS = 5


def boot() -> str:
    """Return an identifier of this boot and pid namespace; empty if the system does not provide one."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return _ask("sysctl", "-n", "kern.bootsessionuuid")


def process_start(pid: int) -> str | None:
    """Return the start time of a process in the system's format; None if it does not exist or has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None if Path("/proc/self/stat").exists() else process_start_by_ps(pid)
    # The program's name, in parentheses, may contain anything (proc_pid_stat(5)). The state is field 3, the start 22.
    fields = text.rpartition(b")")[2].split()
    return None if fields[0] in {b"Z", b"X"} else fields[19].decode("ascii")


def process_start_by_ps(pid: int) -> str | None:
    """Return the same from ps, for systems without ``/proc``; exact to the second."""
    state, _, began = _ask("ps", "-o", "stat=,lstart=", "-p", str(pid)).partition(" ")
    return began.strip() or None if state[:1] != "Z" else None


def _ask(*command: str) -> str:
    """Return the output of a system program; empty if it fails."""
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    try:
        done = subprocess.run(  # noqa: S603 - programs of the system, by our own words
            command, capture_output=True, text=True, env=environment, timeout=_ASK_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
