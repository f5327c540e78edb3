"""Image checks and registry credentials (client/WIRE.md 2.15)."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from sandtui.local import wire
from sandtui.local.control.api_key import Row
from sandtui.local.drivers.base import Driver


class ImageBody(wire.RequestModel):
    """The image to look for."""

    image: wire.Text
    registry_credentials_id: str | None = None


class ImageRoutes:
    """Answers whether a sandbox could be made of an image."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def rows(self) -> list[Row]:
        """Return the calls."""
        return [
            ("GET", "/template/registry-credentials", self.credentials),
            ("POST", "/template/check-docker-image", self.check),
        ]

    async def credentials(self, request: Request) -> Response:
        """GET /template/registry-credentials: there are none, and no call of the API makes one."""
        return wire.AsciiJSONResponse({"credentials": []})

    async def check(self, request: Request) -> Response:
        """POST /template/check-docker-image."""
        body = await wire.read_body(request, ImageBody)
        if body.registry_credentials_id is not None:
            raise wire.problem(HTTPStatus.NOT_FOUND, "Registry credentials not found; the local platform keeps none.")
        trouble = await self._driver.image_trouble(body.image)
        details = trouble or f"A sandbox of the {self._driver.name} driver can be made of it."
        return wire.AsciiJSONResponse({"accessible": trouble is None, "details": details})
