"""The control plane's calls for egress policies (wire.md 2.12)."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from pydantic import model_validator
from starlette.requests import Request
from starlette.responses import Response

from sandtui.local import wire
from sandtui.local.access import Access, Row
from sandtui.local.drivers.base import Driver
from sandtui.local.egress import Policy
from sandtui.local.records import SandboxRecord
from sandtui.local.registry import Registry
from sandtui.local.store import Store


class EgressBody(wire.RequestBody):
    """A whole policy; it replaces the one before."""

    allowlist: list[str] | None = None
    denylist: list[str] | None = None

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if self.allowlist is not None and self.denylist is not None:
            raise ValueError("allowlist: can't be given together with denylist")
        for name, rules in (("allowlist", self.allowlist), ("denylist", self.denylist)):
            if rules is not None and "*" in rules:
                raise ValueError(f"{name}: '*' must stand alone, and is written as an empty list of the other kind")
            try:
                Policy.of(rules, None)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        return self


class EgressRoutes:
    """Reads and replaces policies. ``applied`` is true only where the driver keeps to it."""

    def __init__(self, access: Access, registry: Registry, store: Store, driver: Driver) -> None:
        self._access = access
        self._registry = registry
        self._store = store
        self._driver = driver
        self._changing = asyncio.Lock()

    def rows(self) -> list[Row]:
        """Return the calls."""
        return [
            ("GET", "/sandbox/{id}/egress-policy", self.get),
            ("PUT", "/sandbox/{id}/egress-policy", self.put),
        ]

    async def get(self, request: Request) -> Response:
        """GET /sandbox/{id}/egress-policy."""
        return wire.Reply(await self._reply(self._access.sandbox(request)))

    async def put(self, request: Request) -> Response:
        """PUT /sandbox/{id}/egress-policy."""
        record = self._access.sandbox(request)
        body = await wire.read_body(request, EgressBody)
        self._access.running(request)
        async with self._changing:
            generation = self._generation(record) + 1
            record = await self._registry.change(
                record.id, network_allowlist=body.allowlist, network_denylist=body.denylist
            )
            await self._store.put("egress", record.id, {"id": record.id, "generation": generation})
        return wire.Reply(await self._reply(record))

    async def _reply(self, record: SandboxRecord) -> dict[str, Any]:
        generation = self._generation(record)
        applied = not record.is_finished and await self._driver.apply_egress(record)
        return {
            "policy": {"allowlist": record.network_allowlist, "denylist": record.network_denylist},
            "generation": generation,
            "applied_generation": generation if applied else max(0, generation - 1),
            "applied": applied,
        }

    def _generation(self, record: SandboxRecord) -> int:
        body = self._store.document("egress", record.id)
        return 1 if body is None else int(body["generation"])
