"""``sandtui diff``: what differs between the files of two sandboxes or checkpoints."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import posixpath
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandtui.cli.connected import run_connected
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextCell, TextColumn, add_output, colors, paint
from sandtui.cli.targets import is_query, resolve_one
from sandtui.cli.usage import EXIT_CODES, FAILURE, UsageError, complain, note
from sandtui.fleet.text.units import short_size
from sandtui.printable import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient, SandboxCheckpoint
    from sandtui.fleet.checkpoints.compare import FileChange
    from sandtui.fleet.files.remote import SandboxFileSystem
    from sandtui.fleet.inventory.connection import Connection

_DESCRIPTION = """\
Compare the files of two sandboxes or checkpoints: what B has more than A, less, or changed by type, size, sha256 or
permissions. PATH is a directory or a file (default: /). What is mounted below is left out. To read a checkpoint, a
sandbox is created from it and deleted afterwards.

  sandtui diff try-1 try-2 /workspace
  sandtui diff ckpt_1a2b try-1 /workspace -p
"""

_MARKS = {"added": ("A", "good"), "removed": ("D", "bad"), "changed": ("M", "busy")}
_LINE_ROLES = {"+": "good", "-": "bad", "@": "info"}


@dataclass(frozen=True, slots=True)
class PathChange:
    """A change with the absolute path."""

    path: str
    change: FileChange


def _sizes(each: PathChange) -> str:
    sides = (each.change.before, each.change.after)
    before, after = (None if side is None else short_size(side.size) for side in sides)
    if before is None or after is None or before == after:
        return after or before or ""
    return f"{before} -> {after}"


CHANGES: ObjectKind[Any] = ObjectKind(
    columns=(
        TextColumn(
            id="change", heading="", cell=lambda each, _: TextCell(*_MARKS[each.change.change.value]),
            sort=lambda each: each.change.change.value,
        ),
        TextColumn(id="size", heading="SIZE", cell=lambda each, _: _sizes(each), right=True, keep=2),
        TextColumn(id="path", heading="PATH", cell=lambda each, _: each.path, sort=lambda each: each.path),
        TextColumn(id="what", heading="WHAT", cell=lambda each, _: each.change.detail, keep=3),
    ),
    record=lambda each: {
        "path": each.path,
        "change": each.change.change.value,
        "what": each.change.detail or None,
        "size_before": None if each.change.before is None else each.change.before.size,
        "size_after": None if each.change.after is None else each.change.after.size,
    },
    name=lambda each: each.path,
    fields={
        "path": "absolute path",
        "change": "added, removed or changed",
        "what": "of a changed one: type, size, content, target, permissions, or time; else null",
        "size_before": "bytes in A, or null",
        "size_after": "bytes in B, or null",
    },
)  # fmt: skip
"""What is printed of each path that differs."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "diff", help="compare the files of two sandboxes or checkpoints", description=_DESCRIPTION, epilog=EXIT_CODES
    )
    for name in ("first", "second"):
        parser.add_argument(
            name, metavar="AB"[name == "second"], help="name or id of a running sandbox, or id of a checkpoint"
        )
    parser.add_argument("path", metavar="PATH", nargs="?", default="/", help="an absolute path (default: /)")
    parser.add_argument("-p", "--patch", action="store_true", help="print the lines of text files that differ")
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 if anything differs")
    add_output(parser, lambda: CHANGES)
    parser.set_defaults(run=run, connects=True, changes=lambda _: "it creates a sandbox to read a checkpoint")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if not arguments.path.startswith("/"):
        raise UsageError(f"{arguments.path!r} is not an absolute path")
    for word in (arguments.first, arguments.second):
        if is_query(word):
            raise UsageError(f"{word!r} is not a name or an id")
    path = posixpath.normpath(arguments.path)
    printer = None if arguments.patch else ObjectPrinter(CHANGES, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.fleet.checkpoints.compare import compare, compare_file
        from sandtui.fleet.files.entry import FileKind
        from sandtui.fleet.files.names import FilesError

        async with contextlib.AsyncExitStack() as stack:
            first, second = await asyncio.gather(
                *(stack.enter_async_context(_side(client, word)) for word in (arguments.first, arguments.second))
            )
            try:
                kinds = [found.kind for found in await asyncio.gather(first.stat(path), second.stat(path)) if found]
                is_folder = bool(kinds) and all(kind is FileKind.FOLDER for kind in kinds) and len(kinds) == 2
                found = await (compare if is_folder else compare_file)(first, second, path)
                base = path if is_folder else posixpath.dirname(path)
                changes = [PathChange(posixpath.join(base, each.path), each) for each in found]
                if printer is not None:
                    printer.add(changes)
                    printer.end()
                else:
                    await _print_patches(first, second, changes, arguments)
            except FilesError as error:
                complain(error)
                return FAILURE
        if not found:
            note("no differences")
        return FAILURE if found and arguments.exit_code else 0

    return run_connected(arguments, work)


@contextlib.asynccontextmanager
async def _side(client: AsyncSandboxClient, word: str) -> AsyncIterator[SandboxFileSystem]:
    """Return the files of a sandbox; of a checkpoint, those of a new sandbox that is deleted afterwards."""
    from sandtui.fleet.checkpoints.sides import Side, files_of

    checkpoint = await _checkpoint(client, word)
    if checkpoint is None:
        row = await resolve_one(client, word, only="RUNNING")
        side = Side(row.name, row.id)
    else:
        side = Side(checkpoint.id, checkpoint.sandbox_id, checkpoint)

    def about(each: SandboxCheckpoint) -> None:
        note(f"creating a sandbox to read {each.id}")

    async with files_of(client, side, about, complain) as files:
        yield files


async def _checkpoint(client: AsyncSandboxClient, word: str) -> SandboxCheckpoint | None:
    from sandtui.client import APIError, InvalidRequestError, UnauthorizedError

    try:
        return await client.get_checkpoint(word)
    except UnauthorizedError:
        raise
    except (APIError, InvalidRequestError):
        # A platform without checkpoints, or a name; what is wrong with it is told of the sandbox.
        return None


async def _print_patches(
    first: SandboxFileSystem,
    second: SandboxFileSystem,
    changes: list[PathChange],
    arguments: argparse.Namespace,
) -> None:
    from sandtui.fleet.checkpoints.compare import patch_lines, read_bytes

    color = colors(arguments.options)

    async def content(side: SandboxFileSystem, path: str, *, exists: bool) -> bytes:
        return await read_bytes(side, path) if exists else b""

    for each in changes:
        head = f"{_MARKS[each.change.change.value][0]} {each.path}"
        if each.change.detail:
            head = f"{head} ({each.change.detail})"
        lines = []
        if each.change.may_be_text and each.change.detail != "permissions":
            old, new = await asyncio.gather(
                content(first, each.path, exists=each.change.before is not None),
                content(second, each.path, exists=each.change.after is not None),
            )
            lines = patch_lines(each.change, old, new, each.path)
        print(paint(clean(head), "heading", color=color))
        for line in lines:
            # Tabs are text here, and not ours.
            shown = "\t".join(map(clean, line.split("\t")))
            is_name = line.startswith(("+++", "---"))
            print(paint(shown, "heading" if is_name else _LINE_ROLES.get(line[:1], ""), color=color))
    sys.stdout.flush()
