"""The control plane's calls for exposed ports (client/WIRE.md 2.11)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from sandtui.client.models.ports import MAX_PORT, MIN_PORT, RESERVED_PORTS
from sandtui.local import wire
from sandtui.local.control.api_key import ApiKeyGuard, Row
from sandtui.local.gateway.exposures import Exposures


class ExposeBody(wire.RequestBody):
    """The port to expose."""

    port: int
    name: str | None = Field(default=None, max_length=50)
    protocol: Literal["HTTP", "TCP"] = "HTTP"

    @field_validator("protocol", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("port")
    @classmethod
    def _allowed(cls, value: int) -> int:
        if not MIN_PORT <= value <= MAX_PORT:
            raise ValueError(f"must be from {MIN_PORT} to {MAX_PORT}")
        if value in RESERVED_PORTS:
            reserved = ", ".join(str(port) for port in sorted(RESERVED_PORTS))
            raise ValueError(f"cannot be exposed: the platform itself uses {reserved}")
        return value


class PortRoutes:
    """Exposes ports, lists exposures and removes them."""

    def __init__(self, access: ApiKeyGuard, exposures: Exposures) -> None:
        self._access = access
        self._exposures = exposures

    def rows(self) -> list[Row]:
        """Return the calls; ``/sandbox/expose/all`` must come before ``/sandbox/{id}``."""
        return [
            ("GET", "/sandbox/expose/all", self.list_all),
            ("POST", "/sandbox/{id}/expose", self.expose),
            ("GET", "/sandbox/{id}/expose", self.list),
            ("DELETE", "/sandbox/{id}/expose/{exposure}", self.unexpose),
        ]

    async def expose(self, request: Request) -> Response:
        """POST /sandbox/{id}/expose."""
        record = self._access.sandbox(request)
        body = await wire.read_body(request, ExposeBody)
        record = self._access.running(request)
        exposure = await self._exposures.add(record.id, body.port, body.name, body.protocol)
        return wire.AsciiJSONResponse(exposure.response())

    async def list(self, request: Request) -> Response:
        """GET /sandbox/{id}/expose."""
        record = self._access.sandbox(request)
        return wire.AsciiJSONResponse(
            {"exposures": [exposure.response() for exposure in self._exposures.of(record.id)]}
        )

    async def list_all(self, request: Request) -> Response:
        """GET /sandbox/expose/all."""
        return wire.AsciiJSONResponse({"exposures": [exposure.response() for exposure in self._exposures.of()]})

    async def unexpose(self, request: Request) -> Response:
        """DELETE /sandbox/{id}/expose/{exposure}."""
        record = self._access.sandbox(request)
        exposure = self._exposures.get(request.path_params["exposure"])
        if exposure is None or exposure.sandbox_id != record.id:
            raise wire.problem(HTTPStatus.NOT_FOUND, "Exposure not found")
        await self._exposures.remove(exposure)
        return wire.AsciiJSONResponse({"success": True, "message": f"Port {exposure.port} is no longer exposed"})
