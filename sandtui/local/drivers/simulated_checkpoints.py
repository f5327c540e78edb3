"""Checkpoints of simulated sandboxes: their few files, in memory."""

from __future__ import annotations

from collections.abc import Callable

from sandtui.local.drivers.base import Captured
from sandtui.local.store.records import SandboxRecord


class SimulatedCheckpoints:
    """The files of each checkpoint. Those of an earlier platform are gone; its sandboxes begin with samples again."""

    def __init__(self, files_of: Callable[[SandboxRecord], dict[str, bytes]]) -> None:
        self._files_of = files_of
        self._stored: dict[str, dict[str, bytes]] = {}

    async def take(self, record: SandboxRecord, checkpoint_id: str, on_captured: Callable[[], None]) -> Captured:
        """Remember the files of a sandbox."""
        files = dict(self._files_of(record))
        self._stored[checkpoint_id] = files
        on_captured()
        return Captured(sum(map(len, files.values())), 0.0)

    def files(self, checkpoint_id: str | None) -> dict[str, bytes] | None:
        """Return a copy of the files of a checkpoint, or None if they are not known."""
        stored = None if checkpoint_id is None else self._stored.get(checkpoint_id)
        return None if stored is None else dict(stored)

    async def remove(self, checkpoint_id: str) -> None:
        """Forget a checkpoint."""
        self._stored.pop(checkpoint_id, None)

    async def remains(self) -> list[str]:
        """Return no ids: a durable checkpoint of an earlier platform stays one, although its files are gone."""
        return []
