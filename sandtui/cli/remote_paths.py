"""Source and target arguments: a local path, ``SANDBOX:PATH``, or ``:PATH`` in several sandboxes."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.cli import selection
from sandtui.cli.targets import resolve_one
from sandtui.cli.usage import UsageError
from sandtui.fleet.files.names import as_name, base, join
from sandtui.saving import with_home

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.files.local import LocalFileSystem
    from sandtui.fleet.files.remote import SandboxFileSystem
    from sandtui.fleet.transfers.model import Location


async def ends(
    client: AsyncSandboxClient, source_text: str, target_text: str, arguments: argparse.Namespace, action: str
) -> tuple[list[Location], list[Location]]:
    """Return what source and target stand for; ask before acting on many sandboxes.

    Raises:
        UsageError: neither is in a sandbox, or existing is no such sandbox.
    """
    source, target = split(source_text), split(target_text)
    if source[0] is None and target[0] is None:
        raise UsageError("neither side is in a sandbox: write NAME:PATH, or :PATH with --query")
    query = "" if arguments.query is None and arguments.all else arguments.query
    if query is not None:
        if "" not in {source[0], target[0]}:
            raise UsageError("--query and --all need a side without a name: :PATH")
        selection.check(query)
    sources = await _places(client, source, query, arguments, action)
    targets = await _places(client, target, query, arguments, action)
    if len(sources) > 1 and len(targets) > 1:
        raise UsageError("only one side can name several sandboxes")
    return sources, targets


def split(text: str) -> tuple[str | None, str]:
    """Return the sandbox, None for this machine, and the path; ``./a:b`` and ``/a:b`` are local paths."""
    name, colon, path = text.partition(":")
    if not colon or "/" in name or name in {".", ".."}:
        return None, text
    return name, path or "."


async def with_final_paths(
    client: AsyncSandboxClient, sources: list[Location], targets: list[Location], *, recursive: bool
) -> list[tuple[Location, Location]]:
    """Pair each source with the final path of its copy.

    Raises:
        UsageError: a source does not exist, or is a directory without ``recursive``.
    """
    from sandtui.fleet.files.entry import FileKind
    from sandtui.fleet.files.local import LocalFileSystem
    from sandtui.fleet.files.remote import SandboxFileSystem

    def side(place: Location) -> LocalFileSystem | SandboxFileSystem:
        return LocalFileSystem() if place.sandbox_id is None else SandboxFileSystem(client, place.sandbox_id)

    pairs: list[tuple[Location, Location]] = []
    names = [as_name(place.name, place.sandbox_id or "") for place in sources]
    for source, name in zip(sources, names, strict=True):
        for target in targets:
            found = await side(source).stat(source.path)
            if found is None and len(sources) == 1:
                raise UsageError(f"{source.label}: no such file or directory")
            if found is not None and found.kind is FileKind.FOLDER and not recursive:
                raise UsageError(f"{source.label} is a directory (use -r to copy it)")
            path = target.path
            if len(sources) > 1:
                path = join(path, name if names.count(name) == 1 else f"{name}-{source.sandbox_id}")
                path = join(path, base(source.path))
            else:
                existing = await side(target).stat(path)
                if path.endswith("/") or (existing is not None and existing.kind is FileKind.FOLDER):
                    path = join(path, base(source.path))
            pairs.append((source, replace(target, path=path)))
    return pairs


async def _places(
    client: AsyncSandboxClient,
    end: tuple[str | None, str],
    query: str | None,
    arguments: argparse.Namespace,
    action: str,
) -> list[Location]:
    from sandtui.fleet.files.remote import SandboxFileSystem
    from sandtui.fleet.transfers.model import Location

    name, path = end
    if name is None:
        return [Location(whole(path) + ("/" if path.endswith("/") else ""))]
    if name:
        row = await resolve_one(client, name, only="RUNNING")
        found = [(row.id, row.name)]
    else:
        if query is None:
            raise UsageError(":PATH needs --query or --all to choose the sandboxes")
        wanted, rows = await selection.select(client, query)
        await selection.confirm(arguments, action, wanted, rows)
        found = [(row.id, row.name) for row in rows]
    places = []
    for sandbox_id, title in found:
        inside = path
        if not path.startswith("/"):
            here = (await SandboxFileSystem(client, sandbox_id).read_folder(".")).path
            inside = here if path == "." else f"{here.rstrip('/')}/{path.removeprefix('./')}"
        places.append(Location(inside, sandbox_id, title))
    return places


def whole(path: str) -> str:
    """Return a local path as an absolute one."""
    return str(with_home(Path(path)).absolute())
