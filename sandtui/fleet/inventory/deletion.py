"""Deletes sandboxes: few of them one by one, many in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sandtui.client import AsyncSandboxClient, NotFoundError, SandboxClientError
from sandtui.fleet.inventory.bulk import BulkResult, Work, each
from sandtui.fleet.inventory.store import FleetStore

DELETE_BATCH = 100
"""Ids in one bulk delete, as the official command sends them; 50 a minute are allowed (client/WIRE.md 2.1, 2.6)."""

BATCHES_AT_ONCE = 2
"""Few large batches are allowed per minute; two at a time keep the platform busy."""

FEW = 10
"""Up to this many are deleted one by one, with a result for each as it happens."""


def deletion_batch(count: int) -> int:
    """Return the number of ids in one request, when so many are deleted."""
    return DELETE_BATCH if count > FEW else 1


def deletion(client: AsyncSandboxClient, store: FleetStore, count: int) -> Work:
    """Return the work that deletes; the store learns what is being deleted and what is gone."""
    return _one_by_one(client, store) if deletion_batch(count) == 1 else _in_batches(client, store)


def _one_by_one(client: AsyncSandboxClient, store: FleetStore) -> Work:
    async def one(sandbox_id: str) -> BulkResult:
        store.mark_deleting([sandbox_id])
        try:
            await client.delete(sandbox_id)
        except NotFoundError:
            store.remove([sandbox_id])
            return BulkResult(True, "already deleted")
        except SandboxClientError as error:
            store.unmark_deleting([sandbox_id])
            return BulkResult(False, str(error))
        store.mark_deleted([sandbox_id])
        return BulkResult(True, "deleted")

    return each(one)


def _in_batches(client: AsyncSandboxClient, store: FleetStore) -> Work:
    async def work(sandbox_ids: Sequence[str]) -> Mapping[str, BulkResult]:
        store.mark_deleting(sandbox_ids)
        try:
            reply = await client.bulk_delete(sandbox_ids=sandbox_ids)
        except SandboxClientError:
            store.unmark_deleting(sandbox_ids)
            raise
        gone = set(reply.succeeded)
        refused = {row.get("sandbox_id", ""): row.get("error", "refused") for row in reply.failed}
        store.mark_deleted(gone)
        left = [sandbox_id for sandbox_id in sandbox_ids if sandbox_id not in gone]
        store.unmark_deleting(left)
        results = {sandbox_id: BulkResult(True, "deleted") for sandbox_id in gone}
        return results | {each: BulkResult(False, refused.get(each, "no result from the platform")) for each in left}

    return work
