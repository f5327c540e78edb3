"""``sandtui ports``: expose ports of sandboxes to anyone who has their address."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandtui.cli.connected import exit_code_of, run_connected
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextColumn, add_output
from sandtui.cli.targets import check_words, everyone, resolve
from sandtui.cli.usage import EXIT_CODES, UsageError, complain, note
from sandtui.client.models.ports import ExposedPort
from sandtui.fleet.inventory.connection import Connection

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.row import Row


@dataclass(frozen=True, slots=True)
class PortOfSandbox:
    """An exposed port, with the name of its sandbox where that is known."""

    exposure: ExposedPort
    sandbox: str = ""


def _address(port: PortOfSandbox) -> str:
    return port.exposure.url or port.exposure.external_endpoint or ""


PORTS: ObjectKind[PortOfSandbox] = ObjectKind(
    columns=(
        TextColumn(
            id="port", heading="PORT", cell=lambda port, _: str(port.exposure.port), right=True,
            sort=lambda port: port.exposure.port,
        ),
        TextColumn(
            id="sandbox", heading="SANDBOX", cell=lambda port, _: port.sandbox or port.exposure.sandbox_id, least=12,
            sort=lambda port: port.sandbox.lower(),
        ),
        TextColumn(id="protocol", heading="PROTOCOL", cell=lambda port, _: port.exposure.protocol or "HTTP", keep=2),
        TextColumn(id="name", heading="NAME", cell=lambda port, _: port.exposure.name, least=8, keep=1),
        TextColumn(id="address", heading="ADDRESS", cell=lambda port, _: _address(port)),
        TextColumn(id="id", heading="ID", cell=lambda port, _: port.exposure.exposure_id, wide=True),
        TextColumn(id="sandbox_id", heading="SANDBOX ID", cell=lambda port, _: port.exposure.sandbox_id, wide=True),
    ),
    record=lambda port: {
        "exposure_id": port.exposure.exposure_id,
        "sandbox_id": port.exposure.sandbox_id,
        "sandbox": port.sandbox or None,
        "port": port.exposure.port,
        "protocol": port.exposure.protocol or "HTTP",
        "name": port.exposure.name,
        "url": port.exposure.url or None,
        "endpoint": port.exposure.external_endpoint,
        **(port.exposure.model_extra or {}),
    },
    name=_address,
    fields={
        "exposure_id": "id of the exposure",
        "sandbox_id": "id of the sandbox",
        "sandbox": "its name; null if it has ended",
        "port": "the port in the sandbox",
        "protocol": "HTTP or TCP",
        "name": "its name, or null",
        "url": "address of an HTTP port, or null",
        "endpoint": "host:port of a TCP port, or null",
    },
)  # fmt: skip
"""What is printed of each exposed port."""

_DESCRIPTION = """\
Exposed ports can be reached by anyone who has their address. `sandtui forward` reaches a port from this machine alone.

  sandtui ports expose web 8000
  sandtui ports ls -o name
  sandtui ports rm web 8000
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "ports", help="expose ports, list and unexpose them", description=_DESCRIPTION, epilog=EXIT_CODES
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("ls", help="list exposed ports", epilog=EXIT_CODES)
    listing.add_argument(
        "targets", metavar="NAME|ID|QUERY", nargs="*", help="names, ids, or a filter (`sandtui help filter`)"
    )
    add_output(listing, lambda: PORTS)
    listing.set_defaults(run=_ls, connects=True, changes=lambda _: "")
    expose = actions.add_parser(
        "expose", help="expose a port of one or more sandboxes", epilog=EXIT_CODES,
        usage="sandtui ports expose [options] NAME|ID|QUERY ... PORT",
        description="Expose a port and print its address. A port that is exposed already stays as it is.",
    )  # fmt: skip
    expose.add_argument(
        "targets", metavar="NAME|ID|QUERY", nargs="+", help="names, ids, or a filter (`sandtui help filter`)"
    )
    expose.add_argument("port", metavar="PORT", help="the port in the sandbox, 22 to 9000")
    expose.add_argument("-y", "--yes", action="store_true", help="do not ask, however many they are")
    expose.add_argument("--tcp", action="store_true", help="plain TCP instead of HTTP")
    expose.add_argument("--name", metavar="TEXT", help="a name for it")
    add_output(expose, lambda: PORTS, sort=False)
    expose.set_defaults(run=_expose, connects=True, changes=lambda _: "it exposes a port")
    remove = actions.add_parser(
        "rm", help="unexpose ports", epilog=EXIT_CODES, usage="sandtui ports rm [options] NAME|ID ... PORT|ID"
    )
    remove.add_argument("targets", metavar="NAME|ID", nargs="+", help="name of a sandbox, its id, or the start of it")
    remove.add_argument("port", metavar="PORT|ID", help="the port, or the id of its exposure")
    add_output(remove, lambda: PORTS, sort=False)
    remove.set_defaults(run=_rm, connects=True, changes=lambda _: "it unexposes a port")


async def _exposures(client: AsyncSandboxClient, rows: Sequence[Row]) -> list[PortOfSandbox]:
    """Return the exposed ports of some sandboxes, sorted by name and port."""
    names = {row.id: row.name for row in rows}
    found = (await client.list_all_exposed_ports()).exposures
    ports = [PortOfSandbox(each, names[each.sandbox_id]) for each in found if each.sandbox_id in names]
    return sorted(ports, key=lambda port: (port.sandbox, port.exposure.sandbox_id, port.exposure.port))


def _ls(arguments: argparse.Namespace) -> int:
    check_words(arguments.targets)
    printer = ObjectPrinter(PORTS, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        if arguments.targets:
            rows = await resolve(client, arguments.targets, plain_queries=True)
        else:
            rows = await everyone(client, ended=False)
        printer.add(await _exposures(client, rows))
        printer.end()
        if not printer.count:
            note("no exposed ports")
        return 0

    return run_connected(arguments, work)


def _expose(arguments: argparse.Namespace) -> int:
    from sandtui.fleet.ports.exposures import parse_exposure, plain_fault

    check_words(arguments.targets)
    try:
        port, protocol, _ = parse_exposure(f"{arguments.port} {'tcp' if arguments.tcp else 'http'}")
        if arguments.name is not None:
            parse_exposure(f"{arguments.port} http {arguments.name}")
    except ValueError as problem:
        raise UsageError(str(problem)) from None
    printer = ObjectPrinter(PORTS, arguments)

    async def work(client: AsyncSandboxClient, connection: Connection) -> int:
        from sandtui.cli.bulk import confirm_plan
        from sandtui.client import SandboxClientError
        from sandtui.fleet.inventory.bulk_plan import EXPOSE, TYPE_THE_COUNT_ABOVE, make_plan

        rows = await resolve(client, arguments.targets, only="RUNNING")
        if len(rows) > TYPE_THE_COUNT_ABOVE:
            await confirm_plan(make_plan(EXPOSE, rows, value=str(port)), connection, yes=arguments.yes)
        known = {
            each.exposure.sandbox_id: each
            for each in await _exposures(client, rows)
            if each.exposure.port == port and (each.exposure.protocol or "HTTP").upper() == protocol
        }
        code, done = 0, 0
        try:
            for row in rows:
                try:
                    if row.id in known:
                        note(f"port {port} of {row.name or row.id} is exposed already")
                        printer.add([known[row.id]])
                    else:
                        exposed = await client.expose(row.id, port, arguments.name, protocol)
                        printer.add([PortOfSandbox(exposed, row.name)])
                    done += 1
                except SandboxClientError as error:
                    complain(f"{row.name or row.id}: port {port} not exposed: {plain_fault(error, port)}")
                    code = max(code, exit_code_of(error))
        except asyncio.CancelledError:
            complain(f"interrupted: port {port} of {done:,} of {len(rows):,} exposed")
            raise
        finally:
            printer.end()
        return code

    return run_connected(arguments, work)


def _rm(arguments: argparse.Namespace) -> int:
    check_words(arguments.targets)
    printer = ObjectPrinter(PORTS, arguments)
    wanted: str = arguments.port

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.client import SandboxClientError

        rows = await resolve(client, arguments.targets)
        ports = await _exposures(client, rows)
        found = [port for port in ports if wanted in {str(port.exposure.port), port.exposure.exposure_id}]
        if not found:
            others = ", ".join(dict.fromkeys(str(port.exposure.port) for port in ports))
            raise UsageError(f"port {wanted} is not exposed" + (f"; exposed: {others}" if others else ""))
        code, done = 0, 0
        try:
            for port in found:
                try:
                    await client.unexpose(port.exposure.sandbox_id, port.exposure.exposure_id)
                    printer.add([port])
                    done += 1
                except SandboxClientError as error:
                    complain(f"{port.sandbox or port.exposure.sandbox_id}: port {wanted} not unexposed: {error}")
                    code = max(code, exit_code_of(error))
        except asyncio.CancelledError:
            complain(f"interrupted: {done:,} of {len(found):,} unexposed")
            raise
        finally:
            printer.end()
        return code

    return run_connected(arguments, work)
