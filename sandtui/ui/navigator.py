"""Where the user can go: opens screens by name, and goes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

from textual.app import App
from textual.screen import Screen

from sandtui.client import Sandbox
from sandtui.fleet.commands.fanout import FanOut
from sandtui.fleet.creation.launch import Launch
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.jobs.job import Job
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import Platform

MOST_LOGS = 16
"""Logs that stand side by side."""


class Page(Protocol):
    """A full screen that can be gone back to."""

    def again(self) -> Screen[None]:
        """Return a screen like it."""
        ...

    @property
    def may_return(self) -> bool:
        """Whether what it showed is still there."""
        ...


class FleetPage(Protocol):
    """What others ask of the fleet's screen."""

    @property
    def marked(self) -> list[Row]:
        """The sandboxes that are marked."""
        ...

    def mark(self, sandbox_ids: Sequence[str]) -> None:
        """Mark some, and nothing else."""
        ...

    def show_sandbox(self, sandbox_id: str) -> None:
        """Put the cursor on one."""
        ...


class JobsPage(Protocol):
    """What others ask of the jobs' screen."""

    def show_job(self, key: object) -> None:
        """Put the cursor on a job."""
        ...


class Pages(Protocol):
    """Makes the screens. They are imported when they are first shown."""

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
    def activity(self) -> Screen[None]: ...
    def attach_shell(self, sandbox_id: str) -> None: ...
    def is_page(self, screen: Screen[Any]) -> bool: ...
    def is_fleet(self, screen: Screen[Any]) -> bool: ...
    def is_jobs(self, screen: Screen[Any]) -> bool: ...


class Navigator:
    """Brings screens to the front. Below all of ours lies Textual's own empty one."""

    def __init__(self, app: App[Any], pages: Pages, key_of: KeyOf, notifier: Notifier, platform: Platform) -> None:
        self._app, self._pages, self._key_of = app, pages, key_of
        self._notifier, self._platform = notifier, platform
        self._left: Screen[Any] | None = None
        """The screen that was left last, when no other was opened since."""

    # Back and forth

    @property
    def fleet_is_in_front(self) -> bool:
        """Whether the fleet is what the user sees."""
        return self._pages.is_fleet(self._app.screen)

    def go_to_fleet(self) -> None:
        """Leave all screens above the fleet."""
        front = self._app.screen
        while len(self._app.screen_stack) > 2 and not self.fleet_is_in_front:
            self._app.pop_screen()
        self.note_left(front)

    def go_to_previous(self) -> None:
        """Go to the screen before this one: the one below it, or the one that was left for it."""
        left = self._left
        if left is not None and cast("Page", left).may_return:
            self._app.push_screen(cast("Page", left).again())
        elif left is None and len(self._app.screen_stack) > 2:
            self._app.pop_screen()
        else:
            self._notifier.notify("There is no screen to go back to.", "warning")

    def note_opened(self, screen: object) -> None:
        """Note that a screen is opened: going back leads below it."""
        if isinstance(screen, Screen) and self._pages.is_page(screen):
            self._left = None

    def note_left(self, screen: Screen[Any]) -> None:
        """Note that a screen may have been left: going back opens it again."""
        if self._pages.is_page(screen) and not screen.is_current:
            self._left = screen

    def forget_previous(self) -> None:
        """Forget which screen was left: it belongs to another platform."""
        self._left = None

    # Screens that end by themselves

    def close(self, screen: Screen[Any]) -> None:
        """Remove a screen from wherever it stands in the stack; what waits for its answer gets none."""
        if screen is self._app.screen:
            App.pop_screen(self._app)
        elif any(each is screen for each in self._app._screen_stack):
            self._app._screen_stack.remove(screen)
            screen._pop_result_callback()
            self._app.call_next(self._app._replace_screen, screen)

    def close_broken(self, screen: Screen[Any]) -> bool:
        """Close a screen that broke, and open the fleet anew if it is that; whether there is a screen left."""
        if screen is self._app.screen_stack[0]:
            return False
        self.close(screen)
        if self._pages.is_fleet(screen):
            fleet = self.open_fleet()
            # Below everything that is open.
            self._app._screen_stack.remove(fleet)
            self._app._screen_stack.insert(1, fleet)
        return True

    # The fleet

    def open_fleet(self) -> Screen[None]:
        """Show the fleet; return its screen."""
        screen = self._pages.fleet()
        self._app.push_screen(screen)
        return screen

    @property
    def marked(self) -> list[Row]:
        """What is marked in the fleet."""
        fleet = next((screen for screen in self._app.screen_stack if self._pages.is_fleet(screen)), None)
        return cast("FleetPage", fleet).marked if fleet is not None else []

    def mark(self, sandbox_ids: Sequence[str]) -> None:
        """Go to the fleet and mark some sandboxes there."""
        self.go_to_fleet()
        if self.fleet_is_in_front:
            cast("FleetPage", self._app.screen).mark(sandbox_ids)

    def show_created(self, sandbox: Sandbox) -> None:
        """Go back to the fleet with the cursor on a new sandbox."""
        self.go_to_fleet()
        if self.fleet_is_in_front:
            cast("FleetPage", self._app.screen).show_sandbox(sandbox.id)

    # The other screens

    def open_detail(self, sandbox_id: str) -> None:
        """Show everything about a sandbox."""
        self._app.push_screen(self._pages.detail(sandbox_id))

    def open_console(self, sandbox_id: str) -> None:
        """Open the console of a sandbox."""
        self._app.push_screen(self._pages.console(sandbox_id))

    def open_fan_out(self, rows: Sequence[Row]) -> None:
        """Open the command line for many sandboxes."""
        if self._platform.session is not None:
            self._app.push_screen(self._pages.fan_out(rows, None))

    def open_latest_fan_out(self) -> None:
        """Show the command that last ran on many sandboxes."""
        session = self._platform.session
        if session is not None and session.fan_outs:
            self._app.push_screen(self._pages.fan_out(session.fan_outs[-1].rows, session.fan_outs[-1]))
        else:
            mark, run = self._key_of("fleet.mark"), self._key_of("fleet.exec")
            self._notifier.refuse(f"Nothing ran on many sandboxes yet: mark some with {mark}, then {run}.", "fan-outs")

    def open_ports(self, sandbox_id: str | None, marked: Sequence[str] = ()) -> None:
        """Show all exposed ports and forwards; a new one is for the marked sandboxes, or for this one."""
        if self._platform.session is not None:
            self._app.push_screen(self._pages.ports(sandbox_id, tuple(marked)))

    def open_shells(self, sandbox_ids: Sequence[str]) -> None:
        """Show shells in some sandboxes, the first in front; those that go on there are taken up again."""
        screen = self._pages.shells(sandbox_ids)
        if screen is not None:
            self._app.push_screen(screen)

    def attach_shell(self, sandbox_id: str) -> None:
        """Hand the whole terminal to a shell in a sandbox."""
        self._pages.attach_shell(sandbox_id)

    def open_recordings(self) -> None:
        """Show what was recorded."""
        self._app.push_screen(self._pages.recordings())

    def open_files(self, sandbox_ids: Sequence[str]) -> None:
        """Browse files: this machine beside the first of some sandboxes; copies go to all of them."""
        if self._platform.session is not None:
            self._app.push_screen(self._pages.files(sandbox_ids))

    def open_jobs(self, targets: Sequence[str] = (), sandbox_id: str | None = None) -> None:
        """Show the jobs of the fleet, or of one sandbox; a new one is for the targets."""
        if self._platform.session is not None:
            self._app.push_screen(self._pages.jobs(tuple(targets), sandbox_id))

    def show_job(self, job: Job) -> None:
        """Put the cursor on a job, when the jobs are in front."""
        screen = self._app.screen
        if self._pages.is_jobs(screen):
            screen.call_later(cast("JobsPage", screen).show_job, job.key)

    def open_log(self, sandbox_id: str) -> None:
        """Show the log of a sandbox."""
        self.open_logs([sandbox_id])

    def open_logs(self, sandbox_ids: Sequence[str]) -> None:
        """Show the logs of some sandboxes side by side."""
        if len(sandbox_ids) > MOST_LOGS:
            text = f"The logs of the first {MOST_LOGS} are shown: each is fetched anew every few seconds."
            self._notifier.notify(text, "warning")
        self._app.push_screen(self._pages.logs(sandbox_ids[:MOST_LOGS]))

    def open_create(self, like: Sandbox | None = None) -> None:
        """Open the create form, filled like a sandbox or with what was left there."""
        if self._platform.session is None:
            self._notifier.refuse("There is no connection yet.", "new")
            return
        self._app.push_screen(self._pages.create(like))

    def open_launch(self, launch: Launch) -> None:
        """Show the board of a launch."""
        self._app.push_screen(self._pages.launch(launch))

    def open_activity(self) -> None:
        """Show what happened."""
        self._app.push_screen(self._pages.activity())
