"""How each verb is carried out."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from sandtui.client import AsyncSandboxClient
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory import usage
from sandtui.fleet.inventory.bulk import AT_ONCE, BulkResult, Work, each
from sandtui.fleet.inventory.bulk_plan import BulkPlan
from sandtui.fleet.inventory.deletion import BATCHES_AT_ONCE, deletion, deletion_batch
from sandtui.fleet.inventory.egress import EgressAccess, EgressLists
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.jobs.board import JobBoard
from sandtui.fleet.ports.exposing import EXPOSE_AT_ONCE, Exposing
from sandtui.saving import typed_path

UPLOAD_FOLDER = "/workspace"
MAX_REASON_LENGTH = 200


def batch_size(plan: BulkPlan) -> int:
    """Return the number of ids in one request."""
    return deletion_batch(len(plan.rows)) if plan.verb is plans.DELETE else 1


def at_once(plan: BulkPlan) -> int:
    """Return the number of concurrent requests."""
    if plan.verb is plans.EXPOSE:
        return EXPOSE_AT_ONCE
    return AT_ONCE if batch_size(plan) == 1 else BATCHES_AT_ONCE


def work_of(plan: BulkPlan, client: AsyncSandboxClient, store: FleetStore, history: History, jobs: JobBoard) -> Work:
    """Return the operation of a plan."""
    if plan.verb is plans.DELETE:
        return deletion(client, store, len(plan.rows))
    value = plan.value.strip()
    local = typed_path(value) if plan.verb is plans.UPLOAD else Path()

    async def upload(sandbox_id: str) -> BulkResult:
        target = str(PurePosixPath(UPLOAD_FOLDER, local.name))
        await client.upload_file(sandbox_id, target, local)
        history.note(sandbox_id, f"uploaded {target}")
        return BulkResult(True, target)

    async def job(sandbox_id: str) -> BulkResult:
        started = await jobs.start(sandbox_id, value, plan.folder or None, plan.user or None)
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

    async def egress(sandbox_id: str) -> BulkResult:
        return BulkResult(
            True, await EgressAccess(client, store, history).replace(sandbox_id, EgressLists.parse(value))
        )

    if plan.verb is plans.EXPOSE:
        return each(Exposing(client, history, value).expose)
    verbs = {plans.UPLOAD: upload, plans.JOB: job, plans.EGRESS: egress, plans.MEASURE: measure}
    return each(verbs[plan.verb])


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
