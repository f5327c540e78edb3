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


class EgressBody(wire.RequestBody):
    """A whole policy; it replaces the previous one."""

    allowlist: list[str] | None = None
    denylist: list[str] | None = None

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.allowlist, self.denylist = checked_lists(self.allowlist, self.denylist)
        return self


class EgressRoutes:
    """Reads and replaces policies. ``applied_generation`` is the generation that the driver has confirmed."""

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
        return wire.AsciiJSONResponse(await self._response(self._access.sandbox(request)))

    async def put(self, request: Request) -> Response:
        """PUT /sandbox/{id}/egress-policy."""
        sandbox_id = self._access.sandbox(request).id
        body = await wire.read_body(request, EgressBody)
        # One change of a sandbox at a time, each to its end, so that a response describes a policy that was in force.
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
            return wire.AsciiJSONResponse(await self._response(record))

    async def _response(self, record: SandboxRecord) -> dict[str, Any]:
        applied = 0 if record.is_finished else await self._driver.applied_egress(record)
        # A container that was created without a network has no lists, and nothing is allowed.
        allow = record.network_allowlist if record.network_access else []
        return {
            "policy": {"allowlist": allow, "denylist": record.network_denylist if record.network_access else None},
            "generation": record.network_generation,
            "applied_generation": applied,
            "applied": applied == record.network_generation,
        }


def _field(param: str, body: EgressBody) -> str:
    """Return this call's name for a field of a create request, which has a switch where this call has a list."""
    if param == "network_access":
        return "denylist" if body.denylist is not None else "allowlist"
    return param.removeprefix("network_")
