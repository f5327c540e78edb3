"""Every screen of the program, opened on the simulated fleet as its own actions open it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

from sandtui.client import CreateSandboxRequest
from sandtui.fleet.actions import BY_ID
from sandtui.fleet.checkpoints.sides import Side
from sandtui.fleet.creation.launch_plan import LaunchPlan
from sandtui.fleet.files.preview import FileReader
from sandtui.fleet.recordings.player import Player
from sandtui.fleet.shells import ShellState
from sandtui.ui.activity.screen import ActivityScreen
from sandtui.ui.checkpoints.compare_screen import CompareScreen
from sandtui.ui.checkpoints.screen import CheckpointsScreen
from sandtui.ui.commands.console_screen import ConsoleScreen
from sandtui.ui.commands.fanout_screen import FanOutScreen
from sandtui.ui.creation.launch_screen import LaunchScreen
from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.files.preview import PreviewScreen
from sandtui.ui.files.screen import FilesScreen
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.inventory.screen import FleetScreen
from sandtui.ui.jobs.screen import JobsScreen
from sandtui.ui.logs.screen import LogScreen
from sandtui.ui.ports.screen import PortsScreen
from sandtui.ui.recordings.player_screen import PlayerScreen
from sandtui.ui.recordings.screen import RecordingsScreen
from sandtui.ui.shells.screen import ShellScreen
from sandtui.ui.volumes.screen import VolumesScreen
from tests.fleet.shells.channels import ScriptedOpener
from tests.ui.recordings.test_recordings import RECORDED
from tests.ui.world import World, settled, until

Opener = Callable[[Pilot[None], World], Awaitable[None]]


def running(app: World) -> list[str]:
    """Return the ids of the sandboxes that run."""
    session = app.services.platform.session
    assert session is not None
    return [row.id for row in session.store if row.status == "RUNNING"]


async def fleet(pilot: Pilot[None], app: World) -> None:
    pass


async def detail(pilot: Pilot[None], app: World) -> None:
    app.services.navigator.open_detail(running(app)[0])


async def console(pilot: Pilot[None], app: World) -> None:
    app.services.navigator.open_console(running(app)[0])


async def fan_out(pilot: Pilot[None], app: World) -> None:
    session = app.services.platform.session
    app.services.navigator.open_fan_out([row for row in session.store if row.status == "RUNNING"][:3])


async def files(pilot: Pilot[None], app: World) -> None:
    app.services.navigator.open_files(running(app)[:1])
    await until(pilot, lambda: isinstance(app.screen, FilesScreen) and app.screen.is_ready)


async def preview(pilot: Pilot[None], app: World) -> None:
    session = app.services.platform.session
    app.push_screen(PreviewScreen(app.services, FileReader(session.client, None, str(Path(__file__))), "local"))


async def jobs(pilot: Pilot[None], app: World) -> None:
    app.services.navigator.open_jobs(running(app)[:1])


async def ports(pilot: Pilot[None], app: World) -> None:
    app.services.navigator.open_ports(running(app)[0])


async def logs(pilot: Pilot[None], app: World) -> None:
    app.services.navigator.open_logs(running(app)[:2])


async def shell(pilot: Pilot[None], app: World) -> None:
    opener = ScriptedOpener()
    app.services.platform.session.shells.opener = opener
    app.services.navigator.open_shells(running(app)[:2])
    await until(pilot, lambda: isinstance(app.screen, ShellScreen) and len(opener.channels) > 1)
    await until(pilot, lambda: all(each.state is not ShellState.CONNECTING for each in app.screen.board.shells))
    await pilot.press(app.services.keymap.of(BY_ID["terminal.out"])[0])
    await until(pilot, lambda: not app.screen.takes_all_keys)


async def recordings(pilot: Pilot[None], app: World) -> None:
    app.services.navigator.open_recordings()


async def player(pilot: Pilot[None], app: World) -> None:
    app.push_screen(PlayerScreen(app.services, Player.read(RECORDED)))


async def create(pilot: Pilot[None], app: World) -> None:
    app.services.navigator.open_create()


async def launch(pilot: Pilot[None], app: World) -> None:
    requests = tuple(CreateSandboxRequest(name=f"made-{number}", docker_image="python:3.12") for number in (1, 2))
    app.services.launches.begin(LaunchPlan("launch-1", requests))
    await until(pilot, lambda: isinstance(app.screen, LaunchScreen))


async def checkpoints(pilot: Pilot[None], app: World) -> None:
    app.services.navigator.go_to_checkpoints(running(app)[:1])


async def volumes(pilot: Pilot[None], app: World) -> None:
    app.services.navigator.go_to_volumes(running(app)[:1])


async def compare(pilot: Pilot[None], app: World) -> None:
    first, second = (Side(each, each) for each in running(app)[:2])
    app.services.navigator.open_comparison(first, second)


async def activity(pilot: Pilot[None], app: World) -> None:
    app.action_messages()


EVERY_SCREEN: dict[type, Opener] = {
    FleetScreen: fleet,
    DetailScreen: detail,
    ConsoleScreen: console,
    FanOutScreen: fan_out,
    FilesScreen: files,
    PreviewScreen: preview,
    JobsScreen: jobs,
    PortsScreen: ports,
    LogScreen: logs,
    ShellScreen: shell,
    RecordingsScreen: recordings,
    PlayerScreen: player,
    CreateScreen: create,
    LaunchScreen: launch,
    ActivityScreen: activity,
    CheckpointsScreen: checkpoints,
    CompareScreen: compare,
    VolumesScreen: volumes,
}
"""How each screen is opened, on a fleet that is shown."""


async def opened(pilot: Pilot[None], kind: type) -> World:
    """Open a screen of a kind, once the fleet is shown."""
    app = await settled(pilot)
    await until(pilot, lambda: app.screen.target is not None)  # type: ignore[attr-defined]
    await EVERY_SCREEN[kind](pilot, app)
    await until(pilot, lambda: isinstance(app.screen, kind) and app.screen.is_mounted)
    return app
