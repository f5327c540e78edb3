"""Checkpoints (WIRE.md 2.13)."""

from typing import Annotated

from pydantic import ConfigDict, Field

from sandtui.client.models.base import AnswerModel, Moment, RowsModel, WireModel, readable_rows

DURABLE = "DURABLE"
FAILED_STATES = frozenset({"FAILED", "DELETING"})
"""The states in which a checkpoint never becomes DURABLE."""


class SandboxCheckpoint(WireModel):
    """The files of a sandbox at one moment; sandboxes can be created from it once it is DURABLE.

    ``state`` is a string because a newer platform may use unknown ones. Unknown fields are kept.
    """

    model_config = ConfigDict(extra="allow")

    id: str
    sandbox_id: str
    parent_id: str | None = None
    team_id: str | None = None
    state: str
    depth: int = 0
    docker_image: str = ""
    disk_size_bytes: int | None = None
    stored_bytes: int | None = None
    occupied_bytes: int = 0
    error: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class CheckpointList(RowsModel):
    """The checkpoints of a sandbox, oldest first."""

    checkpoints: Annotated[list[SandboxCheckpoint], readable_rows(SandboxCheckpoint)] = Field(default_factory=list)


class CheckpointLookupError(WireModel):
    """An id without a checkpoint: NOT_FOUND."""

    checkpoint_id: str
    code: str
    message: str = ""


class BatchCheckpointResponse(RowsModel):
    """Checkpoints in the order of the request, and errors for the other ids."""

    checkpoints: Annotated[list[SandboxCheckpoint], readable_rows(SandboxCheckpoint)] = Field(default_factory=list)
    errors: Annotated[list[CheckpointLookupError], readable_rows(CheckpointLookupError)] = Field(default_factory=list)


class CheckpointDeleteError(WireModel):
    """A checkpoint that was not deleted: NOT_FOUND, or CONFLICT while it is pending or the newest of its sandbox."""

    checkpoint_id: str
    code: str
    message: str = ""


class DeleteSandboxCheckpointsResponse(AnswerModel):
    """The result of deleting all checkpoints of a sandbox."""

    deleted: list[str] = Field(default_factory=list)
    errors: list[CheckpointDeleteError] = Field(default_factory=list)
