"""Calls for exposed ports (WIRE.md 2.11)."""

from __future__ import annotations

from sandtui.client.call import Call, Rate, Repeat
from sandtui.client.calls.sandboxes import sandbox_path
from sandtui.client.checks import json_body, segment
from sandtui.client.models import DeleteReply, ExposedPort, ListExposedPortsResponse


def expose(sandbox_id: str, port: int, name: str | None, protocol: str) -> Call[ExposedPort]:
    """Expose a port."""
    body: dict[str, object] = {"port": port, "protocol": protocol}
    if name is not None:
        body["name"] = name
    path = f"{sandbox_path(sandbox_id)}/expose"
    return Call("POST", path, ExposedPort, body=json_body(body), rate=Rate("expose", 20))


def unexpose(sandbox_id: str, exposure_id: str) -> Call[DeleteReply]:
    """Remove an exposure."""
    path = f"{sandbox_path(sandbox_id)}/expose/{segment(exposure_id)}"
    return Call("DELETE", path, DeleteReply, repeat=Repeat.SAFE)


def list_exposed(sandbox_id: str) -> Call[ListExposedPortsResponse]:
    """List the exposures of a sandbox."""
    path = f"{sandbox_path(sandbox_id)}/expose"
    return Call("GET", path, ListExposedPortsResponse, repeat=Repeat.SAFE, rate=Rate("list ports", 60))


def list_all_exposed() -> Call[ListExposedPortsResponse]:
    """List the exposures of all the caller's sandboxes."""
    return Call("GET", "/sandbox/expose/all", ListExposedPortsResponse, repeat=Repeat.SAFE, rate=Rate("list ports", 60))
