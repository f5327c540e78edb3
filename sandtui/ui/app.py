"""The application: how it begins and ends, which screen is in front, and what the keys of every screen do."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import events
from textual.worker import Worker, WorkerState

from sandtui.config.paths import Paths, read_text
from sandtui.fleet.actions import ACTIONS, BY_ID, GLOBAL, Action
from sandtui.fleet.clock import SystemClock
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Tick
from sandtui.ui.clipboard import Copying
from sandtui.ui.dispatch import Dispatcher
from sandtui.ui.driver import TerminalDriver
from sandtui.ui.faults import Faults
from sandtui.ui.key_bindings import bindings, key_of
from sandtui.ui.key_pairs import resolve
from sandtui.ui.navigator import Navigation
from sandtui.ui.notifier import Telling
from sandtui.ui.recordings.service import Recording
from sandtui.ui.shutdown import Leaving
from sandtui.ui.startup import Opening, OpeningError, OpeningLine, load, load_the_rest
from sandtui.ui.theme.themes import last_looks
from sandtui.ui.timers import never_skipped
from sandtui.ui.tracing import LOG
from sandtui.ui.widgets.panel import mark_active

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.command import Provider
    from textual.dom import DOMNode
    from textual.driver import Driver
    from textual.message import Message
    from textual.screen import Screen
    from textual.theme import Theme
    from textual.timer import Timer

    from sandtui.config.bookmarks import Bookmarks
    from sandtui.config.jobs import JobFile
    from sandtui.config.presets import PresetStore
    from sandtui.config.settings import Settings
    from sandtui.fleet.clock import Clock
    from sandtui.fleet.commands.line.history import CommandHistory
    from sandtui.fleet.creation.launch import Launch
    from sandtui.fleet.inventory.preferences import Preferences
    from sandtui.fleet.inventory.refresh import Pace
    from sandtui.fleet.keymap import Keymap
    from sandtui.ui.chrome.screen import AppScreen
    from sandtui.ui.connection.bridge import ClientFactory
    from sandtui.ui.contexts.flow import ContextFlow
    from sandtui.ui.files.transfer_flow import TransferFlow
    from sandtui.ui.jobs.flow import JobFlow

USAGE_ERROR = 2
CLOCK_TICK = 1.0


def _palette() -> type[Provider]:
    from sandtui.ui.dialogs.palette_actions import ActionProvider

    return ActionProvider


class SandtuiApp(Telling, Navigation, Copying, Recording):
    """The dashboard. With an :class:`Opening` everything is there at once.

    With a function that returns one, the first frame comes before it: the function is called, and all that takes long
    to import is imported, in a thread. It may raise :class:`OpeningError`, which ends the program.
    """

    TITLE = "sandtui"
    CSS_PATH = Path(__file__).with_name("sandtui.tcss")
    BINDINGS: ClassVar[list[BindingType]] = bindings(GLOBAL)
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_palette}
    CONTAIN_FAULTS: ClassVar[bool] = True
    """Whether an exception in a screen closes that screen; if not, it ends the program."""

    # Made behind the first frame (see ``furnishing``):
    settings: Settings
    presets: PresetStore
    commands: CommandHistory
    job_file: JobFile
    bookmarks: Bookmarks
    create_draft: dict[str, str]
    preferences: Preferences
    user_keys: Keymap
    theme_problem: str
    transfers: TransferFlow
    contexts: ContextFlow
    job_flow: JobFlow

    def __init__(
        self,
        opening: Opening | Callable[[], Opening],
        *,
        clock: Clock | None = None,
        make_client: ClientFactory | None = None,
        pace: Pace | None = None,
        paths: Paths | None = None,
        ticking: bool = True,
    ) -> None:
        super().__init__()
        self.dispatcher = Dispatcher(self, partial(resolve, self), super().on_event)
        self.faults = Faults(self)
        self.leaving = Leaving(self)
        self.paths = paths or Paths.of_user()
        self.launches: list[Launch] = []
        self.is_open = False
        self.clock, self.make_client, self.pace = clock or SystemClock(), make_client, pace
        self._ticking = ticking
        self._noted = False
        self._opening = opening
        if isinstance(opening, Opening):
            self._begin_with(opening)
        else:
            last_looks(self, read_text(self.paths.theme))

    def _begin_with(self, opening: Opening) -> None:
        from sandtui.ui.services import furnish

        furnish(self, opening)
        self.is_open = True

    def compose(self) -> ComposeResult:
        """Lay out the first frame."""
        if not self.is_open:
            yield OpeningLine()

    def on_load(self) -> None:
        """Have tasks begin in the loop's next turn, in every Python.

        From 3.12 on Textual makes them begin at once. asyncssh can't connect so, and the order of events would depend
        on the version.
        """
        asyncio.get_running_loop().set_task_factory(None)

    def on_mount(self) -> None:
        """Show the fleet, now or after the first frame."""
        if not self.is_headless:
            self.leaving.on_signals()
        if self.is_open:
            self._begin()
        else:
            self.call_after_refresh(self.run_worker, self._open, exit_on_error=True)

    async def _open(self) -> None:
        assert not isinstance(self._opening, Opening)
        try:
            opening = await asyncio.to_thread(load, self._opening)
        except OpeningError as error:
            self.exit(return_code=USAGE_ERROR, message=Text(f"sandtui: {clean(str(error))}"))
            return
        if not self.is_running:
            # It was left while all this was loaded.
            return
        self._begin_with(opening)
        self._begin()
        # What the fleet screen does not need: the first key that asks for it should not wait for the import.
        self.call_after_refresh(self.run_worker, partial(asyncio.to_thread, load_the_rest), exit_on_error=False)

    def _begin(self) -> None:
        """Show the fleet and start to connect."""
        from sandtui.ui.inventory.screen import FleetScreen

        self.push_screen(FleetScreen())
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        for problem in (*self.user_keys.problems, *filter(None, [self.theme_problem])):
            self.say(problem, "warning")
        self.call_after_refresh(self.bridge.start)
        if self._ticking:
            self.set_interval(CLOCK_TICK, self.tick)

    def exit(self, *arguments: Any, **named: Any) -> None:
        """End the program: everything is written down first."""
        self.leaving.begin()
        super().exit(*arguments, **named)

    async def on_unmount(self) -> None:
        """Stop what is copied where it can go on, end what is recorded, close the connection and the databases."""
        if self.is_open:
            for step in (self.transfers.end(), self.bridge.stop(), self.end_recordings()):
                await self.leaving.bounded(step)
            self.journal.close()
            self.commands.close()
            self.keep_requests()
            self.kept.close()
            self.job_file.close()
        self.leaving.begin_last()

    def run(self, *arguments: Any, **named: Any) -> None:
        """Run the program until it is left."""
        try:
            return super().run(*arguments, **named)
        finally:
            self.leaving.finished()

    def set_timer(self, delay: float, callback: Any = None, **named: Any) -> Timer:
        """Call after some seconds, once and surely."""
        return never_skipped(super().set_timer(delay, callback, **named))

    # The terminal

    def get_driver_class(self) -> type[Driver]:
        """Use our own driver, unless the environment names another, as Textual's web server does."""
        return super().get_driver_class() if os.environ.get("TEXTUAL_DRIVER") else TerminalDriver

    def terminal_gone(self) -> None:
        """End: nobody is at the other end of the terminal any more."""
        self.leaving.terminal_gone()

    def repaint(self) -> None:
        """Draw the whole screen anew."""
        self.refresh(layout=True)

    def stop_requested(self) -> None:
        """Stop the process until the shell continues it, as ctrl+z asks for."""
        from sandtui.ui.terminal_loan import stop_process

        stop_process(self)

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """Give the terminal away for a block, and take it back whatever happens inside."""
        from sandtui.ui.terminal_loan import lent

        with lent(self):
            yield

    async def on_event(self, event: events.Event) -> None:
        """Deliver what is typed and clicked in order, each when the one before has had its effect."""
        if isinstance(event, events.InputEvent | events.Paste) and not event.is_forwarded:
            await self.dispatcher.take(event)
        else:
            await super().on_event(event)

    # What is kept, and where the user is

    @property
    def front(self) -> AppScreen | None:
        """The screen in front, when it is one of ours and no dialog."""
        from sandtui.ui.chrome.screen import AppScreen

        screen = self.screen_stack[-1] if self.is_open and self.screen_stack else None
        return screen if isinstance(screen, AppScreen) else None

    def _keep_theme(self, theme: Theme) -> None:
        self.bridge.keep_text(self.paths.theme, theme.name)

    def keep_preferences(self) -> None:
        """Keep what the fleet screen is to remember."""
        self.bridge.keep_text(self.paths.fleet, self.preferences.dump())

    def keep_draft(self, values: dict[str, str]) -> None:
        """Keep what was typed into the create form; the caller leaves secrets out."""
        if values != self.create_draft:
            from sandtui.config.drafts import write_draft

            self.create_draft = values
            self.run_worker(write_draft(self.paths, values), group="draft", exclusive=True, exit_on_error=False)

    # Where the user goes

    def named_key(self, action_id: str) -> str:
        """Return the key of an action as the user's keymap has it, for a text."""
        return key_of(action_id, self.user_keys)

    def actions_here(self) -> list[Action]:
        """Return the actions that work on the screen in front."""
        screen = self.front
        scopes = (*screen.hint_scopes(), GLOBAL) if screen is not None else (GLOBAL,)
        return [action for action in ACTIONS if action.scope in scopes and self.contexts.may(action)]

    async def run_action(
        self,
        action: str | tuple[str, str, tuple[object, ...]],
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run an action, when the context lets it."""
        if not self.is_open:
            return await super().run_action(action, default_namespace, namespaces)
        run = partial(super().run_action, action, default_namespace, namespaces)
        return await self.contexts.run(action, default_namespace, run)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of the app do nothing while a shell has all of them, not even those with priority."""
        if not self.is_open:
            return action == "quit"
        screen = self.front
        if screen is not None and screen.takes_all_keys and action not in {"notify", "bell"}:
            return False
        return super().check_action(action, parameters)

    def do(self, action_id: str) -> None:
        """Run an action of the registry by its id."""
        action = BY_ID[action_id]
        namespace: DOMNode = self if action.scope == GLOBAL else self.screen
        if self.front is not None and action.scope != GLOBAL:
            namespace = self.front.owner_of(action.scope)
        # Under its whole id: the scope may not be that of the pane in use.
        run = partial(super().run_action, action.name, namespace)
        self.call_later(self.contexts.run, action.id, namespace, run)

    # Actions

    def action_help(self) -> None:
        """Show the keys of the screen in front."""
        from sandtui.ui.dialogs.help import HelpDialog

        self._choose_action(HelpDialog(self.actions_here(), self.user_keys))

    def action_manual(self) -> None:
        """Open the manual at the page of the screen in front."""
        from sandtui.ui.dialogs.manual import TOPIC_OF_SCOPE, ManualDialog

        scope = self.front.hint_scopes()[0] if self.front is not None else GLOBAL
        self.push_screen(ManualDialog(TOPIC_OF_SCOPE[scope]))

    def action_command(self) -> None:
        """Type a command by name."""
        from sandtui.ui.dialogs.command import CommandDialog

        self._choose_action(CommandDialog([action for action in self.actions_here() if action.command]))

    def action_context(self) -> None:
        """Choose where to work."""
        self.contexts.choose()

    async def action_quit(self) -> None:
        """Leave."""
        LOG.info("asked to quit")
        await super().action_quit()

    def action_command_palette(self) -> None:
        """Show the palette."""
        from sandtui.ui.dialogs.palette import PALETTE_ID, Palette

        if self.use_command_palette and not any(screen.id == PALETTE_ID for screen in self.screen_stack):
            self.push_screen(Palette(id=PALETTE_ID))

    def action_suspend(self) -> None:
        """Go to the background."""
        self.stop_requested()

    def action_refresh(self) -> None:
        """Ask the platform now."""
        self.bridge.refresh()

    def action_messages(self) -> None:
        """Show what was said."""
        from sandtui.ui.activity.screen import ActivityScreen

        self.push_screen(ActivityScreen())

    def action_launches(self) -> None:
        """Show the board of the latest launch."""
        from sandtui.ui.creation.launch_screen import LaunchScreen

        if self.launches:
            self.push_screen(LaunchScreen(self.launches[-1]))
        else:
            new = self.named_key("fleet.new")
            self.refuse(f"Nothing was launched in this session: {new}, then a count above 1.", "launches")

    # Events

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report what broke in the background, instead of ending the program."""
        if event.state is WorkerState.ERROR and event.worker.error is not None and self.is_open:
            LOG.error("%s broke", event.worker.group, exc_info=event.worker.error)
            self.faults.contain(event.worker.error, self)

    def on_key(self, _: events.Key) -> None:
        """Note that somebody is there."""
        if self.is_open:
            self.bridge.touch()

    def on_app_focus(self, _: events.AppFocus) -> None:
        """Ask often again: the window is looked at."""
        if self.is_open:
            self.bridge.set_visible(True)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Let the panel around it stand out."""
        mark_active(event.widget)

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Let the panel around it stand back, unless the focus only moved inside of it."""
        mark_active(event.widget)

    def on_app_blur(self, _: events.AppBlur) -> None:
        """Ask seldom: nobody looks."""
        if self.is_open:
            self.bridge.set_visible(False)

    # Errors of our own

    @property
    def is_leaving(self) -> bool:
        """Whether the program is ending: nothing new begins."""
        return self._exit

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)
        except Exception as error:
            self._handle_exception(error)

    async def _dispatch_action(self, namespace: DOMNode, action_name: str, params: Any) -> bool:
        try:
            return await super()._dispatch_action(namespace, action_name, params)
        except Exception as error:
            # Actions run in the app's queue, but are their screen's.
            if not (self.CONTAIN_FAULTS and self.faults.contain(error, namespace)):
                raise
            return True

    def _handle_exception(self, error: Exception) -> None:
        if not (self.CONTAIN_FAULTS and self.faults.contain(error)):
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        # Textual's own report prints local variables, and keys and secrets are among them.
        from sandtui.ui.crash_report import tell

        self.bell()
        self.panic(Text(tell(self, sys.exc_info()[1] or self._exception or RuntimeError("unknown"))))

    def write_report(self, error: BaseException) -> str:
        """Keep a report of an error; return where it is, empty when it could not be written."""
        from sandtui.ui.crash_report import keep_report

        path, _ = keep_report(self, error)
        return str(path) if path is not None else ""

    def _choose_action(self, dialog: Screen[str]) -> None:
        def chosen(action_id: str | None) -> None:
            if action_id:
                self.do(action_id)

        self.push_screen(dialog, chosen)

    def tick(self) -> None:
        """Let a second pass: times grow, and what was collected is written down."""
        self.flush_recordings()
        if self.front is not None:
            self.front.post_message(Tick())
        self.keep_requests()
        connection = self.bridge.connection
        if connection is not None and connection.note and not self._noted:
            self._noted = True
            self.say(connection.note, "warning" if connection.warning else "information")
