"""``sandtui volume``: create volumes, list, publish and delete them."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandtui.cli.connected import exit_code_of, run_connected
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextColumn, add_output
from sandtui.cli.targets import check_words, resolve_one
from sandtui.cli.usage import EXIT_CODES, UsageError, complain, note
from sandtui.client.models.volumes import Volume, VolumeMount
from sandtui.fleet.text.units import duration, short_size
from sandtui.printable import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.connection import Connection

PAGE = 100
MAX_VOLUMES = 10_000


def _age(volume: Volume, now: datetime) -> str | None:
    return None if volume.created_at is None else duration(max(0.0, (now - volume.created_at).total_seconds()))


VOLUMES: ObjectKind[Volume] = ObjectKind(
    columns=(
        TextColumn(id="name", heading="NAME", cell=lambda each, _: each.name, least=12, sort=lambda each: each.name),
        TextColumn(
            id="size", heading="SIZE", cell=lambda each, _: short_size(each.occupied_bytes), right=True,
            sort=lambda each: each.occupied_bytes, descending=True,
        ),
        TextColumn(id="head", heading="NEWEST VERSION", cell=lambda each, _: each.head_checkpoint_id, keep=2),
        TextColumn(
            id="age", heading="AGE", cell=_age, right=True, keep=1,
            sort=lambda each: each.created_at or datetime.min.replace(tzinfo=UTC), descending=True,
        ),
        TextColumn(id="team", heading="TEAM", cell=lambda each, _: each.team_id, wide=True),
        TextColumn(id="id", heading="ID", cell=lambda each, _: each.id, wide=True),
    ),
    record=lambda each: each.model_dump(mode="json"),
    name=lambda each: each.name,
    fields={
        "id": "id of the volume",
        "name": "its name",
        "user_id": "the user that it belongs to, or null",
        "team_id": "the team that it belongs to, or null",
        "head_checkpoint_id": "its newest version; null before the first is published",
        "occupied_bytes": "bytes in use of the newest version",
        "created_at": "when it was created",
    },
)  # fmt: skip
"""What is printed of each volume."""

_DESCRIPTION = """\
Each sandbox with a volume has its own copy of the newest version, from when it was created. Publishing makes the copy
of a sandbox the newest version.

  sandtui volume create data
  sandtui create --volume data:/data --name writer
  sandtui volume publish writer data
  sandtui create --volume data:/data:ro --count 20
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "volume", help="create volumes, list, publish and delete them", description=_DESCRIPTION, epilog=EXIT_CODES
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create an empty volume", epilog=EXIT_CODES)
    create.add_argument("name", metavar="VOLUME", help="its name")
    listing = actions.add_parser("ls", help="list volumes", epilog=EXIT_CODES)
    remove = actions.add_parser("rm", help="delete volumes and their data", epilog=EXIT_CODES)
    remove.add_argument("names", metavar="VOLUME", nargs="+", help="their names")
    publish = actions.add_parser("publish", help="make a sandbox's copy the newest version", epilog=EXIT_CODES)
    publish.add_argument("target", metavar="NAME|ID", help="name of a running sandbox, its id, or the start of it")
    publish.add_argument("name", metavar="VOLUME", help="the name of the volume")
    publish.add_argument("--force", action="store_true", help="also over a version that the sandbox does not know")
    for each in (create, listing, remove):
        each.add_argument("--team", metavar="ID", help="the team that they belong to (default: that of the context)")
    add_output(create, lambda: VOLUMES, sort=False)
    add_output(listing, lambda: VOLUMES)
    create.set_defaults(run=_create, connects=True, changes=lambda _: "it creates a volume")
    listing.set_defaults(run=_ls, connects=True, changes=lambda _: "")
    remove.set_defaults(run=_rm, connects=True, changes=lambda _: "it deletes volumes")
    publish.set_defaults(run=_publish, connects=True, changes=lambda _: "it publishes a volume")


def mounts(words: list[str]) -> list[VolumeMount]:
    """Return the volumes of ``--volume NAME:/PATH[:ro]``.

    Raises:
        UsageError: one is not of this form, or two have the same name or path.
    """
    found = []
    for text in words:
        name, _, path = text.partition(":")
        path, _, mode = path.partition(":")
        if not name or not path.startswith("/") or mode not in ("", "ro", "rw"):
            raise UsageError(f"--volume {text!r}: write NAME:/PATH, or NAME:/PATH:ro")
        found.append(VolumeMount(name=name, mount_path=path, read_only=mode == "ro"))
    if len({each.name for each in found}) < len(found) or len({each.mount_path for each in found}) < len(found):
        raise UsageError("--volume: names and paths must differ")
    return found


def _create(arguments: argparse.Namespace) -> int:
    printer = ObjectPrinter(VOLUMES, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        printer.add([await client.volumes.create(arguments.name, team_id=arguments.team)])
        printer.end()
        return 0

    return run_connected(arguments, work)


def _ls(arguments: argparse.Namespace) -> int:
    printer = ObjectPrinter(VOLUMES, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        page, known = 1, set[str]()
        while True:
            found = await client.volumes.list(team_id=arguments.team, page=page, per_page=PAGE)
            fresh = [volume for volume in found.volumes if volume.id not in known]
            known |= {volume.id for volume in fresh}
            printer.add(fresh)
            if not (found.has_next and fresh) or len(known) >= MAX_VOLUMES:
                break
            page += 1
        printer.end()
        if not printer.count:
            note("no volumes")
        return 0

    return run_connected(arguments, work)


def _rm(arguments: argparse.Namespace) -> int:
    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.client import SandboxClientError

        code = 0
        for name in dict.fromkeys(arguments.names):
            try:
                await client.volumes.delete(name, team_id=arguments.team)
            except SandboxClientError as error:
                complain(f"{name}: not deleted: {error}")
                code = max(code, exit_code_of(error))
            else:
                print(clean(name))
        return code

    return run_connected(arguments, work)


def _publish(arguments: argparse.Namespace) -> int:
    check_words([arguments.target])

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        row = await resolve_one(client, arguments.target, only="RUNNING")
        version = await client.volumes.publish(row.id, arguments.name, arguments.force)
        print(clean(version.id))
        return 0

    return run_connected(arguments, work)
