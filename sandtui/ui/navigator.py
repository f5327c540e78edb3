"""Where the user can go: one method for each screen. Screens are imported when they are first shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from textual.app import App
from textual.await_complete import AwaitComplete

from sandtui.ui.tracing import Tracing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.screen import Screen

    from sandtui.client import Sandbox
    from sandtui.config.journal import LaunchJournal, UnfinishedLaunch
    from sandtui.fleet.creation.launch import Launch
    from sandtui.fleet.creation.launch_plan import LaunchPlan
    from sandtui.fleet.inventory.row import Row
    from sandtui.fleet.jobs.job import Job
    from sandtui.ui.app import SandtuiApp
    from sandtui.ui.chrome.screen import AppScreen, Severity
    from sandtui.ui.connection.bridge import Bridge
    from sandtui.ui.contexts.flow import ContextFlow
    from sandtui.ui.inventory.bulk_flow import BulkFlow
    from sandtui.ui.inventory.screen import FleetScreen


class Navigation(Tracing):
    """The part of the app that brings screens to the front."""

    bridge: Bridge
    journal: LaunchJournal
    launches: list[Launch]
    bulk: BulkFlow
    contexts: ContextFlow
    _left: AppScreen | None = None
    """The screen that was left last, when no other was opened since."""

    def say(self, text: str, severity: Severity = "information") -> None:
        """Tell the user something."""
        raise NotImplementedError

    def refuse(self, reason: str, title: str = "Not possible") -> None:
        """Say why something can't be done, where a question or a form would have opened."""
        raise NotImplementedError

    def named_key(self, action_id: str) -> str:
        """Return the key of an action as the user's keymap has it, for a text."""
        raise NotImplementedError

    def why_not(self, action: str) -> str:
        """Return why a key of the whole program can't do anything now, or an empty text."""
        if action == "fleet" and self._fleet_in_front is not None:
            return "This is the fleet."
        return ""

    def action_fleet(self) -> None:
        """Go back to the fleet."""
        front = self.screen
        while len(self.screen_stack) > 2 and self._fleet_in_front is None:
            self.pop_screen()
        self._note_left(front)

    def action_previous(self) -> None:
        """Go to the screen before this one: the one below it, or the one that was left for it."""
        if self._left is not None and self._left.may_return:
            self.push_screen(self._left.again())
        elif self._left is None and len(self.screen_stack) > 2:
            self.pop_screen()
        else:
            self.say("There is no screen to go back to.", "warning")

    def forget_previous(self) -> None:
        """Forget which screen was left: it belongs to another platform."""
        self._left = None

    def pop_screen(self) -> AwaitComplete:
        """Leave the screen in front; ``-`` opens it again."""
        front = self.screen
        done = super().pop_screen()
        self._note_left(front)
        return done

    def close_screen(self, screen: Screen[Any]) -> None:
        """Remove a screen from wherever it stands in the stack; what waits for its answer gets none."""
        if screen is self.screen:
            App.pop_screen(self)
        elif any(each is screen for each in self._screen_stack):
            self._screen_stack.remove(screen)
            screen._pop_result_callback()
            self.call_next(self._replace_screen, screen)

    def close_broken(self, screen: Screen[Any]) -> bool:
        """Close a screen that broke, and open the fleet anew if it is that; whether there is a screen left."""
        from sandtui.ui.inventory.screen import FleetScreen

        if screen is self.screen_stack[0]:
            return False
        self.close_screen(screen)
        if isinstance(screen, FleetScreen):
            fleet = FleetScreen()
            self.push_screen(fleet)
            # Below everything that is open.
            self._screen_stack.remove(fleet)
            self._screen_stack.insert(1, fleet)
        return True

    # The arguments are told to type checkers by Textual's own overloads.
    if not TYPE_CHECKING:

        def push_screen(self, screen: Any, *rest: Any, **named: Any) -> Any:
            """Show a screen; ``-`` leads back from it. Nothing is shown any more once the program is ending."""
            if self._exit:
                return AwaitComplete.nothing()
            if self._is_ours(screen):
                self._left = None
            return super().push_screen(screen, *rest, **named)

    def _note_left(self, screen: Screen[Any]) -> None:
        if self._is_ours(screen) and not screen.is_current:
            self._left = cast("AppScreen", screen)

    @staticmethod
    def _is_ours(screen: object) -> bool:
        from sandtui.ui.chrome.screen import AppScreen

        return isinstance(screen, AppScreen)

    @property
    def _fleet_in_front(self) -> FleetScreen | None:
        from sandtui.ui.inventory.screen import FleetScreen

        return self.screen if isinstance(self.screen, FleetScreen) else None

    def open_detail(self, sandbox_id: str) -> None:
        """Show everything about a sandbox."""
        from sandtui.ui.inventory.detail_screen import DetailScreen

        self.push_screen(DetailScreen(sandbox_id))

    def open_console(self, sandbox_id: str) -> None:
        """Open the console of a sandbox."""
        from sandtui.ui.commands.console_screen import ConsoleScreen

        self.push_screen(ConsoleScreen(sandbox_id))

    def open_fan_out(self, rows: Sequence[Row]) -> None:
        """Open the command line for many sandboxes."""
        from sandtui.ui.commands.fanout_screen import FanOutScreen

        if self.bridge.session is not None:
            self.push_screen(FanOutScreen(rows))

    def open_latest_fan_out(self) -> None:
        """Show the command that last ran on many sandboxes."""
        from sandtui.ui.commands.fanout_screen import FanOutScreen

        session = self.bridge.session
        if session is not None and session.fan_outs:
            self.push_screen(FanOutScreen(session.fan_outs[-1].rows, session.fan_outs[-1]))
        else:
            mark, run = self.named_key("fleet.mark"), self.named_key("fleet.exec")
            self.refuse(f"Nothing ran on many sandboxes yet: mark some with {mark}, then {run}.", "fan-outs")

    def open_ports(self, sandbox_id: str | None, marked: Sequence[str] = ()) -> None:
        """Show all exposed ports and forwards; a new one is for the marked sandboxes, or for this one."""
        from sandtui.ui.ports.screen import PortsScreen

        if self.bridge.session is not None:
            self.push_screen(PortsScreen(sandbox_id, tuple(marked)))

    def open_shells(self, sandbox_ids: Sequence[str]) -> None:
        """Show shells in some sandboxes, the first in front; those that go on there are taken up again."""
        from sandtui.ui.shells.screen import ShellScreen

        shells = self.bridge.open_shells(sandbox_ids)
        if shells:
            self.push_screen(ShellScreen(shells[0]))

    def open_recordings(self) -> None:
        """Show what was recorded."""
        from sandtui.ui.recordings import RecordingsScreen

        self.push_screen(RecordingsScreen())

    def hand_to_shell(self, sandbox_id: str) -> None:
        """Hand the whole terminal to a shell in a sandbox."""
        from sandtui.ui.shells.attach import hand_to_shell

        hand_to_shell(cast("SandtuiApp", self), sandbox_id)

    def open_files(self, sandbox_ids: Sequence[str]) -> None:
        """Browse files: this machine beside the first of some sandboxes; copies go to all of them."""
        from sandtui.ui.files import FilesScreen

        if self.bridge.session is not None:
            self.push_screen(FilesScreen(sandbox_ids))

    def open_jobs(self, targets: Sequence[str] = (), sandbox_id: str | None = None) -> None:
        """Show the jobs of the fleet, or of one sandbox; a new one is for the targets."""
        from sandtui.ui.jobs.screen import JobsScreen

        if self.bridge.session is not None:
            self.push_screen(JobsScreen(tuple(targets), sandbox_id))

    def show_job(self, job: Job) -> None:
        """Put the cursor on a job, when the jobs are in front."""
        from sandtui.ui.jobs.screen import JobsScreen

        if isinstance(self.screen, JobsScreen):
            self.screen.call_later(self.screen.show_job, job.key)

    def open_log(self, sandbox_id: str) -> None:
        """Show the log of a sandbox."""
        self.open_logs([sandbox_id])

    def open_logs(self, sandbox_ids: Sequence[str]) -> None:
        """Show the logs of some sandboxes side by side."""
        from sandtui.ui.logs.screen import MOST_LOGS, LogScreen

        if len(sandbox_ids) > MOST_LOGS:
            self.say(f"The logs of the first {MOST_LOGS} are shown: each is fetched anew every few seconds.", "warning")
        self.push_screen(LogScreen(sandbox_ids[:MOST_LOGS]))

    def open_create(self, like: Sandbox | None = None) -> None:
        """Open the create form, filled like a sandbox or with what was left there."""
        from sandtui.ui.creation.screen import CreateScreen

        if self.bridge.session is None:
            self.refuse("There is no connection yet.", "new")
            return
        self.push_screen(CreateScreen(like))

    def offer_unfinished(self, unfinished: UnfinishedLaunch) -> None:
        """Offer to go on with a launch of an earlier run, or to clean up after it."""
        from sandtui.fleet.creation.launch_plan import LaunchPlan
        from sandtui.ui.creation.unfinished_dialog import Answer, UnfinishedDialog

        if any(launch.launch_id == unfinished.launch_id for launch in self.launches):
            return

        def answered(answer: Answer | None) -> None:
            if answer == "clean_up":
                words = f"delete all that launch {unfinished.launch_id} has made."
                with self.doing(f"clean up › {unfinished.launch_id}"):
                    self.contexts.sure("clean up", words, lambda: self.bridge.clean_up_launch(unfinished))
            elif answer == "go_on":
                requests = tuple(item.request for item in unfinished.items)
                launch = self.bridge.make_launch(LaunchPlan(unfinished.launch_id, requests), self.journal)
                launch.resume([(item.step, item.sandbox_id) for item in unfinished.items])
                self._show_launch(launch)
            else:
                self.bridge.leave_launch(unfinished)

        self.push_screen(UnfinishedDialog(unfinished), answered)

    def start_launch(self, plan: LaunchPlan) -> None:
        """Begin a launch and show its board."""
        self.action_fleet()
        self._show_launch(self.bridge.make_launch(plan, self.journal))

    def _show_launch(self, launch: Launch) -> None:
        from sandtui.ui.creation.launch_screen import LaunchScreen

        self.launches.append(launch)
        self.bridge.run_launch(launch)
        self.push_screen(LaunchScreen(launch))

    def ask_delete(self, rows: Sequence[Row], hidden: int = 0) -> None:
        """Ask before deleting, naming what will go."""
        from sandtui.fleet.inventory.bulk_plan import DELETE

        self.bulk.ask(DELETE, rows, hidden)

    @property
    def marked(self) -> list[Row]:
        """What is marked in the fleet."""
        from sandtui.ui.inventory.screen import FleetScreen

        return next((screen.marked for screen in self.screen_stack if isinstance(screen, FleetScreen)), [])

    def mark(self, sandbox_ids: Sequence[str]) -> None:
        """Go to the fleet and mark some sandboxes there."""
        self.action_fleet()
        screen = self._fleet_in_front
        if screen is not None:
            screen.mark(sandbox_ids)

    def show_created(self, sandbox: Sandbox) -> None:
        """Go back to the fleet with the cursor on a new sandbox."""
        self.action_fleet()
        screen = self._fleet_in_front
        if screen is not None:
            screen.show_sandbox(sandbox.id)
