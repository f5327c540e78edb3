"""The queue: what is copied now, what waits, and what became of the rest."""

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
from sandtui.fleet.transfers.carrier import Carrier, Conflict, Signature
from sandtui.fleet.transfers.equal import Difference
from sandtui.fleet.transfers.model import (
    Existing,
    PausedError,
    Spec,
    State,
    Totals,
    Transfer,
)
from sandtui.fleet.transfers.reasons import reason

AT_ONCE = 3
PAUSE_SECONDS = 2.0
"""Seconds that a transfer has to stop by itself where it can go on later."""

TOLD_SECONDS = 0.2
"""Seconds between two samples of the progress."""


class Journal(Protocol):
    """Where the queue is written down, so that it outlives the program."""

    def keep(self, transfer: Transfer, place: int) -> None:
        """Write down a transfer as it is now."""
        ...

    def note_files(self, transfer_id: str, items: Sequence[tuple[str, Signature]]) -> None:
        """Write down that files of a transfer have come."""
        ...

    def files(self, transfer_id: str) -> dict[str, Signature]:
        """Return the files that have come; not from the event loop."""
        ...

    def drop(self, transfer_id: str) -> None:
        """Forget a transfer."""
        ...


class TransferQueue:
    """Runs some transfers at a time, one for each sandbox. ``on_change`` is called after each change."""

    def __init__(
        self, client: AsyncSandboxClient, clock: Clock, journal: Journal, spool: Path, at_once: int = AT_ONCE
    ) -> None:
        self._client, self._clock, self._journal, self._spool = client, clock, journal, spool
        self._at_once = at_once
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self.transfers: list[Transfer] = []
        self.on_change: Signal[[]] = Signal()

    @property
    def totals(self) -> Totals:
        """All together."""
        return Totals.of(self.transfers)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is copied and nothing waits for a turn."""
        return not self._tasks and not any(each.state is State.QUEUED for each in self.transfers)

    def get(self, transfer_id: str) -> Transfer | None:
        """Return a transfer."""
        return next((each for each in self.transfers if each.id == transfer_id), None)

    def add(self, specs: Sequence[Spec], name: Callable[[Spec], str] | None = None) -> list[Transfer]:
        """Queue some transfers. ``name`` gives each its id: with one of an earlier run it goes on with what is left."""
        fresh = [Transfer(name(spec) if name else secrets.token_hex(5), spec) for spec in specs]
        self.transfers += fresh
        for transfer in fresh:
            self._keep(transfer)
        self._changed()
        return fresh

    def restore(self, transfers: Sequence[Transfer]) -> None:
        """Take up transfers of an earlier run; those that were under way wait to be continued."""
        known = {each.id for each in self.transfers}
        for transfer in transfers:
            if transfer.id not in known:
                transfer.state, transfer.tries = State.PAUSED, 1
                self.transfers.append(transfer)
        self._changed()

    def question(self) -> tuple[str, list[Transfer]] | None:
        """Return a batch that has to be asked about, with those of it that wait for the answer."""
        asking = [each for each in self.transfers if each.state is State.ASKING]
        if not asking:
            return None
        batch = asking[0].spec.batch
        return batch, [each for each in asking if each.spec.batch == batch]

    def answer(self, batch: str, existing: Existing) -> None:
        """Say what becomes of files that are there, for all of a batch."""
        for transfer in self.transfers:
            if transfer.spec.batch == batch and not transfer.is_over and transfer.spec.existing is Existing.ASK:
                transfer.spec = replace(transfer.spec, existing=existing)
                if transfer.state is State.ASKING:
                    transfer.state = State.QUEUED
                self._keep(transfer)
        self._changed()

    def pause(self, transfer_id: str) -> None:
        """Stop a transfer where it is; what has come is kept."""
        transfer = self.get(transfer_id)
        if transfer is None or transfer.is_over:
            return
        task = self._tasks.get(transfer_id)
        if task is None:
            transfer.state = State.PAUSED
            self._keep(transfer)
        else:
            transfer.stopping = True
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._stop, transfer, task)
        self._changed()

    def resume(self, transfer_id: str) -> None:
        """Go on with a transfer that was paused."""
        transfer = self.get(transfer_id)
        if transfer is not None and transfer.state is State.PAUSED:
            self._queue_again(transfer)

    def retry(self, transfer_id: str) -> None:
        """Try a transfer again that failed or was cancelled; what has come is not fetched again."""
        transfer = self.get(transfer_id)
        if transfer is not None and transfer.state in {State.FAILED, State.CANCELLED}:
            self._queue_again(transfer)

    def cancel(self, transfer_id: str) -> None:
        """End a transfer; files that have their names stay, everything else is removed."""
        transfer = self.get(transfer_id)
        if transfer is None or transfer.is_over:
            return
        task = self._tasks.get(transfer_id)
        # A question is asked before the first byte.
        begun = transfer.tries > (1 if transfer.state is State.ASKING else 0)
        transfer.state = State.CANCELLED
        # Until all is removed it stays written down: what ends meanwhile must be found again.
        if task is not None:
            task.cancel()
        elif begun:
            self._tasks[transfer_id] = asyncio.ensure_future(self._clean(transfer))
        else:
            self._keep(transfer)
        self._changed()

    def move(self, transfer_id: str, step: int) -> None:
        """Put a transfer earlier (-1) or later (1) in the queue."""
        places = [place for place, each in enumerate(self.transfers) if each.id == transfer_id]
        if not places:
            return
        here = places[0]
        there = max(0, min(here + step, len(self.transfers) - 1))
        self.transfers.insert(there, self.transfers.pop(here))
        for transfer in self.transfers[min(here, there) : max(here, there) + 1]:
            self._keep(transfer)
        self._changed()

    def clear_done(self) -> None:
        """Forget what is over."""
        self.forget([each.id for each in self.transfers if each.is_over])

    def forget(self, ids: Sequence[str]) -> None:
        """Take some that are over off the list; nobody goes on with what a failed one has left, so it is removed."""
        for transfer in [each for each in self.transfers if each.id in ids and each.is_over]:
            self.transfers.remove(transfer)
            if transfer.id in self._tasks:
                continue
            if transfer.state is State.FAILED or transfer.untidy:
                self._tasks[transfer.id] = asyncio.ensure_future(self._clean(transfer))
            else:
                self._journal.drop(transfer.id)
        self._changed()

    async def compare(self, spec: Spec) -> Difference:
        """Return what copying and deleting would do, and do nothing.

        Raises:
            TransferError, FilesError: one side can't be read.
        """
        return await self._carrier(Transfer("compared", spec), {}).compare(delete=True)

    async def run(self) -> None:
        """Carry transfers out until cancelled; those under way stop where they can go on later."""
        try:
            while True:
                self._wake.clear()
                for transfer in self._next():
                    transfer.state = State.COUNTING
                    self._tasks[transfer.id] = asyncio.ensure_future(self._carry(transfer))
                await self._wake.wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Stop all that is under way, so that it can be continued."""
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
            if transfer.state is State.QUEUED and free > 0 and not busy & _boxes(transfer.spec):
                chosen.append(transfer)
                busy |= _boxes(transfer.spec)
                free -= 1
        return chosen

    async def _carry(self, transfer: Transfer) -> None:
        transfer.started, transfer.ended, transfer.problem = self._clock.monotonic(), None, ""
        transfer.samples.clear()
        transfer.tries += 1
        try:
            earlier = await asyncio.to_thread(self._journal.files, transfer.id)
            await self._carrier(transfer, earlier).run()
        except Conflict:
            transfer.state = State.ASKING
        except asyncio.CancelledError:
            if transfer.state is State.CANCELLED:
                await run_to_end(self._forget(transfer))
            else:
                transfer.state = State.PAUSED
        except Exception as error:  # whatever went wrong is told, and the others go on
            if transfer.state is State.CANCELLED:
                # What a cancel breaks off may come out as an error of its own, a closed connection for one.
                await run_to_end(self._forget(transfer))
            else:
                self._fail(transfer, error)
        else:
            transfer.state, transfer.done = State.DONE, transfer.total
            transfer.files_done = transfer.files
        finally:
            transfer.ended, transfer.stopping, transfer.current = self._clock.monotonic(), False, ""
            self._tasks.pop(transfer.id, None)
            if transfer.state is not State.CANCELLED or not transfer.untidy:
                self._keep(transfer)
            self._changed()

    def _fail(self, transfer: Transfer, error: Exception) -> None:
        causes = list(_causes(error))
        if transfer.stopping and all(isinstance(cause, PausedError) for cause in causes):
            transfer.state = State.PAUSED
            return
        told = next((cause for cause in causes if not isinstance(cause, PausedError)), error)
        transfer.state = State.FAILED
        transfer.problem = reason(told, transfer.id)

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
            await self._carrier(transfer, {}).forget()
        except (FilesError, SandboxClientError, OSError) as error:
            transfer.problem = f"what was left behind could not be removed: {reason(error, transfer.id)}"

    def _carrier(self, transfer: Transfer, earlier: dict[str, Signature]) -> Carrier:
        return Carrier(self._client, transfer, self._spool, self._journal, lambda: self._moved(transfer), earlier)

    def _moved(self, transfer: Transfer) -> None:
        # Called for each piece, sometimes from the thread that reads a file.
        now = self._clock.monotonic()
        if not transfer.samples or now - transfer.samples[-1][0] >= TOLD_SECONDS:
            transfer.sample(now)

    def _queue_again(self, transfer: Transfer) -> None:
        transfer.state, transfer.problem = State.QUEUED, ""
        self._keep(transfer)
        self._changed()

    def _stop(self, transfer: Transfer, task: asyncio.Task[None]) -> None:
        if transfer.stopping and not task.done() and self._tasks.get(transfer.id) is task:
            task.cancel()

    def _keep(self, transfer: Transfer) -> None:
        self._journal.keep(transfer, self.transfers.index(transfer) if transfer in self.transfers else 0)

    def _changed(self) -> None:
        self._wake.set()
        self.on_change()


def _boxes(spec: Spec) -> set[str]:
    return {place.sandbox_id for place in (spec.source, spec.target) if place.sandbox_id is not None}


def _causes(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [cause for part in error.exceptions for cause in _causes(part)]
    return [error]


__all__ = ["AT_ONCE", "Journal", "TransferQueue"]
