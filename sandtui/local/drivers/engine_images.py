"""Images of a container engine that belong to a platform: pulled, or built from Dockerfiles."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from sandtui.local.drivers.architecture import refuse_other_architecture
from sandtui.local.drivers.base import DriverError, Refused
from sandtui.local.drivers.build_groups import end_group, group_name
from sandtui.local.drivers.engine_api import EngineApi, EngineError, image_path

_STATE: Final = "sandtui.images"
_CHUNK: Final = 1024 * 1024
_MEMORY: Final = 4 * 1024**3
"""The most memory of a step of a build."""

Pull = Callable[[str, Callable[[str], None]], Awaitable[None]]
"""Makes an image available to the engine, and tells its progress."""


class EngineImages:
    """Each image has its id as the tag, in a repository of the platform; ``state`` tells its images from others'."""

    no_builds: str | None = None

    def __init__(self, api: EngineApi, state: str, pull: Pull) -> None:
        self._api = api
        self._state = state
        self._pull = pull
        self._in_use: set[str] = set()
        self.architecture = ""
        self._groups: str | None = None
        """How the engine makes control groups, if builds need one to be ended."""

    async def open(self, version: dict[str, Any]) -> None:
        """Find out what the engine is, from its own ``version``."""
        self.architecture = str(version.get("Arch") or "")
        is_podman = any("podman" in str(one.get("Name")).lower() for one in version.get("Components") or [])
        if is_podman and self._api.link.address.is_here and os.geteuid() == 0:
            self._groups = str((await self._api.call("GET", "/info")).get("CgroupDriver") or "")

    def reference(self, image_id: str) -> str:
        """Return the name of an image for the engine."""
        return f"{self._repository}:{image_id}"

    @property
    def _repository(self) -> str:
        return f"localhost/sandtui-image-{self._state}"

    def check(self, platform: str) -> None:
        """Refuse images for another processor than the engine's."""
        try:
            refuse_other_architecture(platform.partition("/")[2], self.architecture)
        except Refused as refused:
            raise Refused("platform", refused.details) from refused

    async def transfer(self, image_id: str, source: str, platform: str, note: Callable[[str], None]) -> int | None:
        """Pull an image and name it; return its size."""
        await self._pull(source, note)
        params = {"repo": self._repository, "tag": image_id}
        await self._api.call("POST", f"{image_path(source)}/tag", params=params)
        return await self._size(image_id)

    async def build(
        self, image_id: str, context: Path, dockerfile: str, platform: str, note: Callable[[str], None]
    ) -> int | None:
        """Build an image from a checked context; return its size."""
        params = {
            "dockerfile": dockerfile, "t": self.reference(image_id), "rm": "1", "forcerm": "1", "platform": platform,
            "labels": json.dumps({_STATE: self._state}), "memory": str(_MEMORY), "memswap": str(_MEMORY),
        }  # fmt: skip
        if self._groups is not None:
            params["cgroupparent"] = group_name(image_id, self._groups)
        try:
            await self._follow(params, context, note)
        finally:
            await asyncio.shield(asyncio.ensure_future(self._end_group(image_id)))
        try:
            return await self._size(image_id)
        except EngineError as error:
            raise DriverError(f"The container engine ended the build without an image: {error}") from error

    async def _follow(self, params: dict[str, str], context: Path, note: Callable[[str], None]) -> None:
        headers = {"Content-Type": "application/x-tar"}
        async for line in self._api.lines("POST", "/build", params=params, headers=headers, content=_content(context)):
            if "error" in line:
                raise DriverError(str(line["error"]).strip()[:4000] or "The build failed.")
            note(str(line.get("stream") or line.get("status") or ""))

    async def _end_group(self, image_id: str) -> None:
        if self._groups is not None:
            await asyncio.to_thread(end_group, image_id)

    async def remove(self, image_id: str) -> None:
        """Remove an image; one that containers were created from goes with the last of them."""
        await self._end_group(image_id)
        try:
            # Not by force: with Podman, that removes the containers as well.
            await self._api.call("DELETE", f"/images/{self.reference(image_id)}", wait=True)
        except EngineError as error:
            if error.status == HTTPStatus.CONFLICT:
                self._in_use.add(image_id)
                return
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        self._in_use.discard(image_id)

    async def remove_unused(self) -> None:
        """Remove the deleted images that no container needs any more."""
        for image_id in list(self._in_use):
            await self.remove(image_id)

    async def remains(self) -> list[str]:
        """Return the ids of all images of this platform that the engine has."""
        rows = await self._api.call("GET", "/images/json")
        tags = [tag for row in rows for tag in row.get("RepoTags") or ()]
        return sorted(tag.rpartition(":")[2] for tag in tags if tag.startswith(f"{self._repository}:"))

    async def _size(self, image_id: str) -> int | None:
        found: Any = await self._api.call("GET", f"/images/{self.reference(image_id)}/json")
        size = found.get("Size") if isinstance(found, dict) else None
        return size if isinstance(size, int) else None


async def _content(context: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(context.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
