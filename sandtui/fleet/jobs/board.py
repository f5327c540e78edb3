"""Every job of the fleet as it was last seen, and what can be done with it."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sandtui.client import AsyncSandboxClient, SandboxClientError, SandboxNotRunningError
from sandtui.clock import Clock
from sandtui.fleet.commands.line.masking import told
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.jobs.command_text import kept_command
from sandtui.fleet.jobs.job import Chain, Job, JobKey, JobState
from sandtui.fleet.jobs.keeper import JobKeeper, NoKeeper
from sandtui.fleet.jobs.logs import JobLogs
from sandtui.fleet.jobs.look import LOOK_TIMEOUT, Look, look_command, new_mark, read_look
from sandtui.fleet.jobs.merge import is_news, merged
from sandtui.fleet.jobs.stopping import stop_job
from sandtui.fleet.signals import Signal

LOOKS_AT_ONCE = 16
MOST_EACH = 500
"""Jobs of one sandbox that are remembered: one that makes up a million must not fill the memory."""

SENDS_TO_THREAD = 30_000
"""Characters of an answer from which on it is read in a thread."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that ended. ``away`` says that it did so while the program was not running."""

    job: Job
    away: bool = False


class JobBoard:
    """The jobs by key.

    ``on_change`` is called when a job changes, ``on_end`` with those that were seen running and are over.
    ``problems`` says which sandboxes could not be asked, and why.
    """

    def __init__(
        self,
        client: AsyncSandboxClient,
        store: FleetStore,
        history: History,
        clock: Clock,
        keeper: JobKeeper | None = None,
        context: str = "",
    ) -> None:
        self.client, self.store, self.clock = client, store, clock
        self.history = history
        self._keeper: JobKeeper = keeper or NoKeeper()
        self._context = context
        self.logs = JobLogs(client, self._keeper, context)
        self.jobs: dict[JobKey, Job] = {}
        self.problems: dict[str, str] = {}
        self.crowded: set[str] = set()
        """Sandboxes with more jobs than were told of."""
        self.looked_at: dict[str, float] = {}
        """When each sandbox was asked last, in seconds on the monotonic clock."""
        self.on_change: Signal[[]] = Signal()
        self.on_end: Signal[[Sequence[Ended]]] = Signal()
        self.loaded = False
        self._by_sandbox: dict[str, set[JobKey]] = {}
        self._dirty: dict[JobKey, Job] = {}
        self._from_before: set[JobKey] = set()
        self._took: dict[str, list[float]] = {}
        self._gate = asyncio.Semaphore(LOOKS_AT_ONCE)
        store.watch(self._sandboxes_changed)

    # What is known

    def of(self, sandbox_id: str) -> list[Job]:
        """Return the jobs of a sandbox, the latest first."""
        jobs = [self.jobs[key] for key in self._by_sandbox.get(sandbox_id, ())]
        return sorted(jobs, key=lambda job: job.started.timestamp() if job.started else 0.0, reverse=True)

    @property
    def running(self) -> list[Job]:
        """The jobs that run."""
        return [job for job in self.jobs.values() if job.state is JobState.RUNNING]

    def usual_seconds(self, job: Job) -> float | None:
        """Return how long the command of a job took before, in the middle of what was seen."""
        took = self._took.get(job.command) if job.command else None
        return statistics.median(took) if took else None

    async def load(self) -> None:
        """Take over what was kept by earlier runs.

        Raises:
            OSError: it can't be read; the board begins empty.
        """
        self.loaded = True
        for job in await asyncio.to_thread(self._keeper.load, self._context):
            if job.key not in self.jobs:
                self.put(job, keep=False)
                self.history.touched.add(job.key.sandbox_id)
                if job.state is JobState.RUNNING:
                    self._from_before.add(job.key)
        self.on_change()

    async def save(self) -> None:
        """Write down what changed; what can't be written now is tried again the next time."""
        dirty, self._dirty = self._dirty, {}
        if not dirty:
            return
        jobs = [replace(job, command=kept_command(job.command)) for job in dirty.values()]
        try:
            await asyncio.to_thread(self._keeper.keep, self._context, jobs)
        except OSError as error:
            self._dirty = dirty | self._dirty
            self.problems[""] = str(error)
        else:
            self.problems.pop("", None)

    # Looking

    async def look(self, sandbox_ids: Iterable[str]) -> None:
        """Ask some sandboxes for their jobs, with one command each and some at once."""
        await asyncio.gather(*(self._look_at(sandbox_id) for sandbox_id in sandbox_ids))
        self.give_up_the_gone()
        await self.save()

    async def _look_at(self, sandbox_id: str) -> None:
        async with self._gate:
            mark = new_mark()
            over = [key.job_id for key in self._by_sandbox.get(sandbox_id, ()) if self._is_settled(key)]
            self.looked_at[sandbox_id] = self.clock.monotonic()
            try:
                reply = await self.client.execute_command(sandbox_id, look_command(mark, over), timeout=LOOK_TIMEOUT)
            except SandboxNotRunningError:
                self._lose(self._by_sandbox.get(sandbox_id, ()), "its sandbox ended")
                self.on_change()
                return
            except SandboxClientError as error:
                self.problems[sandbox_id] = str(error)
                self.on_change()
                return
            now = self.clock.now()
            if len(reply.stdout) > SENDS_TO_THREAD:
                look = await asyncio.to_thread(read_look, reply.stdout, mark, sandbox_id, now)
            else:
                look = read_look(reply.stdout, mark, sandbox_id, now)
            if look.complete:
                self.problems.pop(sandbox_id, None)
            else:
                reason = reply.stderr.strip()[-200:] or f"exit code {reply.exit_code}"
                self.problems[sandbox_id] = f"its shell did not tell of its jobs: {reason}"
            self._take(sandbox_id, look)

    def _is_settled(self, key: JobKey) -> bool:
        return self.jobs[key].state in {JobState.DONE, JobState.FAILED}

    def _take(self, sandbox_id: str, look: Look) -> None:
        known = self._by_sandbox.setdefault(sandbox_id, set())
        row = self.store.get(sandbox_id)
        name = row.sandbox.name if row is not None else ""
        ended: list[Job] = []
        found = {job.key for job in look.jobs}
        for job in look.jobs:
            old = self.jobs.get(job.key)
            if old is None and len(known) >= MOST_EACH:
                self.crowded.add(sandbox_id)
                continue
            new = merged(old, job, name, self.clock.now())
            if new != old:
                self.put(new)
            if old is not None and old.state is JobState.RUNNING and new.state.is_over:
                ended.append(new)
        if look.complete and not look.more:
            gone = [key for key in known - found if self.jobs[key].state is JobState.RUNNING]
            ended += self._lost(gone, "its files are gone from the sandbox")
        if look.more:
            self.crowded.add(sandbox_id)
        if known:
            self.history.touched.add(sandbox_id)
        self._tell(ended)
        self.on_change()

    def give_up_the_gone(self) -> None:
        """Give up running jobs whose sandbox is not there any more, once a whole listing was seen."""
        if self.store.total is None:
            return
        for sandbox_id in {job.key.sandbox_id for job in self.running}:
            row = self.store.get(sandbox_id)
            if row is None or row.sandbox.is_finished:
                self._lose(self._by_sandbox.get(sandbox_id, ()), "its sandbox ended")

    def _sandboxes_changed(self, change: ChangeSet) -> None:
        for sandbox_id in (change.changed | change.removed) & self._by_sandbox.keys():
            row = self.store.get(sandbox_id)
            if row is None or row.sandbox.is_finished:
                self._lose(self._by_sandbox[sandbox_id], "its sandbox ended")
                self.on_change()

    def _lose(self, keys: Iterable[JobKey], words: str) -> None:
        running = [key for key in keys if self.jobs[key].state is JobState.RUNNING]
        self._tell(self._lost(running, words))

    def _lost(self, keys: Sequence[JobKey], words: str) -> list[Job]:
        jobs = []
        for key in keys:
            row = self.store.get(key.sandbox_id)
            ended = row.sandbox.terminated_at if row is not None else None
            if ended is None or ended.tzinfo is None:
                ended = self.clock.now()
            lost = replace(self.jobs[key], state=JobState.LOST, words=words, ended=ended)
            self.put(lost)
            jobs.append(lost)
        return jobs

    def _tell(self, jobs: Sequence[Job]) -> None:
        if jobs:
            self.on_end([Ended(job, job.key in self._from_before) for job in jobs])
            self._from_before.difference_update(job.key for job in jobs)

    def put(self, job: Job, *, keep: bool = True) -> None:
        """Take a job as it is now in place of what was known of it; ``keep`` has it written down with the others."""
        old = self.jobs.get(job.key)
        self.jobs[job.key] = job
        self._by_sandbox.setdefault(job.key.sandbox_id, set()).add(job.key)
        if job.state is JobState.DONE and (old is None or old.state is not JobState.DONE) and job.command:
            seconds = job.seconds(self.clock.now())
            if seconds is not None:
                self._took.setdefault(job.command, []).append(seconds)
        if keep and is_news(old, job):
            self._dirty[job.key] = job

    # Doing

    async def start(self, sandbox_id: str, command: str, working_dir: str | None = None) -> Job:
        """Start a job and return it.

        Raises:
            SandboxClientError: it was not started.
        """
        made = await self.client.start_background_job(sandbox_id, command, working_dir)
        job = self.adopt(sandbox_id, made.job_id, command, working_dir)
        await self.save()
        return job

    def adopt(self, sandbox_id: str, job_id: str, command: str, working_dir: str | None = None) -> Job:
        """Take in a job that was started from here a moment ago."""
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
        self.history.note(sandbox_id, f"job {job_id}: {told(command)}")
        self.on_change()
        return job

    async def stop(self, key: JobKey) -> str:
        """Stop a job with all that it started; return ``stopped``, ``over`` or ``gone``, see :func:`stop_job`.

        Raises:
            SandboxClientError: the sandbox could not be asked, or did not stop it.
        """
        word = await stop_job(self.client, key)
        if word == "stopped" and key in self.jobs:
            self.put(replace(self.jobs[key], words="stopped from here"))
            self.history.note(key.sandbox_id, f"job {key.job_id} stopped")
        await self.look([key.sandbox_id])
        job = self.jobs.get(key)
        if word == "stopped" and job is not None and job.state.is_over and not job.words:
            self.put(replace(job, words="stopped from here"))
            self.on_change()
            await self.save()
        return word

    async def set_chain(self, key: JobKey, chain: Chain | None) -> None:
        """Set what happens when a job is done, or nothing; it is written down before this returns.

        Raises:
            OSError: it could not be written down, and so is not set.
        """
        await self.save()
        await asyncio.to_thread(self._keeper.keep_chain, self._context, key, chain)
        if key in self.jobs:
            self.jobs[key] = replace(self.jobs[key], chain=chain)
            self.on_change()

    async def claim_chain(self, key: JobKey) -> bool:
        """Take what is to happen after a job for this process.

        Raises:
            OSError: it can't be told whether another one has it.
        """
        return await asyncio.to_thread(self._keeper.claim_chain, self._context, key)

    async def forget_gone(self) -> int:
        """Forget the jobs that are over and whose sandbox is gone; return how many.

        Raises:
            OSError: they could not be forgotten on the disk.
        """
        keys = []
        for key, job in self.jobs.items():
            row = self.store.get(key.sandbox_id)
            if job.state.is_over and (row is None or row.sandbox.is_finished):
                keys.append(key)
        await asyncio.to_thread(self._keeper.forget, self._context, keys)
        for key in keys:
            del self.jobs[key]
            self._by_sandbox[key.sandbox_id].discard(key)
            self._dirty.pop(key, None)
        self.on_change()
        return len(keys)
