"""Keeps the job board current: which sandboxes to poll when, and what follows the end of a job."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sandtui.client import NotFoundError, SandboxClientError, SandboxNotRunningError
from sandtui.client.models import SandboxStatus
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.jobs.board import SANDBOX_ENDED, Ended, JobBoard
from sandtui.fleet.jobs.job import Chain, ChainStep, Job, JobKey, JobState
from sandtui.fleet.load_state import LOADED, LoadPhase, LoadState, failed
from sandtui.fleet.signals import Signal
from sandtui.fleet.transfers.folder import download_folder, is_folder
from sandtui.fleet.transfers.leftovers import remove_in_sandbox
from sandtui.fleet.transfers.model import TransferError
from sandtui.saving import already_exists

BUSY_SECONDS = 4.0
"""Poll interval of a sandbox with running jobs, while a jobs screen is open."""

SWEEP_SECONDS = 60.0
"""Poll interval of all other sandboxes, while a jobs screen is open; each poll costs a command in the sandbox."""

SWEEP_SECONDS_EACH = 0.3
BACKGROUND_SECONDS = 15.0
"""Poll interval of jobs that were started from here, while no jobs screen is open."""

_OPEN_STEPS = {ChainStep.WAITING, ChainStep.DOWNLOADING, ChainStep.DELETING}


class JobWatcher:
    """Polls sandboxes while a jobs screen is open or a job that was started from here runs.

    A command resets a sandbox's idle timer (client/WIRE.md 5), so a sandbox with an idle timeout is polled only on
    request, or while such a job runs in it.
    """

    def __init__(self, board: JobBoard) -> None:
        self.board = board
        self.on_end: Signal[[Sequence[Ended]]] = Signal()
        self.on_chain: Signal[[Job]] = Signal()
        self._wake = asyncio.Event()
        self._attending = 0
        self._wanted: set[str] = set()
        self._taken: set[str] = set()
        """All sandboxes that were due once."""
        self._chains: dict[JobKey, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        board.on_end.subscribe(self._ended)
        board.store.watch(self._sandboxes_changed)

    @property
    def attending(self) -> bool:
        """Whether a jobs screen is open."""
        return self._attending > 0

    def attend(self) -> None:
        """Note that a jobs screen has opened: every running sandbox is polled soon."""
        self._attending += 1
        self.want(row.id for row in self.board.store if row.status == SandboxStatus.RUNNING)

    def leave(self) -> None:
        """Note that a jobs screen has closed."""
        self._attending -= 1
        if not self._attending:
            self._wanted.clear()

    def want(self, sandbox_ids: Iterable[str] | None = None) -> None:
        """Poll some sandboxes now; all running ones by default."""
        if sandbox_ids is None:
            sandbox_ids = [row.id for row in self.board.store if row.status == SandboxStatus.RUNNING]
        wanted = set(sandbox_ids)
        self._wanted |= wanted
        # Those that could not be scanned are loading again.
        self.board.scanned -= wanted & self.board.problems.keys()
        self._wake.set()

    def load_state(self, sandbox_id: str | None = None) -> LoadState:
        """Return whether all jobs are known, or those of one sandbox."""
        board = self.board
        if not board.loaded:
            return LoadState(LoadPhase.LOADING, "reading stored jobs")
        if board.store.total is None:
            return LoadState(LoadPhase.LOADING, "waiting for the list of sandboxes")
        expected = [
            row.id
            for row in board.store
            if row.status == SandboxStatus.RUNNING
            and sandbox_id in {None, row.id}
            and (row.id in self._wanted or row.id in self._taken or not row.sandbox.idle_timeout_minutes)
        ]
        scanned = sum(each in board.scanned for each in expected)
        if scanned < len(expected):
            noun = "sandbox" if len(expected) == 1 else "sandboxes"
            return LoadState(LoadPhase.LOADING, f"{scanned:,} of {len(expected):,} {noun} scanned")
        problems = [board.problems[each] for each in expected if each in board.problems]
        if problems and len(problems) == len(expected):
            return failed(problems[0])
        return LOADED

    async def run(self) -> None:
        """Keep the board current until cancelled."""
        board = self.board
        try:
            await board.load()
        except OSError as error:
            board.problems[""] = str(error)
        async with asyncio.TaskGroup() as group:
            self._group = group
            board.mark_lost()
            while True:
                for job in list(board.jobs.values()):
                    if job.state.is_over and job.chain is not None and job.chain.step in _OPEN_STEPS:
                        self.follow(job)
                self._wake.clear()
                due = self.take_due()
                if due:
                    await board.poll(due)
                await self._pause()

    def take_due(self) -> list[str]:
        """Return the sandboxes to ask now, and count those as asked that somebody wanted asked."""
        due = self.due()
        self._wanted.difference_update(due)
        self._taken.update(due)
        return due

    def due(self) -> list[str]:
        """Return the sandboxes to poll now."""
        board, now = self.board, self.board.clock.monotonic()
        ours = {job.key.sandbox_id for job in board.running if job.mine or job.chain is not None}
        busy = {job.key.sandbox_id for job in board.running}
        if not self.attending:
            rows = [row for sandbox_id in ours if (row := board.store.get(sandbox_id)) is not None]
        else:
            rows = [row for row in board.store if row.status == SandboxStatus.RUNNING]
        sweep = max(SWEEP_SECONDS, len(rows) * SWEEP_SECONDS_EACH)
        due = []
        for row in rows:
            if row.status != SandboxStatus.RUNNING:
                continue
            last = board.polled_at.get(row.id)
            if row.id in self._wanted or (last is None and row.id in ours):
                due.append(row.id)
            elif row.sandbox.idle_timeout_minutes and row.id not in ours:
                continue
            elif last is None:
                due.append(row.id)
            else:
                pause = BACKGROUND_SECONDS if not self.attending else BUSY_SECONDS if row.id in busy else sweep
                if now - last >= pause:
                    due.append(row.id)
        return due

    async def _pause(self) -> None:
        """Sleep until a poll may be due; forever when nothing is watched."""
        if not self.attending and not any(job.mine or job.chain for job in self.board.running):
            await self._wake.wait()
            return
        seconds = BUSY_SECONDS if self.attending else BACKGROUND_SECONDS
        sleep = asyncio.ensure_future(self.board.clock.sleep(seconds))
        wake = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait([sleep, wake], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            wake.cancel()

    def _sandboxes_changed(self, change: ChangeSet) -> None:
        """Scan a sandbox that has just been listed or started, while a jobs screen is open."""
        if not self.attending:
            return
        for sandbox_id in change.added | change.changed:
            row = self.board.store.get(sandbox_id)
            if row is not None and row.status == SandboxStatus.RUNNING and row.id not in self.board.polled_at:
                self._wake.set()
                return

    def _ended(self, ended: Sequence[Ended]) -> None:
        self._wake.set()
        for each in ended:
            if each.job.mine and each.job.note != SANDBOX_ENDED and self._group is not None:
                self._group.create_task(self._save_logs(each.job))
        self.on_end(ended)

    async def _save_logs(self, job: Job) -> None:
        with contextlib.suppress(OSError, SandboxClientError):
            await self.board.logs.save_ends(job)

    # Follow-up chains

    def follow(self, job: Job) -> None:
        """Carry out a job's chain, unless that is in progress."""
        task = self._chains.get(job.key)
        if self._group is not None and (task is None or task.done()):
            self._chains[job.key] = self._group.create_task(self._follow(job))

    async def _follow(self, job: Job) -> None:
        board, chain = self.board, job.chain
        if chain is None:
            return
        try:
            if not await board.claim_chain(job.key):
                return
            if job.state is not JobState.DONE and chain.step is ChainStep.WAITING:
                why = f"exit {job.exit_code}" if job.exit_code is not None else job.note or "lost"
                await self._step(job, chain, ChainStep.FAILED, f"skipped: {why}")
                return
            chain = await self._carry_out(job, chain)
        except (SandboxClientError, FilesError, TransferError, OSError) as error:
            await self._step(job, chain, ChainStep.FAILED, str(error))

    async def _carry_out(self, job: Job, chain: Chain) -> Chain:
        board, sandbox_id = self.board, job.key.sandbox_id
        if chain.download and chain.step is not ChainStep.DELETING:
            target = Path(chain.target)
            # A file that exists before the download is the user's; one that exists on resume is our own partial file.
            if chain.step is ChainStep.WAITING and await asyncio.to_thread(target.exists):
                return await self._step(job, chain, ChainStep.FAILED, already_exists(chain.target))
            resumed = chain.step is ChainStep.DOWNLOADING
            chain = await self._step(job, chain, ChainStep.DOWNLOADING, "")
            await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
            mark = f"job{job.key.job_id}"
            if resumed:
                with contextlib.suppress(FilesError):
                    await remove_in_sandbox(SandboxFileSystem(board.client, sandbox_id), chain.download, mark)
            if await is_folder(board.client, sandbox_id, chain.download):
                await download_folder(board.client, sandbox_id, chain.download, target, mark)
            else:
                await board.client.download_file(sandbox_id, chain.download, target, mark=mark)
        if chain.delete:
            chain = await self._step(job, chain, ChainStep.DELETING, "")
            await board.logs.save_ends(job)
            board.store.mark_deleting([sandbox_id])
            try:
                await board.client.delete(sandbox_id)
            except (NotFoundError, SandboxNotRunningError):
                pass
            except SandboxClientError:
                board.store.unmark_deleting([sandbox_id])
                raise
            board.store.mark_deleted([sandbox_id])
        done = [f"downloaded {chain.download} to {chain.target}"] if chain.download else []
        done += ["deleted the sandbox"] if chain.delete else []
        return await self._step(job, chain, ChainStep.DONE, ", ".join(done))

    async def _step(self, job: Job, chain: Chain, step: ChainStep, note: str) -> Chain:
        chain = replace(chain, step=step, note=note)
        try:
            await self.board.set_chain(job.key, chain)
        except OSError as error:
            # A step that can't be stored must not be taken: it could be repeated, or left half done.
            if step is not ChainStep.FAILED:
                raise
            chain = replace(chain, note=f"{note} ({error})")
            if job.key in self.board.jobs:
                self.board.jobs[job.key] = replace(self.board.jobs[job.key], chain=chain)
        if step in {ChainStep.DONE, ChainStep.FAILED}:
            self.on_chain(replace(job, chain=chain))
        return chain
