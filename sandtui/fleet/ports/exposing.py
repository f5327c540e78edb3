"""Exposing one port of many sandboxes."""

from __future__ import annotations

import asyncio

from sandtui.client import APIError, AsyncSandboxClient, ExposedPort, SandboxClientError
from sandtui.fleet.inventory.bulk import BulkResult
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.ports.exposures import parse_exposure, plain_fault

EXPOSE_AT_ONCE = 2
"""The platform allows 20 exposures a minute (client/WIRE.md 2.1)."""


class Exposing:
    """Exposes a port of one sandbox after the other. ``wanted`` is as in :func:`parse_exposure`.

    A sandbox that exposes the port already counts as done: its address stays as it is.

    Raises:
        ValueError: ``wanted`` breaks a rule.
    """

    def __init__(self, client: AsyncSandboxClient, history: History, wanted: str) -> None:
        self._client, self._history = client, history
        self.port, self.protocol, self.name = parse_exposure(wanted)
        self._known: dict[str, ExposedPort] | None = None
        self._reading = asyncio.Lock()

    async def expose(self, sandbox_id: str) -> BulkResult:
        """Expose the port of a sandbox, unless it is exposed already."""
        known = (await self._exposures()).get(sandbox_id)
        if known is not None:
            return BulkResult(True, f"already exposed: {address_of(known)}")
        try:
            exposed = await self._client.expose(sandbox_id, self.port, self.name, self.protocol)
        except SandboxClientError as error:
            if isinstance(error, APIError) and error.status_code == 409:
                # Perhaps somebody else has exposed it since the list was read: then another try finds it there.
                self._known = None
            return BulkResult(False, plain_fault(error, self.port))
        (await self._exposures())[sandbox_id] = exposed
        self._history.note(sandbox_id, f"exposed port {self.port}: {address_of(exposed)}")
        return BulkResult(True, address_of(exposed))

    async def _exposures(self) -> dict[str, ExposedPort]:
        """Return what is exposed already, by sandbox; without an answer the platform itself refuses a second time."""
        async with self._reading:
            if self._known is None:
                try:
                    reply = await self._client.list_all_exposed_ports()
                except SandboxClientError:
                    self._known = {}
                else:
                    self._known = {each.sandbox_id: each for each in reply.exposures if self._is_wanted(each)}
            return self._known

    def _is_wanted(self, exposure: ExposedPort) -> bool:
        return exposure.port == self.port and (exposure.protocol or "HTTP").upper() == self.protocol


def address_of(exposure: ExposedPort) -> str:
    """Return what one connects to."""
    return exposure.url or exposure.external_endpoint or "exposed"
