"""``sandtui top``: what running sandboxes use at the moment."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandtui.cli.arguments import positive
from sandtui.cli.connected import exit_code_of, run_connected
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextColumn, add_output
from sandtui.cli.progress import ProgressLine
from sandtui.cli.targets import everyone, is_query, read_query, resolve
from sandtui.cli.usage import EXIT_CODES, INTERRUPTED, UsageError, complain, note

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.connection import Connection
    from sandtui.fleet.inventory.row import Row

_DESCRIPTION = """\
Show the CPU, memory and disk that running sandboxes use, all of them or those that match QUERY. The platform does not
report usage, so this runs a small command in each for a second. A command resets an idle timeout: sandboxes that have
one are left out, unless they are named or with --all.

  sandtui top
  sandtui top '#run=42' --sort cpu
"""

AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What a sandbox uses. ``cpu`` is in cores over a second, sizes are in bytes; None if it could not be read."""

    row: Row
    cpu: float | None
    memory: int | None
    processes: int | None
    disk: int | None
    disk_size: int | None


def _share(value: float | None, whole: float) -> float | None:
    return None if value is None or whole <= 0 else value / whole


def _memory_share(line: UsageLine) -> float | None:
    return _share(line.memory, line.row.sandbox.memory_gb * 1024**3)


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}"


def _size(value: int | None) -> str | None:
    from sandtui.fleet.text.units import short_size

    return None if value is None else short_size(value)


def _low(value: float | None) -> float:
    return -1.0 if value is None else value


def record(line: UsageLine) -> dict[str, object]:
    """Return the JSON object."""
    return {
        "id": line.row.id,
        "name": line.row.name,
        "cpu_cores": line.row.sandbox.cpu_cores,
        "cpu_used_cores": None if line.cpu is None else round(line.cpu, 4),
        "memory_gb": line.row.sandbox.memory_gb,
        "memory_used_bytes": line.memory,
        "disk_used_bytes": line.disk,
        "disk_size_bytes": line.disk_size,
        "processes": line.processes,
    }


USAGE: ObjectKind[UsageLine] = ObjectKind(
    columns=(
        TextColumn(id="id", heading="ID", cell=lambda line, _: line.row.id, sort=lambda line: line.row.id),
        TextColumn(
            id="name", heading="NAME", cell=lambda line, _: line.row.name, least=12, sort=lambda line: line.row.name
        ),
        TextColumn(
            id="cpu",
            heading="CPU",
            cell=lambda line, _: None if line.cpu is None else f"{line.cpu:.2f}",
            right=True,
            sort=lambda line: _low(line.cpu),
            descending=True,
        ),
        TextColumn(
            id="cpu%",
            heading="CPU%",
            cell=lambda line, _: _percent(_share(line.cpu, line.row.sandbox.cpu_cores)),
            right=True,
            sort=lambda line: _low(_share(line.cpu, line.row.sandbox.cpu_cores)),
            descending=True,
        ),
        TextColumn(
            id="memory",
            heading="MEMORY",
            cell=lambda line, _: _size(line.memory),
            right=True,
            sort=lambda line: _low(line.memory),
            descending=True,
        ),
        TextColumn(
            id="memory%",
            heading="MEM%",
            cell=lambda line, _: _percent(_memory_share(line)),
            right=True,
            sort=lambda line: _low(_memory_share(line)),
            descending=True,
        ),
        TextColumn(
            id="disk",
            heading="DISK",
            cell=lambda line, _: _size(line.disk),
            right=True,
            sort=lambda line: _low(line.disk),
            descending=True,
            keep=2,
        ),
        TextColumn(
            id="processes",
            heading="PROCS",
            cell=lambda line, _: None if line.processes is None else str(line.processes),
            right=True,
            sort=lambda line: _low(line.processes),
            descending=True,
            keep=1,
        ),
    ),
    record=record,
    name=lambda line: line.row.name or line.row.id,
    fields={
        "id": "ID",
        "name": "Name",
        "cpu_cores": "the cores that it has",
        "cpu_used_cores": "the cores in use over a second; null if unknown",
        "memory_gb": "the memory that it has",
        "memory_used_bytes": "the memory in use, without caches",
        "disk_used_bytes": "the disk in use",
        "disk_size_bytes": "the size of the disk that it sees",
        "processes": "the number of processes",
    },
)
"""What is printed of each sandbox."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "top",
        help="show CPU, memory and disk in use",
        description=_DESCRIPTION,
        epilog=EXIT_CODES,
        usage="sandtui top [options] [NAME|ID|QUERY ...]",
    )
    parser.add_argument(
        "targets", metavar="NAME|ID|QUERY", nargs="*", help="names, ids, or a filter (default: all that run)"
    )
    parser.add_argument("-a", "--all", action="store_true", help="also those with an idle timeout")
    parser.add_argument("-j", "--parallel", type=positive, metavar="N", default=AT_ONCE, help="how many at a time")
    add_output(parser, lambda: USAGE)
    parser.set_defaults(run=run, connects=True, changes=lambda _: "measuring runs a command in each sandbox")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    words: list[str] = arguments.targets
    if len(words) > 1 and all(map(is_query, words)):
        words = [" ".join(words)]
    for word in filter(is_query, words):
        read_query(word)
    printer = ObjectPrinter(USAGE, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.fleet.inventory.bulk_plan import MEASURE

        if words:
            found = await resolve(client, words, only="RUNNING", plain_queries=True)
        else:
            found = [row for row in await everyone(client, ended=False) if row.status == "RUNNING"]
        named = bool(words) and not any(map(is_query, words))
        rows = found if named or arguments.all else [row for row in found if not MEASURE.spares(row)]
        if len(rows) < len(found):
            note(f"{len(found) - len(rows):,} skipped with an idle timeout, which a command resets (--all)")
        if not rows:
            if found or words:
                raise UsageError("nothing to measure")
            note("no running sandboxes")
            return 0
        return await _measure(client, rows, printer, arguments.parallel)

    return run_connected(arguments, work)


async def _measure(client: AsyncSandboxClient, rows: list[Row], printer: ObjectPrinter[Any], at_once: int) -> int:
    from sandtui.client import SandboxClientError

    gate = asyncio.Semaphore(at_once)
    progress = ProgressLine("measuring", len(rows))
    done = code = 0

    async def one(row: Row) -> UsageLine | SandboxClientError:
        async with gate:
            try:
                return await sample(client, row)
            except SandboxClientError as error:
                return error

    tasks = [asyncio.ensure_future(one(row)) for row in rows]
    lines: list[UsageLine] = []
    try:
        for row, task in zip(rows, tasks, strict=True):
            found = await task
            done += 1
            progress.update(done)
            if isinstance(found, UsageLine):
                lines.append(found)
            else:
                progress.clear()
                complain(f"{row.name or row.id}: {found}")
                code = max(code, exit_code_of(found))
    except asyncio.CancelledError:
        code = INTERRUPTED
        for task in tasks:
            task.cancel()
    progress.clear()
    printer.add(lines)
    printer.end()
    if code == INTERRUPTED:
        complain(f"interrupted: {len(lines):,} of {len(rows):,} measured")
    return code


async def sample(client: AsyncSandboxClient, row: Row) -> UsageLine:
    """Measure a sandbox for a second.

    Raises:
        SandboxClientError: the command could not be run.
    """
    from sandtui.fleet.inventory import usage

    command = f"{{ {usage.COMMAND}; }}; sleep 1; echo @second; {{ {usage.COMMAND}; }}"
    reply = await client.execute_command(row.id, command, timeout=usage.SECONDS)
    first, _, second = reply.stdout.partition("@second\n")
    measured = usage.Usage()
    for output in (first, second or first):
        measured.add(usage.read_sample(output))
    last = measured.latest
    assert last is not None
    return UsageLine(
        row,
        measured.cpu[-1] if measured.cpu else None,
        last.memory,
        last.processes,
        None if last.disk_used is None else last.disk_used * 1024,
        None if last.disk_size is None else last.disk_size * 1024,
    )
