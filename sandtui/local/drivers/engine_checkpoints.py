"""Checkpoints of containers: images that the engine commits, which pauses a container for that by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from sandtui.local.drivers.base import Captured
from sandtui.local.drivers.engine_api import EngineApi, EngineError
from sandtui.local.drivers.engine_volumes import EngineVolumes
from sandtui.local.store.records import Attachment, SandboxRecord

REPOSITORY: Final = "localhost/sandtui-checkpoint"
_STATE: Final = "sandtui.checkpoints"


class EngineCheckpoints:
    """Each checkpoint is an image with its id as the tag. Images share layers, so that they take only what changed.

    ``name_of`` returns the container of a sandbox; ``state`` marks the images of this platform.
    """

    no_volumes: str | None = None

    def __init__(self, api: EngineApi, state: str, name_of: Callable[[str], str], volumes: EngineVolumes) -> None:
        self._api = api
        self._volumes = volumes
        self._state = state
        self._name_of = name_of
        self._in_use: set[str] = set()

    async def take(
        self,
        record: SandboxRecord,
        checkpoint_id: str,
        on_captured: Callable[[], None],
        volume: Attachment | None = None,
    ) -> Captured:
        """Commit the container of a sandbox, or copy one of its volumes."""
        if volume is not None:
            return await self._volumes.publish(record, checkpoint_id, volume, on_captured)
        name = self._name_of(record.id)
        before = await self._api.call("GET", f"/containers/{name}/json", params={"size": 1})
        repository, _, tag = image_of(checkpoint_id).rpartition(":")
        # Variables and secrets of a sandbox are not part of its files. They cannot be removed, only emptied.
        blank = [f"ENV {key}=" for key in record.environment() if key.isidentifier()]
        params = {
            "container": name, "repo": repository, "tag": tag, "pause": "1",
            "changes": [*blank, f"LABEL {_STATE}={self._state}"],
        }  # fmt: skip
        await self._api.call("POST", "/commit", params=params, json={}, wait=True)
        on_captured()
        return Captured(_size(before), 0.0)

    async def remove(self, checkpoint_id: str) -> None:
        """Remove an image; one that containers were created from goes with the last of them."""
        await self._volumes.remove_version(checkpoint_id)
        try:
            # Not by force: with Podman, that removes the containers as well.
            await self._api.call("DELETE", f"/images/{image_of(checkpoint_id)}")
        except EngineError as error:
            if error.status == HTTPStatus.CONFLICT:
                self._in_use.add(checkpoint_id)
                return
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        self._in_use.discard(checkpoint_id)

    async def remove_unused(self) -> None:
        """Remove the images of deleted checkpoints that no container needs any more."""
        for checkpoint_id in list(self._in_use):
            await self.remove(checkpoint_id)

    async def remains(self) -> list[str]:
        """Return the ids of all checkpoints that the engine has images or volumes of."""
        filters = json.dumps({"label": [f"{_STATE}={self._state}"]})
        rows = await self._api.call("GET", "/images/json", params={"filters": filters})
        tags = [tag for row in rows for tag in row.get("RepoTags") or ()]
        images = {tag.rpartition(":")[2] for tag in tags if tag.startswith(f"{REPOSITORY}:")}
        return sorted(images | set(await self._volumes.versions()))


def image_of(checkpoint_id: str) -> str:
    """Return the image of a checkpoint."""
    return f"{REPOSITORY}:{checkpoint_id}"


def _size(container: Any) -> int:
    """Return the bytes that a container has written."""
    size = container.get("SizeRw") if isinstance(container, dict) else None
    return size if isinstance(size, int) and size >= 0 else 0
