"""The control plane's calls for egress policies (client/WIRE.md 2.12)."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any, Self
from weakref import WeakValueDictionary

from pydantic import model_validator
from starlette.requests import Request
from starlette.responses import Response

from sandtui.local import wire
from sandtui.local.control.api_key import ApiKeyGuard, Row
from sandtui.local.drivers.base import Driver, Refused
from sandtui.local.egress import checked_lists
from sandtui.local.store.records import SandboxRecord
from sandtui.local.store.registry import Registry


class EgressBody(wire.RequestModel):
    """A whole policy; it replaces the one before."""

    allowlist: list[str] | None = None
    denylist: list[str] | None = None

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.allowlist, self.denylist = checked_lists(self.allowlist, self.denylist)
        return self


class EgressRoutes:
    """Reads and replaces policies. ``applied_generation`` is what the driver has seen to be in force."""

    def __init__(self, access: ApiKeyGuard, registry: Registry, driver: Driver) -> None:
        self._access = access
        self._registry = registry
        self._driver = driver
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def rows(self) -> list[Row]:
        """Return the calls."""
        return [
            ("GET", "/sandbox/{id}/egress-policy", self.get),
            ("PUT", "/sandbox/{id}/egress-policy", self.put),
        ]

    async def get(self, request: Request) -> Response:
        """GET /sandbox/{id}/egress-policy."""
        return wire.AsciiJSONResponse(await self._reply(self._access.sandbox(request)))

    async def put(self, request: Request) -> Response:
        """PUT /sandbox/{id}/egress-policy."""
        sandbox_id = self._access.sandbox(request).id
        body = await wire.read_body(request, EgressBody)
        # One after the other, each to its end: a reply then tells of a policy that held.
        async with self._changing.setdefault(sandbox_id, asyncio.Lock()):
            old = self._access.running(request)
            changes: dict[str, Any] = {
                "network_access": body.allowlist != [],
                "network_allowlist": body.allowlist,
                "network_denylist": body.denylist,
                "network_generation": old.network_generation + 1,
            }
            try:
                self._driver.check_egress(dataclasses.replace(old, **changes), old)
            except Refused as refused:
                raise wire.invalid(_field(refused.param, body), refused.details) from refused
            record = await self._registry.change(sandbox_id, **changes)
            await self._driver.apply_egress(record)
            return wire.AsciiJSONResponse(await self._reply(record))

    async def _reply(self, record: SandboxRecord) -> dict[str, Any]:
        applied = 0 if record.is_finished else await self._driver.applied_egress(record)
        # A container that was made without a network has no lists, and nothing allowed.
        allow = record.network_allowlist if record.network_access else []
        return {
            "policy": {"allowlist": allow, "denylist": record.network_denylist if record.network_access else None},
            "generation": record.network_generation,
            "applied_generation": applied,
            "applied": applied == record.network_generation,
        }


def _field(param: str, body: EgressBody) -> str:
    """Return the field of this call for one of a create, where a switch says what is a list here."""
    if param == "network_access":
        return "denylist" if body.denylist is not None else "allowlist"
    return param.removeprefix("network_")
