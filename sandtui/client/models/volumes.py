"""Volumes (WIRE.md 2.14)."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from sandtui.client.models.base import Moment, RequestModel, RowsModel, WireModel, readable_rows


class VolumeMount(RequestModel):
    """A volume to attach to a new sandbox, which gets its own copy of the newest version."""

    name: Annotated[str, StringConstraints(min_length=1)]
    mount_path: Annotated[str, StringConstraints(min_length=1, pattern=r"^/")]
    read_only: bool = False


class AttachedVolume(WireModel):
    """A volume that a sandbox was created with; only the local platform tells."""

    name: str
    mount_path: str = ""
    read_only: bool = False


class Volume(WireModel):
    """A volume of a user or a team. Unknown fields are kept."""

    model_config = ConfigDict(extra="allow")

    id: str
    name: str
    user_id: str | None = None
    team_id: str | None = None
    head_checkpoint_id: str | None = None
    """The newest published version; None before the first."""
    created_at: Moment | None = None
    occupied_bytes: int = 0
    account_storage_used_bytes: int | None = None
    account_storage_limit_gb: int | None = None


class VolumeListResponse(RowsModel):
    """A page of the list of volumes."""

    volumes: Annotated[list[Volume], readable_rows(Volume)] = Field(default_factory=list)
    total: int = 0
    page: int = 1
    per_page: int = 0
    has_next: bool = False
    storage_used_bytes: int | None = None
    storage_limit_gb: int | None = None
