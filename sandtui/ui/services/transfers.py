"""Transfers across screens: running the queue, asking about conflicts, resuming after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from textual.app import App
from textual.worker import Worker

from sandtui.config.paths import Paths
from sandtui.config.transfers import TransferJournal
from sandtui.directories import describe
from sandtui.fleet.inventory.session import FleetSession
from sandtui.fleet.signals import Signal
from sandtui.fleet.transfers.model import Existing, Location, Transfer, TransferSpec, TransferState
from sandtui.fleet.transfers.queue import TransferQueue
from sandtui.fleet.transfers.sync import Difference
from sandtui.fleet.transfers.watch import changes
from sandtui.ui.dialogs.choose import Choice, DecideDialog
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.messages import TransfersChanged
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import PlatformConnection
from sandtui.ui.services.work import Work

WATCH_KEY = "w"
"""The key in the sync dialog that starts and stops watching."""

SETTLE_SECONDS = 1.0
"""How long a watched directory must be unchanged before it is copied, in seconds."""

RISKS_SHOWN = 3
"""Files named in a warning about files that programs run automatically."""

ANSWERS = (
    Choice(Existing.OVERWRITE.value, "o", "Overwrite", "replace all existing files"),
    Choice(Existing.SKIP.value, "s", "Skip", "keep all existing files"),
    Choice(Existing.RENAME.value, "r", "Keep both", "new files get a number: name-1"),
    Choice(Existing.NEWER.value, "n", "Only newer", "replace older files"),
    Choice(Existing.DIFFERENT.value, "d", "Only different", "replace files of different size or time"),
)


class Transfers:
    """Holds the transfer queue of the connection. ``changed`` is for the screen that shows it."""

    def __init__(
        self, app: App[Any], paths: Paths, key_of: KeyOf, work: Work, notifier: Notifier, platform: PlatformConnection
    ) -> None:
        self._app, self._key_of = app, key_of
        self._work, self._notifier, self._platform = work, notifier, platform
        self._spool = paths.spool
        self._database = TransferJournal.open(paths.transfers)
        self._stale = False
        self._asking = False
        self._reported: set[str] = set()
        self._arrived: set[str] = set()
        self.downloaded: Signal[[str]] = Signal()
        """Sent with the path of each file that was copied to this machine."""
        self._warned: set[str] = set()
        self._watches: dict[tuple[Location, Location], Worker[None]] = {}
        self.changed: Signal[[]] = Signal()
        platform.connected.subscribe(self._begin)

    @property
    def queue(self) -> TransferQueue | None:
        """The queue, or None without a connection."""
        session = self._platform.session
        return session.transfers if session is not None else None

    def _begin(self, session: FleetSession) -> None:
        """Start the queue of a session, and offer unfinished transfers of an earlier run."""
        # A watch belongs to the platform on which it was started.
        for worker in self._watches.values():
            worker.cancel()
        self._watches.clear()
        journal = TransferJournal(self._database, self._platform.label)
        queue = TransferQueue(session.client, session.clock, journal, self._spool)
        queue.on_change.subscribe(self._changed)
        session.transfers = queue
        self._work.start(queue.run(), "transfers")
        self._work.start(self._offer(queue, journal), "transfers")

    async def end(self) -> None:
        """Pause running transfers and store the queue."""
        if self.queue is not None:
            await self.queue.stop()
        await asyncio.to_thread(self._database.close)

    def add(self, specs: Sequence[TransferSpec]) -> list[Transfer]:
        """Queue some transfers."""
        return self.queue.add(specs) if self.queue is not None else []

    async def compare(self, spec: TransferSpec) -> Difference:
        """Return what a sync would do.

        Raises:
            TransferError, FilesError: one side can't be read.
        """
        return await self.queue.compare(spec) if self.queue is not None else Difference((), (), (), 0, 0)

    def is_watched(self, spec: TransferSpec) -> bool:
        """Whether the source of a spec is being watched."""
        return (spec.source, spec.target) in self._watches

    def watch(self, spec: TransferSpec) -> None:
        """Start or stop watching the source of a spec."""
        worker = self._watches.pop((spec.source, spec.target), None)
        if worker is not None:
            worker.cancel()
            self._notifier.notify(f"Stopped watching {spec.source.path}")
            return
        flow = self._follow(spec)
        self._watches[spec.source, spec.target] = self._work.worker(flow, "watch")
        sync = self._key_of("files.sync")
        text = f"Watching {spec.source.path}: changes are copied to {spec.target.label}"
        self._notifier.notify(f"{text} (press {sync}, then {WATCH_KEY} to stop)")

    async def _follow(self, spec: TransferSpec) -> None:
        async for _ in changes(spec.source.path, spec.ignore, SETTLE_SECONDS):
            queue = self.queue
            if queue is not None:
                queue.forget([each.id for each in queue.transfers if each.is_over and each.spec == spec])
                queue.add([spec])

    def ask(self) -> None:
        """Ask what to do with existing files, once per batch."""
        question = self.queue.question() if self.queue is not None else None
        if question is None or self._asking:
            return
        batch, waiting = question
        self._asking = True

        def on_result(answer: str | None) -> None:
            self._asking = False
            if self.queue is None:
                return
            if answer:
                self.queue.answer(batch, Existing(answer))
            else:
                for transfer in waiting:
                    self.queue.cancel(transfer.id)

        where = waiting[0].spec.target.label
        note = "applies to the whole copy · esc cancel (nothing is changed)"
        self._app.push_screen(DecideDialog(f"Files already exist: {where}", ANSWERS, note), on_result)

    async def _offer(self, queue: TransferQueue, journal: TransferJournal) -> None:
        try:
            found = await asyncio.to_thread(journal.claim)
        except (OSError, ValueError, KeyError) as error:
            self._notifier.notify(f"Can't read the transfer queue: {describe(error)}", "warning")
            return
        left = found.transfers
        if found.elsewhere:
            number = "1 transfer is" if len(found.elsewhere) == 1 else f"{len(found.elsewhere):,} transfers are"
            self._notifier.notify(f"{number} running in another sandtui ({found.elsewhere[0]})")
        if not left:
            return
        queue.restore(left)

        def on_result(answer: str | None) -> None:
            for transfer in left:
                if answer == "go":
                    queue.resume(transfer.id)
                elif answer == "drop":
                    queue.cancel(transfer.id)

        title = "1 unfinished transfer" if len(left) == 1 else f"{len(left):,} unfinished transfers"
        choices = [
            Choice("go", "g", "Continue", "from where they stopped"),
            Choice("later", "l", "Later", "keep them paused in the queue"),
            Choice("drop", "d", "Discard", "delete partial files"),
        ]
        self._app.push_screen(DecideDialog(title, choices), on_result)

    def _changed(self) -> None:
        if not self._stale:
            self._stale = True
            self._app.call_later(self._notify_changes)

    def _notify_changes(self) -> None:
        self._stale = False
        queue = self.queue
        if queue is None:
            return
        for transfer in queue.transfers:
            if transfer.state is TransferState.FAILED and transfer.id not in self._reported:
                self._reported.add(transfer.id)
                self._notifier.notify(f"{transfer.spec.source.label} not copied: {transfer.problem}", "error")
            elif transfer.state is not TransferState.FAILED:
                self._reported.discard(transfer.id)
            if transfer.state is TransferState.DONE and transfer.spec.is_download and transfer.id not in self._arrived:
                self._arrived.add(transfer.id)
                self.downloaded(transfer.spec.target.path)
            if transfer.state is TransferState.DONE and transfer.run_by and transfer.id not in self._warned:
                self._warned.add(transfer.id)
                files = ", ".join(f"{path} ({program})" for path, program in transfer.run_by[:RISKS_SHOWN])
                more = f" and {len(transfer.run_by) - RISKS_SHOWN} more" if len(transfer.run_by) > RISKS_SHOWN else ""
                self._notifier.notify(f"Downloaded files that programs run automatically: {files}{more}", "warning")
        self._platform.broadcast(TransfersChanged())
        self.changed()
