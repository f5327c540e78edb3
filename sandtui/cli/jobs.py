"""``sandtui jobs``: start background jobs, list them, print their logs, stop them."""

from __future__ import annotations

import argparse
import asyncio
import codecs
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from sandtui.cli.arguments import positive
from sandtui.cli.byte_streams import write_standard_stream
from sandtui.cli.connected import exit_code_of, run_connected
from sandtui.cli.exec_command import add_command_options, read_command
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextCell, TextColumn, add_output
from sandtui.cli.progress import ProgressLine
from sandtui.cli.targets import check_words, everyone, resolve, resolve_one
from sandtui.cli.usage import EXIT_CODES, FAILURE, UsageError, complain, note, on_terminal
from sandtui.clock import SystemClock
from sandtui.config.paths import Paths
from sandtui.directories import describe
from sandtui.fleet.inventory.connection import Connection
from sandtui.fleet.jobs.job import STREAMS, Job, JobKey, JobState
from sandtui.fleet.text.sanitize import output_line
from sandtui.fleet.text.units import duration

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.row import Row
    from sandtui.fleet.jobs.board import JobBoard

_ROLES = {JobState.RUNNING: "good", JobState.DONE: "", JobState.FAILED: "bad", JobState.LOST: "busy"}


def _runtime(job: Job, now: datetime) -> str | None:
    seconds = job.seconds(now)
    return None if seconds is None else duration(seconds)


JOBS: ObjectKind[Job] = ObjectKind(
    columns=(
        TextColumn(id="job", heading="JOB", cell=lambda job, _: job.key.job_id),
        TextColumn(
            id="sandbox", heading="SANDBOX", cell=lambda job, _: job.sandbox_name or job.key.sandbox_id, least=12,
            sort=lambda job: (job.sandbox_name.lower(), job.key),
        ),
        TextColumn(
            id="state", heading="STATE", cell=lambda job, _: TextCell(job.state.value, _ROLES[job.state]),
            sort=lambda job: job.state.value,
        ),
        TextColumn(
            id="exit", heading="EXIT", right=True, keep=3,
            cell=lambda job, _: None if job.exit_code is None else str(job.exit_code),
        ),
        TextColumn(
            id="runtime", heading="RUNTIME", cell=_runtime, right=True, keep=2, descending=True,
            sort=lambda job: job.seconds(datetime.now(UTC)) or 0.0,
        ),
        TextColumn(id="output", heading="OUTPUT", right=True, keep=4, cell=lambda job, _: f"{job.size:,}"),
        TextColumn(id="command", heading="COMMAND", cell=lambda job, _: job.command, least=16, keep=1),
        TextColumn(id="last", heading="LAST LINE", cell=lambda job, _: job.last_line, wide=True, least=16),
        TextColumn(id="id", heading="ID", cell=lambda job, _: job.key.sandbox_id, wide=True),
    ),
    record=lambda job: {
        "job_id": job.key.job_id,
        "sandbox_id": job.key.sandbox_id,
        "sandbox": job.sandbox_name,
        "state": job.state.value,
        "exit_code": job.exit_code,
        "command": job.command or None,
        "started_at": job.started,
        "ended_at": job.ended,
        "stdout_bytes": job.stdout_size,
        "stderr_bytes": job.stderr_size,
        "last_line": job.last_line or None,
        "note": job.note or None,
    },
    name=lambda job: f"{job.key.sandbox_id}/{job.key.job_id}",
    fields={
        "job_id": "id of the job, unique within its sandbox",
        "sandbox_id": "id of the sandbox",
        "sandbox": "its name",
        "state": "running, done, failed or lost (no process and no exit code)",
        "exit_code": "exit code; null while it runs",
        "command": "the command, as far as it is known",
        "started_at": "time of the start, or null",
        "ended_at": "time of the end, or null",
        "stdout_bytes": "bytes of output so far",
        "stderr_bytes": "bytes of error output so far",
        "last_line": "the last line of output",
        "note": "why it is lost, or null",
    },
)  # fmt: skip
"""What is printed of each job."""

_DESCRIPTION = """\
Background jobs run on when nobody is connected. Their output is kept in their sandbox.

  sandtui jobs start trainer -- python train.py
  sandtui jobs ls
  sandtui jobs logs -f trainer
  sandtui jobs stop trainer 3f2a9c1e

`sandtui wait trainer --for 'job done'` waits for them.
"""

STARTS_AT_ONCE = 16
_JOB = "id of a job, or the start of it"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "jobs", help="start, list, follow and stop background jobs", description=_DESCRIPTION, epilog=EXIT_CODES
    )
    parser.set_defaults(takes_tail=True)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    start = actions.add_parser(
        "start", help="start a job in one or more sandboxes", epilog=EXIT_CODES,
        usage="sandtui jobs start [options] NAME|ID|QUERY ... -- COMMAND ...",
    )  # fmt: skip
    start.add_argument(
        "targets", metavar="NAME|ID|QUERY", nargs="+", help="names, ids, or a filter (`sandtui help filter`)"
    )
    start.add_argument("-y", "--yes", action="store_true", help="do not ask, however many they are")
    add_command_options(start)
    add_output(start, lambda: JOBS, sort=False)
    start.set_defaults(run=_start, connects=True, changes=lambda _: "a job may change anything")
    listing = actions.add_parser(
        "ls", help="list jobs", epilog=EXIT_CODES,
        description="List the jobs of sandboxes, by default of all that run. Looking runs a short command in each: "
        "sandboxes with an idle timeout, which that would reset, are looked at only if they are named.",
    )  # fmt: skip
    listing.add_argument(
        "targets", metavar="NAME|ID|QUERY", nargs="*", help="names, ids, or a filter (`sandtui help filter`)"
    )
    add_output(listing, lambda: JOBS)
    listing.set_defaults(run=_ls, connects=True, changes=lambda _: "looking for jobs runs a command")
    logs = actions.add_parser(
        "logs", help="print the output of a job", epilog=EXIT_CODES,
        description="Print the output of a job, standard output and error each where they belong. Without JOB, the "
        "latest. Following ends with the job.",
    )  # fmt: skip
    logs.add_argument("sandbox", metavar="NAME|ID", help="name of the sandbox, its id, or the start of it")
    logs.add_argument("job", metavar="JOB", nargs="?", help=_JOB)
    logs.add_argument("-f", "--follow", action="store_true", help="go on printing what is added")
    logs.add_argument("-n", "--tail", dest="last", type=positive, metavar="N", help="the last lines only")
    logs.add_argument("--stdout", action="store_true", help="standard output only")
    logs.add_argument("--stderr", action="store_true", help="standard error only")
    logs.set_defaults(run=_logs, connects=True, changes=lambda _: "reading the output runs a command")
    stop = actions.add_parser(
        "stop", help="kill jobs with their child processes", epilog=EXIT_CODES,
        description="Kill jobs with their child processes: TERM first, then KILL.",
    )  # fmt: skip
    stop.add_argument("sandbox", metavar="NAME|ID", help="name of the sandbox, its id, or the start of it")
    stop.add_argument("job", metavar="JOB", nargs="*", help=_JOB)
    stop.add_argument("--all", action="store_true", help="all running jobs of the sandbox")
    add_output(stop, lambda: JOBS, sort=False)
    stop.set_defaults(run=_stop, connects=True, changes=lambda _: "it kills jobs")


@contextlib.asynccontextmanager
async def open_board(
    client: AsyncSandboxClient, connection: Connection, rows: Sequence[Row]
) -> AsyncIterator[JobBoard]:
    """Open a board of the jobs of some sandboxes, with what the dashboard and earlier commands have kept of them.

    The sandbox alone does not know the command of a job that is over.
    """
    from sandtui.config.jobs import JobFile
    from sandtui.fleet.inventory.sandbox_history import History
    from sandtui.fleet.inventory.store import FleetStore
    from sandtui.fleet.jobs.board import JobBoard

    clock = SystemClock()
    store = FleetStore(clock)
    store.apply([row.sandbox for row in rows])
    file = JobFile(Paths.of_user().jobs)
    try:
        board = JobBoard(client, store, History(store, clock), clock, file, connection.label)
        try:
            await board.load()
        except OSError as error:
            note(f"earlier jobs cannot be read: {describe(error)}")
        yield board
    finally:
        await asyncio.to_thread(file.close)


def _no_tail(arguments: argparse.Namespace) -> None:
    if arguments.tail is not None:
        raise UsageError(f"`sandtui jobs {arguments.action}` takes no command after --")


def _start(arguments: argparse.Namespace) -> int:
    check_words(arguments.targets)
    command = read_command(arguments, arguments.tail or ())
    printer = ObjectPrinter(JOBS, arguments)

    async def work(client: AsyncSandboxClient, connection: Connection) -> int:
        from sandtui.cli.bulk import confirm_plan
        from sandtui.client import SandboxClientError
        from sandtui.fleet.inventory.bulk_plan import JOB, TYPE_THE_COUNT_ABOVE, make_plan

        rows = await resolve(client, arguments.targets, only="RUNNING")
        if len(rows) > TYPE_THE_COUNT_ABOVE:
            await confirm_plan(make_plan(JOB, rows, value=command.text), connection, yes=arguments.yes)
        progress = ProgressLine("starting", len(rows))
        gate = asyncio.Semaphore(STARTS_AT_ONCE)
        codes: list[int] = []

        async def start(board: JobBoard, row: Row) -> None:
            async with gate:
                try:
                    job = await board.start(
                        row.id, command.text, command.directory, command.user, command.variables or None
                    )
                except SandboxClientError as error:
                    progress.clear()
                    complain(f"{row.name or row.id}: job not started: {error}")
                    codes.append(exit_code_of(error))
                else:
                    progress.clear()
                    printer.add([job])
                    codes.append(0)
                progress.update(len(codes))

        try:
            async with open_board(client, connection, rows) as board:
                await asyncio.gather(*(start(board, row) for row in rows))
        except asyncio.CancelledError:
            progress.clear()
            complain(f"interrupted: {printer.count:,} of {len(rows):,} jobs started")
            raise
        finally:
            progress.clear()
            printer.end()
        return max(codes)

    return run_connected(arguments, work)


def _ls(arguments: argparse.Namespace) -> int:
    _no_tail(arguments)
    check_words(arguments.targets)
    printer = ObjectPrinter(JOBS, arguments)

    async def work(client: AsyncSandboxClient, connection: Connection) -> int:
        if arguments.targets:
            rows = await resolve(client, arguments.targets, plain_queries=True, only="RUNNING")
        else:
            running = [row for row in await everyone(client, ended=False) if row.status == "RUNNING"]
            rows = [row for row in running if not row.sandbox.idle_timeout_minutes]
            if len(rows) < len(running):
                note(f"{len(running) - len(rows):,} with an idle timeout left out; name them to look there too")
        progress = ProgressLine("looking for jobs", len(rows))
        async with open_board(client, connection, rows) as board:
            board.on_change.subscribe(lambda: progress.update(len(board.polled_at)))
            await board.poll([row.id for row in rows])
            progress.clear()
            jobs = [job for row in rows for job in board.of(row.id)]
            printer.add(sorted(jobs, key=lambda job: job.state.is_over))
            printer.end()
            return _problems(board, rows)

    return run_connected(arguments, work)


def _problems(board: JobBoard, rows: Sequence[Row]) -> int:
    """Report what could not be looked at; return the exit code."""
    names = {row.id: row.name or row.id for row in rows}
    problems = dict(board.problems)
    if (unsaved := problems.pop("", "")) != "":
        note(f"jobs cannot be saved: {unsaved}")
    for sandbox_id, problem in problems.items():
        complain(f"{names.get(sandbox_id, sandbox_id)}: {problem}")
    for sandbox_id in board.truncated:
        note(f"{names.get(sandbox_id, sandbox_id)} has more jobs; the latest are listed")
    return FAILURE if problems else 0


def find_job(jobs: Sequence[Job], word: str, name: str) -> Job:
    """Return the job that a word stands for.

    Raises:
        UsageError: it is none, or several.
    """
    found = [job for job in jobs if job.key.job_id == word] or [job for job in jobs if job.key.job_id.startswith(word)]
    if len(found) == 1:
        return found[0]
    lines = [f"  {job.key.job_id}  {job.state.value}  {job.command}" for job in found or jobs][:20]
    if found:
        raise UsageError(f'"{word}" is ambiguous ({len(found):,} jobs):', details=lines)
    raise UsageError(f'no job "{word}" in {name}{"; its jobs:" if lines else ", which has none"}', details=lines)


def split_job(sandbox: str, jobs: Sequence[str]) -> tuple[str, list[str]]:
    """Return sandbox and jobs; both may be one word, as `jobs ls -o name` prints them."""
    name, slash, job = sandbox.rpartition("/")
    return (name, [job]) if slash and name and not jobs else (sandbox, [*jobs])


def _logs(arguments: argparse.Namespace) -> int:
    _no_tail(arguments)
    target, wanted = split_job(arguments.sandbox, [arguments.job] if arguments.job else [])
    check_words([target])
    chosen = tuple(name for name in STREAMS if getattr(arguments, name)) or STREAMS

    async def work(client: AsyncSandboxClient, connection: Connection) -> int:
        from sandtui.fleet.commands.attached import RemoteCommand, run_attached
        from sandtui.fleet.jobs.follow import NO_LOGS, log_command

        row = await resolve_one(client, target, only="RUNNING")
        async with open_board(client, connection, [row]) as board:
            await board.poll([row.id])
            jobs = board.of(row.id)
            if code := _problems(board, [row]):
                return code
        if not jobs:
            raise UsageError(f"{row.name or row.id} has no jobs")
        job = find_job(jobs, wanted[0], row.name or row.id) if wanted else jobs[0]
        text = log_command(job.key, chosen, lines=arguments.last, follow=arguments.follow)
        shown = ShownLines() if on_terminal("stdout") or on_terminal("stderr") else None
        show = write_standard_stream if shown is None else shown.write
        try:
            code = await run_attached(client, row.sandbox, RemoteCommand(text), None, show)
        finally:
            if shown is not None:
                shown.end()
        if code == NO_LOGS:
            complain(f"job {job.key.job_id} has left no output")
            return FAILURE
        return 0

    return run_connected(arguments, work)


class ShownLines:
    """Output on a terminal: in whole lines, without what would control it."""

    def __init__(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {name: decoder("replace") for name in STREAMS}
        self._rest = dict.fromkeys(STREAMS, "")

    async def write(self, name: Literal["stdout", "stderr"], data: bytes) -> None:
        """Print the lines that are complete."""
        *lines, self._rest[name] = (self._rest[name] + self._decoders[name].decode(data)).split("\n")
        self._print(name, lines)

    def end(self) -> None:
        """Print what has no end of line."""
        for name, rest in self._rest.items():
            if rest:
                self._print(name, [rest])

    @staticmethod
    def _print(name: str, lines: Sequence[str]) -> None:
        stream = sys.stdout if name == "stdout" else sys.stderr
        if stream is not None:
            stream.write("".join(f"{output_line(line)}\n" for line in lines))
            stream.flush()


def _stop(arguments: argparse.Namespace) -> int:
    _no_tail(arguments)
    target, wanted = split_job(arguments.sandbox, arguments.job)
    check_words([target])
    if not wanted and not arguments.all:
        raise UsageError("missing JOB: write one, or use --all; `sandtui jobs ls` lists them")
    if wanted and arguments.all:
        raise UsageError("JOB and --all cannot be combined")
    printer = ObjectPrinter(JOBS, arguments)

    async def work(client: AsyncSandboxClient, connection: Connection) -> int:
        row = await resolve_one(client, target, only="RUNNING")
        name = row.name or row.id
        async with open_board(client, connection, [row]) as board:
            await board.poll([row.id])
            if code := _problems(board, [row]):
                return code
            jobs = board.of(row.id)
            chosen = [job for job in jobs if job.state is JobState.RUNNING]
            if not arguments.all:
                chosen = list({job.key: job for job in (find_job(jobs, word, name) for word in wanted)}.values())
            elif not chosen:
                raise UsageError(f"{name} has no running jobs")
            return await _kill(client, board, chosen, printer)

    return run_connected(arguments, work)


async def _kill(client: AsyncSandboxClient, board: JobBoard, jobs: Sequence[Job], printer: ObjectPrinter[Job]) -> int:
    from sandtui.client import SandboxClientError
    from sandtui.fleet.jobs.termination import kill_job

    stopped: list[JobKey] = []
    code = 0
    try:
        for job in jobs:
            try:
                result = await kill_job(client, job.key)
            except SandboxClientError as error:
                complain(f"job {job.key.job_id} not stopped: {error}")
                code = max(code, exit_code_of(error))
            else:
                if result != "stopped":
                    note(f"job {job.key.job_id} {'had already ended' if result == 'over' else 'has no process'}")
                stopped.append(job.key)
    except asyncio.CancelledError:
        complain(f"interrupted: {len(stopped):,} of {len(jobs):,} jobs stopped")
        raise
    await board.poll({key.sandbox_id for key in stopped})
    printer.add([board.jobs[key] for key in stopped if key in board.jobs])
    printer.end()
    return code
