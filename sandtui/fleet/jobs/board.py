"""Every known job of the fleet, and the operations on jobs."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sandtui.client import AsyncSandboxClient, SandboxClientError, SandboxNotRunningError
from sandtui.clock import Clock
from sandtui.fleet.commands.line.redaction import redact_for_log
from sandtui.fleet.commands.line.users import as_user
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.jobs.command_text import redacted_command
from sandtui.fleet.jobs.job import Chain, Job, JobKey, JobState
from sandtui.fleet.jobs.logs import JobLogs
from sandtui.fleet.jobs.merge import is_changed, merged
from sandtui.fleet.jobs.poll import POLL_TIMEOUT, PollResult, new_delimiter, parse_poll, poll_command
from sandtui.fleet.jobs.storage import JobStorage, NoJobStorage
from sandtui.fleet.jobs.termination import kill_job
from sandtui.fleet.signals import Signal

SANDBOX_ENDED = "sandbox ended"
KILLED_FROM_HERE = "killed from here"

POLLS_AT_ONCE = 16
MAX_JOBS_PER_SANDBOX = 500
"""Jobs remembered per sandbox: a sandbox that reports a million must not fill the memory."""

PARSE_IN_THREAD = 30_000
"""Characters of output above which it is parsed in a thread."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that ended. ``away``: it ended while sandtui was not running."""

    job: Job
    away: bool = False


class JobBoard:
    """The jobs by key.

    ``on_change`` is called when a job changes, ``on_end`` with jobs that were seen running and have ended.
    ``problems`` maps the sandboxes that could not be polled to the reason; the empty id stands for the storage.
    """

    def __init__(
        self,
        client: AsyncSandboxClient,
        store: FleetStore,
        history: History,
        clock: Clock,
        storage: JobStorage | None = None,
        context: str = "",
    ) -> None:
        self.client, self.store, self.clock = client, store, clock
        self.history = history
        self._storage: JobStorage = storage or NoJobStorage()
        self._context = context
        self.logs = JobLogs(client, self._storage, context)
        self.jobs: dict[JobKey, Job] = {}
        self.problems: dict[str, str] = {}
        self.truncated: set[str] = set()
        """Sandboxes with more jobs than are listed."""
        self.polled_at: dict[str, float] = {}
        """When each sandbox was last polled, in seconds on the monotonic clock."""
        self.scanned: set[str] = set()
        """Sandboxes whose jobs are known, or could not be scanned; the reason is in ``problems``."""
        self.unseen: set[JobKey] = set()
        """Jobs that have ended and that nobody has looked at since."""
        self.on_change: Signal[[]] = Signal()
        self.on_end: Signal[[Sequence[Ended]]] = Signal()
        self.loaded = False
        self._by_sandbox: dict[str, set[JobKey]] = {}
        self._dirty: dict[JobKey, Job] = {}
        self._from_before: set[JobKey] = set()
        self._took: dict[str, list[float]] = {}
        self._gate = asyncio.Semaphore(POLLS_AT_ONCE)
        store.watch(self._sandboxes_changed)

    # State

    def of(self, sandbox_id: str) -> list[Job]:
        """Return the jobs of a sandbox, latest first."""
        jobs = [self.jobs[key] for key in self._by_sandbox.get(sandbox_id, ())]
        return sorted(jobs, key=lambda job: job.started.timestamp() if job.started else 0.0, reverse=True)

    @property
    def running(self) -> list[Job]:
        """The running jobs."""
        return [job for job in self.jobs.values() if job.state is JobState.RUNNING]

    @property
    def ended_unseen(self) -> list[Job]:
        """The jobs that have ended and that nobody has looked at since."""
        return [self.jobs[key] for key in self.unseen if key in self.jobs]

    def see(self, keys: Iterable[JobKey]) -> None:
        """Note that somebody looks at some jobs."""
        seen = self.unseen.intersection(keys)
        if seen:
            self.unseen -= seen
            self.on_change()

    def usual_seconds(self, job: Job) -> float | None:
        """Return the median runtime of earlier jobs with the same command, in seconds."""
        took = self._took.get(job.command) if job.command else None
        return statistics.median(took) if took else None

    async def load(self) -> None:
        """Load the jobs that earlier runs stored.

        Raises:
            OSError: the storage can't be read; the board starts empty.
        """
        try:
            stored = await asyncio.to_thread(self._storage.load, self._context)
        finally:
            self.loaded = True
        for job in stored:
            if job.key not in self.jobs:
                self.put(job, save=False)
                self.history.touched.add(job.key.sandbox_id)
                if job.state is JobState.RUNNING:
                    self._from_before.add(job.key)
        self.on_change()

    async def save(self) -> None:
        """Store changed jobs. What can't be written is retried with the next change."""
        dirty, self._dirty = self._dirty, {}
        if not dirty:
            return
        jobs = [replace(job, command=redacted_command(job.command)) for job in dirty.values()]
        try:
            await asyncio.to_thread(self._storage.save, self._context, jobs)
        except OSError as error:
            self._dirty = dirty | self._dirty
            self.problems[""] = str(error)
        else:
            self.problems.pop("", None)

    # Polling

    async def poll(self, sandbox_ids: Iterable[str]) -> None:
        """Poll sandboxes for their jobs: one command in each, at most ``POLLS_AT_ONCE`` at a time."""
        await asyncio.gather(*(self._poll_one(sandbox_id) for sandbox_id in sandbox_ids))
        self.mark_lost()
        await self.save()

    async def _poll_one(self, sandbox_id: str) -> None:
        async with self._gate:
            delimiter = new_delimiter()
            finished = [key.job_id for key in self._by_sandbox.get(sandbox_id, ()) if self._is_settled(key)]
            self.polled_at[sandbox_id] = self.clock.monotonic()
            try:
                response = await self.client.execute_command(
                    sandbox_id, poll_command(delimiter, finished), timeout=POLL_TIMEOUT
                )
            except SandboxNotRunningError:
                self.scanned.add(sandbox_id)
                self._lose(self._by_sandbox.get(sandbox_id, ()), SANDBOX_ENDED)
                self.on_change()
                return
            except SandboxClientError as error:
                self.scanned.add(sandbox_id)
                self.problems[sandbox_id] = str(error)
                self.on_change()
                return
            now = self.clock.now()
            if len(response.stdout) > PARSE_IN_THREAD:
                result = await asyncio.to_thread(parse_poll, response.stdout, delimiter, sandbox_id, now)
            else:
                result = parse_poll(response.stdout, delimiter, sandbox_id, now)
            if result.complete:
                self.problems.pop(sandbox_id, None)
            else:
                reason = response.stderr.strip()[-200:] or f"exit code {response.exit_code}"
                self.problems[sandbox_id] = f"job scan failed: {reason}"
            self.scanned.add(sandbox_id)
            self._apply(sandbox_id, result)

    def _is_settled(self, key: JobKey) -> bool:
        return self.jobs[key].state in {JobState.DONE, JobState.FAILED}

    def _apply(self, sandbox_id: str, result: PollResult) -> None:
        known = self._by_sandbox.setdefault(sandbox_id, set())
        row = self.store.get(sandbox_id)
        name = row.sandbox.name if row is not None else ""
        ended: list[Job] = []
        found = {job.key for job in result.jobs}
        for job in result.jobs:
            old = self.jobs.get(job.key)
            if old is None and len(known) >= MAX_JOBS_PER_SANDBOX:
                self.truncated.add(sandbox_id)
                continue
            new = merged(old, job, name, self.clock.now())
            if new != old:
                self.put(new)
            if old is not None and old.state is JobState.RUNNING and new.state.is_over:
                ended.append(new)
        if result.complete and not result.more:
            gone = [key for key in known - found if self.jobs[key].state is JobState.RUNNING]
            ended += self._lost(gone, "job files deleted in the sandbox")
        if result.more:
            self.truncated.add(sandbox_id)
        if known:
            self.history.touched.add(sandbox_id)
        self._report_ended(ended)
        self.on_change()

    def mark_lost(self) -> None:
        """Mark running jobs lost when their sandbox is gone. Does nothing before the first complete listing."""
        if self.store.total is None:
            return
        for sandbox_id in {job.key.sandbox_id for job in self.running}:
            row = self.store.get(sandbox_id)
            if row is None or row.sandbox.is_finished:
                self._lose(self._by_sandbox.get(sandbox_id, ()), SANDBOX_ENDED)

    def _sandboxes_changed(self, change: ChangeSet) -> None:
        for sandbox_id in (change.changed | change.removed) & self._by_sandbox.keys():
            row = self.store.get(sandbox_id)
            if row is None or row.sandbox.is_finished:
                self._lose(self._by_sandbox[sandbox_id], SANDBOX_ENDED)
                self.on_change()

    def _lose(self, keys: Iterable[JobKey], note: str) -> None:
        running = [key for key in keys if self.jobs[key].state is JobState.RUNNING]
        self._report_ended(self._lost(running, note))

    def _lost(self, keys: Sequence[JobKey], note: str) -> list[Job]:
        jobs = []
        for key in keys:
            row = self.store.get(key.sandbox_id)
            ended = row.sandbox.terminated_at if row is not None else None
            if ended is None or ended.tzinfo is None:
                ended = self.clock.now()
            lost = replace(self.jobs[key], state=JobState.LOST, note=note, ended=ended)
            self.put(lost)
            jobs.append(lost)
        return jobs

    def _report_ended(self, jobs: Sequence[Job]) -> None:
        if jobs:
            self.unseen.update(job.key for job in jobs)
            self.on_end([Ended(job, job.key in self._from_before) for job in jobs])
            self._from_before.difference_update(job.key for job in jobs)

    def put(self, job: Job, *, save: bool = True) -> None:
        """Replace what is known of a job; ``save`` stores it with the next changes."""
        old = self.jobs.get(job.key)
        self.jobs[job.key] = job
        self._by_sandbox.setdefault(job.key.sandbox_id, set()).add(job.key)
        if job.state is JobState.DONE and (old is None or old.state is not JobState.DONE) and job.command:
            seconds = job.seconds(self.clock.now())
            if seconds is not None:
                self._took.setdefault(job.command, []).append(seconds)
        if save and is_changed(old, job):
            self._dirty[job.key] = job

    # Operations

    async def start(
        self,
        sandbox_id: str,
        command: str,
        working_dir: str | None = None,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Job:
        """Start a background job.

        Raises:
            SandboxClientError: the job was not started.
        """
        variables = () if env is None else (env,)
        started = await self.client.start_background_job(sandbox_id, command, working_dir, *variables, **as_user(user))
        job = self.adopt(sandbox_id, started.job_id, command, working_dir)
        await self.save()
        return job

    def adopt(self, sandbox_id: str, job_id: str, command: str, working_dir: str | None = None) -> Job:
        """Add a job that was just started from here."""
        row = self.store.get(sandbox_id)
        job = Job(
            JobKey(sandbox_id, job_id),
            JobState.RUNNING,
            row.sandbox.name if row is not None else "",
            started=self.clock.now(),
            command=command,
            mine=True,
            working_dir=working_dir or "",
        )
        self.put(job)
        self.history.note(sandbox_id, f"job {job_id}: {redact_for_log(command)}")
        self.on_change()
        return job

    async def kill(self, key: JobKey) -> str:
        """Kill a job with its child processes; return ``stopped``, ``over`` or ``gone``, see :func:`kill_job`.

        Raises:
            SandboxClientError: the sandbox could not be reached, or the job was not killed.
        """
        outcome = await kill_job(self.client, key)
        if outcome == "stopped" and key in self.jobs:
            self.put(replace(self.jobs[key], note=KILLED_FROM_HERE))
            self.history.note(key.sandbox_id, f"job {key.job_id} killed")
        await self.poll([key.sandbox_id])
        job = self.jobs.get(key)
        if outcome == "stopped" and job is not None and job.state.is_over and not job.note:
            self.put(replace(job, note=KILLED_FROM_HERE))
            self.on_change()
            await self.save()
        return outcome

    async def set_chain(self, key: JobKey, chain: Chain | None) -> None:
        """Set or clear what happens when a job succeeds; it is stored before this returns.

        Raises:
            OSError: it could not be stored, and so is not set.
        """
        await self.save()
        await asyncio.to_thread(self._storage.save_chain, self._context, key, chain)
        if key in self.jobs:
            self.jobs[key] = replace(self.jobs[key], chain=chain)
            self.on_change()

    async def claim_chain(self, key: JobKey) -> bool:
        """Claim a job's chain for this process; False when another running process has it.

        Raises:
            OSError: the storage could not be read or written.
        """
        return await asyncio.to_thread(self._storage.claim_chain, self._context, key)

    async def remove_finished(self) -> int:
        """Remove finished jobs of deleted sandboxes; return how many.

        Raises:
            OSError: the storage could not be written; nothing is removed.
        """
        keys = []
        for key, job in self.jobs.items():
            row = self.store.get(key.sandbox_id)
            if job.state.is_over and (row is None or row.sandbox.is_finished):
                keys.append(key)
        await asyncio.to_thread(self._storage.forget, self._context, keys)
        for key in keys:
            del self.jobs[key]
            self._by_sandbox[key.sandbox_id].discard(key)
            self._dirty.pop(key, None)
            self.unseen.discard(key)
        self.on_change()
        return len(keys)
