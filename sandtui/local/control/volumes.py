"""Volumes (client/WIRE.md 2.14): each sandbox gets its own copy of the newest version, and may publish a newer one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from sandtui.clock import Clock
from sandtui.local import wire
from sandtui.local.control.api_key import ApiKeyGuard, Row, refuse
from sandtui.local.control.checkpoints import Checkpoints
from sandtui.local.drivers.base import Captured, CheckpointDriver, Driver
from sandtui.local.settings import USER_ID
from sandtui.local.store.checkpoints import CheckpointRecord, CheckpointRegistry
from sandtui.local.store.disk import Disk
from sandtui.local.store.records import Attachment, SandboxRecord
from sandtui.local.store.registry import Registry
from sandtui.local.store.volumes import VolumeRecord, VolumeRegistry

MAX_VOLUMES: Final = 1000


class Volumes:
    """Attaches volumes to new sandboxes and publishes their versions."""

    def __init__(
        self,
        records: VolumeRegistry,
        versions: CheckpointRegistry,
        checkpoints: Checkpoints,
        registry: Registry,
        driver: Driver,
        clock: Clock,
        disk: Disk,
    ) -> None:
        self.records = records
        self._versions = versions
        self._checkpoints = checkpoints
        self._registry = registry
        self._driver = driver
        self._clock = clock
        self._disk = disk
        self._publishing: set[str] = set()

    async def open(self) -> None:
        """Remove versions that no volume needs; an earlier platform may have been killed in between."""
        if self._driver.checkpoints is None:
            return
        for version in self._versions:
            if version.volume_id is not None and self.records.get(version.volume_id) is None:
                await self._checkpoints.delete(version, self._driver.checkpoints)
        for volume in self.records:
            await self._prune(volume.id, self._driver.checkpoints)

    @property
    def refusal(self) -> str | None:
        """Why there are no volumes here, as the beginning of a sentence; None if there are."""
        if self._driver.checkpoints is None:
            return f"With the {self._driver.name} driver, volumes are"
        return self._driver.checkpoints.no_volumes

    def attachments(self, mounts: Sequence[wire.MountBody], team_id: str | None) -> tuple[Attachment, ...]:
        """Return what a new sandbox gets, or raise the error for it."""
        found = []
        for mount in mounts:
            volume = self._find(mount.name, team_id)
            found.append(
                Attachment(volume.id, volume.name, mount.mount_path, mount.read_only, volume.head_checkpoint_id)
            )
        return tuple(found)

    def is_attached(self, volume: VolumeRecord) -> bool:
        """Whether a sandbox that has not ended has it."""
        return any(each.volume_id == volume.id for one in self._registry if not one.is_finished for each in one.volumes)

    async def create(self, name: str, team_id: str | None) -> VolumeRecord:
        """Create an empty volume."""
        if len(self.records) >= MAX_VOLUMES:
            raise wire.problem(HTTPStatus.CONFLICT, f"There are {MAX_VOLUMES:,} volumes, which is the limit.")
        await asyncio.to_thread(self._disk.check)
        if self.records.named(name, team_id) is not None:
            raise wire.problem(HTTPStatus.CONFLICT, f"A volume named {name} already exists")
        user_id = None if team_id else USER_ID
        record = VolumeRecord(f"vol_{secrets.token_hex(12)}", name, self._clock.now(), user_id, team_id)
        await self.records.add(record)
        return record

    async def delete(self, volume: VolumeRecord, driver: CheckpointDriver) -> None:
        """Delete a volume and all its versions."""
        if self.is_attached(volume):
            raise wire.problem(HTTPStatus.CONFLICT, "The volume is attached to a sandbox that has not ended.")
        if volume.id in self._publishing:
            raise wire.problem(HTTPStatus.CONFLICT, "The volume is being published.")
        await self.records.remove(volume.id)
        for version in self._versions:
            if version.volume_id == volume.id:
                await self._checkpoints.delete(version, driver)

    async def publish(
        self, sandbox: SandboxRecord, name: str, *, force: bool, driver: CheckpointDriver
    ) -> CheckpointRecord:
        """Begin to publish a sandbox's copy of a volume."""
        attached = next((each for each in sandbox.volumes if each.name == name), None)
        volume = None if attached is None else self.records.get(attached.volume_id)
        if attached is None or volume is None:
            raise wire.problem(HTTPStatus.NOT_FOUND, f"The sandbox has no volume named {name}")
        if attached.read_only:
            raise wire.problem(HTTPStatus.BAD_REQUEST, f"The volume {name} is read-only in this sandbox")
        if volume.id in self._publishing:
            raise wire.problem(HTTPStatus.CONFLICT, f"The volume {name} is being published already")
        head = volume.head_checkpoint_id
        current = None if head is None else self._versions.get(head)
        # What the sandbox itself has published is known to it.
        is_known = head == attached.base or (current is not None and current.sandbox_id == sandbox.id)
        if not is_known and not force:
            detail = f"The volume {name} has a newer version than the one in this sandbox; force replaces it"
            raise wire.problem(HTTPStatus.CONFLICT, detail)
        self._publishing.add(volume.id)
        try:
            checkpoint = await self._checkpoints.add(
                sandbox, volume_id=volume.id, parent=current, depth=0 if current is None else current.depth + 1
            )
        except BaseException:
            self._publishing.discard(volume.id)
            raise
        self._checkpoints.spawn(self._publish(sandbox, attached, checkpoint, driver), checkpoint.id)
        return checkpoint

    async def _publish(
        self, sandbox: SandboxRecord, attached: Attachment, checkpoint: CheckpointRecord, driver: CheckpointDriver
    ) -> None:
        async def take(captured: Any) -> Captured:
            result = await driver.take(sandbox, checkpoint.id, captured, attached)
            # The head is stored before the version can be seen as DURABLE, so that no crash comes between the two.
            await self.records.move_head(attached.volume_id, checkpoint.id)
            return result

        try:
            await self._checkpoints.carry_out(sandbox, checkpoint, take, driver)
        finally:
            self._publishing.discard(attached.volume_id)
        await self._prune(attached.volume_id, driver)

    async def _prune(self, volume_id: str, driver: CheckpointDriver) -> None:
        """Delete the versions that nothing needs: neither the head, nor what a sandbox is being created from."""
        volume = self.records.get(volume_id)
        needed = {None if volume is None else volume.head_checkpoint_id}
        needed |= {
            each.base
            for one in self._registry
            if not one.is_finished and one.started_at is None
            for each in one.volumes
        }
        for version in self._versions:
            if version.volume_id == volume_id and version.id not in needed and version.is_over:
                await self._checkpoints.delete(version, driver)

    def response(self, volume: VolumeRecord) -> dict[str, Any]:
        """Return a volume as clients read it."""
        return wire.volume_response(volume, self.size_of(volume))

    def size_of(self, volume: VolumeRecord) -> int:
        """Return the bytes in use of its newest version."""
        head = None if volume.head_checkpoint_id is None else self._versions.get(volume.head_checkpoint_id)
        return 0 if head is None else head.occupied_bytes

    def _find(self, name: str, team_id: str | None) -> VolumeRecord:
        found = self.records.named(name, team_id or None)
        if found is None:
            raise wire.problem(HTTPStatus.NOT_FOUND, f"Volume {name} not found")
        return found

    def find(self, request: Request) -> VolumeRecord:
        """Return the volume of a request's path, or raise a 404."""
        return self._find(request.path_params["name"], request.query_params.get("team_id"))


class VolumeRoutes:
    """The calls about volumes."""

    def __init__(self, access: ApiKeyGuard, volumes: Volumes, driver: Driver) -> None:
        self._access = access
        self._volumes = volumes
        self._driver = driver

    def rows(self) -> list[Row]:
        """Return the calls, which must come before those with the id of a sandbox."""
        if (refusal := self._volumes.refusal) is not None:
            return [
                ("*", "/sandbox/volumes{rest:path}", refuse(refusal)),
                ("*", "/sandbox/{id}/volumes/{name}/publish", refuse(refusal)),
            ]
        return [
            ("POST", "/sandbox/volumes", self.create),
            ("GET", "/sandbox/volumes", self.get_all),
            ("GET", "/sandbox/volumes/{name}", self.get),
            ("DELETE", "/sandbox/volumes/{name}", self.delete),
            ("POST", "/sandbox/{id}/volumes/{name}/publish", self.publish),
        ]

    async def create(self, request: Request) -> Response:
        """POST /sandbox/volumes."""
        body = await wire.read_body(request, wire.VolumeBody)
        volume = await self._volumes.create(body.name, body.team_id or None)
        return wire.AsciiJSONResponse(self._volumes.response(volume), HTTPStatus.CREATED)

    async def get_all(self, request: Request) -> Response:
        """GET /sandbox/volumes."""
        page = wire.number(request, "page", 1, 1, 1_000_000)
        per_page = wire.number(request, "per_page", 50, 1, MAX_VOLUMES)
        team_id = request.query_params.get("team_id") or None
        mine = [volume for volume in reversed(list(self._volumes.records)) if volume.team_id == team_id]
        shown = mine[(page - 1) * per_page : page * per_page]
        return wire.AsciiJSONResponse(
            {
                "volumes": [self._volumes.response(volume) for volume in shown],
                "total": len(mine),
                "page": page,
                "per_page": per_page,
                "has_next": page * per_page < len(mine),
                "storage_used_bytes": sum(map(self._volumes.size_of, mine)),
                "storage_limit_gb": None,
            }
        )

    async def get(self, request: Request) -> Response:
        """GET /sandbox/volumes/{name}."""
        return wire.AsciiJSONResponse(self._volumes.response(self._volumes.find(request)))

    async def delete(self, request: Request) -> Response:
        """DELETE /sandbox/volumes/{name}."""
        volume = self._volumes.find(request)
        await self._volumes.delete(volume, self._offered)
        return wire.AsciiJSONResponse({"success": True, "message": f"Volume {volume.name} deleted"})

    async def publish(self, request: Request) -> Response:
        """POST /sandbox/{id}/volumes/{name}/publish."""
        body = await wire.read_body(request, wire.PublishBody)
        record = self._access.running(request)
        name = request.path_params["name"]
        checkpoint = await self._volumes.publish(record, name, force=body.force, driver=self._offered)
        return wire.AsciiJSONResponse(wire.checkpoint_response(checkpoint), HTTPStatus.CREATED)

    @property
    def _offered(self) -> CheckpointDriver:
        assert self._driver.checkpoints is not None
        return self._driver.checkpoints
