"""``sandtui create``: create sandboxes from a preset; prints a JSON line for each."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.cli.connect import connect_command
from sandtui.cli.usage import FAILURE, NOT_REACHED, UsageError, complain, refuse
from sandtui.client.errors import ConfigurationError
from sandtui.clock import SystemClock
from sandtui.config.paths import Paths
from sandtui.directories import describe
from sandtui.fleet.inventory.connection import ConnectError, Connection

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.creation.launch import Launch, LaunchItem
    from sandtui.fleet.creation.launch_plan import LaunchPlan


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "create",
        help="create sandboxes from a preset",
        description="Create sandboxes from a preset and print a JSON line for each. "
        "Exit code 0: all were created; 1: some were not; 2: wrong usage.",
    )
    parser.add_argument("preset", help="name of a preset, or path of its TOML file")
    parser.add_argument("--count", help="number of sandboxes; {i} in the name becomes the index")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="override a field of the preset (may be repeated)",
    )
    parser.add_argument("--wait", action="store_true", help="wait until every sandbox is ready; print a line for each")
    parser.add_argument("--dry-run", action="store_true", help="print what would be created, without creating it")
    parser.set_defaults(run=run, connects=True, changes=lambda chosen: "" if chosen.dry_run else "it creates sandboxes")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.config.presets import PresetError, PresetStore
    from sandtui.config.state_check import check_journal
    from sandtui.fleet.creation.form import BY_ID, DEFAULTS
    from sandtui.fleet.creation.launch_plan import new_launch_id, plan_launch

    try:
        fields = {**DEFAULTS, **_fields(arguments.preset, PresetStore(Paths.of_user().presets))}
    except PresetError as error:
        return refuse(str(error))
    for change in arguments.set:
        name, equals, value = change.partition("=")
        if not equals or name not in BY_ID:
            return refuse(f"--set {change}: expected FIELD=VALUE, with one of these fields: {', '.join(BY_ID)}")
        fields[name] = value
    if arguments.count is not None:
        fields["count"] = arguments.count
    plan = plan_launch(fields, new_launch_id())
    if plan.problems:
        words = "; ".join(f"{name}: {problem}" for name, problem in plan.problems.items())
        return refuse(words)
    if arguments.dry_run:
        for request in plan.requests:
            print(request.model_copy(update={"secrets": None}).model_dump_json(exclude_none=True))
        return 0
    try:
        check_journal(Paths.of_user())
    except OSError as error:
        raise UsageError(str(error)) from None
    return asyncio.run(_create(plan, arguments))


def _fields(preset: str, store: object) -> dict[str, str]:
    from sandtui.config.presets import PresetStore

    assert isinstance(store, PresetStore)
    path = Path(preset)
    if path.suffix == ".toml" or "/" in preset:
        return dict(PresetStore(path.parent).load(path.stem).fields)
    return dict(store.load(preset).fields)


async def _create(plan: LaunchPlan, arguments: argparse.Namespace) -> int:
    from sandtui.client import AsyncSandboxClient
    from sandtui.config.journal import LaunchJournal
    from sandtui.fleet.creation.launch import Launch

    journal = LaunchJournal(Paths.of_user().journal)
    try:
        connection: Connection = await connect_command(arguments)
        async with AsyncSandboxClient(config=connection.config) as client:
            launch = Launch(plan, client, SystemClock(), journal, connection.label)
            return await _follow(launch, wait=arguments.wait, client=client)
    except (ConnectError, ConfigurationError, OSError) as error:
        complain(describe(error))
        return NOT_REACHED if isinstance(error, ConnectError) else FAILURE
    finally:
        journal.close()


async def _follow(launch: Launch, *, wait: bool, client: AsyncSandboxClient) -> int:
    from sandtui.fleet.creation.launch import Step

    reported: dict[int, Step] = {}

    def report() -> None:
        for item in launch.items:
            news = item.step in {Step.STARTING, Step.READY, Step.FAILED} and reported.get(item.index) is not item.step
            if news and (wait or item.step is not Step.READY):
                reported[item.index] = item.step
                print(json.dumps(_row(item)), flush=True)

    launch.on_change.subscribe(report)
    await (launch.run() if wait else launch.create())
    return 1 if launch.counts[Step.FAILED] else 0


def _row(item: LaunchItem) -> dict[str, object]:
    row: dict[str, object] = {
        "name": item.request.name,
        "id": item.sandbox_id,
        "state": {"starting": "created"}.get(item.step.value, item.step.value),
    }
    if item.problem:
        row["error"] = item.problem
    return row
