"""Exposed ports (WIRE.md 2.11)."""

from typing import Annotated

from pydantic import ConfigDict, Field

from sandtui.client.models.base import RowsModel, WireModel, readable_rows

MIN_PORT, MAX_PORT = 22, 9000
RESERVED_PORTS = frozenset({8080, 2222, 8081})
"""Inside the range, but used by the platform itself (WIRE.md 8)."""


class ExposedPort(WireModel):
    """One exposure: an HTTP one has a ``url``, a TCP one an ``external_endpoint``. Unknown fields are kept."""

    model_config = ConfigDict(extra="allow")

    exposure_id: str
    sandbox_id: str
    port: int
    name: str | None = None
    url: str = ""
    tls_socket: str = ""
    protocol: str | None = None
    external_port: int | None = None
    external_endpoint: str | None = None
    created_at: str | None = None


class ListExposedPortsResponse(RowsModel):
    """All exposures of a sandbox, or of the caller."""

    exposures: Annotated[list[ExposedPort], readable_rows(ExposedPort)] = Field(default_factory=list)
