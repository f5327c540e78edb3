"""``sandtui cp``, and what it shares with ``sandtui sync``."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.cli import selection
from sandtui.cli.connect import connect_command
from sandtui.cli.output import add_json_lines
from sandtui.cli.remote_paths import ends, split, whole, with_final_paths
from sandtui.cli.streams import check_output, save_input, temporary_directory, write_output
from sandtui.cli.usage import FAILURE, LEFT_OUT, UsageError, complain
from sandtui.clock import SystemClock
from sandtui.fleet.files.names import FilesError, join
from sandtui.fleet.inventory.connection import ConnectError
from sandtui.fleet.text.sanitize import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.transfers.model import Location, Transfer, TransferSpec
    from sandtui.fleet.transfers.queue import TransferQueue

STREAM_FILE = ".sandtui-stream"
"""The name of the temporary file for standard input or output."""

AT_ONCE = 8
BAR = 24
PROGRESS_SECONDS = 0.2
EXISTING = ("overwrite", "skip", "rename", "newer", "different")

FIELDS = {
    "sandbox": "name of the sandbox",
    "id": "its ID",
    "source": "path of the source, or -",
    "target": "path of the target",
    "state": "how it ended",
    "files": "number of files",
    "bytes": "their size",
    "links": "number of links",
    "permissions": "how many files differed in their permissions only",
    "skipped": "how many existing files were left as they are",
    "left_out": "how many pipes, sockets, devices and .git directories were left out",
    "run_by_programs": "files that programs run by themselves",
    "seconds": "its duration",
    "error": "why it failed; missing if it did not",
}
"""The fields of the JSON of each copy."""

_DESCRIPTION = """\
Copy a file, or with -r a directory, to, from or between sandboxes. SANDBOX is a name or the start of an id. With
--query it is left empty and stands for all running sandboxes that match:
  sandtui cp model.pt rollout-0007:/workspace/
  sandtui cp -r rollout-0007:/workspace/outputs ./outputs
  sandtui cp --query '#run=42' config.json :/workspace/config.json
  sandtui cp --query '#run=42' :/workspace/metrics.csv ./all      (makes all/NAME/metrics.csv)
- is standard input or output (./- is a file of that name):
  sandtui cp rollout-0007:/workspace/log - | tail
A copy into a directory, or to a path that ends in /, keeps the source's name. Every file arrives whole and verified,
or not at all. Links are copied as links and never followed. Pipes, sockets and devices are skipped. An interrupted
large download resumes when the same command is run again.
Asks before a sandbox's files replace some of this machine; scripts add --overwrite or --existing. Skips .git
directories of this machine without --allow-git, and lists files that programs run by themselves, such as .envrc, on
standard error.
"""
_EPILOG = """\
exit codes: 0 everything was copied; 1 something was not; 2 nothing was done: wrong usage, no such sandbox, or not
confirmed; 3 everything was copied except what standard error lists: pipes, sockets, devices and .git directories."""

_STREAM = "-"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "cp",
        help="copy files to and from sandboxes",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", help="a local path, SANDBOX:PATH, or -")
    parser.add_argument("target", help="a local path, SANDBOX:PATH, or -")
    parser.add_argument("-r", "--recursive", action="store_true", help="copy directories recursively")
    parser.add_argument("-p", "--preserve", action="store_true", help="preserve times and permissions")
    parser.add_argument(
        "--keep", action="store_true", dest="preserve", default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )
    parser.add_argument(
        "--existing",
        choices=EXISTING,
        help="what to do with existing files (default: overwrite, after asking for local files)",
    )
    add_common(parser)
    add_json_lines(parser, FIELDS)
    parser.set_defaults(run=run, connects=True, changes=lambda _: "copying runs commands in the sandbox")


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that cp and sync share."""
    parser.add_argument(
        "--query", metavar="QUERY", help="use all running sandboxes that match a filter (`sandtui help filter`)"
    )
    parser.add_argument("--no-checksum", action="store_true", help="verify sizes only, not sha256")
    parser.add_argument("--overwrite", action="store_true", help="replace files of this machine without asking")
    parser.add_argument("--allow-git", action="store_true", help="also write to .git directories of this machine")
    selection.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    source, target = arguments.source, arguments.target
    if arguments.overwrite and arguments.existing not in {None, "overwrite"}:
        raise UsageError(f"--overwrite and --existing {arguments.existing} cannot be combined")
    if _STREAM not in {source, target}:
        return _copy(arguments, source, target)
    _check_stream(arguments)
    with temporary_directory("cp") as folder:
        # Through a file: it is verified as a whole before any of it is passed on.
        file = folder / STREAM_FILE
        if target == _STREAM:
            check_output()
            code = _copy(arguments, source, str(file))
            if code == 0:
                write_output(file)
            return code
        save_input(file)
        return _copy(arguments, str(file), target)


def _check_stream(arguments: argparse.Namespace) -> None:
    if arguments.source == arguments.target:
        raise UsageError("only one side can be -")
    name = "standard input" if arguments.source == _STREAM else "standard output"
    for given, option in ((arguments.recursive, "-r"), (arguments.preserve, "-p")):
        if given:
            raise UsageError(f"{option} cannot be combined with -: {name} is one file without times and permissions")
    if arguments.existing in {"newer", "different"} or (
        arguments.target == _STREAM and arguments.existing not in {None, EXISTING[0]}
    ):
        raise UsageError(f"--existing {arguments.existing} cannot be combined with -: {name} has nothing to compare")
    if arguments.target == _STREAM and arguments.json:
        raise UsageError("--json cannot be combined with - as the target: both write to standard output")


def _copy(arguments: argparse.Namespace, source_text: str, target_text: str) -> int:
    from sandtui.fleet.transfers.model import Existing

    existing = Existing(arguments.existing or "overwrite")
    consent = arguments.overwrite or arguments.existing is not None

    async def specs(client: AsyncSandboxClient) -> list[TransferSpec]:
        sources, targets = await ends(client, source_text, target_text, arguments, "copy to or from")
        if arguments.target == _STREAM and len(sources) > 1:
            raise UsageError(f"{len(sources):,} sandboxes match, but - is one file; use a directory as the target")
        made = await with_final_paths(client, sources, targets, recursive=arguments.recursive)
        if arguments.source == _STREAM and any(target.path.endswith(f"/{STREAM_FILE}") for _, target in made):
            raise UsageError(f"{target_text} is a directory: write NAME:DIRECTORY/FILE for standard input")
        return [
            make_spec(source, target, arguments, existing=existing, consent=consent, keep=arguments.preserve)
            for source, target in made
        ]

    async def work(client: AsyncSandboxClient) -> int:
        return await transfer_all(client, await agreed(client, await specs(client), arguments), arguments)

    return connected(arguments, work)


def connected(arguments: argparse.Namespace, work: Callable[[AsyncSandboxClient], Awaitable[int]]) -> int:
    """Connect, do some work and report errors; return the exit code.

    Raises:
        UsageError: the arguments are not valid.
    """
    try:
        return asyncio.run(_connected(arguments, work))
    except UsageError as error:
        raise UsageError(as_typed(str(error), arguments)) from None


def as_typed(message: str, arguments: argparse.Namespace) -> str:
    """Return a message with local paths as they were typed."""
    for text in (arguments.source, arguments.target):
        sandbox, path = split(text)
        if sandbox is None and path not in {_STREAM, ""} and (absolute := whole(path)) != "/":
            message = message.replace(absolute, path.rstrip("/"))
            if not path.startswith(("/", "~")):
                message = message.replace(f"{whole('.').rstrip('/')}/", "")
    return message


def make_spec(source: Location, target: Location, arguments: argparse.Namespace, **options: object) -> TransferSpec:
    """Return the spec of a copy. Replacing files in a sandbox needs no consent."""
    from sandtui.fleet.transfers.model import TransferSpec

    options["consent"] = bool(options.get("consent")) or target.sandbox_id is not None
    options |= {"checksum": not arguments.no_checksum, "allow_git": arguments.allow_git}
    return TransferSpec(source, target, "cp", **options)  # type: ignore[arg-type]


async def agreed(
    client: AsyncSandboxClient, specs: list[TransferSpec], arguments: argparse.Namespace
) -> list[TransferSpec]:
    """Ask once, before anything is written, whether local files may be replaced; return the confirmed copies.

    Raises:
        UsageError: the answer is no, or there is nobody to ask.
    """
    from sandtui.client import SandboxClientError
    from sandtui.fleet.transfers.executor import TransferExecutor
    from sandtui.fleet.transfers.model import Transfer, TransferError

    paths: list[str] = []
    for spec in specs:
        if spec.consent or not await asyncio.to_thread(os.path.lexists, spec.target.path):
            continue
        try:
            found = await TransferExecutor(
                client, Transfer("asked", spec), Path(), NullJournal(), lambda: None, {}
            ).compare()
        except (FilesError, TransferError, SandboxClientError):
            continue  # the copy itself reports the error, and replaces nothing
        paths += [join(spec.target.path, path) if path else spec.target.path for path in found.replaced]
    if not paths:
        return specs
    shown = [as_typed(path, arguments) for path in paths[: selection.SHOWN]]
    if len(paths) > len(shown):
        shown.append(f"{len(paths) - len(shown):,} more")
    what = f"{len(paths):,} file{'s' * (len(paths) != 1)} of this machine"
    await selection.ask(
        f"{what} would be replaced from a sandbox: {', '.join(shown)}",
        f"Replace {what}?",
        "add --overwrite to replace " + ("it" if len(paths) == 1 else "them"),
    )
    return [replace(spec, consent=True) for spec in specs]


class NullJournal:
    """A journal that stores nothing: an interrupted script is run again by its author."""

    def save(self, transfer: Transfer, index: int) -> None:
        """Write nothing."""

    def note_files(self, transfer_id: str, items: Sequence[tuple[str, tuple[int, int]]]) -> None:
        """Write nothing."""

    def files(self, transfer_id: str) -> dict[str, tuple[int, int]]:
        """Return nothing."""
        return {}

    def drop(self, transfer_id: str) -> None:
        """Forget nothing."""


async def _connected(arguments: argparse.Namespace, work: Callable[[AsyncSandboxClient], Awaitable[int]]) -> int:
    from sandtui.client import AsyncSandboxClient, SandboxClientError
    from sandtui.fleet.transfers.model import TransferError

    try:
        connection = await connect_command(arguments)
        async with AsyncSandboxClient(config=connection.config) as client:
            return await work(client)
    except (ConnectError, SandboxClientError, FilesError, TransferError) as error:
        complain(as_typed(str(error), arguments))
        return FAILURE


async def transfer_all(
    client: AsyncSandboxClient,
    specs: list[TransferSpec],
    arguments: argparse.Namespace,
    omitted: set[str] | None = None,
) -> int:
    """Carry out some copies and report how each ended; return the exit code.

    Skipped files in ``omitted`` were reported before; new ones are added to it.
    """
    from sandtui.fleet.transfers.model import TransferState
    from sandtui.fleet.transfers.queue import TransferQueue

    with temporary_directory("cp") as spool:
        queue = TransferQueue(client, SystemClock(), NullJournal(), spool, AT_ONCE)
        changed = asyncio.Event()
        queue.on_change.subscribe(changed.set)
        transfers = queue.add(specs, _id)
        running = asyncio.ensure_future(queue.run())
        bar = sys.stderr.isatty() and not arguments.options.quiet and not arguments.json
        reported: set[str] = set()
        try:
            while len(reported) < len(transfers):
                changed.clear()
                for transfer in transfers:
                    if transfer.state is TransferState.ASKING:
                        # The file appeared after the check.
                        transfer.problem = "the target now exists; add --overwrite to replace it"
                        queue.cancel(transfer.id)
                    if transfer.is_over and transfer.id not in reported:
                        reported.add(transfer.id)
                        _report(transfer, arguments, bar=bar)
                        if not transfer.problem:
                            report_omitted(transfer.omitted, arguments, omitted)
                            report_risks(transfer.run_by, arguments)
                if bar:
                    _draw(queue)
                if len(reported) < len(transfers):
                    try:
                        await asyncio.wait_for(changed.wait(), PROGRESS_SECONDS)
                    except TimeoutError:
                        continue
        except asyncio.CancelledError:
            # Ctrl+c: finished files are kept, partial ones removed.
            over = sum(transfer.is_over for transfer in transfers)
            complain(f"interrupted: {over:,} of {len(transfers):,} copies done; the files of the others are incomplete")
            for transfer in transfers:
                queue.cancel(transfer.id)
            raise
        finally:
            if bar:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            # Partial uploads are never resumed; partial downloads are.
            queue.forget([each.id for each in transfers if each.spec.target.sandbox_id is not None])
            while not queue.is_idle:
                changed.clear()
                await changed.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    if any(transfer.held for transfer in transfers):
        complain("use --allow-git to copy .git directories")
    if any(transfer.problem for transfer in transfers):
        return FAILURE
    return LEFT_OUT if any(transfer.left_out for transfer in transfers) else 0


def report_omitted(words: Sequence[str], arguments: argparse.Namespace, known: set[str] | None = None) -> None:
    """Report skipped files on standard error, unless they are known."""
    for text in words:
        if known is None or text not in known:
            complain(clean(as_typed(f"{text}: skipped", arguments)))
        if known is not None:
            known.add(text)


def report_risks(files: Sequence[tuple[str, str]], arguments: argparse.Namespace) -> None:
    """Warn about files from a sandbox that programs run by themselves."""
    for path, program in files:
        complain(f"warning: {as_typed(path, arguments)} came from a sandbox and is run by {program} automatically")


def _id(spec: TransferSpec) -> str:
    """Return an id for a copy: the same for the same download, so that it resumes when run again.

    Uploads get random ids: two programs may write to one target, and must not share a temporary name.
    """
    if spec.target.sandbox_id is not None:
        return secrets.token_hex(5)
    places = repr((spec.source.sandbox_id, spec.source.path, spec.target.path))
    return hashlib.sha256(places.encode()).hexdigest()[:10]


def _report(transfer: Transfer, arguments: argparse.Namespace, *, bar: bool) -> None:
    spec = transfer.spec
    label = _STREAM if spec.source.path.endswith(f"/{STREAM_FILE}") else spec.source.label
    if arguments.json:
        place = spec.target if spec.target.sandbox_id is not None else spec.source
        seconds = (transfer.ended or 0.0) - (transfer.started or 0.0)
        row: dict[str, object] = {
            "sandbox": place.name,
            "id": place.sandbox_id,
            "source": label if label == _STREAM else spec.source.path,
            "target": spec.target.path,
            "state": transfer.state.value,
            "files": transfer.files,
            "bytes": transfer.total,
            "links": transfer.links,
            "permissions": transfer.permissions,
            "skipped": transfer.skipped,
            "left_out": transfer.left_out,
            "run_by_programs": [path for path, _ in transfer.run_by],
            "seconds": round(seconds, 3),
        }
        if transfer.problem:
            row["error"] = as_typed(transfer.problem, arguments)
        print(json.dumps(row), flush=True)
    elif transfer.problem:
        end = "\r\x1b[K" if bar else ""
        print(f"{end}sandtui: {clean(as_typed(f'{label}: {transfer.problem}', arguments))}", file=sys.stderr)
    elif (transfer.omitted or transfer.run_by) and bar:
        print("\r\x1b[K", end="", file=sys.stderr)


def _draw(queue: TransferQueue) -> None:
    """Draw the bar in place."""
    from sandtui.ui.rendering.units import long_duration, size_text

    total = sum(transfer.total for transfer in queue.transfers)
    done = sum(transfer.done for transfer in queue.transfers)
    rate = sum(transfer.rate for transfer in queue.transfers if not transfer.is_over)
    part = done / total if total else 0.0
    filled = int(part * BAR)
    left = f"  {long_duration((total - done) / rate)} left" if rate else ""
    speed = f"  {size_text(rate)}/s" if rate else ""
    line = f"{'█' * filled}{'░' * (BAR - filled)} {part:4.0%}  {size_text(done)} of {size_text(total)}{speed}{left}"
    print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
