"""``sandtui image``: list images, copy and build them, change and delete them."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandtui.cli.connected import exit_code_of, run_connected
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextColumn, add_output
from sandtui.cli.usage import EXIT_CODES, FAILURE, UsageError, complain, note
from sandtui.client.models.images import ImageListItem, ImageOwner, ImageVisibility
from sandtui.fleet.text.units import duration, short_size
from sandtui.printable import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandtui.client import AsyncSandboxClient
    from sandtui.client.models.images import BuildImageResponse, ImageBuild
    from sandtui.fleet.inventory.connection import Connection

PAGE = 100
MAX_IMAGES = 10_000


def _age(image: ImageListItem, now: datetime) -> str:
    return duration(max(0.0, (now - image.created_at).total_seconds()))


IMAGES: ObjectKind[ImageListItem] = ObjectKind(
    columns=(
        TextColumn(
            id="image", heading="IMAGE", cell=lambda each, _: each.reference, least=16,
            sort=lambda each: each.reference,
        ),
        TextColumn(id="status", heading="STATUS", cell=lambda each, _: each.status, sort=lambda each: each.status),
        TextColumn(
            id="size", heading="SIZE", right=True, keep=1, sort=lambda each: each.size_bytes or 0, descending=True,
            cell=lambda each, _: None if each.size_bytes is None else short_size(each.size_bytes),
        ),
        TextColumn(id="owner", heading="OWNER", cell=lambda each, _: each.owner_type, keep=3),
        TextColumn(id="visibility", heading="VISIBILITY", cell=lambda each, _: each.visibility, keep=4),
        TextColumn(
            id="age", heading="AGE", cell=_age, right=True, keep=2,
            sort=lambda each: each.created_at or datetime.min.replace(tzinfo=UTC), descending=True,
        ),
        TextColumn(id="error", heading="ERROR", cell=lambda each, _: each.error_message, wide=True),
        TextColumn(id="id", heading="BUILD", cell=lambda each, _: each.id, wide=True),
    ),
    record=lambda each: each.model_dump(mode="json"),
    name=lambda each: each.reference,
    fields={
        "id": "id of the build that made it",
        "full_image_path": "the image to create sandboxes from",
        "image_name": "its name",
        "image_tag": "its tag",
        "status": "PENDING, UPLOADING, BUILDING, COMPLETED, FAILED or CANCELLED",
        "error_message": "why it failed, or null",
        "size_bytes": "its size, or null",
        "owner_type": "personal, team or platform",
        "team_id": "the team that it belongs to, or null",
        "visibility": "PRIVATE or PUBLIC",
        "created_at": "when the build was requested",
    },
)  # fmt: skip
"""What is printed of each image."""

_DESCRIPTION = """\
Images of the platform, which sandboxes are created from by the name that `sandtui image ls` shows.

  sandtui image transfer ghcr.io/org/tools:v3
  sandtui image build mine:v1 ./directory
  sandtui create --image prime/ME/mine:v1
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "image", help="list images, copy, build, change and delete them", description=_DESCRIPTION, epilog=EXIT_CODES
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("ls", help="list images and builds", epilog=EXIT_CODES)
    listing.add_argument("--search", metavar="TEXT", help="only those with this in their name")
    scope = listing.add_mutually_exclusive_group()
    scope.add_argument("--platform", action="store_true", help="those that belong to nobody, as from Docker Hub")
    scope.add_argument("--team", metavar="ID", help="those of a team (default: that of the context)")
    transfer = actions.add_parser("transfer", help="copy images from public registries", epilog=EXIT_CODES)
    transfer.add_argument("sources", metavar="IMAGE", nargs="+", help="such as ghcr.io/org/tools:v3")
    transfer.add_argument("--as", dest="name", metavar="NAME[:TAG]", help="another name; for a single image")
    build = actions.add_parser("build", help="build an image from a Dockerfile", epilog=EXIT_CODES)
    build.add_argument("name", metavar="NAME[:TAG]", help="its name")
    build.add_argument("directory", metavar="DIRECTORY", nargs="?", default=".", help="what is sent (default: .)")
    build.add_argument("-f", "--file", metavar="PATH", help="the Dockerfile (default: the one in DIRECTORY)")
    for each in (transfer, build):
        each.add_argument("--detach", action="store_true", help="print the id of the build and do not wait for it")
        each.add_argument("--arch", choices=["amd64", "arm64"], default="amd64", help="the processor (default: amd64)")
        each.add_argument("--team", metavar="ID", help="the team that it belongs to (default: that of the context)")
        _add_visibility(each)
    update = actions.add_parser("update", help="rename an image, or change who may use it", epilog=EXIT_CODES)
    update.add_argument("image", metavar="NAME:TAG", help="its name")
    update.add_argument("--name", metavar="NAME", help="its new name")
    update.add_argument("--tag", metavar="TAG", help="its new tag")
    owner = update.add_mutually_exclusive_group()
    owner.add_argument("--to-team", metavar="ID", help="give it to a team")
    owner.add_argument("--to-platform", action="store_true", help="make it a public image of the platform")
    _add_visibility(update)
    cancel = actions.add_parser("cancel", help="cancel a build (local platforms only)", epilog=EXIT_CODES)
    cancel.add_argument("build", metavar="BUILD", help="its id")
    remove = actions.add_parser("rm", help="delete images", epilog=EXIT_CODES)
    remove.add_argument("names", metavar="NAME:TAG", nargs="+", help="their names")
    remove.add_argument("--team", metavar="ID", help="the team that they belong to (default: that of the context)")
    add_output(listing, lambda: IMAGES)
    listing.set_defaults(run=_ls, connects=True, changes=lambda _: "")
    transfer.set_defaults(run=_transfer, connects=True, changes=lambda _: "it copies images")
    build.set_defaults(run=_build, connects=True, changes=lambda _: "it builds an image")
    update.set_defaults(run=_update, connects=True, changes=lambda _: "it changes an image")
    cancel.set_defaults(run=_cancel, connects=True, changes=lambda _: "it cancels a build")
    remove.set_defaults(run=_rm, connects=True, changes=lambda _: "it deletes images")


def _add_visibility(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    for word, text in (("public", "anyone may use it"), ("private", "only its owner may use it")):
        group.add_argument(
            f"--{word}", dest="visibility", action="store_const", const=ImageVisibility(word.upper()), help=text
        )


def _named(text: str) -> tuple[str, str]:
    name, _, tag = text.partition(":")
    if not name or "/" in name:
        raise UsageError(f"{text!r}: write NAME or NAME:TAG, without an owner")
    return name, tag or "latest"


def _ls(arguments: argparse.Namespace) -> int:
    printer = ObjectPrinter(IMAGES, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        offset = 0
        while offset < MAX_IMAGES:
            found = await client.images.list(
                team_id=arguments.team, search=arguments.search, platform=arguments.platform, offset=offset, limit=PAGE
            )
            printer.add(found.data)
            offset += PAGE
            if not found.data or (found.total_count is not None and offset >= found.total_count):
                break
        printer.end()
        if not printer.count:
            note("no images" if arguments.platform else "no images of your own; --platform lists those of the platform")
        return 0

    return run_connected(arguments, work)


def _transfer(arguments: argparse.Namespace) -> int:
    name, tag = _named(arguments.name) if arguments.name else (None, None)
    if name and len(arguments.sources) > 1:
        raise UsageError("--as: several images cannot have one name")
    if any("," in source for source in arguments.sources):
        raise UsageError("separate images with spaces")

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.client import BulkBuildImageResponse

        response = await client.images.transfer_image(
            ",".join(arguments.sources), image_name=name, image_tag=tag, team_id=arguments.team,
            visibility=arguments.visibility, platform=f"linux/{arguments.arch}",  # type: ignore[arg-type] # a choice
        )  # fmt: skip
        begun, code = [], 0
        if isinstance(response, BulkBuildImageResponse):
            for result in response.results:
                if result.build is None:
                    complain(f"{result.source_image}: not copied: {result.error}")
                    code = FAILURE
                else:
                    begun.append(result.build)
        else:
            begun.append(response)
        return max(code, await _finish(client, begun, arguments))

    return run_connected(arguments, work)


def _build(arguments: argparse.Namespace) -> int:
    name, tag = _named(arguments.name)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        build = await client.images.build(
            arguments.directory, name, tag, dockerfile=arguments.file, team_id=arguments.team,
            visibility=arguments.visibility, platform=f"linux/{arguments.arch}",  # type: ignore[arg-type] # a choice
        )  # fmt: skip
        return await _finish(client, [build], arguments)

    return run_connected(arguments, work)


async def _finish(
    client: AsyncSandboxClient, builds: Sequence[BuildImageResponse], arguments: argparse.Namespace
) -> int:
    """Wait for builds and print the images, or their ids."""
    if arguments.detach:
        for build in builds:
            print(clean(build.build_id))
        return 0
    code = 0
    for build in builds:
        ended = await _follow(client, build)
        if ended.status == "COMPLETED":
            print(clean(build.full_image_path))
        else:
            complain(f"{build.full_image_path}: {ended.status}: {ended.error_message or 'no reason given'}")
            code = FAILURE
    return code


async def _follow(client: AsyncSandboxClient, build: BuildImageResponse) -> ImageBuild:
    """Show the output of a build until its end; an interruption cancels it where that is offered."""
    shown = ""
    try:
        while True:
            found = await client.images.get_build_status(build.build_id)
            text = found.logs or ""
            # The platform returns the end of the log, so its beginning may be gone.
            known = text.rfind(shown[-1000:]) if shown else -1
            fresh = text if known < 0 else text[known + len(shown[-1000:]) :]
            sys.stderr.write("\n".join(clean(line) for line in fresh.split("\n")))
            sys.stderr.flush()
            shown = text or shown
            if found.has_ended:
                return found
            await asyncio.sleep(0.5)
    except asyncio.CancelledError:
        await client.images.cancel_build(build.build_id)
        raise


def _update(arguments: argparse.Namespace) -> int:
    owner = None
    if arguments.to_platform:
        owner = ImageOwner(type="platform")
    elif arguments.to_team:
        owner = ImageOwner(type="team", team_id=arguments.to_team)
    if not (owner or arguments.name or arguments.tag or arguments.visibility):
        raise UsageError("give something to change: --name, --tag, --to-team, --to-platform, --public or --private")

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        await client.images.update(
            arguments.image, name=arguments.name, tag=arguments.tag, owner=owner, visibility=arguments.visibility
        )
        return 0

    return run_connected(arguments, work)


def _cancel(arguments: argparse.Namespace) -> int:
    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        print(clean((await client.images.cancel_build(arguments.build)).status))
        return 0

    return run_connected(arguments, work)


def _rm(arguments: argparse.Namespace) -> int:
    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.client import SandboxClientError

        code = 0
        for name in dict.fromkeys(arguments.names):
            try:
                await client.images.delete(name, team_id=arguments.team)
            except SandboxClientError as error:
                complain(f"{name}: not deleted: {error}")
                code = max(code, exit_code_of(error))
            else:
                print(clean(name))
        return code

    return run_connected(arguments, work)
