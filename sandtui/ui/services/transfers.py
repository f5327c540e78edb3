"""Transfers across screens: the queue runs while the program does, asks when it must, and is offered again."""

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
from sandtui.fleet.transfers.equal import Difference
from sandtui.fleet.transfers.model import Existing, Place, Spec, State, Transfer
from sandtui.fleet.transfers.queue import TransferQueue
from sandtui.fleet.transfers.watch import changes
from sandtui.ui.dialogs.choose import Choice, DecideDialog
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.messages import TransfersChanged
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import Platform
from sandtui.ui.services.work import Work

WATCH_KEY = "w"
"""The key of the plan of a synchronisation that begins and ends the watch."""

LOOK_SECONDS = 1.0
"""Seconds between two looks at a directory that is watched."""

RISKS_SHOWN = 3
"""Files that programs run by themselves and that a notice names."""

ANSWERS = (
    Choice(Existing.OVERWRITE.value, "o", "Overwrite", "replace all that are there"),
    Choice(Existing.SKIP.value, "s", "Skip", "leave all that are there"),
    Choice(Existing.RENAME.value, "r", "Rename", "copy beside them: name-1"),
    Choice(Existing.NEWER.value, "n", "Only newer", "replace what is older there"),
    Choice(Existing.DIFFERENT.value, "d", "Only different", "replace what has another size or time"),
)


class Transfers:
    """Holds the queue of the connection. ``changed`` is for the screen that shows it."""

    def __init__(
        self, app: App[Any], paths: Paths, key_of: KeyOf, work: Work, notifier: Notifier, platform: Platform
    ) -> None:
        self._app, self._key_of = app, key_of
        self._work, self._notifier, self._platform = work, notifier, platform
        self._spool = paths.spool
        self._database = TransferJournal.open(paths.transfers)
        self._stale = False
        self._asking = False
        self._told: set[str] = set()
        self._warned: set[str] = set()
        self._watches: dict[tuple[Place, Place], Worker[None]] = {}
        self.changed: Signal[[]] = Signal()
        platform.connected.subscribe(self._begin)

    @property
    def queue(self) -> TransferQueue | None:
        """The queue, once there is a connection."""
        session = self._platform.session
        return session.transfers if session is not None else None

    def _begin(self, session: FleetSession) -> None:
        """Give a session its queue, let it run, and offer what an earlier run has left."""
        # A watch belongs to the platform that it was begun on.
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
        """Stop what is copied where it can go on, and write that down."""
        if self.queue is not None:
            await self.queue.stop()
        await asyncio.to_thread(self._database.close)

    def add(self, specs: Sequence[Spec]) -> list[Transfer]:
        """Queue some transfers."""
        return self.queue.add(specs) if self.queue is not None else []

    async def compare(self, spec: Spec) -> Difference:
        """Return what a synchronisation would do.

        Raises:
            TransferError, FilesError: one side can't be read.
        """
        return await self.queue.compare(spec) if self.queue is not None else Difference((), (), (), 0, 0)

    def is_watched(self, spec: Spec) -> bool:
        """Whether changes of the spec's source are copied to its target as they are saved."""
        return (spec.source, spec.target) in self._watches

    def watch(self, spec: Spec) -> None:
        """Copy changes as they are saved from now on, or end that."""
        worker = self._watches.pop((spec.source, spec.target), None)
        if worker is not None:
            worker.cancel()
            self._notifier.notify(f"{spec.source.path} is not watched any more.")
            return
        flow = self._follow(spec)
        self._watches[spec.source, spec.target] = self._work.worker(flow, "watch")
        sync = self._key_of("files.sync")
        words = f"Changes in {spec.source.path} go to {spec.target.label} as they are saved"
        self._notifier.notify(f"{words}; {sync} and then {WATCH_KEY} end it.")

    async def _follow(self, spec: Spec) -> None:
        async for _ in changes(spec.source.path, spec.ignore, LOOK_SECONDS):
            queue = self.queue
            if queue is not None:
                queue.forget([each.id for each in queue.transfers if each.is_over and each.spec == spec])
                queue.add([spec])

    def ask(self) -> None:
        """Ask about files that are there already: once for all that was asked for together."""
        question = self.queue.question() if self.queue is not None else None
        if question is None or self._asking:
            return
        batch, waiting = question
        self._asking = True

        def answered(answer: str | None) -> None:
            self._asking = False
            if self.queue is None:
                return
            if answer:
                self.queue.answer(batch, Existing(answer))
            else:
                for transfer in waiting:
                    self.queue.cancel(transfer.id)

        where = waiting[0].spec.target.label
        note = "for all of this copy · esc ends it, nothing is changed"
        self._app.push_screen(DecideDialog(f"Files are there already: {where}", ANSWERS, note), answered)

    async def _offer(self, queue: TransferQueue, journal: TransferJournal) -> None:
        try:
            found = await asyncio.to_thread(journal.claim)
        except (OSError, ValueError, KeyError) as error:
            self._notifier.notify(f"The queue of transfers can't be read: {describe(error)}", "warning")
            return
        left = found.transfers
        if found.elsewhere:
            number = "A transfer is" if len(found.elsewhere) == 1 else f"{len(found.elsewhere):,} transfers are"
            self._notifier.notify(f"{number} being carried out by another sandtui ({found.elsewhere[0]}).")
        if not left:
            return
        queue.restore(left)

        def answered(answer: str | None) -> None:
            for transfer in left:
                if answer == "go":
                    queue.resume(transfer.id)
                elif answer == "drop":
                    queue.cancel(transfer.id)

        words = "1 transfer was" if len(left) == 1 else f"{len(left):,} transfers were"
        choices = [
            Choice("go", "g", "Go on", "where they stopped"),
            Choice("later", "l", "Later", "they wait, paused, among the transfers"),
            Choice("drop", "d", "Drop", "remove what is half there"),
        ]
        self._app.push_screen(DecideDialog(f"{words} not finished", choices), answered)

    def _changed(self) -> None:
        if not self._stale:
            self._stale = True
            self._app.call_later(self._tell)

    def _tell(self) -> None:
        self._stale = False
        queue = self.queue
        if queue is None:
            return
        for transfer in queue.transfers:
            if transfer.state is State.FAILED and transfer.id not in self._told:
                self._told.add(transfer.id)
                self._notifier.notify(f"{transfer.spec.source.label} was not copied: {transfer.problem}", "error")
            elif transfer.state is not State.FAILED:
                self._told.discard(transfer.id)
            if transfer.state is State.DONE and transfer.run_by and transfer.id not in self._warned:
                self._warned.add(transfer.id)
                files = ", ".join(f"{path} ({program})" for path, program in transfer.run_by[:RISKS_SHOWN])
                more = f" and {len(transfer.run_by) - RISKS_SHOWN} more" if len(transfer.run_by) > RISKS_SHOWN else ""
                self._notifier.notify(f"Files from a sandbox that programs run by themselves: {files}{more}", "warning")
        self._platform.broadcast(TransfersChanged())
        self.changed()
