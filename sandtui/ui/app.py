"""The application: how it begins and ends, which screen is in front, and what the keys of every screen do."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.worker import Worker, WorkerState

from sandtui.clock import SystemClock
from sandtui.config.paths import Paths, read_text
from sandtui.fleet.actions import ACTIONS, BY_ID, GLOBAL, Action
from sandtui.fleet.activity.trace import following
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Tick
from sandtui.ui.dispatch import Dispatcher
from sandtui.ui.driver import TerminalDriver
from sandtui.ui.faults import Faults
from sandtui.ui.key_bindings import bindings
from sandtui.ui.key_pairs import resolve
from sandtui.ui.shutdown import Shutdown
from sandtui.ui.startup import Opening, OpeningError, OpeningLine
from sandtui.ui.theme.themes import begin_looks, last_looks
from sandtui.ui.timers import install as install_timers
from sandtui.ui.tracing import carrying
from sandtui.ui.widgets.panel import mark_active

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.dom import DOMNode
    from textual.driver import Driver
    from textual.message import Message
    from textual.screen import Screen
    from textual.theme import Theme

    from sandtui.clock import Clock
    from sandtui.fleet.inventory.refresh import Pace
    from sandtui.ui.actions import ActionRunner
    from sandtui.ui.chrome.screen import AppScreen
    from sandtui.ui.crash_report import Circumstances
    from sandtui.ui.services.bundle import Services
    from sandtui.ui.services.platform import ClientFactory

LOG = logging.getLogger("sandtui.ui")

install_timers()

USAGE_ERROR = 2
CLOCK_TICK = 1.0

# All belong to the app: with the stylesheet of a screen, Textual parses every stylesheet again when it is first opened.
# In this order: of two rules of the same weight, the later one counts.
SHARED = ("widgets", "chrome", "dialogs")
FEATURES = ("inventory", "creation", "commands", "files", "jobs", "ports", "logs", "activity")
STYLESHEETS = ("sandtui.tcss", *(f"{folder}/{folder}.tcss" for folder in (*SHARED, *FEATURES)))


class SandtuiApp(App[None]):
    """The dashboard. With an :class:`Opening` everything is there at once.

    With a function that returns one, the first frame comes before it: the function is called, and all that takes long
    to import is imported, in a thread. It may raise :class:`OpeningError`, which ends the program.
    """

    TITLE = "sandtui"
    CSS_PATH: ClassVar[list[str | PurePath]] = [Path(__file__).parent / name for name in STYLESHEETS]
    BINDINGS: ClassVar[list[BindingType]] = bindings(GLOBAL)
    ENABLE_COMMAND_PALETTE = True
    CONTAIN_FAULTS: ClassVar[bool] = True
    """Whether an exception in a screen closes that screen; if not, it ends the program."""

    services: Services
    """Made behind the first frame; see :attr:`is_open`."""

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
        self.dispatcher = Dispatcher(self, partial(resolve, self, lambda: self._shell_has_keys), super().on_event)
        self.faults = Faults(self)
        self.shutdown = Shutdown(self)
        self.paths = paths or Paths.of_user()
        self.is_open = False
        self._clock, self._make_client, self._pace = clock or SystemClock(), make_client, pace
        self._actions: ActionRunner
        self._ticking = ticking
        self._noted = False
        self._opening = opening
        if isinstance(opening, Opening):
            self._begin_with(opening)
        else:
            last_looks(self, read_text(self.paths.theme))

    # Beginning

    def _begin_with(self, opening: Opening) -> None:
        from sandtui.ui.actions import ActionRunner
        from sandtui.ui.composition import Seams, make_services

        seams = Seams(self._clock, self._make_client, self._pace)
        self.services = make_services(
            self, opening, self.paths, seams, lambda: self.shutdown.has_begun, self.run_registered
        )
        self._actions = ActionRunner(self, self.services)
        self._theme_problem = begin_looks(self, self.services.settings.ui, read_text(self.paths.theme))
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
            self.shutdown.on_signals()
        if self.is_open:
            self._begin()
        else:
            self.call_after_refresh(self.run_worker, self._open, exit_on_error=True)

    async def _open(self) -> None:
        assert not isinstance(self._opening, Opening)
        try:
            opening = await asyncio.to_thread(_load, self._opening)
        except OpeningError as error:
            self.exit(return_code=USAGE_ERROR, message=Text(f"sandtui: {clean(str(error))}"))
            return
        if not self.is_running:
            # It was left while all this was loaded.
            return
        self._begin_with(opening)
        self._begin()
        from sandtui.ui.pages import load_all

        self.call_after_refresh(self.run_worker, partial(asyncio.to_thread, load_all), exit_on_error=False)

    def _begin(self) -> None:
        """Show the fleet and start to connect."""
        services = self.services
        services.navigator.open_fleet()
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        for problem in (*services.keymap.problems, *filter(None, [self._theme_problem])):
            services.notifier.notify(problem, "warning")
        self.call_after_refresh(services.platform.start)
        if self._ticking:
            self.set_interval(CLOCK_TICK, self.tick)

    def _keep_theme(self, theme: Theme) -> None:
        self.services.files.keep(self.paths.theme, theme.name)

    def tick(self) -> None:
        """Let a second pass: times grow, and what was collected is written down."""
        services = self.services
        services.recordings.flush()
        if self.front is not None:
            self.front.post_message(Tick())
        services.notifier.keep_requests()
        connection = services.platform.connection
        if connection is not None and connection.note and not self._noted:
            self._noted = True
            services.notifier.notify(connection.note, "warning" if connection.warning else "information")

    # Ending

    def exit(self, *arguments: Any, **named: Any) -> None:
        """End the program: everything is written down first."""
        self.shutdown.begin()
        super().exit(*arguments, **named)

    async def on_unmount(self) -> None:
        """Stop what is copied where it can go on, end what is recorded, close the connection and the databases."""
        if self.is_open:
            from sandtui.ui.composition import close_databases

            services = self.services
            for step in (services.transfers.end(), services.platform.stop(), services.recordings.end_all()):
                await self.shutdown.bounded(step)
            close_databases(services)
        self.shutdown.begin_last()

    def run(self, *arguments: Any, **named: Any) -> None:
        """Run the program until it is left."""
        try:
            return super().run(*arguments, **named)
        finally:
            self.shutdown.finished()

    # The terminal

    def get_driver_class(self) -> type[Driver]:
        """Use our own driver, unless the environment names another, as Textual's web server does."""
        return super().get_driver_class() if os.environ.get("TEXTUAL_DRIVER") else TerminalDriver

    def terminal_gone(self) -> None:
        """End: nobody is at the other end of the terminal any more."""
        self.shutdown.terminal_gone()

    def repaint(self) -> None:
        """Draw the whole screen anew."""
        self.refresh(layout=True)

    def stop_requested(self) -> None:
        """Stop the process until the shell continues it, as ctrl+z asks for."""
        if self.is_open:
            self.services.terminal.stop_process()

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """Give the terminal away for a block, and take it back whatever happens inside."""
        from sandtui.ui.terminal_loan import lent

        with lent(self):
            yield

    # Input

    async def on_event(self, event: events.Event) -> None:
        """Deliver what is typed and clicked in order, each when the one before has had its effect."""
        if isinstance(event, events.InputEvent | events.Paste) and not event.is_forwarded:
            await self.dispatcher.take(event)
        else:
            await super().on_event(event)

    @property
    def _shell_has_keys(self) -> bool:
        return self.front is not None and self.front.takes_all_keys

    def on_key(self, _: events.Key) -> None:
        """Note that somebody is there."""
        if self.is_open:
            self.services.platform.touch()

    def on_app_focus(self, _: events.AppFocus) -> None:
        """Ask often again: the window is looked at."""
        if self.is_open:
            self.services.platform.set_visible(True)

    def on_app_blur(self, _: events.AppBlur) -> None:
        """Ask seldom: nobody looks."""
        if self.is_open:
            self.services.platform.set_visible(False)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Let the panel around it stand out."""
        mark_active(event.widget)

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Let the panel around it stand back, unless the focus only moved inside of it."""
        mark_active(event.widget)

    def open_url(self, url: str, *, new_tab: bool = True) -> None:
        """Open an address in a graphical browser, or copy it where there is none."""
        self.services.clipboard.open_url(url)

    # Screens

    @property
    def front(self) -> AppScreen | None:
        """The screen in front, when it is one of ours and no dialog."""
        from sandtui.ui.chrome.screen import AppScreen

        screen = self.screen_stack[-1] if self.is_open and self.screen_stack else None
        return screen if isinstance(screen, AppScreen) else None

    # The arguments are told to type checkers by Textual's own overloads.
    if not TYPE_CHECKING:

        def push_screen(self, screen: Any, callback: Any = None, *rest: Any, **named: Any) -> Any:
            """Show a screen, unless the program is ending; what its answer starts belongs to what opened it."""
            if self.shutdown.has_begun:
                return AwaitComplete.nothing()
            if self.is_open:
                self.services.navigator.note_opened(screen)
            LOG.debug("shows %s", type(screen).__name__)
            if callback is not None:
                callback = carrying(callback)
            # A screen lives longer than what opened it: what it does later has causes of its own.
            with following(None):
                return super().push_screen(screen, callback, *rest, **named)

    def pop_screen(self) -> AwaitComplete:
        """Leave the screen in front; ``-`` opens it again."""
        front = self.screen
        done = super().pop_screen()
        self.services.navigator.note_left(front)
        return done

    # Actions

    def actions_here(self) -> list[Action]:
        """Return the actions that work on the screen in front."""
        screen = self.front
        scopes = (*screen.hint_scopes(), GLOBAL) if screen is not None else (GLOBAL,)
        return [action for action in ACTIONS if action.scope in scopes and self.services.contexts.may(action)]

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
        return await self._actions.run(action, default_namespace, run)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of the app do nothing while a shell has all of them, not even those with priority."""
        if not self.is_open:
            return action == "quit"
        if self._shell_has_keys and action not in {"notify", "bell"}:
            return False
        return super().check_action(action, parameters)

    def run_registered(self, action_id: str) -> None:
        """Run an action of the registry by its id."""
        action = BY_ID[action_id]
        namespace: DOMNode = self if action.scope == GLOBAL else self.screen
        if self.front is not None and action.scope != GLOBAL:
            namespace = self.front.owner_of(action.scope)
        # Under its whole id: the scope may not be that of the pane in use.
        run = partial(super().run_action, action.name, namespace)
        self.call_later(self._actions.run, action.id, namespace, run)

    def why_not(self, action: str) -> str:
        """Return why a key of the whole program can't do anything now, or an empty text."""
        if action == "fleet" and self.is_open and self.services.navigator.fleet_is_in_front:
            return "This is the fleet."
        return ""

    def _run_chosen(self, action_id: str | None) -> None:
        if action_id:
            self.run_registered(action_id)

    def action_help(self) -> None:
        """Show the keys of the screen in front."""
        from sandtui.ui.dialogs.help import HelpDialog

        self.push_screen(HelpDialog(self.actions_here(), self.services.keymap), self._run_chosen)

    def action_manual(self) -> None:
        """Open the manual at the page of the screen in front."""
        from sandtui.ui.dialogs.manual import TOPIC_OF_SCOPE, ManualDialog

        scope = self.front.hint_scopes()[0] if self.front is not None else GLOBAL
        self.push_screen(ManualDialog(TOPIC_OF_SCOPE[scope]))

    def action_command(self) -> None:
        """Type a command by name."""
        from sandtui.ui.dialogs.command import CommandDialog

        named = [action for action in self.actions_here() if action.command]
        self.push_screen(CommandDialog(named), self._run_chosen)

    def action_command_palette(self) -> None:
        """Show the palette."""
        from sandtui.ui.dialogs.palette import PALETTE_ID, Palette
        from sandtui.ui.dialogs.palette_actions import action_provider

        if self.use_command_palette and not any(screen.id == PALETTE_ID for screen in self.screen_stack):
            self.push_screen(Palette([action_provider(self.services)], id=PALETTE_ID))

    def action_context(self) -> None:
        """Choose where to work."""
        self.services.switcher.choose()

    def action_fleet(self) -> None:
        """Go back to the fleet."""
        self.services.navigator.go_to_fleet()

    def action_previous(self) -> None:
        """Go to the screen before this one."""
        self.services.navigator.go_to_previous()

    def action_messages(self) -> None:
        """Show what was said."""
        self.services.navigator.open_activity()

    def action_launches(self) -> None:
        """Show the board of the latest launch."""
        services = self.services
        if services.launches.all:
            services.navigator.open_launch(services.launches.all[-1])
        else:
            new = services.key_of("fleet.new")
            services.notifier.refuse(f"Nothing was launched in this session: {new}, then a count above 1.", "launches")

    def action_refresh(self) -> None:
        """Ask the platform now."""
        self.services.platform.refresh()

    def action_suspend(self) -> None:
        """Go to the background."""
        self.stop_requested()

    async def action_quit(self) -> None:
        """Leave."""
        LOG.info("asked to quit")
        await super().action_quit()

    # Errors of our own

    @property
    def is_leaving(self) -> bool:
        """Whether the program is ending."""
        return self.shutdown.has_begun

    @property
    def is_ready(self) -> bool:
        """Whether screens can be closed and notices shown."""
        return self.is_open and self.is_running

    def notify_error(self, text: str) -> None:
        """Tell the user of an error."""
        self.services.notifier.notify(text, "error")

    def close_broken(self, screen: Screen[Any]) -> bool:
        """Close a screen that broke; whether there is one left."""
        return self.services.navigator.close_broken(screen)

    def write_report(self, error: BaseException) -> str:
        """Keep a report of an error; return where it is, empty when it could not be written."""
        from sandtui.ui.crash_report import keep_report

        path, _ = keep_report(self.paths.crashes, error, self._circumstances())
        return str(path) if path is not None else ""

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report what broke in the background, instead of ending the program."""
        if event.state is WorkerState.ERROR and event.worker.error is not None and self.is_open:
            LOG.error("%s broke", event.worker.group, exc_info=event.worker.error)
            self.faults.contain(event.worker.error, self)

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

        error = sys.exc_info()[1] or self._exception or RuntimeError("unknown")
        self.bell()
        self.panic(Text(tell(self.paths.crashes, error, self._circumstances())))

    def _circumstances(self) -> Circumstances:
        from sandtui.ui.crash_report import Circumstances

        screens = " > ".join(type(screen).__name__ for screen in self.screen_stack)
        where = [f"{self.size.width}x{self.size.height}, TERM={os.environ.get('TERM', '')}", f"screens: {screens}"]
        if not self.is_open:
            return Circumstances(where)
        notifier = self.services.notifier
        said = [each.text for each in notifier.messages]
        return Circumstances(where, said, notifier.secrets, notifier.requests.latest())


def _load(prepare: Callable[[], Opening]) -> Opening:
    """Import what the fleet's screen and everything behind it need, in a thread; return what to open it with."""
    import sandtui.ui.actions
    import sandtui.ui.composition  # noqa: F401

    return prepare()
