"""Opens screens by name, and goes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from textual.app import App
from textual.screen import Screen

from sandtui.client import Sandbox, SandboxCheckpoint
from sandtui.fleet.checkpoints.forks import source_of
from sandtui.fleet.checkpoints.sides import Side
from sandtui.fleet.commands.fanout import FanOut
from sandtui.fleet.creation.launch import Launch
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.jobs.job import Job
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import PlatformConnection

MOST_LOGS = 16
"""Logs shown side by side."""


class ReopenableScreen(Protocol):
    """A full screen that can be opened again."""

    def again(self) -> Screen[None]:
        """Return a new screen with the same arguments."""
        ...

    @property
    def can_reopen(self) -> bool:
        """Whether the object that it shows still exists."""
        ...


class FleetPage(Protocol):
    """What other parts need of the list of sandboxes."""

    @property
    def marked(self) -> list[Row]:
        """The marked sandboxes."""
        ...

    def mark(self, sandbox_ids: Sequence[str]) -> None:
        """Mark exactly these sandboxes."""
        ...

    def show_sandbox(self, sandbox_id: str) -> None:
        """Move the cursor to a sandbox."""
        ...

    def open_files(self, refuse: Callable[[str], None]) -> None:
        """Show the files of the marked sandboxes or the current one, or tell ``refuse`` why not."""
        ...

    def action_ports(self) -> None:
        """Show the ports of the fleet."""
        ...

    def action_jobs(self) -> None:
        """Show the jobs of the fleet."""
        ...


class JobsPage(Protocol):
    """What other parts need of the jobs screen."""

    def show_job(self, key: object) -> None:
        """Move the cursor to a job."""
        ...


class Pages(Protocol):
    """Creates the screens, which are imported when they are first shown."""

    def fleet(self) -> Screen[None]: ...
    def detail(self, sandbox_id: str) -> Screen[None]: ...
    def console(self, sandbox_id: str) -> Screen[None]: ...
    def fan_out(self, rows: Sequence[Row], run: FanOut | None) -> Screen[None]: ...
    def ports(self, sandbox_id: str | None, marked: Sequence[str]) -> Screen[None]: ...
    def shells(self, sandbox_ids: Sequence[str]) -> Screen[None] | None: ...
    def recordings(self) -> Screen[None]: ...
    def files(self, sandbox_ids: Sequence[str]) -> Screen[None]: ...
    def jobs(self, targets: Sequence[str], sandbox_id: str | None) -> Screen[None]: ...
    def logs(self, sandbox_ids: Sequence[str]) -> Screen[None]: ...
    def create(self, like: Sandbox | None) -> Screen[None]: ...
    def launch(self, launch: Launch) -> Screen[None]: ...
    def checkpoints(self, sandbox_ids: Sequence[str]) -> Screen[None]: ...
    def volumes(self, sandbox_ids: Sequence[str]) -> Screen[None]: ...
    def comparison(self, before: Side, after: Side) -> Screen[None]: ...
    def activity(self) -> Screen[None]: ...
    def attach_shell(self, sandbox_id: str) -> None: ...
    def is_page(self, screen: Screen[Any]) -> bool: ...
    def is_fleet(self, screen: Screen[Any]) -> bool: ...
    def is_jobs(self, screen: Screen[Any]) -> bool: ...
    def is_numbered(self, screen: Screen[Any], scope: str) -> bool: ...


class Navigator:
    """Opens and closes screens. Textual's own empty screen is at the bottom of the stack."""

    def __init__(
        self, app: App[Any], pages: Pages, key_of: KeyOf, notifier: Notifier, platform: PlatformConnection
    ) -> None:
        self._app, self._pages, self._key_of = app, pages, key_of
        self._notifier, self._platform = notifier, platform
        self._left: Screen[Any] | None = None
        """The last closed screen, unless another was opened since."""

    # Previous screen

    @property
    def fleet_is_in_front(self) -> bool:
        """Whether the list of sandboxes is the current screen."""
        return self._pages.is_fleet(self._app.screen)

    def go_to_fleet(self) -> None:
        """Close all screens above the list of sandboxes."""
        front = self._app.screen
        while len(self._app.screen_stack) > 2 and not self.fleet_is_in_front:
            self._app.pop_screen()
        self.note_left(front)

    def go_to_previous(self) -> None:
        """Go to the previous screen: the one below, or the one closed last."""
        left = self._left
        if left is not None and cast("ReopenableScreen", left).can_reopen:
            self._app.push_screen(cast("ReopenableScreen", left).again())
        elif left is None and len(self._app.screen_stack) > 2:
            self._app.pop_screen()
        else:
            self._notifier.notify("No previous screen", "warning")

    def note_opened(self, screen: object) -> None:
        """Note that a screen was opened: going back closes it."""
        if isinstance(screen, Screen) and self._pages.is_page(screen):
            self._left = None

    def note_left(self, screen: Screen[Any]) -> None:
        """Note that a screen may have been closed: going back opens it again."""
        if self._pages.is_page(screen) and not screen.is_current:
            self._left = screen

    def forget_previous(self) -> None:
        """Forget the closed screen, because it belongs to another platform."""
        self._left = None

    # Closing

    def close(self, screen: Screen[Any]) -> None:
        """Remove a screen from anywhere in the stack; its callback is not called."""
        if screen is self._app.screen:
            App.pop_screen(self._app)
        elif any(each is screen for each in self._app._screen_stack):
            self._app._screen_stack.remove(screen)
            screen._pop_result_callback()
            self._app.call_next(self._app._replace_screen, screen)

    def close_broken(self, screen: Screen[Any]) -> bool:
        """Close a broken screen, and reopen the list of sandboxes if it is that; return whether a screen is left."""
        if screen is self._app.screen_stack[0]:
            return False
        self.close(screen)
        if self._pages.is_fleet(screen):
            fleet = self.open_fleet()
            # Below all open screens.
            self._app._screen_stack.remove(fleet)
            self._app._screen_stack.insert(1, fleet)
        return True

    # The fleet

    def open_fleet(self) -> Screen[None]:
        """Show the list of sandboxes; return its screen."""
        screen = self._pages.fleet()
        self._app.push_screen(screen)
        return screen

    @property
    def marked(self) -> list[Row]:
        """The marked sandboxes."""
        fleet = self._fleet
        return fleet.marked if fleet is not None else []

    @property
    def _fleet(self) -> FleetPage | None:
        fleet = next((screen for screen in self._app.screen_stack if self._pages.is_fleet(screen)), None)
        return cast("FleetPage", fleet) if fleet is not None else None

    def mark(self, sandbox_ids: Sequence[str]) -> None:
        """Go to the list of sandboxes and mark some there."""
        self.go_to_fleet()
        if self.fleet_is_in_front:
            cast("FleetPage", self._app.screen).mark(sandbox_ids)

    def show_created(self, sandbox: Sandbox) -> None:
        """Go to the list of sandboxes, with the cursor on a new one."""
        self.go_to_fleet()
        if self.fleet_is_in_front:
            cast("FleetPage", self._app.screen).show_sandbox(sandbox.id)

    def open_first(self, sandbox_id: str) -> None:
        """Open the details of a sandbox, with the cursor of the list on it, if the list is in front."""
        session = self._platform.session
        if not self.fleet_is_in_front or session is None:
            return
        if session.store.get(sandbox_id) is None:
            self._notifier.notify("The sandbox is not in the list any more", "warning")
            return
        cast("FleetPage", self._app.screen).show_sandbox(sandbox_id)
        self.open_detail(sandbox_id)

    # The screens of the number keys

    def go_to_jobs(self) -> None:
        """Go to the jobs of the fleet."""
        if not self._go_back_to("jobs") and (fleet := self._fleet) is not None:
            fleet.action_jobs()

    def go_to_files(self) -> None:
        """Go to the files, or open those of the marked sandboxes or the one under the cursor of the fleet."""
        if not self._go_back_to("files") and (fleet := self._fleet) is not None:
            # A dialog would take the next number key.
            fleet.open_files(lambda why: self._notifier.notify(why, "warning"))

    def go_to_ports(self) -> None:
        """Go to the ports of the fleet."""
        if not self._go_back_to("ports") and (fleet := self._fleet) is not None:
            fleet.action_ports()

    def go_to_activity(self) -> None:
        """Go to the activity log."""
        if not self._go_back_to("activity"):
            self.open_activity()

    def go_to_launch(self, launch: Launch) -> None:
        """Go to the progress of a launch."""
        if not self._go_back_to("launch"):
            self.open_launch(launch)

    def go_to_checkpoints(self, sandbox_ids: Sequence[str]) -> None:
        """Go to the tree of checkpoints; the cursor is on the first of these sandboxes."""
        if not self._go_back_to("checkpoints") and self._platform.session is not None:
            self._app.push_screen(self._pages.checkpoints(sandbox_ids))

    def go_to_volumes(self, sandbox_ids: Sequence[str]) -> None:
        """Go to the volumes; these sandboxes are offered first to publish from."""
        if not self._go_back_to("volumes") and self._platform.session is not None:
            self._app.push_screen(self._pages.volumes(sandbox_ids))

    def shows(self, scope: str) -> bool:
        """Whether the current screen is the one that a number key goes to."""
        return self._pages.is_numbered(self._app.screen, scope)

    def _go_back_to(self, scope: str) -> bool:
        """Close the screens above the one of a scope, if it is open: a number key never opens a second one."""
        stack = self._app.screen_stack
        if not any(self._pages.is_numbered(screen, scope) for screen in stack):
            return False
        front = self._app.screen
        while not self._pages.is_numbered(self._app.screen, scope):
            self._app.pop_screen()
        self.note_left(front)
        return True

    # The other screens

    def open_detail(self, sandbox_id: str) -> None:
        self._app.push_screen(self._pages.detail(sandbox_id))

    def open_console(self, sandbox_id: str) -> None:
        self._app.push_screen(self._pages.console(sandbox_id))

    def open_fan_out(self, rows: Sequence[Row]) -> None:
        """Open the command line for many sandboxes."""
        if self._platform.session is not None:
            self._app.push_screen(self._pages.fan_out(rows, None))

    def open_latest_fan_out(self) -> None:
        """Show the last command that ran in several sandboxes."""
        session = self._platform.session
        if session is not None and session.fan_outs:
            self._app.push_screen(self._pages.fan_out(session.fan_outs[-1].rows, session.fan_outs[-1]))
        else:
            mark, run = self._key_of("fleet.mark"), self._key_of("fleet.exec")
            self._notifier.refuse(f"No multi-sandbox run yet: mark some with {mark}, then press {run}", "last run")

    def open_ports(self, sandbox_id: str | None, marked: Sequence[str] = ()) -> None:
        """Show exposed ports and forwards; new ones are for the marked sandboxes, or for this one."""
        if self._platform.session is not None:
            self._app.push_screen(self._pages.ports(sandbox_id, tuple(marked)))

    def open_shells(self, sandbox_ids: Sequence[str]) -> None:
        """Show shells in some sandboxes, the first in front; shells that still run there are reused."""
        screen = self._pages.shells(sandbox_ids)
        if screen is not None:
            self._app.push_screen(screen)

    def attach_shell(self, sandbox_id: str) -> None:
        """Open a shell full screen."""
        self._pages.attach_shell(sandbox_id)

    def open_recordings(self) -> None:
        self._app.push_screen(self._pages.recordings())

    def open_files(self, sandbox_ids: Sequence[str]) -> None:
        """Browse files: the local ones beside the first of some sandboxes; copies go to all of them."""
        if self._platform.session is not None:
            self._app.push_screen(self._pages.files(sandbox_ids))

    def open_jobs(self, targets: Sequence[str] = (), sandbox_id: str | None = None) -> None:
        """Show the jobs of all sandboxes, or of one; new jobs are for the targets."""
        if self._platform.session is not None:
            self._app.push_screen(self._pages.jobs(tuple(targets), sandbox_id))

    def show_job(self, job: Job) -> None:
        """Move the cursor to a job if the jobs screen is current."""
        screen = self._app.screen
        if self._pages.is_jobs(screen):
            screen.call_later(cast("JobsPage", screen).show_job, job.key)

    def open_log(self, sandbox_id: str) -> None:
        self.open_logs([sandbox_id])

    def open_logs(self, sandbox_ids: Sequence[str]) -> None:
        """Show the logs of some sandboxes side by side."""
        if len(sandbox_ids) > MOST_LOGS:
            text = f"Showing the first {MOST_LOGS} of {len(sandbox_ids):,} logs: mark fewer sandboxes to see the others"
            self._notifier.notify(text, "warning")
        self._app.push_screen(self._pages.logs(sandbox_ids[:MOST_LOGS]))

    def open_create(self, like: Sandbox | None = None) -> None:
        """Open the create form with the fields of a sandbox, or with the draft."""
        if self._platform.session is None:
            self._notifier.refuse("Not connected yet", "new")
            return
        self._app.push_screen(self._pages.create(like))

    def open_restore(self, checkpoint: SandboxCheckpoint) -> None:
        """Open the create form for a sandbox like that of a checkpoint, with its files."""
        session = self._platform.session
        if session is not None:
            row = session.store.get(checkpoint.sandbox_id)
            source = source_of(checkpoint, row.sandbox if row is not None else None)
            self.open_create(source.model_copy(update={"checkpoint_id": checkpoint.id}))

    def open_launch(self, launch: Launch) -> None:
        self._app.push_screen(self._pages.launch(launch))

    def open_comparison(self, before: Side, after: Side) -> None:
        """Compare the files of two sandboxes or checkpoints."""
        self._app.push_screen(self._pages.comparison(before, after))

    def open_activity(self) -> None:
        self._app.push_screen(self._pages.activity())
