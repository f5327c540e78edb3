"""How each verb is carried out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from sandtui.client import AsyncSandboxClient, NotFoundError, SandboxClientError
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory import usage
from sandtui.fleet.inventory.bulk import AT_ONCE, BulkResult, Work
from sandtui.fleet.inventory.bulk_plan import BulkPlan
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.jobs.board import JobBoard
from sandtui.fleet.ports.exposing import EXPOSE_AT_ONCE, Exposing

DELETE_BATCH = 100
"""Ids in one bulk delete, as the official command sends them; 50 a minute are allowed (client/WIRE.md 2.1, 2.6)."""

BATCHES_AT_ONCE = 2
"""Few large batches are allowed per minute; two at a time keep the platform busy."""

FEW = 10
"""Up to this many are deleted one by one, with a result for each as it happens."""

UPLOAD_FOLDER = "/workspace"
MAX_REASON_LENGTH = 200

One = Callable[[str], Awaitable[BulkResult]]


def batch_size(plan: BulkPlan) -> int:
    """Return the number of ids in one request."""
    return DELETE_BATCH if plan.verb is plans.DELETE and len(plan.rows) > FEW else 1


def at_once(plan: BulkPlan) -> int:
    """Return the number of concurrent requests."""
    if plan.verb is plans.EXPOSE:
        return EXPOSE_AT_ONCE
    return AT_ONCE if batch_size(plan) == 1 else BATCHES_AT_ONCE


def work_of(plan: BulkPlan, client: AsyncSandboxClient, store: FleetStore, history: History, jobs: JobBoard) -> Work:
    """Return the operation of a plan."""
    if plan.verb is plans.DELETE:
        return _deleting(client, store) if len(plan.rows) <= FEW else _deleting_many(client, store)
    value = plan.value.strip()
    local = Path(value).expanduser() if plan.verb is plans.UPLOAD else Path()

    async def upload(sandbox_id: str) -> BulkResult:
        target = str(PurePosixPath(UPLOAD_FOLDER, local.name))
        await client.upload_file(sandbox_id, target, local)
        history.note(sandbox_id, f"uploaded {target}")
        return BulkResult(True, target)

    async def job(sandbox_id: str) -> BulkResult:
        started = await jobs.start(sandbox_id, value, plan.folder or None)
        return BulkResult(True, f"job {started.key.job_id}")

    async def measure(sandbox_id: str) -> BulkResult:
        reply = await client.execute_command(sandbox_id, usage.COMMAND, timeout=usage.SECONDS)
        if not store.measure(sandbox_id, usage.read_sample(reply.stdout)):
            why = reply.stderr.strip().partition("\n")[0]
            return BulkResult(
                False, f"no usage could be read (exit {reply.exit_code}){why and f': {why[:MAX_REASON_LENGTH]}'}"
            )
        words = "uses " + _use(store, sandbox_id)
        history.note(sandbox_id, words, touches=False)
        return BulkResult(True, words)

    if plan.verb is plans.EXPOSE:
        return _each(Exposing(client, history, value).expose)
    verbs = {plans.UPLOAD: upload, plans.JOB: job, plans.MEASURE: measure}
    return _each(verbs[plan.verb])


def _use(store: FleetStore, sandbox_id: str) -> str:
    row = store.get(sandbox_id)
    if row is None:
        return "?"
    sandbox, words = row.sandbox, []
    noun = "core" if sandbox.cpu_cores == 1 else "cores"
    if row.used is not None:
        words.append(f"{usage.share(row.used)} of {sandbox.cpu_cores:g} {noun}")
    if row.memory_used is not None:
        words.append(f"{usage.share(row.memory_used)} of {sandbox.memory_gb:g} GB")
    return ", ".join(words)


def _each(one: One) -> Work:
    async def work(sandbox_ids: Sequence[str]) -> Mapping[str, BulkResult]:
        return {sandbox_id: await one(sandbox_id) for sandbox_id in sandbox_ids}

    return work


def _deleting(client: AsyncSandboxClient, store: FleetStore) -> Work:
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

    return _each(one)


def _deleting_many(client: AsyncSandboxClient, store: FleetStore) -> Work:
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
