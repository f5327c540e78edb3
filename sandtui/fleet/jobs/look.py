"""One look at the jobs of a sandbox: a single bounded shell command, and how its answer is read.

Jobs are a convention of files (client/WIRE.md 4). All generations of the official SDK are understood: without a launch
folder, with an empty one, and with a ``pid`` in it. Nothing that a sandbox says is trusted: names, numbers, sizes
and contents may be anything, and there may be a million of them.
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

MOST_JOBS = 100
"""Jobs that one look tells of, the latest first; the next looks tell of the others, for what is over is left out."""

MOST_LEFT_OUT = 400
LAST_BYTES = 400
"""Bytes of the end of a log that a look brings."""

COMMAND_BYTES = 3000
GRACE_SECONDS = 15.0
"""A job without a process and without an exit code counts as starting for so long."""

LOOK_TIMEOUT = 30
_JOB_ID = re.compile(r"[0-9a-f]{8}")
_WRITES_EXIT = re.compile(r"echo \$\? > ?/tmp/job_([0-9a-f]{8})\.exit")
_SANE_SECONDS = 10 * 365 * 86400

# Written for a POSIX shell; `stat`, `head -c` and /proc are used when they are there. Processes are looked at before
# exit files, so that a job that ends between the two is not taken for lost. `ls` reads the folder in one process:
# names in the arguments of a program would be too long when there are very many.
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
class _File:
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
class _Answer:
    """What a sandbox said, by part; the sandbox's own clock in seconds."""

    now: float | None = None
    uptime: float | None = None
    ticks: float = 100.0
    ids: list[str] = field(default_factory=list)
    files: dict[str, _File] = field(default_factory=dict)
    processes: dict[int, _Process] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    more: bool = False
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What was found. ``more`` says that there are more jobs than one look tells of; an answer that broke off is not
    ``complete``: nothing is missing then."""

    jobs: tuple[Job, ...]
    more: bool = False
    complete: bool = True


def new_mark() -> str:
    """Return a word that nothing in a sandbox can know beforehand: it divides the parts of the answer."""
    return secrets.token_hex(6)


def look_command(mark: str, leave_out: Collection[str] = ()) -> str:
    """Return the shell text of a look; ``leave_out`` are the ids of jobs that are known to be over."""
    known = [job_id for job_id in leave_out if _JOB_ID.fullmatch(job_id)][:MOST_LEFT_OUT]
    skip = "| grep -Ev '^job_(" + "|".join(known) + ")\\.'" if known else ""
    text = _SCRIPT.replace("@N", f"@{mark}").replace("SKIP", skip).replace("MOST", str(MOST_JOBS))
    return text.replace("COMMAND", str(COMMAND_BYTES)).replace("LAST", str(LAST_BYTES)).strip()


def read_look(output: str, mark: str, sandbox_id: str, now: datetime) -> Look:
    """Read the answer to a look. What can't be read is left out; nothing is raised.

    ``now`` is our time at the answer: the sandbox's clock may be wrong, so only ages are taken from it.
    """
    answer = _parts(output, mark)
    owners = _owners(answer)
    jobs = [_job(answer, owners.get(job_id, []), JobKey(sandbox_id, job_id), now) for job_id in answer.ids]
    return Look(tuple(job for job in jobs if job is not None), answer.more, answer.complete)


def _parts(output: str, mark: str) -> _Answer:
    answer = _Answer()
    for part in output.split(f"\n@{mark} ")[1:]:
        head, _, body = part.partition(" ")
        if head == "now":
            answer.now = _number(body)
        elif head == "up":
            answer.uptime = _number(body.split(" ", 1)[0])
        elif head == "hz":
            answer.ticks = _number(body) or 100.0
        elif head == "files":
            _read_files(answer, body)
        elif head == "more":
            answer.more = True
        elif head == "end":
            answer.complete = True
        elif head in {"proc", "tail", "stat"}:
            _read_process(answer, head, body)
        else:
            job_id, _, text = body.partition(" ")
            if not _JOB_ID.fullmatch(job_id):
                continue
            if head == "job":
                answer.ids.append(job_id)
            else:
                answer.texts[head, job_id] = text
    return answer


def _read_files(answer: _Answer, body: str) -> None:
    for line in body.splitlines():
        if line.startswith("job_"):
            name, *words = line.split(" ", 4)
            if len(words) == 4:
                size, changed, born, kind = words
                answer.files[name] = _File(int(_number(size) or 0), _number(changed), _number(born) or None, kind)
        elif (words := line.split()) and len(words) >= 6 and words[-1].startswith("job_"):
            # The long form of `ls`: it has no seconds, so times are left unknown.
            kind = {"-": "regular file", "d": "directory"}.get(line[0], line[0])
            answer.files[words[-1]] = _File(int(_number(words[4]) or 0), kind=kind)


def _read_process(answer: _Answer, head: str, body: str) -> None:
    number, _, text = body.partition(" ")
    if not (number.isascii() and number.isdigit() and len(number) < 12):
        return
    process = answer.processes.setdefault(int(number), _Process())
    if head == "proc":
        process.cmdline = text
    elif head == "tail":
        process.ending = text
    if head != "stat":
        return
    # The program's name stands in parentheses and may hold anything; the numbers follow the last one.
    words = text.rpartition(")")[2].split()
    if len(words) >= 20:
        process.parent = int(_number(words[1]) or 0)
        began = _number(words[19])
        if began is not None and answer.uptime is not None:
            process.age = answer.uptime - began / answer.ticks


def _owners(answer: _Answer) -> dict[str, list[int]]:
    """Return the shells that will write the exit file of each job: the parents before their children.

    The file's name alone is not enough: whoever waits for the job names it too.
    """
    owners: dict[str, list[int]] = {}
    for pid, process in answer.processes.items():
        for job_id in set(_WRITES_EXIT.findall(process.cmdline + process.ending)):
            owners.setdefault(job_id, []).append(pid)
    for pids in owners.values():
        together = set(pids)
        pids.sort(key=lambda pid: (answer.processes[pid].parent in together, pid))
    return owners


def _job(answer: _Answer, owners: list[int], key: JobKey, now: datetime) -> Job | None:
    job_id = key.job_id
    names = {part: f"job_{job_id}.{part}" for part in ("stdout.log", "stderr.log", "exit", "launch")}
    found = {part: answer.files[name] for part, name in names.items() if name in answer.files}
    texts = {kind: text for (kind, owner), text in answer.texts.items() if owner == job_id}
    if not found and not texts and not owners:
        return None

    def moment(seconds: float | None) -> datetime | None:
        if seconds is None or answer.now is None or abs(answer.now - seconds) > _SANE_SECONDS:
            return None
        return now - timedelta(seconds=max(0.0, answer.now - seconds))

    launch, out, exit_file = found.get("launch"), found.get("stdout.log"), found.get("exit")
    process = answer.processes[owners[0]] if owners else None
    started = None
    if process is not None and process.age is not None and 0 <= process.age <= _SANE_SECONDS:
        started = now - timedelta(seconds=process.age)
    elif launch is not None:
        started = moment(launch.changed)
    elif out is not None:
        started = moment(out.born)
    sign = _sign_of_life(answer, owners, texts, found, started, now)
    state, exit_code, words = _state(texts.get("exit"), exit_file, sign)
    command = command_of(process.cmdline, job_id) if process is not None else ""
    return Job(
        key,
        state,
        started=started,
        ended=moment(exit_file.changed) if exit_file is not None and state.is_over else None,
        exit_code=exit_code,
        command=command,
        stdout_size=_log_size(out),
        stderr_size=_log_size(found.get("stderr.log")),
        last_line=last_line(texts.get("last", "")),
        words=words,
    )


def _sign_of_life(
    answer: _Answer,
    owners: list[int],
    texts: dict[str, str],
    found: dict[str, _File],
    started: datetime | None,
    now: datetime,
) -> bool:
    if owners:
        return True
    if answer.uptime is None:
        # Without /proc only the process number tells; without that nobody can say that it is over.
        return "alive" in texts or "pid" not in texts
    changed = [file.changed for file in found.values() if file.changed is not None]
    fresh = answer.now is not None and bool(changed) and answer.now - max(changed) < GRACE_SECONDS
    return "pid" not in texts and (fresh or (started is not None and (now - started).total_seconds() < GRACE_SECONDS))


def _state(text: str | None, file: _File | None, alive: bool) -> tuple[JobState, int | None, str]:
    word = (text or "").strip("\n ")
    code = exit_code_of(word)
    if code is not None:
        return (JobState.DONE if code == 0 else JobState.FAILED), code, ""
    if alive:
        return JobState.RUNNING, None, ""
    if word:
        return JobState.LOST, None, "its exit file holds no exit code"
    if file is not None:
        return JobState.LOST, None, "its exit file is empty" if text is not None else "its exit file is no file"
    return JobState.LOST, None, "its process is gone and left no exit code"


def last_line(text: str) -> str:
    """Return the last line of the end of a log that says something; not safe to draw."""
    for line in reversed(re.split(r"[\r\n]+", text)):
        if line.strip():
            return line.rstrip()[-LAST_BYTES:]
    return ""


def _log_size(file: _File | None) -> int:
    return file.size if file is not None and file.kind.startswith("regular") else 0


def _number(text: str) -> float | None:
    text = text.strip()[:24]
    return float(text) if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,6})?", text) and text.isascii() else None
