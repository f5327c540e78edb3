"""What can be compared: the files of a running sandbox, or of a checkpoint, for which a sandbox is created."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from sandtui.cancellation import run_to_end
from sandtui.client import (
    APIError,
    AsyncSandboxClient,
    CreateSandboxRequest,
    Sandbox,
    SandboxCheckpoint,
    SandboxClientError,
)
from sandtui.client.models.bounds import MAX_NAME_LENGTH
from sandtui.fleet.files.remote import SandboxFileSystem

LIFETIME_MINUTES: Final = 15
"""Lifetime of a sandbox that is created to read a checkpoint, in case it cannot be deleted."""

LABEL: Final = "sandtui-diff"
DELETE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Side:
    """A sandbox, or one of its checkpoints. ``title`` is what it is called on screen; it may come from outside."""

    title: str
    sandbox_id: str
    checkpoint: SandboxCheckpoint | None = None


@contextlib.asynccontextmanager
async def files_of(
    client: AsyncSandboxClient,
    side: Side,
    on_create: Callable[[SandboxCheckpoint], None] = lambda _: None,
    on_left: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[SandboxFileSystem]:
    """Return the files of a sandbox; of a checkpoint, those of a new sandbox that is deleted afterwards.

    ``on_create`` is called before a sandbox is created; ``on_left`` gets the words about one that could not be deleted.

    Raises:
        SandboxClientError: it could not be created.
    """
    if side.checkpoint is None:
        yield SandboxFileSystem(client, side.sandbox_id)
        return
    on_create(side.checkpoint)
    made = await client.create(await _reader(client, side.checkpoint), delete_abandoned=True)
    try:
        await client.wait_for_creation(made.id)
        yield SandboxFileSystem(client, made.id)
    finally:
        await _delete(client, made, on_left)


async def _reader(client: AsyncSandboxClient, checkpoint: SandboxCheckpoint) -> CreateSandboxRequest:
    """Return the request for a sandbox with the files of a checkpoint, of the kind that its own sandbox is."""
    try:
        source = await client.get(checkpoint.sandbox_id)
        is_vm, has_network, team = source.vm, source.network_access, source.team_id
    except APIError:
        is_vm, has_network, team = True, True, checkpoint.team_id
    return CreateSandboxRequest(
        name=f"diff-{checkpoint.id}"[:MAX_NAME_LENGTH],
        checkpoint_id=checkpoint.id,
        vm=is_vm,
        network_access=has_network or is_vm,
        timeout_minutes=LIFETIME_MINUTES,
        labels=[LABEL],
        team_id=team,
    )


async def _delete(client: AsyncSandboxClient, made: Sandbox, on_left: Callable[[str], None]) -> None:
    try:
        await run_to_end(client.delete(made.id), grace=DELETE_SECONDS)
    except SandboxClientError as error:
        on_left(f"sandbox {made.id} could not be deleted: {error}; it ends after {LIFETIME_MINUTES} minutes")
