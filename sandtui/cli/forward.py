"""``sandtui forward``: ports of a sandbox on this machine, through SSH."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from sandtui.cli.connected import run_connected
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextColumn, add_output
from sandtui.cli.targets import check_words, resolve_one
from sandtui.cli.usage import EXIT_CODES, FAILURE, INTERRUPTED, UsageError, complain, note
from sandtui.clock import SystemClock
from sandtui.fleet.inventory.connection import Connection
from sandtui.fleet.ports.forward import LOOPBACK, Direction, Forward, ForwardState, parse_forward

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.ports.forwards import ForwardBoard

_DESCRIPTION = """\
Forward ports through SSH until ctrl+c. Only this machine can reach them. A lost connection is opened again.

  sandtui forward web 8000            port 8000 of the sandbox as 127.0.0.1:8000
  sandtui forward web 8000:9000       as 127.0.0.1:9000
  sandtui forward web R:5432          port 5432 of this machine as 127.0.0.1:5432 in the sandbox

Prints each forward once it is open.
"""


def _from(forward: Forward) -> str:
    return (
        forward.address if forward.spec.direction is Direction.OUT else f"{LOOPBACK}:{forward.spec.sandbox_port} there"
    )


def _to(forward: Forward) -> str:
    if forward.spec.direction is Direction.OUT:
        return f"{forward.sandbox_name or forward.sandbox_id}:{forward.spec.sandbox_port}"
    return f"{LOOPBACK}:{forward.spec.local_port} here"


FORWARDS: ObjectKind[Forward] = ObjectKind(
    columns=(
        TextColumn(id="from", heading="FROM", cell=lambda forward, _: _from(forward)),
        TextColumn(id="to", heading="TO", cell=lambda forward, _: _to(forward)),
    ),
    record=lambda forward: {
        "sandbox_id": forward.sandbox_id,
        "sandbox": forward.sandbox_name,
        "direction": forward.spec.direction.value,
        "sandbox_port": forward.spec.sandbox_port,
        "local_port": forward.local_port,
        "address": forward.address if forward.spec.direction is Direction.OUT else None,
    },
    name=lambda forward: forward.address,
    fields={
        "sandbox_id": "id of the sandbox",
        "sandbox": "its name",
        "direction": "out (from here to the sandbox) or in (from the sandbox to here)",
        "sandbox_port": "the port in the sandbox",
        "local_port": "the port of this machine",
        "address": "what to connect to on this machine; null for direction in",
    },
)
"""What is printed of each forward."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "forward", help="forward ports of a sandbox to this machine", description=_DESCRIPTION, epilog=EXIT_CODES
    )
    parser.add_argument("sandbox", metavar="NAME|ID", help="name of the sandbox, its id, or the start of it")
    parser.add_argument("ports", metavar="PORT[:LOCAL]", nargs="+", help="the port, and the one of this machine")
    parser.add_argument("--any-port", action="store_true", help="use another local port if one is taken")
    add_output(parser, lambda: FORWARDS, sort=False)
    parser.set_defaults(run=run, connects=True, changes=lambda _: "it opens a connection into the sandbox")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    check_words([arguments.sandbox])
    try:
        specs = [parse_forward(text) for text in arguments.ports]
    except ValueError as problem:
        raise UsageError(str(problem)) from None
    printer = ObjectPrinter(FORWARDS, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.fleet.inventory.store import FleetStore
        from sandtui.fleet.ports.forwards import ForwardBoard, PortTakenError

        row = await resolve_one(client, arguments.sandbox, only="RUNNING")
        clock = SystemClock()
        store = FleetStore(clock)
        store.apply([row.sandbox])
        board = ForwardBoard(client, store, clock)
        try:
            try:
                for spec in specs:
                    await board.open(row.id, spec, any_port=arguments.any_port)
            except PortTakenError as error:
                raise UsageError(f"{error} (or --any-port)") from None
            return await _follow(board, printer)
        except asyncio.CancelledError:
            count = len(board.active)
            note(f"{count:,} {'forward' if count == 1 else 'forwards'} closed")
            return INTERRUPTED
        finally:
            await board.aclose()
            printer.end()

    return run_connected(arguments, work)


async def _follow(board: ForwardBoard, printer: ObjectPrinter[Forward]) -> int:
    """Print each forward when it opens, and report what breaks, until none is left."""
    changed = asyncio.Event()
    board.on_change.subscribe(changed.set)
    states: dict[int, ForwardState] = {}
    while True:
        for forward in board.forwards:
            before, states[forward.number] = states.get(forward.number), forward.state
            if forward.state is before:
                continue
            where = f"{_from(forward)} to {_to(forward)}"
            if forward.state is ForwardState.OPEN:
                if before is ForwardState.BROKEN:
                    note(f"connected again: {where}")
                else:
                    printer.add([forward])
            elif forward.state is ForwardState.BROKEN:
                note(f"connection lost, trying again: {where}: {forward.note}")
            elif forward.state is ForwardState.FAILED:
                complain(f"{where}: {forward.note}")
        if not board.active:
            return FAILURE
        await changed.wait()
        changed.clear()
