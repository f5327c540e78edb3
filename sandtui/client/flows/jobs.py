"""Background jobs: a convention of files in the sandbox, so that any client finds them (WIRE.md 4)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence

from sandtui.client.calls import jobs as job_calls
from sandtui.client.checks import check_seconds
from sandtui.client.errors import (
    APIError,
    CommandTimeoutError,
    InvalidRequestError,
    JobLostError,
    NotFoundError,
    SandboxFileNotFoundError,
)
from sandtui.client.flows.base import Flows
from sandtui.client.flows.commands import Commands, check_launch
from sandtui.client.flows.files import Files
from sandtui.client.models.jobs import BackgroundJob, BackgroundJobStatus, BatchJobStatusReply
from sandtui.client.session import Session
from sandtui.client.shell_words import cd, exports, word

LAUNCH_TIMEOUT = 30
STATUS_TIMEOUT = 30
OUTPUT_WINDOW = 10 * 1024 * 1024
"""Bytes of output per stream with a status: the last ones (WIRE.md 3)."""

MAX_POLL = 20.0
_LOST = "lost"
_EXIT_CODE = re.compile(r"-?[0-9]{1,10}")


class Jobs(Flows):
    """Operations on background jobs."""

    async def start_background_job(
        self,
        sandbox_id: str,
        command: str,
        working_dir: str | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> BackgroundJob:
        """Start a command in the background and return its job.

        A launch is idempotent, by its directory, so it is safe to repeat if the response is lost.

        Raises:
            InvalidRequestError: an argument is invalid; nothing was sent.
            APIError: the launch failed.
        """
        job = new_job(sandbox_id)
        await launch(self._session, job, command, working_dir, env, user)
        return job

    async def get_background_job_status(
        self, sandbox_id: str, job: BackgroundJob, timeout: int | None = None
    ) -> BackgroundJobStatus:
        """Return whether a job has finished, and its exit code, without output.

        Raises:
            JobLostError: its process ended without leaving an exit code.
        """
        (status,) = await self._statuses(sandbox_id, [job], timeout)
        return status

    async def get_background_job(
        self, sandbox_id: str, job: BackgroundJob, timeout: int | None = None
    ) -> BackgroundJobStatus:
        """Return the status of a job; if it has finished, with the last 10 MiB of each stream.

        Raises:
            JobLostError: its process ended without leaving an exit code.
        """
        status = await self.get_background_job_status(sandbox_id, job, timeout)
        return await self._with_output(job, status) if status.completed else status

    async def get_background_jobs(
        self, jobs: Sequence[BackgroundJob], timeout: int | None = None
    ) -> list[BackgroundJobStatus]:
        """Return the statuses of jobs in the given order, with the output of finished ones.

        Errors reading the output are returned in ``stdout_error`` and ``stderr_error`` instead of being raised.
        """
        statuses = await self.get_background_job_statuses(jobs, timeout)
        return [
            await self._with_output(job, status) if status.completed else status
            for job, status in zip(jobs, statuses, strict=True)
        ]

    async def get_background_job_statuses(
        self, jobs: Sequence[BackgroundJob], timeout: int | None = None
    ) -> list[BackgroundJobStatus]:
        """Return the statuses of jobs in the given order, with at most one request per sandbox.

        Raises:
            JobLostError: the process of one ended without leaving an exit code.
        """
        by_sandbox: dict[str, list[BackgroundJob]] = {}
        for job in jobs:
            by_sandbox.setdefault(job.sandbox_id, []).append(job)
        found: dict[tuple[str, str], BackgroundJobStatus] = {}
        for sandbox_id, group in by_sandbox.items():
            for status in await self._statuses(sandbox_id, group, timeout):
                found[sandbox_id, status.job_id] = status
        return [found[job.sandbox_id, job.job_id] for job in jobs]

    async def run_background_job(
        self,
        sandbox_id: str,
        command: str,
        timeout: int = 900,
        working_dir: str | None = None,
        env: Mapping[str, str] | None = None,
        poll_interval: float = 3,
        user: str | None = None,
    ) -> BackgroundJobStatus:
        """Run a job to its end; ``timeout`` and ``poll_interval`` are in seconds.

        Raises:
            CommandTimeoutError: it did not finish in time; it keeps running.
        """
        check_seconds("timeout", timeout)
        check_seconds("poll_interval", poll_interval)
        job = await self.start_background_job(sandbox_id, command, working_dir, env, user)
        port = self._session.port
        deadline = port.monotonic() + timeout
        pause = poll_interval
        while True:
            status = await self.get_background_job_status(sandbox_id, job)
            if status.completed:
                return await self._with_output(job, status)
            left = deadline - port.monotonic()
            if left <= 0:
                raise CommandTimeoutError(
                    f"background job {job.job_id} did not finish within {timeout} s; it keeps running",
                    sandbox_id=sandbox_id,
                    command=command,
                )
            await port.sleep(min(pause, left))
            pause = min(pause * 1.5, max(MAX_POLL, poll_interval))

    async def batch_job_statuses(self, jobs: Sequence[BackgroundJob], timeout: float = 30) -> BatchJobStatusReply:
        """Get the status of 1 to 100 jobs of VMs from the platform (WIRE.md 2.10)."""
        if not 1 <= len(jobs) <= 100:
            raise InvalidRequestError("the batch job status takes 1 to 100 jobs")
        return await self._session.control(job_calls.batch_job_status(jobs, timeout))

    async def _statuses(
        self, sandbox_id: str, jobs: Sequence[BackgroundJob], timeout: int | None
    ) -> list[BackgroundJobStatus]:
        script = status_script(jobs)
        result = await Commands(self._session).execute_command(sandbox_id, script, timeout=timeout or STATUS_TIMEOUT)
        found = dict(line.split(" ", 1) for line in result.stdout.splitlines() if " " in line)
        statuses = []
        for job in jobs:
            word = found.get(job.job_id, "").strip()
            if word == _LOST:
                raise JobLostError(
                    f"background job {job.job_id} ended without an exit code: killed, or its files are gone",
                    sandbox_id=sandbox_id,
                )
            exit_code = exit_code_of(word)
            done = exit_code is not None
            if word and not done and word != "running":
                raise APIError(f"the exit file of job {job.job_id} contains no exit code", sandbox_id=sandbox_id)
            statuses.append(BackgroundJobStatus(job_id=job.job_id, completed=done, exit_code=exit_code))
        return statuses

    async def _with_output(self, job: BackgroundJob, status: BackgroundJobStatus) -> BackgroundJobStatus:
        files = Files(self._session)
        values: dict[str, object] = {}
        for stream, path in (("stdout", job.stdout_log_file), ("stderr", job.stderr_log_file)):
            try:
                window = await files.read_file(job.sandbox_id, path, offset=-OUTPUT_WINDOW, length=OUTPUT_WINDOW)
            except (NotFoundError, SandboxFileNotFoundError):
                values[stream] = ""
            except APIError as error:
                values[f"{stream}_error"] = str(error)
            else:
                values[stream] = window.content
                values[f"{stream}_truncated"] = bool(window.truncated)
        return status.model_copy(update=values)


async def launch(
    session: Session,
    job: BackgroundJob,
    command: str,
    working_dir: str | None,
    env: Mapping[str, str] | None,
    user: str | None,
) -> None:
    """Start a job under its given id.

    Raises:
        InvalidRequestError: an argument is invalid; nothing was sent.
        APIError: the launch failed.
    """
    check_launch(command, working_dir, env, user)
    sandbox_id = job.sandbox_id
    script = launch_script(job, command, working_dir, env)
    result = await Commands(session).execute_command(sandbox_id, script, timeout=LAUNCH_TIMEOUT, user=user)
    if result.exit_code != 0:
        reason = result.stderr.strip()[-300:] or f"exit code {result.exit_code}"
        raise APIError(f"the shell reported: {reason}", sandbox_id=sandbox_id)


def new_job(sandbox_id: str) -> BackgroundJob:
    """Return a job to be launched: with its id it can be stopped even if the launch gets no response."""
    return BackgroundJob.of(sandbox_id, secrets.token_hex(4))


def exit_code_of(word: str) -> int | None:
    """Parse an exit code; None if it is not one, since the sandbox may write anything."""
    return int(word) if _EXIT_CODE.fullmatch(word) else None


def launch_script(job: BackgroundJob, command: str, working_dir: str | None, env: Mapping[str, str] | None) -> str:
    """Return shell text that launches a job once, in its own session if the sandbox has ``setsid``."""
    place = f"{cd(working_dir)} || exit 1; " if working_dir else ""
    # The exit file appears atomically: a poll must not read half a number.
    inner = (
        f"echo $$ > {job.launch_dir}/pid; "
        f"( {exports(env)}{place}sh -c {word(command)} ) "
        f"> {job.stdout_log_file} 2> {job.stderr_log_file} < /dev/null; "
        f"echo $? > {job.exit_file}.new; mv {job.exit_file}.new {job.exit_file}"
    )
    return (
        f"mkdir {job.launch_dir} 2>/dev/null || {{ test -d {job.launch_dir} || mkdir {job.launch_dir}; exit; }}; "
        f"J={word(inner)}; "
        "if command -v setsid >/dev/null 2>&1; "
        'then nohup setsid sh -c "$J" >/dev/null 2>&1 </dev/null & '
        'else nohup sh -c "$J" >/dev/null 2>&1 </dev/null & fi'
    )


def status_script(jobs: Sequence[BackgroundJob]) -> str:
    """Return shell text that prints a line per job: its id and an exit code, ``running`` or ``lost``."""
    # A job without a pid has just been launched, or by an SDK that writes none: it counts as running.
    # The exit file is checked again after the process, which may end between the two checks.
    parts = [
        's() { if [ -s "$2.exit" ]; then read c < "$2.exit"; echo "$1 $c"; return; fi; '
        'p=; [ -r "$2.launch/pid" ] && read p < "$2.launch/pid"; '
        'if [ -z "$p" ] || kill -0 "$p" 2>/dev/null; then echo "$1 running"; return; fi; '
        'if [ -s "$2.exit" ]; then read c < "$2.exit"; echo "$1 $c"; else echo "$1 lost"; fi; }'
    ]
    parts += [f"s {word(job.job_id)} {word(job.exit_file.removesuffix('.exit'))}" for job in jobs]
    return "\n".join(parts)
