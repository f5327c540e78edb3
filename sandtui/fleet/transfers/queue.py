"""The transfer queue: running, waiting and finished transfers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from sandtui.cancellation import run_to_end
from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.clock import Clock
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.signals import Signal
from sandtui.fleet.transfers.executor import Conflict, Signature, TransferExecutor
from sandtui.fleet.transfers.model import (
    Existing,
    PausedError,
    Transfer,
    TransferSpec,
    TransferState,
    TransferTotals,
)
from sandtui.fleet.transfers.reasons import reason
from sandtui.fleet.transfers.sync import Difference

AT_ONCE = 3
PAUSE_SECONDS = 2.0
"""How long a transfer may take to pause at a point where it can be resumed."""

SAMPLE_SECONDS = 0.2
"""Interval between samples of the progress."""


class TransferStorage(Protocol):
    """Storage of the queue, so that it outlives the program."""

    def save(self, transfer: Transfer, index: int) -> None:
        """Store the current state of a transfer."""
        ...

    def note_files(self, transfer_id: str, items: Sequence[tuple[str, Signature]]) -> None:
        """Record complete files of a transfer."""
        ...

    def files(self, transfer_id: str) -> dict[str, Signature]:
        """Return the complete files. Blocks: not for the event loop."""
        ...

    def drop(self, transfer_id: str) -> None:
        """Delete a transfer."""
        ...


class TransferQueue:
    """Runs some transfers at a time, at most one per sandbox. ``on_change`` is called after each change."""

    def __init__(
        self, client: AsyncSandboxClient, clock: Clock, journal: TransferStorage, spool: Path, at_once: int = AT_ONCE
    ) -> None:
        self._client, self._clock, self._journal, self._spool = client, clock, journal, spool
        self._at_once = at_once
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self.transfers: list[Transfer] = []
        self.on_change: Signal[[]] = Signal()

    @property
    def totals(self) -> TransferTotals:
        """Counts and progress of all transfers."""
        return TransferTotals.of(self.transfers)

    @property
    def is_idle(self) -> bool:
        """Whether no transfer is running or queued."""
        return not self._tasks and not any(each.state is TransferState.QUEUED for each in self.transfers)

    def get(self, transfer_id: str) -> Transfer | None:
        """Return a transfer by id."""
        return next((each for each in self.transfers if each.id == transfer_id), None)

    def add(self, specs: Sequence[TransferSpec], name: Callable[[TransferSpec], str] | None = None) -> list[Transfer]:
        """Queue transfers. ``name`` returns the id of each: the id of an earlier run resumes that transfer."""
        fresh = [Transfer(name(spec) if name else secrets.token_hex(5), spec) for spec in specs]
        self.transfers += fresh
        for transfer in fresh:
            self._save(transfer)
        self._changed()
        return fresh

    def restore(self, transfers: Sequence[Transfer]) -> None:
        """Add the transfers of an earlier run, paused."""
        known = {each.id for each in self.transfers}
        for transfer in transfers:
            if transfer.id not in known:
                transfer.state, transfer.tries = TransferState.PAUSED, 1
                self.transfers.append(transfer)
        self._changed()

    def question(self) -> tuple[str, list[Transfer]] | None:
        """Return a batch with a question for the user, and its waiting transfers."""
        asking = [each for each in self.transfers if each.state is TransferState.ASKING]
        if not asking:
            return None
        batch = asking[0].spec.batch
        return batch, [each for each in asking if each.spec.batch == batch]

    def answer(self, batch: str, existing: Existing) -> None:
        """Answer a batch's question about existing files."""
        for transfer in self.transfers:
            if transfer.spec.batch == batch and not transfer.is_over and transfer.spec.existing is Existing.ASK:
                transfer.spec = replace(transfer.spec, existing=existing)
                if transfer.state is TransferState.ASKING:
                    transfer.state = TransferState.QUEUED
                self._save(transfer)
        self._changed()

    def pause(self, transfer_id: str) -> None:
        """Pause a transfer; partial files are kept."""
        transfer = self.get(transfer_id)
        if transfer is None or transfer.is_over:
            return
        task = self._tasks.get(transfer_id)
        if task is None:
            transfer.state = TransferState.PAUSED
            self._save(transfer)
        else:
            transfer.stopping = True
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._stop, transfer, task)
        self._changed()

    def resume(self, transfer_id: str) -> None:
        """Resume a paused transfer."""
        transfer = self.get(transfer_id)
        if transfer is not None and transfer.state is TransferState.PAUSED:
            self._queue_again(transfer)

    def retry(self, transfer_id: str) -> None:
        """Retry a failed or cancelled transfer; complete files are not copied again."""
        transfer = self.get(transfer_id)
        if transfer is not None and transfer.state in {TransferState.FAILED, TransferState.CANCELLED}:
            self._queue_again(transfer)

    def cancel(self, transfer_id: str) -> None:
        """Cancel a transfer; complete files stay, partial ones are removed."""
        transfer = self.get(transfer_id)
        if transfer is None or transfer.is_over:
            return
        task = self._tasks.get(transfer_id)
        # The question is asked before anything is copied.
        begun = transfer.tries > (1 if transfer.state is TransferState.ASKING else 0)
        transfer.state = TransferState.CANCELLED
        # It stays stored until everything is removed, so that the next run can finish the cleanup.
        if task is not None:
            task.cancel()
        elif begun:
            self._tasks[transfer_id] = asyncio.ensure_future(self._clean(transfer))
        else:
            self._save(transfer)
        self._changed()

    def move(self, transfer_id: str, step: int) -> None:
        """Move a transfer up (-1) or down (1) in the queue."""
        indexes = [index for index, each in enumerate(self.transfers) if each.id == transfer_id]
        if not indexes:
            return
        here = indexes[0]
        there = max(0, min(here + step, len(self.transfers) - 1))
        self.transfers.insert(there, self.transfers.pop(here))
        for transfer in self.transfers[min(here, there) : max(here, there) + 1]:
            self._save(transfer)
        self._changed()

    def clear_finished(self) -> None:
        """Remove finished transfers."""
        self.forget([each.id for each in self.transfers if each.is_over])

    def forget(self, ids: Sequence[str]) -> None:
        """Remove finished transfers from the list, with the partial files of failed ones."""
        for transfer in [each for each in self.transfers if each.id in ids and each.is_over]:
            self.transfers.remove(transfer)
            if transfer.id in self._tasks:
                continue
            if transfer.state is TransferState.FAILED or transfer.untidy:
                self._tasks[transfer.id] = asyncio.ensure_future(self._clean(transfer))
            else:
                self._journal.drop(transfer.id)
        self._changed()

    async def compare(self, spec: TransferSpec) -> Difference:
        """Return what copying and deleting would do, without doing it.

        Raises:
            TransferError, FilesError: one side can't be read.
        """
        return await self._executor(Transfer("compared", spec), {}).compare(delete=True)

    async def run(self) -> None:
        """Run transfers until cancelled; running ones are paused at the end."""
        try:
            while True:
                self._wake.clear()
                for transfer in self._next():
                    transfer.state = TransferState.COUNTING
                    self._tasks[transfer.id] = asyncio.ensure_future(self._execute(transfer))
                await self._wake.wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Pause all running transfers, so that they can be resumed."""
        for transfer in self.transfers:
            transfer.stopping = transfer.id in self._tasks
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=PAUSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _next(self) -> list[Transfer]:
        free = self._at_once - len(self._tasks)
        busy = {box for each in self.transfers if each.id in self._tasks for box in _boxes(each.spec)}
        chosen = []
        for transfer in self.transfers:
            if transfer.state is TransferState.QUEUED and free > 0 and not busy & _boxes(transfer.spec):
                chosen.append(transfer)
                busy |= _boxes(transfer.spec)
                free -= 1
        return chosen

    async def _execute(self, transfer: Transfer) -> None:
        transfer.started, transfer.ended, transfer.problem = self._clock.monotonic(), None, ""
        transfer.samples.clear()
        transfer.tries += 1
        try:
            earlier = await asyncio.to_thread(self._journal.files, transfer.id)
            await self._executor(transfer, earlier).run()
        except Conflict:
            transfer.state = TransferState.ASKING
        except asyncio.CancelledError:
            if transfer.state is TransferState.CANCELLED:
                await run_to_end(self._forget(transfer))
            else:
                transfer.state = TransferState.PAUSED
        except Exception as error:  # reported; the other transfers continue
            if transfer.state is TransferState.CANCELLED:
                # A cancellation may surface as another error, such as a closed connection.
                await run_to_end(self._forget(transfer))
            else:
                self._fail(transfer, error)
        else:
            transfer.state, transfer.done = TransferState.DONE, transfer.total
            transfer.files_done = transfer.files
        finally:
            transfer.ended, transfer.stopping, transfer.current = self._clock.monotonic(), False, ""
            self._tasks.pop(transfer.id, None)
            if transfer.state is not TransferState.CANCELLED or not transfer.untidy:
                self._save(transfer)
            self._changed()

    def _fail(self, transfer: Transfer, error: Exception) -> None:
        causes = list(_causes(error))
        if transfer.stopping and all(isinstance(cause, PausedError) for cause in causes):
            transfer.state = TransferState.PAUSED
            return
        right = next((cause for cause in causes if not isinstance(cause, PausedError)), error)
        transfer.state = TransferState.FAILED
        transfer.problem = reason(right, transfer.id)

    async def _clean(self, transfer: Transfer) -> None:
        try:
            await self._forget(transfer)
            if transfer.is_over and not transfer.untidy:
                self._journal.drop(transfer.id)
        finally:
            self._tasks.pop(transfer.id, None)
            self._changed()

    async def _forget(self, transfer: Transfer) -> None:
        transfer.untidy = True
        try:
            await self._executor(transfer, {}).forget()
        except (FilesError, SandboxClientError, OSError) as error:
            transfer.problem = f"partial files not removed: {reason(error, transfer.id)}"

    def _executor(self, transfer: Transfer, earlier: dict[str, Signature]) -> TransferExecutor:
        return TransferExecutor(
            self._client, transfer, self._spool, self._journal, lambda: self._progressed(transfer), earlier
        )

    def _progressed(self, transfer: Transfer) -> None:
        # Called for each chunk, sometimes from the thread that reads a file.
        now = self._clock.monotonic()
        if not transfer.samples or now - transfer.samples[-1][0] >= SAMPLE_SECONDS:
            transfer.sample(now)

    def _queue_again(self, transfer: Transfer) -> None:
        transfer.state, transfer.problem = TransferState.QUEUED, ""
        self._save(transfer)
        self._changed()

    def _stop(self, transfer: Transfer, task: asyncio.Task[None]) -> None:
        if transfer.stopping and not task.done() and self._tasks.get(transfer.id) is task:
            task.cancel()

    def _save(self, transfer: Transfer) -> None:
        self._journal.save(transfer, self.transfers.index(transfer) if transfer in self.transfers else 0)

    def _changed(self) -> None:
        self._wake.set()
        self.on_change()


def _boxes(spec: TransferSpec) -> set[str]:
    return {each.sandbox_id for each in (spec.source, spec.target) if each.sandbox_id is not None}


def _causes(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [cause for part in error.exceptions for cause in _causes(part)]
    return [error]


__all__ = ["AT_ONCE", "TransferQueue", "TransferStorage"]
