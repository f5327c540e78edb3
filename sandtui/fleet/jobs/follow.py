"""Printing the logs of a job as they are, byte for byte, by a command in its sandbox."""

from __future__ import annotations

from sandtui.fleet.jobs.job import JobKey

NO_LOGS = 44
"""The exit code where the job has left nothing."""

# A log that does not exist yet is waited for. What is written between the last look and the end is read by the second
# `tail`, which the pause lets finish.
_SCRIPT = r"""
J=/tmp/job_ID
[ -e $J.launch ] || [ -e $J.stdout.log ] || [ -e $J.stderr.log ] || [ -e $J.exit ] || exit 44
OUT
ERR
"""
_FOLLOW = r"""
trap 'kill $pids 2>/dev/null' EXIT
while [ ! -s $J.exit ]; do
p=$(head -c 12 $J.launch/pid 2>/dev/null)
case "$p" in ''|*[!0-9]*) ;; *) [ -d /proc/$p ] || kill -0 "$p" 2>/dev/null || [ -s $J.exit ] || break;; esac
sleep 0.3 2>/dev/null || sleep 1; done
sleep 1
"""


def log_command(key: JobKey, streams: tuple[str, ...], *, lines: int | None = None, follow: bool = False) -> str:
    """Return a shell command that prints the logs of a job, each to the stream that it was written to.

    ``lines`` is the number of last lines of each; all by default. With ``follow`` it goes on until the job has ended.
    """
    count = "+1" if lines is None else str(lines)
    parts = {}
    for name, target in (("stdout", ""), ("stderr", " >&2")):
        path = f"$J.{name}.log"
        wait = f"while [ ! -e {path} ]; do sleep 0.3 2>/dev/null || sleep 1; done; " if follow else ""
        tail = f"{wait}exec tail -n {count}{' -f' if follow else ''} {path}"
        one = f"( {tail} ){target}" if follow else f"[ ! -e {path} ] || ( {tail} ){target}"
        parts[name] = (f'{one} &\npids="$pids $!"' if follow else one) if name in streams else ":"
    text = _SCRIPT.replace("OUT", parts["stdout"]).replace("ERR", parts["stderr"]).replace("ID", key.job_id)
    return text.strip() + (_FOLLOW if follow else "\n:\n")
