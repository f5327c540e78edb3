"""``sandtui sync``: make a directory identical to another, one way, once or on every change."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.cli.cp import (
    FIELDS,
    NullJournal,
    add_common,
    agreed,
    as_typed,
    connected,
    make_spec,
    report_omitted,
    report_risks,
    transfer_all,
)
from sandtui.cli.output import add_json_lines
from sandtui.cli.remote_paths import ends, split
from sandtui.cli.usage import FAILURE, LEFT_OUT, UsageError, complain, refuse
from sandtui.directories import describe
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.text.sanitize import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.transfers.model import TransferSpec
    from sandtui.fleet.transfers.sync import Difference

SHOWN = 40
POLL_SECONDS = 0.7

_DESCRIPTION = """\
Make the directory TARGET identical to SOURCE. Files that differ in size or time are copied, with times and
permissions; links are copied as links. Extra files of TARGET are kept unless --delete is given, which also replaces
files by directories of the same name and the reverse. Asks once before a sandbox's files replace some of this machine;
scripts add --overwrite. Skips .git directories of this machine without --allow-git, and lists files that programs run
by themselves, such as .envrc, on standard error.
SANDBOX:PATH and --query are as in `sandtui cp`:
  sandtui sync --gitignore . rollout-0007:/workspace/sim --dry-run
  sandtui sync --gitignore . rollout-0007:/workspace/sim --watch
"""
DRY_RUN_FIELDS = {
    "new": "with --dry-run: paths that would be created",
    "changed": "with --dry-run: paths that would be replaced",
    "delete": "with --dry-run: paths that would be deleted",
    "same": "with --dry-run: how many are equal",
}

_EPILOG = """\
exit codes: 0 identical; 1 something was not copied; 2 nothing was done: wrong usage, no such sandbox, or not
confirmed; 3 identical except for what standard error lists: pipes, sockets, devices and .git directories."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "sync",
        help="sync a directory with a sandbox, in either direction",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", help="a local directory, or SANDBOX:PATH")
    parser.add_argument("target", help="a local directory, or SANDBOX:PATH")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, without doing it")
    parser.add_argument("--delete", action="store_true", help="delete files that only the target has")
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="PATTERN",
        help="skip matching files, as in .gitignore (may be repeated)",
    )
    parser.add_argument(
        "--ignore-from", type=Path, metavar="FILE", help="read patterns from a file, or - for standard input"
    )
    parser.add_argument("--gitignore", action="store_true", help="skip .git and what the source's .gitignore lists")
    parser.add_argument("--watch", action="store_true", help="keep running and copy changes as they happen")
    add_common(parser)
    add_json_lines(parser, {**FIELDS, **DRY_RUN_FIELDS})
    parser.set_defaults(run=run, connects=True, changes=lambda _: "sync runs commands in the sandbox")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    if "-" in {arguments.source, arguments.target}:
        return refuse("sync works on directories; use `sandtui cp` for standard input and output")
    if arguments.watch and split(arguments.source)[0] is not None:
        return refuse("--watch needs a local SOURCE: changes in a sandbox are not reported")
    if arguments.watch and arguments.dry_run:
        return refuse("--watch and --dry-run cannot be combined")
    patterns = list(arguments.ignore)
    files = [arguments.ignore_from] if arguments.ignore_from is not None else []
    if arguments.gitignore:
        patterns.append(".git/")
        own = Path(arguments.source, ".gitignore")
        files += [own] if split(arguments.source)[0] is None and own.is_file() else []
    try:
        for file in files:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
            patterns += text.splitlines()
    except OSError as error:
        return refuse(f"cannot read the patterns: {describe(error)}")
    except UnicodeDecodeError:
        return refuse(f"cannot read the patterns: {file} is not UTF-8 text")
    arguments.patterns = tuple(patterns)
    if not arguments.watch:
        return connected(arguments, lambda client: (_dry_run if arguments.dry_run else _sync)(client, arguments))
    try:
        return _watch(arguments)
    except KeyboardInterrupt:
        return 0


async def _specs(client: AsyncSandboxClient, arguments: argparse.Namespace) -> list[TransferSpec]:
    from sandtui.fleet.files.entry import FileKind
    from sandtui.fleet.files.local import LocalFileSystem
    from sandtui.fleet.transfers.model import Existing

    sources, targets = await ends(client, arguments.source, arguments.target, arguments, "sync with")
    if len(sources) > 1:
        raise UsageError("cannot sync several sandboxes into one directory; use `sandtui cp -r`")
    source = replace(sources[0], path=sources[0].path.rstrip("/") or "/")
    if source.sandbox_id is None:
        found = await LocalFileSystem().stat(source.path)
        if found is None or found.kind is not FileKind.FOLDER:
            raise UsageError(f"{source.path} is not a directory")
    options: dict[str, object] = {
        "existing": Existing.DIFFERENT,
        "keep": True,
        "ignore": arguments.patterns,
        "delete": arguments.delete,
    }
    options["consent"] = arguments.overwrite
    return [
        make_spec(source, replace(target, path=target.path.rstrip("/") or "/"), arguments, **options)
        for target in targets
    ]


async def _sync(client: AsyncSandboxClient, arguments: argparse.Namespace) -> int:
    return await transfer_all(client, await agreed(client, await _specs(client, arguments), arguments), arguments)


async def _dry_run(client: AsyncSandboxClient, arguments: argparse.Namespace) -> int:
    from sandtui.fleet.transfers.autorun import found as run_by_programs
    from sandtui.fleet.transfers.executor import TransferExecutor
    from sandtui.fleet.transfers.model import Transfer, TransferError
    from sandtui.fleet.transfers.sync import omitted

    arguments.yes = True  # a dry run changes nothing
    code = 0
    for spec in await _specs(client, arguments):
        try:
            found = await TransferExecutor(
                client, Transfer("dry", spec), Path(), NullJournal(), lambda: None, {}
            ).compare()
        except (FilesError, TransferError) as error:
            # The other sandboxes are still compared.
            complain(clean(as_typed(f"{spec.source.label}: {error}", arguments)))
            code = FAILURE
            continue
        left = omitted(spec.source.label, found.left_out, found.refused, found.held)
        _print(spec, found, arguments)
        report_omitted(left, arguments)
        if spec.is_download:
            report_risks(run_by_programs(spec.target.path, [*found.new, *found.changed]), arguments)
        code = code or (LEFT_OUT if left else 0)
    return code


def _print(spec: TransferSpec, found: Difference, arguments: argparse.Namespace) -> None:
    """Print what would be done."""
    extra = found.extra if spec.delete else ()
    if arguments.json:
        row = {
            "sandbox": spec.target.name or spec.source.name,
            "new": found.new,
            "changed": found.changed,
            "delete": extra,
            "same": found.same,
            "bytes": found.size,
            "left_out": len(found.left_out) + found.refused + len(found.held),
        }
        print(json.dumps(row))
        return
    for sign, paths in (("+", found.new), ("~", found.changed), ("-", extra)):
        for path in paths[:SHOWN]:
            print(f"{sign} {clean(path)}")
        if len(paths) > SHOWN:
            print(f"{sign} and {len(paths) - SHOWN:,} more")
    kept = "" if spec.delete else f", {len(found.extra):,} only in the target (--delete removes them)"
    print(
        f"{clean(spec.target.label)}: {len(found.new):,} new, {len(found.changed):,} changed, "
        f"{len(extra):,} to delete, {found.same:,} identical{kept}; {found.size:,} bytes to copy"
    )


def _watch(arguments: argparse.Namespace) -> int:
    async def follow(client: AsyncSandboxClient) -> int:
        from sandtui.fleet.transfers.watch import changes

        specs = await _specs(client, arguments)
        complain(f"watching {specs[0].source.path} (ctrl+c to stop)")
        omitted: set[str] = set()
        async for _ in changes(specs[0].source.path, arguments.patterns, POLL_SECONDS):
            await transfer_all(client, specs, arguments, omitted)
        return 0

    return connected(arguments, follow)
