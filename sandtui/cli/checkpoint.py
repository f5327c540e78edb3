"""``sandtui checkpoint``: take checkpoints of sandboxes, list and delete them."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandtui.cli.connected import exit_code_of, run_connected
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextCell, TextColumn, add_output
from sandtui.cli.progress import ProgressLine
from sandtui.cli.targets import check_words, everyone, resolve, resolve_one
from sandtui.cli.usage import EXIT_CODES, FAILURE, UsageError, complain, note
from sandtui.client.models.checkpoints import SandboxCheckpoint
from sandtui.fleet.text.units import duration, short_size
from sandtui.printable import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.connection import Connection
    from sandtui.fleet.inventory.row import Row

LISTED_AT_ONCE = 16
_ROLES = {"DURABLE": "good", "FAILED": "bad", "DELETING": "dim"}


@dataclass(frozen=True, slots=True)
class CheckpointOfSandbox:
    """A checkpoint, with the name of its sandbox where that is known."""

    checkpoint: SandboxCheckpoint
    sandbox: str = ""


def _age(each: CheckpointOfSandbox, now: datetime) -> str | None:
    made = each.checkpoint.created_at
    return None if made is None else duration(max(0.0, (now - made).total_seconds()))


def _state(each: CheckpointOfSandbox) -> TextCell:
    found = each.checkpoint
    text = f"{found.state.lower()}: {found.error}" if found.error else found.state.lower()
    return TextCell(text, _ROLES.get(found.state, "busy"))


CHECKPOINTS: ObjectKind[CheckpointOfSandbox] = ObjectKind(
    columns=(
        TextColumn(id="id", heading="ID", cell=lambda each, _: each.checkpoint.id, keep=1),
        TextColumn(
            id="sandbox", heading="SANDBOX", cell=lambda each, _: each.sandbox or each.checkpoint.sandbox_id, least=12,
            sort=lambda each: each.sandbox.lower(),
        ),
        TextColumn(id="state", heading="STATE", cell=lambda each, _: _state(each), least=12),
        TextColumn(
            id="size", heading="SIZE", cell=lambda each, _: short_size(each.checkpoint.occupied_bytes), right=True,
            keep=2, sort=lambda each: each.checkpoint.occupied_bytes, descending=True,
        ),
        TextColumn(
            id="age", heading="AGE", cell=_age, right=True, keep=2,
            sort=lambda each: each.checkpoint.created_at or datetime.min.replace(tzinfo=UTC), descending=True,
        ),
        TextColumn(id="parent", heading="PARENT", cell=lambda each, _: each.checkpoint.parent_id, keep=3),
        TextColumn(id="depth", heading="DEPTH", cell=lambda each, _: str(each.checkpoint.depth), right=True, wide=True),
        TextColumn(id="image", heading="IMAGE", cell=lambda each, _: each.checkpoint.docker_image, wide=True),
        TextColumn(
            id="sandbox_id", heading="SANDBOX ID", cell=lambda each, _: each.checkpoint.sandbox_id, wide=True
        ),
    ),
    record=lambda each: {**each.checkpoint.model_dump(mode="json"), "sandbox": each.sandbox or None},
    name=lambda each: each.checkpoint.id,
    fields={
        "id": "id of the checkpoint",
        "sandbox_id": "id of its sandbox",
        "sandbox": "name of its sandbox; null if that is not known",
        "parent_id": "the checkpoint that it descends from, or null",
        "depth": "number of checkpoints that it descends from",
        "state": "PENDING, FROZEN, DURABLE, FAILED or DELETING",
        "occupied_bytes": "bytes in use",
        "stored_bytes": "bytes that are stored, or null",
        "disk_size_bytes": "size of the disk",
        "docker_image": "image of the sandbox",
        "error": "why it failed, or null",
        "created_at": "when it was begun",
        "updated_at": "when its state last changed",
        "team_id": "its team, or null",
    },
)  # fmt: skip
"""What is printed of each checkpoint."""

_DESCRIPTION = """\
A checkpoint is a copy of the files of a running sandbox. Sandboxes are created from it with `sandtui create
--checkpoint ID`; `sandtui fork` takes one and creates them in one go, `sandtui diff` compares.

  sandtui checkpoint take prepared
  sandtui checkpoint ls prepared
  sandtui create --checkpoint ckpt_1a2b --name again
  sandtui checkpoint rm ckpt_1a2b
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "checkpoint", help="take checkpoints, list and delete them", description=_DESCRIPTION, epilog=EXIT_CODES
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    take = actions.add_parser("take", help="take a checkpoint of each sandbox", epilog=EXIT_CODES)
    take.add_argument(
        "targets", metavar="NAME|ID|QUERY", nargs="+", help="names, ids, or a filter (`sandtui help filter`)"
    )
    take.add_argument("--no-wait", action="store_true", help="do not wait until it can be used")
    add_output(take, lambda: CHECKPOINTS, sort=False)
    take.set_defaults(run=_take, connects=True, changes=lambda _: "it takes a checkpoint")
    listing = actions.add_parser("ls", help="list checkpoints", epilog=EXIT_CODES)
    listing.add_argument(
        "targets", metavar="NAME|ID|QUERY", nargs="*",
        help="of these sandboxes only, also of ended ones (default: of all that have not ended)",
    )  # fmt: skip
    add_output(listing, lambda: CHECKPOINTS)
    listing.set_defaults(run=_ls, connects=True, changes=lambda _: "")
    remove = actions.add_parser(
        "rm", help="delete checkpoints", epilog=EXIT_CODES, usage="sandtui checkpoint rm [options] [CHECKPOINT ...]"
    )
    remove.add_argument("checkpoints", metavar="CHECKPOINT", nargs="*", help="ids of checkpoints")
    remove.add_argument("--sandbox", metavar="NAME|ID", help="all checkpoints of a sandbox; needs --yes")
    remove.add_argument("-y", "--yes", action="store_true", help="delete all of them without a question")
    remove.set_defaults(run=_rm, connects=True, changes=lambda _: "it deletes checkpoints")


async def taken(client: AsyncSandboxClient, row: Row) -> SandboxCheckpoint:
    """Take a checkpoint and wait until it can be used.

    Raises:
        SandboxClientError: there is none.
    """
    progress = ProgressLine("taking a checkpoint", 1)
    try:
        progress.update(0)
        begun = await client.checkpoint(row.id)
        return await client.wait_for_checkpoint(begun.id)
    finally:
        progress.clear()


def _take(arguments: argparse.Namespace) -> int:
    check_words(arguments.targets)
    printer = ObjectPrinter(CHECKPOINTS, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.client import SandboxClientError

        rows = await resolve(client, arguments.targets, only="RUNNING")

        async def one(row: Row) -> int:
            try:
                found = await (client.checkpoint(row.id) if arguments.no_wait else taken(client, row))
            except SandboxClientError as error:
                complain(f"{row.name or row.id}: no checkpoint: {error}")
                return exit_code_of(error)
            printer.add([CheckpointOfSandbox(found, row.name)])
            return 0

        try:
            return max(await asyncio.gather(*map(one, rows)))
        finally:
            printer.end()

    return run_connected(arguments, work)


async def _of(client: AsyncSandboxClient, rows: Sequence[Row]) -> list[CheckpointOfSandbox]:
    from sandtui.client import NotFoundError

    gate = asyncio.Semaphore(LISTED_AT_ONCE)

    async def one(row: Row) -> list[CheckpointOfSandbox]:
        async with gate:
            try:
                found = await client.list_checkpoints(row.id)
            except NotFoundError:
                return []  # it has ended meanwhile
        return [CheckpointOfSandbox(each, row.name) for each in found]

    return [each for found in await asyncio.gather(*map(one, rows)) for each in found]


def _ls(arguments: argparse.Namespace) -> int:
    check_words(arguments.targets)
    printer = ObjectPrinter(CHECKPOINTS, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        if arguments.targets:
            rows = await resolve(client, arguments.targets, ended=True)
        else:
            rows = await everyone(client, ended=False)
        printer.add(await _of(client, rows))
        printer.end()
        if not printer.count:
            note("no checkpoints")
        return 0

    return run_connected(arguments, work)


def _rm(arguments: argparse.Namespace) -> int:
    ids: list[str] = list(dict.fromkeys(arguments.checkpoints))
    if bool(ids) == (arguments.sandbox is not None):
        raise UsageError("name checkpoints, or a sandbox with --sandbox")
    if arguments.sandbox is not None and not arguments.yes:
        raise UsageError("--sandbox deletes all checkpoints of the sandbox: add --yes")

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.client import SandboxClientError

        if arguments.sandbox is not None:
            row = await resolve_one(client, arguments.sandbox, ended=True)
            result = await client.delete_sandbox_checkpoints(row.id)
            for checkpoint_id in result.deleted:
                print(clean(checkpoint_id))
            for error in result.errors:
                complain(f"{error.checkpoint_id}: not deleted: {error.message}")
            return FAILURE if result.errors else 0
        code = 0
        for checkpoint_id in ids:
            try:
                await client.delete_checkpoint(checkpoint_id)
            except SandboxClientError as error:
                complain(f"{checkpoint_id}: not deleted: {error}")
                code = max(code, exit_code_of(error))
            else:
                print(clean(checkpoint_id))
        return code

    return run_connected(arguments, work)
