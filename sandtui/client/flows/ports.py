"""Exposing ports."""

from __future__ import annotations

from sandtui.client.calls import ports
from sandtui.client.errors import InvalidRequestError
from sandtui.client.flows.base import Flows
from sandtui.client.models import DeleteReply, ExposedPort, ListExposedPortsResponse
from sandtui.client.models.ports import MAX_PORT, MIN_PORT, RESERVED_PORTS

MAX_NAME = 50


class Ports(Flows):
    """The calls about exposed ports; the container generation has them."""

    async def expose(self, sandbox_id: str, port: int, name: str | None = None, protocol: str = "HTTP") -> ExposedPort:
        """Make a port of the sandbox reachable from outside: by a URL for ``HTTP``, by ``host:port`` for ``TCP``.

        Raises:
            InvalidRequestError: the port, the name or the protocol breaks a rule; nothing was sent.
            APIError: the platform refused; a VM has no exposures.
        """
        check_port(port)
        kind = protocol.upper()
        if kind not in {"HTTP", "TCP"}:
            raise InvalidRequestError(f"the protocol must be HTTP or TCP, not {protocol!r}")
        if name is not None and not 1 <= len(name) <= MAX_NAME:
            raise InvalidRequestError(f"an exposure's name has 1 to {MAX_NAME} characters")
        return await self._session.control(ports.expose(sandbox_id, port, name, kind), sandbox_id)

    async def unexpose(self, sandbox_id: str, exposure_id: str) -> DeleteReply:
        """Take an exposure back.

        Raises:
            NotFoundError: there is no such exposure.
        """
        return await self._session.control(ports.unexpose(sandbox_id, exposure_id), sandbox_id)

    async def list_exposed_ports(self, sandbox_id: str) -> ListExposedPortsResponse:
        """Return the exposures of one sandbox."""
        return await self._session.control(ports.list_exposed(sandbox_id), sandbox_id)

    async def list_all_exposed_ports(self) -> ListExposedPortsResponse:
        """Return the exposures of all sandboxes of the caller."""
        return await self._session.control(ports.list_all_exposed())


def check_port(port: int) -> None:
    """Refuse a port that no platform exposes.

    Raises:
        InvalidRequestError: it is outside 22 to 9000, or one that the platform keeps for itself.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not MIN_PORT <= port <= MAX_PORT:
        raise InvalidRequestError(f"a port from {MIN_PORT} to {MAX_PORT} can be exposed, not {port!r}")
    if port in RESERVED_PORTS:
        kept = ", ".join(map(str, sorted(RESERVED_PORTS)))
        raise InvalidRequestError(f"the platform keeps the ports {kept} for itself; let the program use another")
