"""What a platform offers to the create form: images, volumes and checkpoints. One without them offers none."""

from __future__ import annotations

from collections.abc import Iterable

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.client.models.checkpoints import DURABLE
from sandtui.client.models.images import ImageBuildStatus
from sandtui.fleet.checkpoints.board import CheckpointBoard
from sandtui.fleet.volumes.board import VolumeBoard

MAX_IMAGES = 100

MOST_LISTED = 100
"""Of more sandboxes the checkpoints are not listed for the form: that takes a request for each."""


async def offered_images(client: AsyncSandboxClient) -> list[str]:
    """Return the finished images of the user and of the platform, the newest first."""
    found: list[str] = []
    for of_platform in (False, True):
        try:
            page = await client.images.list(platform=of_platform, limit=MAX_IMAGES)
        except SandboxClientError:
            continue
        found += [each.reference for each in page.data if each.status == ImageBuildStatus.COMPLETED]
    return _typeable(found)


async def offered_volumes(board: VolumeBoard) -> list[str]:
    """Return the names of the volumes."""
    await board.refresh()
    return [name for name in _typeable(each.name for each in board.volumes) if ":" not in name]


async def offered_checkpoints(board: CheckpointBoard, sandboxes: int) -> list[str]:
    """Return the ids of the checkpoints that are whole, the newest first. There are so many ``sandboxes``."""
    if board.listed_at is None and sandboxes <= MOST_LISTED:
        await board.refresh()
    whole = [each for each in board.checkpoints.values() if each.state == DURABLE]
    whole.sort(key=lambda each: (each.created_at is not None, each.created_at, each.id), reverse=True)
    return _typeable(each.id for each in whole)


def _typeable(texts: Iterable[str]) -> list[str]:
    """Return the texts that a field of words can hold, each once."""
    return list(
        dict.fromkeys(each for each in texts if each.isprintable() and not any(map(str.isspace, each)) and each)
    )
