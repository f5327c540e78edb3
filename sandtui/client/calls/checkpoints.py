"""Calls for checkpoints (WIRE.md 2.13)."""

from __future__ import annotations

from collections.abc import Sequence

from sandtui.client.call import Call, Repeat
from sandtui.client.calls.sandboxes import sandbox_path
from sandtui.client.checks import json_body, segment
from sandtui.client.models.base import Nothing
from sandtui.client.models.checkpoints import (
    BatchCheckpointResponse,
    CheckpointList,
    DeleteSandboxCheckpointsResponse,
    SandboxCheckpoint,
)


def take_checkpoint(sandbox_id: str) -> Call[SandboxCheckpoint]:
    """Begin a checkpoint. Not repeated unless it was certainly not received: each call takes another one."""
    return Call("POST", f"{sandbox_path(sandbox_id)}/checkpoints", SandboxCheckpoint, body=b"")


def list_checkpoints(sandbox_id: str, checkpoint_id: str | None) -> Call[CheckpointList]:
    """List the checkpoints of a sandbox, or one of them."""
    query = {"checkpoint_id": checkpoint_id or None}
    path = f"{sandbox_path(sandbox_id)}/checkpoints"
    return Call("GET", path, CheckpointList, query=query, repeat=Repeat.SAFE)


def delete_checkpoints(sandbox_id: str) -> Call[DeleteSandboxCheckpointsResponse]:
    """Delete the checkpoints of a sandbox; idempotent."""
    path = f"{sandbox_path(sandbox_id)}/checkpoints"
    return Call("DELETE", path, DeleteSandboxCheckpointsResponse, repeat=Repeat.SAFE, timeout=120.0)


def get_checkpoint(checkpoint_id: str) -> Call[SandboxCheckpoint]:
    """Get a checkpoint."""
    return Call("GET", _path(checkpoint_id), SandboxCheckpoint, repeat=Repeat.SAFE)


def delete_checkpoint(checkpoint_id: str) -> Call[Nothing]:
    """Delete a checkpoint; idempotent."""
    return Call("DELETE", _path(checkpoint_id), Nothing, repeat=Repeat.SAFE, timeout=120.0)


def batch_checkpoints(checkpoint_ids: Sequence[str]) -> Call[BatchCheckpointResponse]:
    """Get 1 to 100 checkpoints."""
    body = json_body({"checkpoint_ids": list(checkpoint_ids)})
    return Call("POST", "/sandbox/checkpoints:batchGet", BatchCheckpointResponse, body=body, repeat=Repeat.SAFE)


def _path(checkpoint_id: str) -> str:
    return f"/sandbox/checkpoints/{segment(checkpoint_id)}"
