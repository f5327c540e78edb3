"""``sandtui cp`` and ``sandtui sync``: files to and from sandboxes, from a script."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.transfers.model import Place, Spec, Transfer
    from sandtui.fleet.transfers.queue import TransferQueue

USAGE_ERROR = 2
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
A target that ends in / or is a directory gets the source's name. Every file arrives whole and compared, or not at all.
A large download that broke off, or was killed, goes on where it was when the same command is run again.
"""
_EPILOG = "exit codes: 0 all was copied; 1 some was not; 2 wrong usage, or no such sandbox."


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "cp",
        help="copy files to and from sandboxes",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", help="a path of this machine, or SANDBOX:PATH")
    parser.add_argument("target", help="a path of this machine, or SANDBOX:PATH")
    parser.add_argument("-r", "--recursive", action="store_true", help="copy directories with all that is in them")
    parser.add_argument("-p", "--keep", action="store_true", help="keep times and permissions")
    parser.add_argument("--existing", choices=EXISTING, default="overwrite", help="files that are there (overwrite)")
    add_common(parser)
    parser.set_defaults(run=run)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what copying and synchronising have in common."""
    parser.add_argument("--query", metavar="QUERY", help="all running sandboxes that the dashboard's filter finds")
    parser.add_argument("--no-checksum", action="store_true", help="compare sizes only, not the sha256")
    parser.add_argument(
        "--sftp", action="store_true", help="over SSH instead of the gateway; slower where both were measured"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON line for each copy as it ends")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar, even on a terminal")
    parser.add_argument("--local", action="store_true", help="on the local platform, even when there is an API key")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.cli.places import ends, with_names
    from sandtui.fleet.transfers.model import Existing

    async def specs(client: AsyncSandboxClient) -> list[Spec]:
        sources, targets = await ends(client, arguments.source, arguments.target, arguments.query)
        made = await with_names(client, sources, targets, recursive=arguments.recursive)
        return [
            make_spec(source, target, arguments, existing=Existing(arguments.existing), keep=arguments.keep)
            for source, target in made
        ]

    return carry_out(arguments, specs)


def carry_out(arguments: argparse.Namespace, specs: object) -> int:
    """Connect, carry out what ``specs`` returns, and tell; return the exit code."""
    from sandtui.cli.places import UsageError

    try:
        return asyncio.run(_connected(arguments, specs))
    except UsageError as error:
        print(f"sandtui: {error}", file=sys.stderr)
        return USAGE_ERROR


def make_spec(source: Place, target: Place, arguments: argparse.Namespace, **options: object) -> Spec:
    """Return the spec of one copy."""
    from sandtui.fleet.transfers.model import Spec

    return Spec(source, target, "cp", checksum=not arguments.no_checksum, sftp=arguments.sftp, **options)  # type: ignore[arg-type]


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


async def _connected(arguments: argparse.Namespace, specs: object) -> int:
    from sandtui.cli.connect import connect
    from sandtui.client import AsyncSandboxClient, SandboxClientError
    from sandtui.fleet.files.names import FilesError
    from sandtui.fleet.session import ConnectError
    from sandtui.fleet.transfers.model import TransferError

    try:
        connection = await connect(use_local=arguments.local)
        async with AsyncSandboxClient(config=connection.config) as client:
            wanted = await specs(client)  # type: ignore[operator]
            return await transfer_all(client, wanted, arguments)
    except (ConnectError, SandboxClientError, FilesError, TransferError) as error:
        print(f"sandtui: {error}", file=sys.stderr)
        return 1


async def transfer_all(client: AsyncSandboxClient, specs: list[Spec], arguments: argparse.Namespace) -> int:
    """Carry some copies out and tell how each ended; return the exit code."""
    from sandtui.fleet.clock import SystemClock
    from sandtui.fleet.transfers.queue import TransferQueue
    from sandtui.scratch import scratch_directory

    with scratch_directory("cp") as spool:
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
                    if transfer.is_over and transfer.id not in told:
                        told.add(transfer.id)
                        _tell(transfer, arguments, bar=bar)
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
    return 1 if any(transfer.problem for transfer in transfers) else 0


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
    from sandtui.fleet.sanitize import clean

    spec = transfer.spec
    if arguments.json:
        place = spec.target if spec.target.sandbox_id is not None else spec.source
        seconds = (transfer.ended or 0.0) - (transfer.started or 0.0)
        row: dict[str, object] = {
            "sandbox": place.name,
            "id": place.sandbox_id,
            "source": spec.source.path,
            "target": spec.target.path,
            "state": transfer.state.value,
            "files": transfer.files,
            "bytes": transfer.total,
            "skipped": transfer.skipped,
            "left_out": transfer.left_out,
            "seconds": round(seconds, 3),
        }
        if transfer.problem:
            row["error"] = transfer.problem
        print(json.dumps(row), flush=True)
    elif transfer.problem:
        end = "\r\x1b[K" if bar else ""
        print(f"{end}sandtui: {clean(spec.source.label)}: {clean(transfer.problem)}", file=sys.stderr)
    elif transfer.left_out and bar:
        print(f"\r\x1b[K{transfer.left_out:,} links and devices were left out", file=sys.stderr)


def _draw(queue: TransferQueue) -> None:
    """Draw the bar in place."""
    from sandtui.ui.render.files import size_text
    from sandtui.ui.render.units import long_duration

    total = sum(transfer.total for transfer in queue.transfers)
    done = sum(transfer.done for transfer in queue.transfers)
    rate = sum(transfer.rate for transfer in queue.transfers if not transfer.is_over)
    part = done / total if total else 0.0
    filled = int(part * BAR)
    left = f"  {long_duration((total - done) / rate)} left" if rate else ""
    speed = f"  {size_text(rate)}/s" if rate else ""
    line = f"{'█' * filled}{'░' * (BAR - filled)} {part:4.0%}  {size_text(done)} of {size_text(total)}{speed}{left}"
    print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
