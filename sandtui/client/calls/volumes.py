"""Calls for volumes (WIRE.md 2.14)."""

from __future__ import annotations

from sandtui.client.call import Call, Repeat
from sandtui.client.calls.sandboxes import sandbox_path
from sandtui.client.checks import json_body, segment
from sandtui.client.models.base import Nothing
from sandtui.client.models.checkpoints import SandboxCheckpoint
from sandtui.client.models.volumes import Volume, VolumeListResponse


def create_volume(name: str, team_id: str | None) -> Call[Volume]:
    """Create an empty volume."""
    body: dict[str, object] = {"name": name}
    if team_id:
        body["team_id"] = team_id
    return Call("POST", "/sandbox/volumes", Volume, body=json_body(body))


def list_volumes(page: int, per_page: int, team_id: str | None) -> Call[VolumeListResponse]:
    """Get a page of the volumes of the user, or of a team."""
    query = {"page": page, "per_page": per_page, "team_id": team_id or None}
    return Call("GET", "/sandbox/volumes", VolumeListResponse, query=query, repeat=Repeat.SAFE)


def get_volume(name: str, team_id: str | None) -> Call[Volume]:
    """Get a volume by its name."""
    return Call("GET", _path(name), Volume, query={"team_id": team_id or None}, repeat=Repeat.SAFE)


def delete_volume(name: str, team_id: str | None) -> Call[Nothing]:
    """Delete a volume and its data; idempotent."""
    query = {"team_id": team_id or None}
    return Call("DELETE", _path(name), Nothing, query=query, repeat=Repeat.SAFE, timeout=120.0)


def publish_volume(sandbox_id: str, name: str, *, force: bool) -> Call[SandboxCheckpoint]:
    """Begin to publish a sandbox's copy of a volume."""
    path = f"{sandbox_path(sandbox_id)}/volumes/{segment(name)}/publish"
    return Call("POST", path, SandboxCheckpoint, body=json_body({"force": force}))


def _path(name: str) -> str:
    return f"/sandbox/volumes/{segment(name)}"
