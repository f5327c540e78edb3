"""``sandtui wait``: wait until sandboxes run or have ended, or until their jobs are done."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandtui.cli.arguments import seconds
from sandtui.cli.connected import run_connected
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextCell, TextColumn, add_output
from sandtui.cli.progress import ProgressLine
from sandtui.cli.targets import check_words, is_query, nothing_matches, resolve
from sandtui.cli.usage import EXIT_CODES, FAILURE, INTERRUPTED, UsageError, complain
from sandtui.manual import nearest

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.connection import Connection
    from sandtui.fleet.inventory.row import Row

_DESCRIPTION = """\
Wait until sandboxes run (--for running), have ended or are deleted (--for ended), or have no background job left that
runs (--for 'job done'). Which sandboxes a filter means is decided once, at the start. Prints each as it gets there.

  sandtui wait '#run=42' --for running --timeout 5m
  sandtui wait trainer --for 'job done' && sandtui cp trainer:/workspace/model.pt .

Exit code 1 if one can't get there any more (it ended instead of running; a job failed), or not in time.
"""

RUNNING, ENDED, JOB_DONE = "running", "ended", "job done"
CONDITIONS = (RUNNING, ENDED, JOB_DONE)

PAST = frozenset({"TERMINATED", "TIMEOUT"})

FIRST_PAUSE, LONGEST_PAUSE = 0.3, 5.0
"""Seconds between polls: a local sandbox starts at once, a job may take hours."""

JOBS_PAUSE = 5.0
JOBS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Awaited:
    """A sandbox that need not be waited for any more."""

    id: str
    name: str
    status: str
    met: bool
    reason: str = ""


AWAITED: ObjectKind[Awaited] = ObjectKind(
    columns=(
        TextColumn(id="id", heading="ID", cell=lambda each, _: each.id),
        TextColumn(id="name", heading="NAME", cell=lambda each, _: each.name, least=12),
        TextColumn(
            id="status", heading="STATUS", cell=lambda each, _: TextCell(each.status, "good" if each.met else "bad")
        ),
        TextColumn(id="reason", heading="REASON", cell=lambda each, _: each.reason, least=12),
    ),
    record=lambda each: {
        "id": each.id,
        "name": each.name,
        "status": each.status,
        "met": each.met,
        "reason": each.reason or None,
    },
    name=lambda each: each.name or each.id,
    fields={
        "id": "ID",
        "name": "Name",
        "status": "its status, or that of its jobs",
        "met": "whether it is what was waited for",
        "reason": "why not, or why it ended; null if unknown",
    },
)
"""What is printed of each sandbox."""

Poll = Callable[[Sequence[str]], Awaitable[dict[str, Awaited]]]
"""Returns those of some sandboxes that need not be waited for any more."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "wait", help="wait for sandboxes or jobs", description=_DESCRIPTION, epilog=EXIT_CODES
    )
    parser.add_argument(
        "targets", metavar="NAME|ID|QUERY", nargs="+", help="names, ids, or a filter (`sandtui help filter`)"
    )
    parser.add_argument(
        "--for", dest="condition", default=RUNNING, metavar="STATE", help="running (default), ended, or 'job done'"
    )
    parser.add_argument("--timeout", type=seconds, metavar="TIME", help="give up after 90s, 10m, 2h (default: never)")
    add_output(parser, lambda: AWAITED, sort=False)
    parser.set_defaults(
        run=run,
        connects=True,
        completes_condition=CONDITIONS[:2],
        changes=lambda chosen: "looking for jobs runs a command" if condition(chosen.condition) == JOB_DONE else "",
    )


def condition(text: str) -> str:
    """Return the condition that a text means.

    Raises:
        UsageError: it is none.
    """
    wanted = " ".join(text.lower().replace("-", " ").split())
    found = {"job": JOB_DONE, "jobs": JOB_DONE, "jobs done": JOB_DONE, "deleted": ENDED}.get(wanted, wanted)
    if found not in CONDITIONS:
        close = nearest(wanted, CONDITIONS)
        names = "running, ended or 'job done'"
        raise UsageError(f"--for {text}: use {names}" + (f'; did you mean "{close}"?' if close else ""))
    return found


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    wanted = condition(arguments.condition)
    check_words(arguments.targets)
    printer = ObjectPrinter(AWAITED, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        rows = await resolve(client, arguments.targets, ended=wanted != JOB_DONE, plain_queries=True)
        if wanted == RUNNING and any(map(is_query, arguments.targets)):
            # One that failed is a failure; those that were deleted or ran out of time are of another day.
            rows = [row for row in rows if row.status not in PAST]
            if not rows:
                raise UsageError(nothing_matches(" ".join(arguments.targets), ended=False))
        if wanted == JOB_DONE:
            running = [row for row in rows if row.status == "RUNNING"]
            if not running:
                raise UsageError("none of the sandboxes is running")
            return await _follow(running, _jobs(client, running), wanted, arguments.timeout, printer, JOBS_PAUSE)
        return await _follow(rows, _statuses(client, rows, wanted), wanted, arguments.timeout, printer, LONGEST_PAUSE)

    return run_connected(arguments, work)


async def _follow(
    rows: Sequence[Row], poll: Poll, wanted: str, timeout: float | None, printer: ObjectPrinter[Awaited], longest: float
) -> int:
    waiting = {row.id: row.name or row.id for row in rows}
    progress = ProgressLine(f"waiting for {wanted}", len(rows))
    deadline = None if timeout is None else time.monotonic() + timeout
    pause, failed, end = FIRST_PAUSE, 0, 0
    try:
        while waiting:
            found = await poll(list(waiting))
            if found:
                progress.clear()
                printer.add(list(found.values()))
                pause = FIRST_PAUSE
            failed += sum(not each.met for each in found.values())
            for sandbox_id in found:
                del waiting[sandbox_id]
            progress.update(len(rows) - len(waiting))
            if deadline is not None and time.monotonic() >= deadline:
                break
            if waiting:
                await asyncio.sleep(pause if deadline is None else min(pause, max(0, deadline - time.monotonic())))
                pause = min(longest, pause * 1.5)
    except asyncio.CancelledError:
        end = INTERRUPTED
    finally:
        progress.clear()
        printer.end()
    if waiting:
        names = ", ".join(list(waiting.values())[:5]) + (", …" if len(waiting) > 5 else "")
        why = "interrupted" if end else "timed out"
        complain(f"{why}: {len(rows) - len(waiting):,} of {len(rows):,} done; not {wanted}: {names}")
    elif failed:
        complain(f"{failed:,} of {len(rows):,} {'failed' if wanted == JOB_DONE else 'ended instead'}")
    return end or (FAILURE if waiting or failed else 0)


def _statuses(client: AsyncSandboxClient, rows: Sequence[Row], wanted: str) -> Poll:
    from sandtui.fleet.inventory.statuses import PolledStatus, StatusPoll

    names = {row.id: row.name for row in rows}
    # What was just listed is not asked again.
    known: dict[str, PolledStatus] = {row.id: PolledStatus(row.status, row.reason) for row in rows}
    statuses = StatusPoll(client)

    async def poll(sandbox_ids: Sequence[str]) -> dict[str, Awaited]:
        found = dict(known) or await statuses.ask(sandbox_ids)
        known.clear()
        return {
            sandbox_id: Awaited(sandbox_id, names[sandbox_id], each.status, met, each.reason)
            for sandbox_id, each in found.items()
            if (met := each.is_over if wanted == ENDED else each.status == "RUNNING") or each.is_over
        }

    return poll


def _jobs(client: AsyncSandboxClient, rows: Sequence[Row]) -> Poll:
    from sandtui.client import SandboxClientError, SandboxNotRunningError
    from sandtui.fleet.jobs.job import JobState
    from sandtui.fleet.jobs.scan import scan_jobs

    names = {row.id: row.name for row in rows}
    gate = asyncio.Semaphore(JOBS_AT_ONCE)

    async def one(sandbox_id: str) -> Awaited | None:
        async with gate:
            try:
                found = await scan_jobs(client, sandbox_id)
            except SandboxNotRunningError as error:
                return Awaited(sandbox_id, names[sandbox_id], "ended", False, str(error))
            except SandboxClientError as error:
                return Awaited(sandbox_id, names[sandbox_id], "unknown", False, str(error))
        if any(job.state is JobState.RUNNING for job in found):
            return None
        bad = [job for job in found if job.state is not JobState.DONE]
        if bad:
            job = bad[0]
            end = f"exit {job.exit_code}" if job.exit_code is not None else job.state.value
            return Awaited(sandbox_id, names[sandbox_id], job.state.value, False, f"job {job.key.job_id}: {end}")
        return Awaited(sandbox_id, names[sandbox_id], "done" if found else "no jobs", True)

    async def poll(sandbox_ids: Sequence[str]) -> dict[str, Awaited]:
        results = await asyncio.gather(*map(one, sandbox_ids))
        return {each.id: each for each in results if each is not None}

    return poll
