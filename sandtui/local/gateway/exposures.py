"""Exposed ports: each has a public loopback port while its sandbox runs (client/WIRE.md 2.11)."""

from __future__ import annotations

import logging
import secrets
import socket
from dataclasses import asdict, dataclass, replace
from typing import Any

from sandtui.clock import Clock
from sandtui.local import wire
from sandtui.local.control.lifecycle import Lifecycle
from sandtui.local.drivers.base import SandboxGone
from sandtui.local.gateway.forward import LOOPBACK, Forwarder
from sandtui.local.gateway.web_policy import label_of
from sandtui.local.store.database import Store
from sandtui.local.store.disk import DiskFull

MAX_EACH = 50
"""The most exposures of a sandbox; the limit of the real service is not known."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exposure:
    """One exposed port."""

    id: str
    sandbox_id: str
    port: int
    name: str | None
    protocol: str
    external_port: int
    created_at: str

    def response(self) -> dict[str, Any]:
        """Return it as the SDKs read it: ``url`` for HTTP, the external endpoint for TCP."""
        endpoint = f"{LOOPBACK}:{self.external_port}"
        is_tcp = self.protocol == "TCP"
        return {
            "exposure_id": self.id,
            "sandbox_id": self.sandbox_id,
            "port": self.port,
            "name": self.name,
            "url": "" if is_tcp else f"http://{endpoint}",
            "tls_socket": "",
            "protocol": self.protocol,
            "external_port": self.external_port if is_tcp else None,
            "external_endpoint": endpoint if is_tcp else None,
            "created_at": self.created_at,
        }


class Exposures:
    """All exposed ports: stored, with the same public port after a restart, and removed with their sandbox."""

    def __init__(self, store: Store, lifecycle: Lifecycle, clock: Clock) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._clock = clock
        self._open: dict[str, tuple[Exposure, Forwarder]] = {}
        lifecycle.on_end.append(self._sandbox_ended)

    async def open(self) -> None:
        """Listen again on the public ports of stored exposures; remove those whose sandbox is gone."""
        for body in self._store.documents("exposures"):
            exposure = Exposure(**body)
            if self._lifecycle.instance(exposure.sandbox_id) is None:
                await self._store.remove("exposures", exposure.id)
            else:
                try:
                    await self._listen(exposure, exposure.external_port)
                except DiskFull:
                    _log.warning("port %s of %s is not exposed: the disk is full", exposure.port, exposure.sandbox_id)

    async def close(self) -> None:
        """Stop listening; the exposures stay stored."""
        for _, forwarder in self._open.values():
            await forwarder.close()
        self._open.clear()

    async def add(self, sandbox_id: str, port: int, name: str | None, protocol: str) -> Exposure:
        """Expose a port; for a port and protocol that are already exposed, return that exposure."""
        for known in self.of(sandbox_id):
            if (known.port, known.protocol) == (port, protocol):
                return known
        if len(self.of(sandbox_id)) >= MAX_EACH:
            raise wire.problem(429, f"A sandbox can expose at most {MAX_EACH} ports; remove one first.")
        when = wire.timestamp(self._clock.now())
        exposure_id = f"exp_{secrets.token_hex(10)}"
        exposure = await self._listen(Exposure(exposure_id, sandbox_id, port, name, protocol, 0, when), 0)
        if self._lifecycle.instance(sandbox_id) is None:
            await self.remove(exposure)
            raise wire.problem(409, "The sandbox has ended.")
        return exposure

    async def remove(self, exposure: Exposure) -> None:
        """Close an exposed port and cut its connections."""
        found = self._open.pop(exposure.id, None)
        if found is not None:
            await found[1].close()
        await self._store.remove("exposures", exposure.id)

    def get(self, exposure_id: str) -> Exposure | None:
        """Return an exposure, or None if it does not exist."""
        found = self._open.get(exposure_id)
        return None if found is None else found[0]

    def of(self, sandbox_id: str | None = None) -> list[Exposure]:
        """Return the exposures of a sandbox, or all, oldest first."""
        return [exposure for exposure, _ in self._open.values() if sandbox_id in (None, exposure.sandbox_id)]

    async def _listen(self, exposure: Exposure, port: int) -> Exposure:
        async def dial() -> socket.socket:
            instance = self._lifecycle.instance(exposure.sandbox_id)
            if instance is None:
                raise SandboxGone("The sandbox is not running.")
            return await instance.dial(exposure.port)

        forwarder = Forwarder(dial, is_http=exposure.protocol == "HTTP", label=label_of(exposure.sandbox_id))
        exposure = replace(exposure, external_port=await forwarder.open(port))
        if self._store.document("exposures", exposure.id) != asdict(exposure):
            try:
                await self._store.put("exposures", exposure.id, asdict(exposure))
            except DiskFull:
                await forwarder.close()
                raise
        self._open[exposure.id] = (exposure, forwarder)
        return exposure

    async def _sandbox_ended(self, sandbox_id: str) -> None:
        for exposure in self.of(sandbox_id):
            await self.remove(exposure)
