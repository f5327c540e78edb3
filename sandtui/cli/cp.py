"""``sandtui cp`` and ``sandtui sync``: files to and from sandboxes, from a script."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.cli import selection
from sandtui.cli.streams import check_output, save_input, temporary_directory, write_output
from sandtui.cli.usage import FAILURE, LEFT_OUT, UsageError, complain

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.transfers.model import Place, Spec, Transfer
    from sandtui.fleet.transfers.queue import TransferQueue

STREAM_FILE = ".sandtui-stream"
"""The name under which standard input and output lie in a directory of their own meanwhile."""

AT_ONCE = 8
BAR = 24
PROGRESS_SECONDS = 0.2
EXISTING = ("overwrite", "skip", "rename", "newer", "different")

_DESCRIPTION = """\
Copy a file, or with -r a directory, to a sandbox, from one, or between two. SANDBOX is a name or the beginning of
an id; with --query the part before the colon is empty and stands for all running sandboxes that a filter finds:
  sandtui cp model.pt rollout-0007:/workspace/
  sandtui cp -r rollout-0007:/workspace/outputs ./outputs
  sandtui cp --query '#run=42' config.json :/workspace/config.json
  sandtui cp --query '#run=42' :/workspace/metrics.csv ./all      (makes all/NAME/metrics.csv)
- is standard input or output, for one file (./- is a file of that name):
  sandtui cp rollout-0007:/workspace/log - | tail
A target that ends in / or is a directory gets the source's name. Every file arrives whole and compared, or not at all.
Links are copied as links, wherever they lead, and never followed. Named pipes, sockets and devices are left out.
A large download that broke off, or was killed, goes on where it was when the same command is run again.
What is here already is replaced by a sandbox's files only after a question; without a terminal --overwrite says so, or
--existing. No .git of this machine is written to without --allow-git, and files that programs run by themselves, such
as .envrc, are named on standard error.
"""
_EPILOG = """\
exit codes: 0 all was copied; 1 some was not; 2 nothing was done: wrong usage, no such sandbox, or a question without
an answer; 3 all was copied but what is named on standard error: pipes, sockets and devices, and .git directories."""

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
    parser.add_argument("source", help="a path of this machine, SANDBOX:PATH, or -")
    parser.add_argument("target", help="a path of this machine, SANDBOX:PATH, or -")
    parser.add_argument("-r", "--recursive", action="store_true", help="copy directories with all that is in them")
    parser.add_argument("-p", "--keep", action="store_true", help="keep times and permissions")
    parser.add_argument(
        "--existing",
        choices=EXISTING,
        help="what becomes of files that are there (overwrite; of this machine's: ask before a sandbox's replace them)",
    )
    add_common(parser)
    parser.set_defaults(run=run, connects=True, changes=lambda _: "copying runs commands in the sandbox")


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what copying and synchronising have in common."""
    parser.add_argument("--query", metavar="QUERY", help="all running sandboxes that the dashboard's filter finds")
    parser.add_argument("--no-checksum", action="store_true", help="compare sizes only, not the sha256")
    parser.add_argument("--overwrite", action="store_true", help="replace files of this machine without a question")
    parser.add_argument("--allow-git", action="store_true", help="write a sandbox's files to .git directories, too")
    parser.add_argument("--json", action="store_true", help="print a JSON line for each copy as it ends")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar, even on a terminal")
    selection.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    source, target = arguments.source, arguments.target
    if arguments.overwrite and arguments.existing not in {None, "overwrite"}:
        raise UsageError(f"--overwrite and --existing {arguments.existing} exclude each other")
    if _STREAM not in {source, target}:
        return _copy(arguments, source, target)
    _check_stream(arguments)
    with temporary_directory("cp") as folder:
        # Through a file: what arrives is compared as a whole before anything of it goes on.
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
        raise UsageError("- can be one side only")
    name = "standard input" if arguments.source == _STREAM else "standard output"
    for given, option in ((arguments.recursive, "-r"), (arguments.keep, "-p")):
        if given:
            raise UsageError(f"{option} does not go with -: {name} is one file without times and permissions")
    if arguments.existing in {"newer", "different"} or (
        arguments.target == _STREAM and arguments.existing not in {None, EXISTING[0]}
    ):
        raise UsageError(f"--existing {arguments.existing} does not go with -: {name} has nothing to compare")
    if arguments.target == _STREAM and arguments.json:
        raise UsageError("--json does not go with - as the target: both write to standard output")


def _copy(arguments: argparse.Namespace, source_text: str, target_text: str) -> int:
    from sandtui.cli.places import ends, with_names
    from sandtui.fleet.transfers.model import Existing

    existing = Existing(arguments.existing or "overwrite")
    consent = arguments.overwrite or arguments.existing is not None

    async def specs(client: AsyncSandboxClient) -> list[Spec]:
        sources, targets = await ends(client, source_text, target_text, arguments, "copy to or from")
        if arguments.target == _STREAM and len(sources) > 1:
            raise UsageError(f"{len(sources):,} sandboxes match, and - takes one file; name a directory as the target")
        made = await with_names(client, sources, targets, recursive=arguments.recursive)
        if arguments.source == _STREAM and any(target.path.endswith(f"/{STREAM_FILE}") for _, target in made):
            raise UsageError(f"{target_text} is a directory: write NAME:DIRECTORY/FILE to copy standard input")
        return [
            make_spec(source, target, arguments, existing=existing, consent=consent, keep=arguments.keep)
            for source, target in made
        ]

    async def work(client: AsyncSandboxClient) -> int:
        return await transfer_all(client, await agreed(client, await specs(client), arguments), arguments)

    return connected(arguments, work)


def connected(arguments: argparse.Namespace, work: Callable[[AsyncSandboxClient], Awaitable[int]]) -> int:
    """Connect, do some work, and say what went wrong; return the exit code.

    Raises:
        UsageError: the arguments can't be used.
    """
    try:
        return asyncio.run(_connected(arguments, work))
    except UsageError as error:
        raise UsageError(as_typed(str(error), arguments)) from None


def as_typed(message: str, arguments: argparse.Namespace) -> str:
    """Return a message in which the paths of this machine stand as they were typed."""
    from sandtui.cli.places import split, whole

    for text in (arguments.source, arguments.target):
        sandbox, path = split(text)
        if sandbox is None and path not in {_STREAM, ""} and (absolute := whole(path)) != "/":
            message = message.replace(absolute, path.rstrip("/"))
            if not path.startswith(("/", "~")):
                message = message.replace(f"{whole('.').rstrip('/')}/", "")
    return message


def make_spec(source: Place, target: Place, arguments: argparse.Namespace, **options: object) -> Spec:
    """Return the spec of one copy. What is replaced in a sandbox needs no consent."""
    from sandtui.fleet.transfers.model import Spec

    options["consent"] = bool(options.get("consent")) or target.sandbox_id is not None
    options |= {"checksum": not arguments.no_checksum, "allow_git": arguments.allow_git}
    return Spec(source, target, "cp", **options)  # type: ignore[arg-type]


async def agreed(client: AsyncSandboxClient, specs: list[Spec], arguments: argparse.Namespace) -> list[Spec]:
    """Ask once, before anything is written, whether files of this machine may be replaced; return what was agreed to.

    Raises:
        UsageError: the answer is no, or there is nobody to ask.
    """
    import os
    from dataclasses import replace

    from sandtui.client import SandboxClientError
    from sandtui.fleet.files.names import FilesError, join
    from sandtui.fleet.transfers.carrier import Carrier
    from sandtui.fleet.transfers.model import Transfer, TransferError

    paths: list[str] = []
    for spec in specs:
        if spec.consent or not await asyncio.to_thread(os.path.lexists, spec.target.path):
            continue
        try:
            found = await Carrier(client, Transfer("asked", spec), Path(), Unwritten(), lambda: None, {}).compare()
        except (FilesError, TransferError, SandboxClientError):
            continue  # the copy itself says what is wrong, and replaces nothing
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


class Unwritten:
    """A journal that forgets: a script that is broken off is started again by its author."""

    def keep(self, transfer: Transfer, place: int) -> None:
        """Write nothing."""

    def note_files(self, transfer_id: str, items: Sequence[tuple[str, tuple[int, int]]]) -> None:
        """Write nothing."""

    def files(self, transfer_id: str) -> dict[str, tuple[int, int]]:
        """Return nothing."""
        return {}

    def drop(self, transfer_id: str) -> None:
        """Forget nothing."""


async def _connected(arguments: argparse.Namespace, work: Callable[[AsyncSandboxClient], Awaitable[int]]) -> int:
    from sandtui.cli.connect import connect_command
    from sandtui.client import AsyncSandboxClient, SandboxClientError
    from sandtui.fleet.files.names import FilesError
    from sandtui.fleet.inventory.session import ConnectError
    from sandtui.fleet.transfers.model import TransferError

    try:
        connection = await connect_command(arguments)
        async with AsyncSandboxClient(config=connection.config) as client:
            return await work(client)
    except (ConnectError, SandboxClientError, FilesError, TransferError) as error:
        complain(as_typed(str(error), arguments))
        return FAILURE


async def transfer_all(
    client: AsyncSandboxClient, specs: list[Spec], arguments: argparse.Namespace, omitted: set[str] | None = None
) -> int:
    """Carry some copies out and tell how each ended; return the exit code.

    What is in ``omitted`` was told before that it is left out; what is told now is added.
    """
    from sandtui.fleet.clock import SystemClock
    from sandtui.fleet.transfers.model import State
    from sandtui.fleet.transfers.queue import TransferQueue

    with temporary_directory("cp") as spool:
        queue = TransferQueue(client, SystemClock(), Unwritten(), spool, AT_ONCE)
        changed = asyncio.Event()
        queue.on_change = changed.set
        transfers = queue.add(specs, _id)
        running = asyncio.ensure_future(queue.run())
        bar = sys.stderr.isatty() and not arguments.quiet and not arguments.json
        told: set[str] = set()
        try:
            while len(told) < len(transfers):
                changed.clear()
                for transfer in transfers:
                    if transfer.state is State.ASKING:
                        # It came to be there after the question, or before there was one.
                        transfer.problem = "files have come to be there meanwhile; add --overwrite to replace them"
                        queue.cancel(transfer.id)
                    if transfer.is_over and transfer.id not in told:
                        told.add(transfer.id)
                        _tell(transfer, arguments, bar=bar)
                        if not transfer.problem:
                            tell_omitted(transfer.omitted, arguments, omitted)
                            tell_risks(transfer.run_by, arguments)
                if bar:
                    _draw(queue)
                if len(told) < len(transfers):
                    try:
                        await asyncio.wait_for(changed.wait(), PROGRESS_SECONDS)
                    except TimeoutError:
                        continue
        except asyncio.CancelledError:
            # Ctrl+c: what has its name stays, the rest is removed before we go.
            for transfer in transfers:
                queue.cancel(transfer.id)
            raise
        finally:
            if bar:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            # What an upload has left would never be found again; a download goes on with it.
            queue.forget([each.id for each in transfers if each.spec.target.sandbox_id is not None])
            while not queue.is_idle:
                changed.clear()
                await changed.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    if any(transfer.held for transfer in transfers):
        complain("--allow-git copies .git directories as well")
    if any(transfer.problem for transfer in transfers):
        return FAILURE
    return LEFT_OUT if any(transfer.left_out for transfer in transfers) else 0


def tell_omitted(words: Sequence[str], arguments: argparse.Namespace, known: set[str] | None = None) -> None:
    """Say on standard error what is left out, unless it is known."""
    from sandtui.fleet.text.sanitize import clean

    for text in words:
        if known is None or text not in known:
            complain(clean(as_typed(f"{text}: left out", arguments)))
        if known is not None:
            known.add(text)


def tell_risks(files: Sequence[tuple[str, str]], arguments: argparse.Namespace) -> None:
    """Warn about what has come from a sandbox and is run by programs that nobody asks to."""
    for path, program in files:
        complain(f"warning: {as_typed(path, arguments)} is from a sandbox, and {program} runs it by itself")


def _id(spec: Spec) -> str:
    """Return an id for a copy: the same one for the same download, so that it goes on when it is run again.

    Two programs may send to one place at the same time, and must not meet under one temporary name there.
    """
    import hashlib
    import secrets

    if spec.target.sandbox_id is not None:
        return secrets.token_hex(5)
    places = repr((spec.source.sandbox_id, spec.source.path, spec.target.path))
    return hashlib.sha256(places.encode()).hexdigest()[:10]


def _tell(transfer: Transfer, arguments: argparse.Namespace, *, bar: bool) -> None:
    from sandtui.fleet.text.sanitize import clean

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
