"""The volumes, as far as they are known."""

from __future__ import annotations

from collections.abc import Sequence

from sandtui.client import APIError, AsyncSandboxClient, NotFoundError, SandboxClientError, Volume
from sandtui.clock import Clock
from sandtui.fleet.load_state import LOADED, LOADING, LoadState, failed
from sandtui.fleet.signals import Signal

PAGE = 100
MAX_VOLUMES = 10_000

WITHOUT_VOLUMES = frozenset({404, 405, 501})
"""Responses of a platform that has none."""


class VolumeBoard:
    """The volumes by name. ``on_change`` tells of every change."""

    def __init__(self, client: AsyncSandboxClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._by_id: dict[str, Volume] = {}
        self.limit_gb: int | None = None
        """The storage that they may use together, in GB."""
        self.unsupported = ""
        """What a platform without volumes has answered."""
        self.problem = ""
        """Why the last listing failed, although an earlier one did not."""
        self.listed_at: float | None = None
        """When the last listing ended, in seconds on the monotonic clock."""
        self.publishing: set[str] = set()
        """Names of volumes of which a version is being published here."""
        self.on_change: Signal[[]] = Signal()
        self._state = LOADING
        self._is_asking = False
        self._changes = 0

    @property
    def volumes(self) -> list[Volume]:
        """The known volumes, by name."""
        return sorted(self._by_id.values(), key=lambda each: (each.name.lower(), each.id))

    @property
    def load_state(self) -> LoadState:
        """Whether the volumes are known; those of a platform without any are."""
        return LOADED if self.unsupported else self._state

    @property
    def is_asking(self) -> bool:
        """Whether a listing is under way."""
        return self._is_asking

    async def refresh(self) -> None:
        """List all volumes; a failure is stored in the state."""
        if self._is_asking:
            return
        self._is_asking = True
        if not self._state.is_loaded:
            self._state = LOADING
        self.on_change()
        try:
            while True:
                before = self._changes
                found, limit_gb = await self._list()
                # What was created or deleted meanwhile may be missing in the list, or still be in it.
                if before == self._changes:
                    break
        except SandboxClientError as error:
            if isinstance(error, APIError) and error.status_code in WITHOUT_VOLUMES:
                self.unsupported = str(error)
            elif self._state.is_loaded:
                self.problem = str(error)
            else:
                self._state = failed(str(error))
        else:
            self._by_id, self.limit_gb = found, limit_gb
            self.unsupported, self.problem, self._state = "", "", LOADED
        finally:
            self._is_asking = False
            self.listed_at = self._clock.monotonic()
        self.on_change()

    async def _list(self) -> tuple[dict[str, Volume], int | None]:
        found: dict[str, Volume] = {}
        page = 1
        while True:
            reply = await self._client.volumes.list(page=page, per_page=PAGE)
            fresh = {each.id: each for each in reply.volumes if each.id not in found}
            found |= fresh
            if not (reply.has_next and fresh) or len(found) >= MAX_VOLUMES:
                return found, reply.storage_limit_gb
            page += 1

    async def create(self, name: str) -> Volume:
        """Create an empty volume.

        Raises:
            SandboxClientError: the platform refused, or could not be reached.
        """
        made = await self._client.volumes.create(name)
        self._put(made)
        return made

    async def delete(self, volumes: Sequence[Volume]) -> dict[str, str]:
        """Delete volumes with their data; return why others were not deleted, by their names."""
        failures: dict[str, str] = {}
        for each in volumes:
            try:
                await self._client.volumes.delete(each.name, team_id=each.team_id)
            except NotFoundError:
                pass
            except SandboxClientError as error:
                failures[each.name] = str(error)
                continue
            self._by_id.pop(each.id, None)
            self._changed()
        return failures

    async def publish(self, sandbox_id: str, volume: Volume, *, force: bool = False) -> None:
        """Make the copy of a sandbox the newest version.

        Raises:
            SandboxClientError: it was not published.
        """
        self.publishing.add(volume.name)
        self.on_change()
        try:
            await self._client.volumes.publish(sandbox_id, volume.name, force)
            self._put(await self._client.volumes.get(volume.name, team_id=volume.team_id))
        finally:
            self.publishing.discard(volume.name)
            self.on_change()

    def _put(self, volume: Volume) -> None:
        self._by_id[volume.id] = volume
        self._changed()

    def _changed(self) -> None:
        self._changes += 1
        self.on_change()
