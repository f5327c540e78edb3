"""Image checks and registry credentials (client/WIRE.md 2.15)."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from sandtui.local import wire
from sandtui.local.control.api_key import Row
from sandtui.local.control.builds import Builds
from sandtui.local.drivers.base import Driver


class ImageBody(wire.RequestBody):
    """The image to check."""

    image: wire.Text
    registry_credentials_id: str | None = None


class ImageRoutes:
    """Answers whether a sandbox can be created from an image."""

    def __init__(self, driver: Driver, builds: Builds) -> None:
        self._driver = driver
        self._builds = builds

    def rows(self) -> list[Row]:
        """Return the calls."""
        return [
            ("GET", "/template/registry-credentials", self.credentials),
            ("POST", "/template/check-docker-image", self.check),
        ]

    async def credentials(self, request: Request) -> Response:
        """GET /template/registry-credentials: always empty, since the API has no call to add any."""
        return wire.AsciiJSONResponse({"credentials": []})

    async def check(self, request: Request) -> Response:
        """POST /template/check-docker-image."""
        body = await wire.read_body(request, ImageBody)
        if body.registry_credentials_id is not None:
            raise wire.problem(HTTPStatus.NOT_FOUND, "Registry credentials not found; the local platform has none.")
        known = self._builds.resolve(body.image, None)
        error = None if known is not None else await self._driver.image_error(body.image)
        details = error or f"A sandbox of the {self._driver.name} driver can be created from it."
        return wire.AsciiJSONResponse({"accessible": error is None, "details": details})
