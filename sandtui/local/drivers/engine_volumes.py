"""Volumes of containers: volumes of the engine, copied by a container of their own, so that owners and links stay."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any, Final

from sandtui.cancellation import run_to_end
from sandtui.local.drivers.base import Captured, DriverError
from sandtui.local.drivers.engine_api import EngineApi, EngineError
from sandtui.local.store.records import Attachment, SandboxRecord

_STATE: Final = "sandtui.volumes"
_SANDBOX: Final = "sandtui.volume-of"
_VERSION: Final = "sandtui.version"
_COPY: Final = "sandtui.copies"
# The size is told if there is a du.
_SCRIPT: Final = "cp -a /from/. /to/ || exit 1; du -sk /to 2> /dev/null || true"
_RIGHTS: Final = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP")


class EngineVolumes:
    """Each sandbox has volumes of its own, and each published version is one.

    ``state`` marks those of this platform; ``name_of`` returns the container of a sandbox, ``image_of`` its image.
    """

    def __init__(
        self,
        api: EngineApi,
        state: str,
        name_of: Callable[[str], str],
        image_of: Callable[[SandboxRecord], str],
    ) -> None:
        self._api = api
        self._state = state
        self._name_of = name_of
        self._image_of = image_of

    async def open(self) -> None:
        """Remove the copying containers of a platform that was killed."""
        for row in await self._listed("/containers/json", f"{_COPY}={self._state}", all=1):
            await self._remove_container(str(row["Id"]))

    def mounts(self, record: SandboxRecord) -> list[dict[str, Any]]:
        """Return the mounts of a sandbox in the form that the engine reads."""
        return [
            _mount(_own(record.id, number), each.mount_path, read_only=each.read_only)
            for number, each in enumerate(record.volumes)
        ]

    async def prepare(self, record: SandboxRecord) -> None:
        """Make a new sandbox's own copies of its volumes.

        Raises:
            DriverError: they cannot be copied.
        """
        for number, each in enumerate(record.volumes):
            name = _own(record.id, number)
            await self._create(name, {_SANDBOX: record.id})
            if each.base is not None:
                await self._copy(_version(each.base), name, self._image_of(record))

    async def publish(
        self, record: SandboxRecord, checkpoint_id: str, volume: Attachment, on_captured: Callable[[], None]
    ) -> Captured:
        """Copy a sandbox's volume while the sandbox is paused."""
        target, container = _version(checkpoint_id), self._name_of(record.id)
        # The id: its name may have been removed, or belong to another image by now.
        image = str((await self._api.call("GET", f"/containers/{container}/json"))["Image"])
        try:
            await self._create(target, {_VERSION: checkpoint_id})
            async with self._paused(container) as began:
                source = _own(record.id, record.volumes.index(volume))
                occupied = await self._copy(source, target, image)
                seconds = time.monotonic() - began
            on_captured()
            return Captured(occupied, seconds)
        except BaseException:
            await run_to_end(self.remove_version(checkpoint_id))
            raise

    async def remove_version(self, checkpoint_id: str) -> None:
        """Remove a published version, if it exists."""
        await self._remove(_version(checkpoint_id))

    async def discard(self, sandbox_id: str) -> None:
        """Remove the volumes of a sandbox, whose container is gone."""
        for row in await self._listed("/volumes", f"{_SANDBOX}={sandbox_id}"):
            await self._remove(str(row["Name"]))

    async def versions(self) -> list[str]:
        """Return the ids of all versions that there are, complete or not."""
        return await self._marked(_VERSION)

    async def sandboxes(self) -> list[str]:
        """Return the ids of sandboxes that have volumes."""
        return await self._marked(_SANDBOX)

    async def resume(self, container: str) -> None:
        """Let a container go on that a killed platform has paused."""
        with contextlib.suppress(EngineError):
            await self._api.call("POST", f"/containers/{container}/unpause")

    async def _marked(self, label: str) -> list[str]:
        rows = await self._listed("/volumes", f"{_STATE}={self._state}")
        return sorted({row["Labels"][label] for row in rows if label in (row.get("Labels") or {})})

    async def _listed(self, path: str, label: str, **params: object) -> list[dict[str, Any]]:
        found = await self._api.call("GET", path, params={**params, "filters": json.dumps({"label": [label]})})
        rows = found.get("Volumes") if isinstance(found, dict) else found
        return [row for row in rows or [] if isinstance(row, dict)]

    @contextlib.asynccontextmanager
    async def _paused(self, container: str) -> AsyncIterator[float]:
        await self._api.call("POST", f"/containers/{container}/pause")
        try:
            yield time.monotonic()
        finally:
            await run_to_end(self.resume(container))

    async def _copy(self, source: str, target: str, image: str) -> int:
        """Copy a volume into an empty one; return its size in bytes."""
        name = f"sandtui-copy-{secrets.token_hex(8)}"
        body = {
            "Image": image, "Entrypoint": ["/bin/sh", "-c", _SCRIPT], "Cmd": [], "User": "0", "WorkingDir": "/",
            "Labels": {_COPY: self._state},
            "HostConfig": {
                "NetworkMode": "none", "CapDrop": ["ALL"], "CapAdd": list(_RIGHTS), "PidsLimit": 64,
                "SecurityOpt": ["no-new-privileges"],
                "Mounts": [_mount(source, "/from", read_only=True), _mount(target, "/to", read_only=False)],
            },
        }  # fmt: skip
        try:
            await self._api.call("POST", "/containers/create", params={"name": name}, json=body)
            await self._api.call("POST", f"/containers/{name}/start")
            ended = await self._api.call("POST", f"/containers/{name}/wait", wait=True)
            params = {"stdout": 1, "stderr": 1}
            raw = await self._api.call("GET", f"/containers/{name}/logs", params=params)
            text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""
            if ended.get("StatusCode") != 0:
                raise DriverError(f"The volume could not be copied (its image needs cp): {_printable(text)[-500:]}")
            digits = "".join(each for each in text.rpartition("/to")[0][-16:] if each.isdecimal())
            return int(digits or 0) * 1024
        finally:
            await run_to_end(self._remove_container(name))

    async def _create(self, name: str, labels: dict[str, str]) -> None:
        body = {"Name": name, "Labels": {_STATE: self._state, **labels}}
        await self._api.call("POST", "/volumes/create", json=body)

    async def _remove(self, name: str) -> None:
        try:
            await self._api.call("DELETE", f"/volumes/{name}", wait=True)
        except EngineError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    async def _remove_container(self, name: str) -> None:
        try:
            await self._api.call("DELETE", f"/containers/{name}", params={"force": 1, "v": 1})
        except EngineError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise


def _own(sandbox_id: str, number: int) -> str:
    return f"sandtui-{sandbox_id}-{number}"


def _version(checkpoint_id: str) -> str:
    return f"sandtui-version-{checkpoint_id}"


def _mount(volume: str, target: str, *, read_only: bool) -> dict[str, Any]:
    # NoCopy: otherwise a new volume begins with what the image has at that place.
    return {
        "Type": "volume", "Source": volume, "Target": target, "ReadOnly": read_only, "VolumeOptions": {"NoCopy": True},
    }  # fmt: skip


def _printable(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
