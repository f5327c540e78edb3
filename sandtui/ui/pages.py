"""Creates the screens with their services. They are imported when they are first shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.app import App

from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.inventory.screen import FleetScreen

if TYPE_CHECKING:
    from textual.screen import Screen

    from sandtui.client import Sandbox
    from sandtui.fleet.checkpoints.sides import Side
    from sandtui.fleet.commands.fanout import FanOut
    from sandtui.fleet.creation.launch import Launch
    from sandtui.fleet.inventory.row import Row
    from sandtui.ui.jobs.flow import JobFlow
    from sandtui.ui.services.bundle import Services


class LazyPages:
    """The screens of the dashboard. The services are set once they are created."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self.services: Services
        self.job_flow: JobFlow

    def fleet(self) -> Screen[None]:
        return FleetScreen(self.services)

    def detail(self, sandbox_id: str) -> Screen[None]:
        from sandtui.ui.inventory.detail_screen import DetailScreen

        return DetailScreen(self.services, sandbox_id)

    def console(self, sandbox_id: str) -> Screen[None]:
        from sandtui.ui.commands.console_screen import ConsoleScreen

        return ConsoleScreen(self.services, sandbox_id)

    def fan_out(self, rows: Sequence[Row], run: FanOut | None) -> Screen[None]:
        from sandtui.ui.commands.fanout_screen import FanOutScreen

        return FanOutScreen(self.services, rows, run)

    def ports(self, sandbox_id: str | None, marked: Sequence[str]) -> Screen[None]:
        from sandtui.ui.ports.screen import PortsScreen

        return PortsScreen(self.services, sandbox_id, tuple(marked))

    def shells(self, sandbox_ids: Sequence[str]) -> Screen[None] | None:
        """Return shells in the sandboxes that exist, or None if none does."""
        from sandtui.ui.shells.screen import ShellScreen, open_shells

        shells = open_shells(self.services, sandbox_ids)
        return ShellScreen(self.services, shells[0]) if shells else None

    def attach_shell(self, sandbox_id: str) -> None:
        from sandtui.ui.shells.attach import attach_shell

        attach_shell(self._app, self.services, sandbox_id)

    def recordings(self) -> Screen[None]:
        from sandtui.ui.recordings.screen import RecordingsScreen

        return RecordingsScreen(self.services)

    def files(self, sandbox_ids: Sequence[str]) -> Screen[None]:
        from sandtui.ui.files.screen import FilesScreen

        return FilesScreen(self.services, sandbox_ids)

    def jobs(self, targets: Sequence[str], sandbox_id: str | None) -> Screen[None]:
        from sandtui.ui.jobs.screen import JobsScreen

        return JobsScreen(self.services, self.job_flow, tuple(targets), sandbox_id)

    def logs(self, sandbox_ids: Sequence[str]) -> Screen[None]:
        from sandtui.ui.logs.screen import LogScreen

        return LogScreen(self.services, sandbox_ids)

    def create(self, like: Sandbox | None) -> Screen[None]:
        from sandtui.ui.creation.screen import CreateScreen

        return CreateScreen(self.services, like)

    def launch(self, launch: Launch) -> Screen[None]:
        from sandtui.ui.creation.launch_screen import LaunchScreen

        return LaunchScreen(self.services, launch)

    def checkpoints(self, sandbox_ids: Sequence[str]) -> Screen[None]:
        from sandtui.ui.checkpoints.screen import CheckpointsScreen

        return CheckpointsScreen(self.services, sandbox_ids)

    def volumes(self, sandbox_ids: Sequence[str]) -> Screen[None]:
        from sandtui.ui.volumes.screen import VolumesScreen

        return VolumesScreen(self.services, sandbox_ids)

    def comparison(self, before: Side, after: Side) -> Screen[None]:
        from sandtui.ui.checkpoints.compare_screen import CompareScreen

        return CompareScreen(self.services, before, after)

    def activity(self) -> Screen[None]:
        from sandtui.ui.activity.screen import ActivityScreen

        return ActivityScreen(self.services)

    def is_page(self, screen: Screen[Any]) -> bool:
        return isinstance(screen, AppScreen)

    def is_fleet(self, screen: Screen[Any]) -> bool:
        return isinstance(screen, FleetScreen)

    def is_jobs(self, screen: Screen[Any]) -> bool:
        from sandtui.ui.jobs.screen import JobsScreen

        return isinstance(screen, JobsScreen)

    def is_numbered(self, screen: Screen[Any], scope: str) -> bool:
        """Whether a screen is one that a number key goes to; jobs and ports of one sandbox are not."""
        return isinstance(screen, AppScreen) and scope == screen.SCOPE and screen.is_of_fleet


def load_all() -> None:
    """Import all screens and SSH, in a thread, so that the first key that needs one does not wait."""
    import sandtui.fleet.ports.link
    import sandtui.ui.activity.screen
    import sandtui.ui.checkpoints.compare_screen
    import sandtui.ui.checkpoints.screen
    import sandtui.ui.commands.console_screen
    import sandtui.ui.commands.fanout_screen
    import sandtui.ui.creation.launch_screen
    import sandtui.ui.creation.screen
    import sandtui.ui.dialogs.command
    import sandtui.ui.dialogs.help
    import sandtui.ui.files.screen
    import sandtui.ui.inventory.detail_screen
    import sandtui.ui.jobs.screen
    import sandtui.ui.logs.screen
    import sandtui.ui.ports.screen
    import sandtui.ui.recordings.screen
    import sandtui.ui.shells.screen
    import sandtui.ui.volumes.screen  # noqa: F401
    from sandtui.client.toolkit import SSHChannel  # noqa: F401 - imports asyncssh
