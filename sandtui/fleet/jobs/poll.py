"""Polling a sandbox for its jobs: a single bounded shell command, and the parser of its output.

Jobs are a convention of files (client/WIRE.md 4). All generations of the official SDK are supported: without a launch
directory, with an empty one, and with a ``pid`` file in it. Nothing that a sandbox prints is trusted: names, numbers,
sizes and contents may be anything, and there may be a million of them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sandtui.client.toolkit import exit_code_of
from sandtui.fleet.jobs.command_text import command_of
from sandtui.fleet.jobs.job import Job, JobKey, JobState

MAX_JOBS = 100
"""Jobs per poll, latest first; later polls leave out the finished ones and so reach the others."""

MAX_LEFT_OUT = 400
LAST_BYTES = 400
"""Bytes of the end of a log in each poll."""

COMMAND_BYTES = 3000
GRACE_SECONDS = 15.0
"""How long a job with neither process nor exit code counts as starting."""

POLL_TIMEOUT = 30
_JOB_ID = re.compile(r"[0-9a-f]{8}")
_WRITES_EXIT = re.compile(r"echo \$\? > ?/tmp/job_([0-9a-f]{8})\.exit")
_SANE_SECONDS = 10 * 365 * 86400

# Written for a POSIX shell; `stat`, `head -c` and /proc are used when available. Processes are read before exit files,
# so that a job that ends in between does not count as lost. `ls` reads the directory in one process: as arguments,
# very many names would exceed the limit.
_SCRIPT = r"""
LC_ALL=C; export LC_ALL; cd /tmp 2>/dev/null || exit 0
m() { printf '\n@N %s ' "$*"; }
m now; date +%s; m up; head -c 40 /proc/uptime 2>/dev/null; m hz; getconf CLK_TCK 2>/dev/null
for f in $(grep -l 'job_[0-9a-f]\{8\}\.exit' /proc/[0-9]*/cmdline 2>/dev/null | head -n 200); do
p=${f#/proc/}; p=${p%/cmdline}; [ "$p" = "$$" ] && continue
m proc $p; head -c COMMAND $f 2>/dev/null; m tail $p; tail -c 200 $f 2>/dev/null
m stat $p; head -c 600 /proc/$p/stat 2>/dev/null; done
ids=; n=0; set --
for i in $(ls -t 2>/dev/null | grep '^job_[0-9a-f]\{8\}\.[selx]' SKIP | head -n 500 | cut -c5-12); do
case " $ids " in *" $i "*) continue;; esac
n=$((n+1)); [ $n -gt MOST ] && { m more; break; }
ids="$ids $i"; set -- "$@" job_$i.stdout.log job_$i.stderr.log job_$i.exit job_$i.launch; done
m files; if [ $# -eq 0 ]; then :
elif stat -c %s / >/dev/null 2>&1; then stat -c '%n %s %Y %W %F' "$@" 2>/dev/null
else ls -lnd "$@" 2>/dev/null; fi
for i in $ids; do
m job $i; d=job_$i.launch
[ -f $d/pid ] && { p=$(head -c 12 $d/pid); m pid $i; printf %s "$p"
case "$p" in ''|*[!0-9]*) ;; *) kill -0 "$p" 2>/dev/null && m alive $i;; esac; }
[ -f job_$i.exit ] && { m exit $i; head -c 40 job_$i.exit; }
if [ -f job_$i.stdout.log ] && [ -s job_$i.stdout.log ]; then m last $i; tail -c LAST job_$i.stdout.log
elif [ -f job_$i.stderr.log ] && [ -s job_$i.stderr.log ]; then m last $i; tail -c LAST job_$i.stderr.log; fi
done 2>/dev/null; m end
"""


@dataclass(slots=True)
class _FileStat:
    size: int = 0
    changed: float | None = None
    born: float | None = None
    kind: str = ""


@dataclass(slots=True)
class _Process:
    cmdline: str = ""
    ending: str = ""
    parent: int = 0
    age: float | None = None


@dataclass(slots=True)
class _Output:
    """The output of a poll, by section. Times are seconds on the sandbox's own clock."""

    now: float | None = None
    uptime: float | None = None
    ticks: float = 100.0
    ids: list[str] = field(default_factory=list)
    files: dict[str, _FileStat] = field(default_factory=dict)
    processes: dict[int, _Process] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    more: bool = False
    complete: bool = False


@dataclass(frozen=True, slots=True)
class PollResult:
    """The jobs of a sandbox. ``more``: there are more jobs than fit into one poll. When ``complete`` is false the
    output was cut off, and a missing job means nothing."""

    jobs: tuple[Job, ...]
    more: bool = False
    complete: bool = True


def new_delimiter() -> str:
    """Return a random section delimiter that nothing in the sandbox can predict."""
    return secrets.token_hex(6)


def poll_command(delimiter: str, leave_out: Collection[str] = ()) -> str:
    """Return the shell script of a poll. ``leave_out``: ids of jobs that are known to be finished."""
    known = [job_id for job_id in leave_out if _JOB_ID.fullmatch(job_id)][:MAX_LEFT_OUT]
    skip = "| grep -Ev '^job_(" + "|".join(known) + ")\\.'" if known else ""
    text = _SCRIPT.replace("@N", f"@{delimiter}").replace("SKIP", skip).replace("MOST", str(MAX_JOBS))
    return text.replace("COMMAND", str(COMMAND_BYTES)).replace("LAST", str(LAST_BYTES)).strip()


def parse_poll(output: str, delimiter: str, sandbox_id: str, now: datetime) -> PollResult:
    """Parse the output of a poll. Invalid parts are left out; nothing is raised.

    ``now`` is the local time of the response: the sandbox's clock may be wrong, so only ages are taken from it.
    """
    parsed = _sections(output, delimiter)
    owners = _owners(parsed)
    jobs = [_job(parsed, owners.get(job_id, []), JobKey(sandbox_id, job_id), now) for job_id in parsed.ids]
    return PollResult(tuple(job for job in jobs if job is not None), parsed.more, parsed.complete)


def _sections(output: str, delimiter: str) -> _Output:
    parsed = _Output()
    for part in output.split(f"\n@{delimiter} ")[1:]:
        head, _, body = part.partition(" ")
        if head == "now":
            parsed.now = _number(body)
        elif head == "up":
            parsed.uptime = _number(body.split(" ", 1)[0])
        elif head == "hz":
            parsed.ticks = _number(body) or 100.0
        elif head == "files":
            _read_files(parsed, body)
        elif head == "more":
            parsed.more = True
        elif head == "end":
            parsed.complete = True
        elif head in {"proc", "tail", "stat"}:
            _read_process(parsed, head, body)
        else:
            job_id, _, text = body.partition(" ")
            if not _JOB_ID.fullmatch(job_id):
                continue
            if head == "job":
                parsed.ids.append(job_id)
            else:
                parsed.texts[head, job_id] = text
    return parsed


def _read_files(parsed: _Output, body: str) -> None:
    for line in body.splitlines():
        if line.startswith("job_"):
            name, *fields = line.split(" ", 4)
            if len(fields) == 4:
                size, changed, born, kind = fields
                parsed.files[name] = _FileStat(int(_number(size) or 0), _number(changed), _number(born) or None, kind)
        elif (fields := line.split()) and len(fields) >= 6 and fields[-1].startswith("job_"):
            # `ls -l` prints no seconds, so times stay unknown.
            kind = {"-": "regular file", "d": "directory"}.get(line[0], line[0])
            parsed.files[fields[-1]] = _FileStat(int(_number(fields[4]) or 0), kind=kind)


def _read_process(parsed: _Output, head: str, body: str) -> None:
    number, _, text = body.partition(" ")
    if not (number.isascii() and number.isdigit() and len(number) < 12):
        return
    process = parsed.processes.setdefault(int(number), _Process())
    if head == "proc":
        process.cmdline = text
    elif head == "tail":
        process.ending = text
    if head != "stat":
        return
    # The program name is in parentheses and may contain anything; the numbers follow the last one.
    fields = text.rpartition(")")[2].split()
    if len(fields) >= 20:
        process.parent = int(_number(fields[1]) or 0)
        began = _number(fields[19])
        if began is not None and parsed.uptime is not None:
            process.age = parsed.uptime - began / parsed.ticks


def _owners(parsed: _Output) -> dict[str, list[int]]:
    """Return the shells that will write each job's exit file, parents before children.

    The file name alone is not enough: a process that waits for the job mentions it too.
    """
    owners: dict[str, list[int]] = {}
    for pid, process in parsed.processes.items():
        for job_id in set(_WRITES_EXIT.findall(process.cmdline + process.ending)):
            owners.setdefault(job_id, []).append(pid)
    for pids in owners.values():
        together = set(pids)
        pids.sort(key=lambda pid: (parsed.processes[pid].parent in together, pid))
    return owners


def _job(parsed: _Output, owners: list[int], key: JobKey, now: datetime) -> Job | None:
    job_id = key.job_id
    names = {part: f"job_{job_id}.{part}" for part in ("stdout.log", "stderr.log", "exit", "launch")}
    found = {part: parsed.files[name] for part, name in names.items() if name in parsed.files}
    texts = {kind: text for (kind, owner), text in parsed.texts.items() if owner == job_id}
    if not found and not texts and not owners:
        return None

    def timestamp(seconds: float | None) -> datetime | None:
        if seconds is None or parsed.now is None or abs(parsed.now - seconds) > _SANE_SECONDS:
            return None
        return now - timedelta(seconds=max(0.0, parsed.now - seconds))

    launch, out, exit_file = found.get("launch"), found.get("stdout.log"), found.get("exit")
    process = parsed.processes[owners[0]] if owners else None
    started = None
    if process is not None and process.age is not None and 0 <= process.age <= _SANE_SECONDS:
        started = now - timedelta(seconds=process.age)
    elif launch is not None:
        started = timestamp(launch.changed)
    elif out is not None:
        started = timestamp(out.born)
    alive = _is_alive(parsed, owners, texts, found, started, now)
    state, exit_code, note = _state(texts.get("exit"), exit_file, alive)
    command = command_of(process.cmdline, job_id) if process is not None else ""
    return Job(
        key,
        state,
        started=started,
        ended=timestamp(exit_file.changed) if exit_file is not None and state.is_over else None,
        exit_code=exit_code,
        command=command,
        stdout_size=_log_size(out),
        stderr_size=_log_size(found.get("stderr.log")),
        last_line=last_line(texts.get("last", "")),
        note=note,
    )


def _is_alive(
    parsed: _Output,
    owners: list[int],
    texts: dict[str, str],
    found: dict[str, _FileStat],
    started: datetime | None,
    now: datetime,
) -> bool:
    if owners:
        return True
    if parsed.uptime is None:
        # Without /proc only the pid tells; without a pid file the job can't be declared finished.
        return "alive" in texts or "pid" not in texts
    changed = [file.changed for file in found.values() if file.changed is not None]
    fresh = parsed.now is not None and bool(changed) and parsed.now - max(changed) < GRACE_SECONDS
    return "pid" not in texts and (fresh or (started is not None and (now - started).total_seconds() < GRACE_SECONDS))


def _state(text: str | None, file: _FileStat | None, alive: bool) -> tuple[JobState, int | None, str]:
    content = (text or "").strip("\n ")
    code = exit_code_of(content)
    if code is not None:
        return (JobState.DONE if code == 0 else JobState.FAILED), code, ""
    if alive:
        return JobState.RUNNING, None, ""
    if content:
        return JobState.LOST, None, "invalid exit file"
    if file is not None:
        return JobState.LOST, None, "empty exit file" if text is not None else "exit file is not a regular file"
    return JobState.LOST, None, "process gone, no exit code"


def last_line(text: str) -> str:
    """Return the last line that is not blank; not safe to draw."""
    for line in reversed(re.split(r"[\r\n]+", text)):
        if line.strip():
            return line.rstrip()[-LAST_BYTES:]
    return ""


def _log_size(file: _FileStat | None) -> int:
    return file.size if file is not None and file.kind.startswith("regular") else 0


def _number(text: str) -> float | None:
    text = text.strip()[:24]
    return float(text) if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,6})?", text) and text.isascii() else None
