"""Exposed ports."""

from __future__ import annotations

from sandtui.client.calls import ports
from sandtui.client.errors import InvalidRequestError
from sandtui.client.flows.base import Flows
from sandtui.client.models import DeleteReply, ExposedPort, ListExposedPortsResponse
from sandtui.client.models.ports import MAX_PORT, MIN_PORT, RESERVED_PORTS

MAX_NAME = 50


class Ports(Flows):
    """Operations on exposed ports, for containers."""

    async def expose(self, sandbox_id: str, port: int, name: str | None = None, protocol: str = "HTTP") -> ExposedPort:
        """Expose a port of the sandbox: by a URL for ``HTTP``, by ``host:port`` for ``TCP``.

        Raises:
            InvalidRequestError: port, name or protocol is invalid; nothing was sent.
            APIError: the platform refused; VMs have no exposed ports.
        """
        check_port(port)
        kind = protocol.upper()
        if kind not in {"HTTP", "TCP"}:
            raise InvalidRequestError(f"the protocol must be HTTP or TCP, not {protocol!r}")
        if name is not None and not 1 <= len(name) <= MAX_NAME:
            raise InvalidRequestError(f"an exposure's name has 1 to {MAX_NAME} characters")
        return await self._session.control(ports.expose(sandbox_id, port, name, kind), sandbox_id)

    async def unexpose(self, sandbox_id: str, exposure_id: str) -> DeleteReply:
        """Remove an exposure.

        Raises:
            NotFoundError: the exposure does not exist.
        """
        return await self._session.control(ports.unexpose(sandbox_id, exposure_id), sandbox_id)

    async def list_exposed_ports(self, sandbox_id: str) -> ListExposedPortsResponse:
        """Return the exposures of one sandbox."""
        return await self._session.control(ports.list_exposed(sandbox_id), sandbox_id)

    async def list_all_exposed_ports(self) -> ListExposedPortsResponse:
        """Return the exposures of all the caller's sandboxes."""
        return await self._session.control(ports.list_all_exposed())


def check_port(port: int) -> None:
    """Validate a port to expose.

    Raises:
        InvalidRequestError: it is outside 22 to 9000, or reserved by the platform.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not MIN_PORT <= port <= MAX_PORT:
        raise InvalidRequestError(f"the port must be from {MIN_PORT} to {MAX_PORT}, not {port!r}")
    if port in RESERVED_PORTS:
        reserved = ", ".join(map(str, sorted(RESERVED_PORTS)))
        raise InvalidRequestError(f"ports {reserved} are reserved by the platform; use another one")
