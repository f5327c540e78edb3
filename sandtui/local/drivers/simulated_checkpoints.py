"""Checkpoints of simulated sandboxes: their few files, in memory."""

from __future__ import annotations

from collections.abc import Callable

from sandtui.local.drivers.base import Captured
from sandtui.local.store.records import Attachment, SandboxRecord


class SimulatedCheckpoints:
    """The files of each checkpoint. Those of an earlier platform are gone; its sandboxes begin with samples again."""

    def __init__(self, files_of: Callable[[SandboxRecord], dict[str, bytes]]) -> None:
        self._files_of = files_of
        self._stored: dict[str, dict[str, bytes]] = {}

    @property
    def no_volumes(self) -> None:
        """None: volumes are a few files as well."""
        return None

    async def take(
        self,
        record: SandboxRecord,
        checkpoint_id: str,
        on_captured: Callable[[], None],
        volume: Attachment | None = None,
    ) -> Captured:
        """Remember the files of a sandbox, or those of a volume by their paths in it."""
        files = dict(self._files_of(record))
        if volume is None:
            mounts = tuple(f"{each.mount_path}/" for each in record.volumes)
            files = {path: data for path, data in files.items() if not path.startswith(mounts)}
        else:
            top = f"{volume.mount_path}/"
            files = {path.removeprefix(top): data for path, data in files.items() if path.startswith(top)}
        self._stored[checkpoint_id] = files
        on_captured()
        return Captured(sum(map(len, files.values())), 0.0)

    def mounted(self, record: SandboxRecord) -> dict[str, bytes]:
        """Return the files of a new sandbox's volumes, by their whole paths."""
        return {
            f"{each.mount_path}/{path}": data
            for each in record.volumes
            for path, data in (self.files(each.base) or {}).items()
        }

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
