"""Makes the screens, each with the services. They are imported when they are first shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.app import App

from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.inventory.screen import FleetScreen

if TYPE_CHECKING:
    from textual.screen import Screen

    from sandtui.client import Sandbox
    from sandtui.fleet.commands.fanout import FanOut
    from sandtui.fleet.creation.launch import Launch
    from sandtui.fleet.inventory.row import Row
    from sandtui.ui.jobs.flow import JobFlow
    from sandtui.ui.services.bundle import Services


class LazyPages:
    """The screens of the dashboard. The bundle of services is given once it is made."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self.services: Services
        self.job_flow: JobFlow

    def fleet(self) -> Screen[None]:
        """Return the fleet."""
        return FleetScreen(self.services)

    def detail(self, sandbox_id: str) -> Screen[None]:
        """Return everything about a sandbox."""
        from sandtui.ui.inventory.detail_screen import DetailScreen

        return DetailScreen(self.services, sandbox_id)

    def console(self, sandbox_id: str) -> Screen[None]:
        """Return the console of a sandbox."""
        from sandtui.ui.commands.console_screen import ConsoleScreen

        return ConsoleScreen(self.services, sandbox_id)

    def fan_out(self, rows: Sequence[Row], run: FanOut | None) -> Screen[None]:
        """Return the command line for many sandboxes, with what ran there last."""
        from sandtui.ui.commands.fanout_screen import FanOutScreen

        return FanOutScreen(self.services, rows, run)

    def ports(self, sandbox_id: str | None, marked: Sequence[str]) -> Screen[None]:
        """Return exposed ports and forwards."""
        from sandtui.ui.ports.screen import PortsScreen

        return PortsScreen(self.services, sandbox_id, tuple(marked))

    def shells(self, sandbox_ids: Sequence[str]) -> Screen[None] | None:
        """Return shells in those sandboxes that are known, None when none is."""
        from sandtui.ui.shells.screen import ShellScreen, open_shells

        shells = open_shells(self.services, sandbox_ids)
        return ShellScreen(self.services, shells[0]) if shells else None

    def attach_shell(self, sandbox_id: str) -> None:
        """Hand the whole terminal to a shell."""
        from sandtui.ui.shells.attach import attach_shell

        attach_shell(self._app, self.services, sandbox_id)

    def recordings(self) -> Screen[None]:
        """Return what was recorded."""
        from sandtui.ui.recordings.screen import RecordingsScreen

        return RecordingsScreen(self.services)

    def files(self, sandbox_ids: Sequence[str]) -> Screen[None]:
        """Return the files of this machine beside those of some sandboxes."""
        from sandtui.ui.files.screen import FilesScreen

        return FilesScreen(self.services, sandbox_ids)

    def jobs(self, targets: Sequence[str], sandbox_id: str | None) -> Screen[None]:
        """Return the jobs of the fleet, or of one sandbox."""
        from sandtui.ui.jobs.screen import JobsScreen

        return JobsScreen(self.services, self.job_flow, tuple(targets), sandbox_id)

    def logs(self, sandbox_ids: Sequence[str]) -> Screen[None]:
        """Return logs side by side."""
        from sandtui.ui.logs.screen import LogScreen

        return LogScreen(self.services, sandbox_ids)

    def create(self, like: Sandbox | None) -> Screen[None]:
        """Return the create form."""
        from sandtui.ui.creation.screen import CreateScreen

        return CreateScreen(self.services, like)

    def launch(self, launch: Launch) -> Screen[None]:
        """Return the board of a launch."""
        from sandtui.ui.creation.launch_screen import LaunchScreen

        return LaunchScreen(self.services, launch)

    def activity(self) -> Screen[None]:
        """Return what happened."""
        from sandtui.ui.activity.screen import ActivityScreen

        return ActivityScreen(self.services)

    def is_page(self, screen: Screen[Any]) -> bool:
        """Whether a screen is a full one, and no dialog."""
        return isinstance(screen, AppScreen)

    def is_fleet(self, screen: Screen[Any]) -> bool:
        """Whether a screen is the fleet's."""
        return isinstance(screen, FleetScreen)

    def is_jobs(self, screen: Screen[Any]) -> bool:
        """Whether a screen is the jobs'."""
        from sandtui.ui.jobs.screen import JobsScreen

        return isinstance(screen, JobsScreen)


def load_all() -> None:
    """Import every screen and SSH, in a thread: the first key that asks for one should not wait for it."""
    import sandtui.fleet.ports.link
    import sandtui.ui.activity.screen
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
    import sandtui.ui.shells.screen  # noqa: F401
    from sandtui.client.toolkit import SSHChannel  # noqa: F401 - asyncssh comes with it
