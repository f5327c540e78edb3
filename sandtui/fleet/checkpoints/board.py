"""The checkpoints of the fleet, as far as they are known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from sandtui.client import APIError, AsyncSandboxClient, NotFoundError, SandboxCheckpoint, SandboxClientError
from sandtui.client.models.checkpoints import DURABLE, FAILED_STATES
from sandtui.clock import Clock
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.load_state import LOADED, LOADING, LoadPhase, LoadState, failed
from sandtui.fleet.signals import Signal

LISTED_AT_ONCE = 16
BATCH = 100
MAX_ENDED = 1000
"""Ended sandboxes whose checkpoints are listed, the newest first."""

WITHOUT_CHECKPOINTS = frozenset({405, 501})
"""Responses of a platform that has none."""


class CheckpointBoard:
    """The checkpoints by id. ``on_change`` tells of every change."""

    def __init__(self, client: AsyncSandboxClient, store: FleetStore, clock: Clock) -> None:
        self._client, self._store, self._clock = client, store, clock
        self.checkpoints: dict[str, SandboxCheckpoint] = {}
        self.gone: set[str] = set()
        """Ids of checkpoints that sandboxes were created from and that no longer exist."""
        self.on_change: Signal[[]] = Signal()
        self.unsupported = ""
        """What a platform without checkpoints has answered."""
        self.listed_at: float | None = None
        """When the last listing ended, in seconds on the monotonic clock."""
        self._state = LOADING
        self._asking = 0
        self._polling = False

    @property
    def load_state(self) -> LoadState:
        """Whether the checkpoints are known; those of a platform without any are."""
        return LOADED if self.unsupported else self._state

    @property
    def is_asking(self) -> bool:
        """Whether a listing is under way."""
        return self._asking > 0

    @property
    def pending(self) -> list[str]:
        """The ids of those that are still being taken or deleted."""
        return [each.id for each in self.checkpoints.values() if each.state not in {DURABLE, "FAILED"}]

    def of_sandbox(self, sandbox_id: str) -> list[SandboxCheckpoint]:
        """Return the known checkpoints of a sandbox, oldest first."""
        return [each for each in self.checkpoints.values() if each.sandbox_id == sandbox_id]

    async def refresh(self) -> None:
        """List the checkpoints of all sandboxes; a failure is stored in the state."""
        if self._asking:
            return
        self._asking += 1
        rows = sorted(self._store, key=lambda row: (row.sandbox.is_finished, -row.created))
        alive = [row.id for row in rows if not row.sandbox.is_finished]
        ended = [row.id for row in rows if row.sandbox.is_finished][:MAX_ENDED]
        found: dict[str, SandboxCheckpoint] = {}
        problems: list[SandboxClientError] = []
        gate, done = asyncio.Semaphore(LISTED_AT_ONCE), 0
        total = len(alive) + len(ended)

        async def one(sandbox_id: str) -> None:
            nonlocal done
            async with gate:
                if problems or self.unsupported:
                    return
                try:
                    listed = await self._client.list_checkpoints(sandbox_id)
                except NotFoundError:
                    listed = []  # it has ended meanwhile
                except SandboxClientError as error:
                    if isinstance(error, APIError) and error.status_code in WITHOUT_CHECKPOINTS:
                        self.unsupported = str(error)
                    else:
                        problems.append(error)
                    return
            done += 1
            found.update({each.id: each for each in listed})
            if not self._state.is_loaded:
                self.checkpoints.update({each.id: each for each in listed})
                self._state = LoadState(LoadPhase.LOADING, f"{done:,} of {total:,} sandboxes")
                self.on_change()

        self.unsupported = ""
        if not self._state.is_loaded:
            self._state = LOADING
        self.on_change()
        try:
            async with asyncio.TaskGroup() as group:
                for sandbox_id in (*alive, *ended):
                    group.create_task(one(sandbox_id))
            if problems:
                self._state = failed(str(problems[0])) if not self._state.is_loaded else self._state
            elif not self.unsupported:
                self._keep_unlisted(found)
                self.checkpoints = found
                await self._look_up_others()
                self._state = LOADED
        finally:
            self._asking -= 1
            self.listed_at = self._clock.monotonic()
        self.on_change()

    def _keep_unlisted(self, found: dict[str, SandboxCheckpoint]) -> None:
        """Keep what was begun while the others were listed."""
        for each in self.checkpoints.values():
            if each.id not in found and each.state not in {DURABLE, *FAILED_STATES}:
                found[each.id] = each

    async def _look_up_others(self) -> None:
        """Find the checkpoints that others name: of sandboxes that are not listed any more."""
        named = {row.sandbox.checkpoint_id for row in self._store if row.sandbox.checkpoint_id}
        named |= {each.parent_id for each in self.checkpoints.values() if each.parent_id}
        unknown = sorted(each for each in named if each and each not in self.checkpoints)
        self.gone = set()
        for start in range(0, len(unknown), BATCH):
            ids = unknown[start : start + BATCH]
            try:
                reply = await self._client.get_checkpoints(ids)
            except SandboxClientError:
                # Without them the tree is only less complete.
                return
            self.checkpoints.update({each.id: each for each in reply.checkpoints})
            self.gone |= set(ids) - {each.id for each in reply.checkpoints}

    async def poll(self) -> None:
        """Ask for the state of those that are still being taken or deleted. Failures are left to the next time."""
        ids = self.pending
        if self._polling or not ids:
            return
        self._polling = True
        try:
            for start in range(0, len(ids), BATCH):
                batch = ids[start : start + BATCH]
                reply = await self._client.get_checkpoints(batch)
                known = {each.id: each for each in reply.checkpoints}
                changed = {each.id for each in known.values() if self.checkpoints.get(each.id) != each}
                gone = set(batch) - known.keys()
                self.checkpoints.update(known)
                self._drop(gone)
                if changed or gone:
                    self.on_change()
        except SandboxClientError:
            return
        finally:
            self._polling = False

    async def take(self, sandbox_id: str) -> SandboxCheckpoint:
        """Begin a checkpoint.

        Raises:
            SandboxClientError: the platform refused, or could not be reached.
        """
        begun = await self._client.checkpoint(sandbox_id)
        self.checkpoints[begun.id] = begun
        self.on_change()
        return begun

    async def delete(self, checkpoint_ids: Sequence[str]) -> dict[str, str]:
        """Delete checkpoints, the newest first; return why others were not deleted."""
        failures: dict[str, str] = {}
        for checkpoint_id in checkpoint_ids:
            try:
                await self._client.delete_checkpoint(checkpoint_id)
            except NotFoundError:
                pass
            except SandboxClientError as error:
                failures[checkpoint_id] = str(error)
                continue
            self._drop([checkpoint_id])
            self.on_change()
        return failures

    def _drop(self, ids: Iterable[str]) -> None:
        for each in ids:
            if self.checkpoints.pop(each, None) is not None:
                self.gone.add(each)
