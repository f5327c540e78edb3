"""Checkpoints: taking, finding and deleting them, and forks, which are sandboxes from a new one."""

from __future__ import annotations

from collections.abc import Sequence

from sandtui.client.calls import checkpoints
from sandtui.client.checks import check_ids, check_seconds
from sandtui.client.errors import CheckpointFailedError, CheckpointTimeoutError, InvalidRequestError
from sandtui.client.flows.base import Flows
from sandtui.client.flows.bulk import Bulk
from sandtui.client.flows.sandboxes import MAX_BATCH, Sandboxes
from sandtui.client.flows.waits import poll_pause
from sandtui.client.models import CreateSandboxRequest, Sandbox
from sandtui.client.models.bounds import MAX_NAME_LENGTH
from sandtui.client.models.checkpoints import (
    DURABLE,
    FAILED_STATES,
    BatchCheckpointResponse,
    DeleteSandboxCheckpointsResponse,
    SandboxCheckpoint,
)

MAX_CHECKPOINT_ID = 64
WAIT_SECONDS = 300.0
"""Default time limit for a checkpoint, in seconds."""


class CheckpointOperations(Flows):
    """Operations on checkpoints."""

    async def checkpoint(self, sandbox_id: str) -> SandboxCheckpoint:
        """Begin a checkpoint of the files of a running sandbox, and return it at once, typically PENDING.

        Raises:
            ConflictError: the sandbox is not RUNNING.
            NotOfferedError: the platform has no checkpoints.
        """
        return await self._session.control(checkpoints.take_checkpoint(sandbox_id), sandbox_id)

    async def get_checkpoint(self, checkpoint_id: str) -> SandboxCheckpoint:
        """Return one checkpoint.

        Raises:
            NotFoundError: the platform does not know the id.
        """
        return await self._session.control(checkpoints.get_checkpoint(checkpoint_id))

    async def get_checkpoints(self, checkpoint_ids: Sequence[str]) -> BatchCheckpointResponse:
        """Return 1 to 100 different checkpoints in one request; unknown ids are among its errors.

        Raises:
            InvalidRequestError: there are none, too many, duplicates, or an id of no or over 64 characters.
        """
        check_ids("checkpoint_ids", checkpoint_ids)
        if not 1 <= len(checkpoint_ids) <= MAX_BATCH or len(set(checkpoint_ids)) != len(checkpoint_ids):
            raise InvalidRequestError(f"a batch of checkpoints takes 1 to {MAX_BATCH} different ids")
        if not all(1 <= len(each) <= MAX_CHECKPOINT_ID for each in checkpoint_ids):
            raise InvalidRequestError(f"the id of a checkpoint has 1 to {MAX_CHECKPOINT_ID} characters")
        return await self._session.control(checkpoints.batch_checkpoints(checkpoint_ids))

    async def list_checkpoints(self, sandbox_id: str, checkpoint_id: str | None = None) -> list[SandboxCheckpoint]:
        """Return the checkpoints of a sandbox, oldest first, or only one of them."""
        call = checkpoints.list_checkpoints(sandbox_id, checkpoint_id)
        return (await self._session.control(call, sandbox_id)).checkpoints

    async def wait_for_checkpoint(self, checkpoint_id: str, timeout_seconds: float = WAIT_SECONDS) -> SandboxCheckpoint:
        """Wait until a checkpoint is DURABLE, and return it.

        Raises:
            CheckpointFailedError: it has failed, or is being deleted.
            CheckpointTimeoutError: it was not DURABLE in time.
        """
        check_seconds("timeout_seconds", timeout_seconds)
        port = self._session.port
        deadline = port.monotonic() + timeout_seconds
        polls = 0
        while True:
            found = await self.get_checkpoint(checkpoint_id)
            if found.state == DURABLE:
                return found
            if found.state in FAILED_STATES:
                why = found.error or "the platform does not say why"
                raise CheckpointFailedError(f"checkpoint {checkpoint_id} is {found.state}: {why}")
            polls += 1
            remaining = deadline - port.monotonic()
            if remaining <= 0:
                raise CheckpointTimeoutError(
                    f"checkpoint {checkpoint_id} was not {DURABLE} in {timeout_seconds:g} s; it is {found.state}"
                )
            await port.sleep(min(poll_pause(polls), remaining))

    async def delete_checkpoint(self, checkpoint_id: str) -> None:
        """Delete a checkpoint; sandboxes that were created from it are not affected.

        Raises:
            ConflictError: it is still being taken, or is the newest of a running sandbox.
            NotFoundError: the platform does not know the id.
        """
        await self._session.control(checkpoints.delete_checkpoint(checkpoint_id))

    async def delete_sandbox_checkpoints(self, sandbox_id: str) -> DeleteSandboxCheckpointsResponse:
        """Delete all checkpoints of a sandbox that can be deleted; the others are among its errors."""
        return await self._session.control(checkpoints.delete_checkpoints(sandbox_id), sandbox_id)

    async def fork(
        self,
        sandbox_id: str,
        count: int = 1,
        name: str | None = None,
        cpu_cores: float | None = None,
        memory_gb: float | None = None,
        timeout_minutes: int | None = None,
        wait_timeout: float = WAIT_SECONDS,
    ) -> list[Sandbox]:
        """Create ``count`` sandboxes with the files of a running one: one checkpoint, then as many creates.

        They get the source's labels, cores, memory, GPUs, lifetime, network rules, team and region, and neither its
        processes nor its variables, secrets and start command. ``{i}`` in ``name`` is the number of each, from 1;
        without a name they are called after the source. They are returned as they were created, typically PENDING.
        The checkpoint stays.

        Raises:
            CheckpointFailedError: there is no checkpoint to create them from.
            CheckpointTimeoutError: it took more than ``wait_timeout`` seconds.
            APIError: one could not be created; the others were deleted again.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidRequestError(f"count must be a whole number above 0, not {count!r}")
        source = await Sandboxes(self._session).get(sandbox_id)
        requests = fork_requests(source, "pending", count, name)
        begun = await self.checkpoint(sandbox_id)
        await self.wait_for_checkpoint(begun.id, wait_timeout)
        changes: dict[str, object] = {"checkpoint_id": begun.id}
        given = {"cpu_cores": cpu_cores, "memory_gb": memory_gb, "timeout_minutes": timeout_minutes}
        changes |= {key: value for key, value in given.items() if value is not None}
        requests = [request.model_copy(update=changes) for request in requests]
        made: dict[int, Sandbox] = {}
        error: Exception | None = None
        async for outcome in Bulk(self._session).create_many(requests, delete_abandoned=True):
            if outcome.error is not None:
                error = error or outcome.error
            else:
                made[outcome.key] = outcome.unwrap()
        if error is not None:
            async for _ in Bulk(self._session).delete_many([one.id for one in made.values()]):
                pass
            raise error
        return [made[number] for number in range(count)]


def fork_requests(
    source: Sandbox, checkpoint_id: str, count: int, name: str | None = None
) -> list[CreateSandboxRequest]:
    """Return the requests for forks of a sandbox.

    Raises:
        InvalidRequestError: the names are too long.
    """
    template = name or (f"{source.name}-fork" if count == 1 else f"{source.name}-fork-{{i}}")
    names = [template.replace("{i}", str(number)) for number in range(1, count + 1)]
    if any(not len(each.strip()) >= 1 or len(each) > MAX_NAME_LENGTH for each in names):
        raise InvalidRequestError(f"a name has 1 to {MAX_NAME_LENGTH} characters; give the forks another one")
    return [
        CreateSandboxRequest(
            name=each,
            checkpoint_id=checkpoint_id,
            cpu_cores=source.cpu_cores,
            memory_gb=source.memory_gb,
            gpu_count=source.gpu_count,
            gpu_type=source.gpu_type,
            vm=source.vm,
            # A fork must not reach more than its source does.
            network_access=source.network_access or source.vm,
            network_allowlist=source.network_allowlist if source.vm else None,
            network_denylist=source.network_denylist if source.vm else None,
            timeout_minutes=source.timeout_minutes,
            labels=list(source.labels),
            team_id=source.team_id,
            region=source.region,
        )
        for each in names
    ]
