"""Volumes, as ``client.volumes``."""

from __future__ import annotations

from sandtui.client.calls import volumes
from sandtui.client.checks import check_text
from sandtui.client.errors import InvalidRequestError
from sandtui.client.flows.base import Flows
from sandtui.client.flows.checkpoints import CheckpointOperations
from sandtui.client.models.checkpoints import SandboxCheckpoint
from sandtui.client.models.volumes import Volume, VolumeListResponse


class VolumeOperations(Flows):
    """Operations on volumes. Without ``team_id`` they are those of the configured team, else of the user.

    A volume is attached when a sandbox is created (``volumes`` of the request): the sandbox gets its own copy of the
    newest version.
    """

    async def create(self, name: str, *, team_id: str | None = None) -> Volume:
        """Create an empty volume.

        Raises:
            ConflictError: the name is taken.
        """
        check_text("the name of a volume", name)
        return await self._session.control(volumes.create_volume(name, self._team(team_id)))

    async def list(self, *, team_id: str | None = None, page: int = 1, per_page: int = 50) -> VolumeListResponse:
        """Return a page of the list of volumes."""
        if page < 1 or per_page < 1:
            raise InvalidRequestError("page and per_page must be at least 1")
        return await self._session.control(volumes.list_volumes(page, per_page, self._team(team_id)))

    async def get(self, name: str, *, team_id: str | None = None) -> Volume:
        """Return a volume by its name.

        Raises:
            NotFoundError: there is none of this name.
        """
        return await self._session.control(volumes.get_volume(name, self._team(team_id)))

    async def delete(self, name: str, *, team_id: str | None = None) -> None:
        """Delete a volume and its data.

        Raises:
            ConflictError: it is attached to a sandbox.
            NotFoundError: there is none of this name.
        """
        await self._session.control(volumes.delete_volume(name, self._team(team_id)))

    async def publish(self, sandbox_id: str, name: str, force: bool = False, wait: bool = True) -> SandboxCheckpoint:
        """Make a sandbox's copy of a volume the newest version; with ``wait``, return it once it is DURABLE.

        Raises:
            ConflictError: another sandbox is publishing it, or has published meanwhile and ``force`` is not set.
            NotFoundError: the sandbox does not have this volume.
            APIError: the volume is read-only in this sandbox.
            CheckpointFailedError: it could not be published.
            CheckpointTimeoutError: it was not published in 300 seconds.
        """
        call = volumes.publish_volume(sandbox_id, name, force=force)
        begun = await self._session.control(call, sandbox_id)
        return await CheckpointOperations(self._session).wait_for_checkpoint(begun.id) if wait else begun

    def _team(self, team_id: str | None) -> str | None:
        return team_id if team_id is not None else self._session.config.team_id
