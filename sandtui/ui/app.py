"""The application: startup and shutdown, the screen stack, and the global actions."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.text import Text
from textual import events
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.notifications import Notify
from textual.worker import Worker, WorkerState

from sandtui.clock import SystemClock
from sandtui.config.paths import Paths, read_text
from sandtui.fleet.actions import ACTIONS, BY_ID, GLOBAL, Action
from sandtui.fleet.activity.trace import following
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.drawing import PromptScreen
from sandtui.ui.chrome.gate import Tick
from sandtui.ui.chrome.notices import add_notification
from sandtui.ui.dispatch import Dispatcher
from sandtui.ui.driver import InputEnded, TerminalDriver
from sandtui.ui.faults import Faults
from sandtui.ui.key_bindings import bindings
from sandtui.ui.key_pairs import resolve
from sandtui.ui.shutdown import Shutdown
from sandtui.ui.startup import StartupError, StartupLine, StartupOptions
from sandtui.ui.theme.stylesheet import PathStylesheet
from sandtui.ui.theme.themes import apply_last_theme, apply_theme
from sandtui.ui.timers import install as install_timers
from sandtui.ui.tracing import with_current_trace
from sandtui.ui.widgets.panel import mark_active

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import RenderableType
    from textual.app import ComposeResult
    from textual.await_remove import AwaitRemove
    from textual.binding import BindingType
    from textual.dom import DOMNode
    from textual.driver import Driver
    from textual.message import Message
    from textual.screen import Screen
    from textual.theme import Theme
    from textual.widget import Widget

    from sandtui.clock import Clock
    from sandtui.fleet.inventory.refresh import Pace
    from sandtui.ui.actions import ActionRunner
    from sandtui.ui.chrome.screen import AppScreen
    from sandtui.ui.crash_report import CrashDetails
    from sandtui.ui.services.bundle import Services
    from sandtui.ui.services.platform import ClientFactory

LOG = logging.getLogger("sandtui.ui")

install_timers()

USAGE_ERROR = 2
CLOCK_TICK = 1.0
SCREENS_OF_NUMBERS = {
    "jobs": "jobs",
    "files": "files",
    "ports": "ports",
    "messages": "activity",
    "launches": "launch",
    "checkpoints": "checkpoints",
    "volumes": "volumes",
}
"""The scope of the screen that a global action goes to."""
SLOW_SECONDS = 2.0
"""How long a platform may take to answer first before everything else is prepared."""

# All belong to the app: if a screen had a stylesheet, Textual would parse all of them again when it is first opened.
# The order matters: of two rules of the same weight, the later one wins.
SHARED = ("widgets", "chrome", "dialogs")
FEATURES = (
    "inventory", "checkpoints", "volumes", "creation", "commands", "files", "jobs", "ports", "logs", "activity",
)  # fmt: skip
STYLESHEETS = ("sandtui.tcss", *(f"{folder}/{folder}.tcss" for folder in (*SHARED, *FEATURES)))


class SandtuiApp(App[None]):
    """The dashboard. With :class:`StartupOptions` it is complete at once.

    With a function that returns them, the first frame is drawn before: the function is called, and slow imports are
    done, in a thread. It may raise :class:`StartupError`, which ends the program.
    """

    TITLE = "sandtui"
    CSS_PATH: ClassVar[list[str | PurePath]] = [Path(__file__).parent / name for name in STYLESHEETS]
    BINDINGS: ClassVar[list[BindingType]] = bindings(GLOBAL)
    ENABLE_COMMAND_PALETTE = True
    CONTAIN_FAULTS: ClassVar[bool] = True
    """Whether an exception in a screen closes only that screen, instead of ending the program."""

    services: Services
    """Created after the first frame; see :attr:`is_open`."""

    def __init__(
        self,
        options: StartupOptions | Callable[[], StartupOptions],
        *,
        clock: Clock | None = None,
        make_client: ClientFactory | None = None,
        pace: Pace | None = None,
        paths: Paths | None = None,
        ticking: bool = True,
    ) -> None:
        super().__init__()
        self.stylesheet = PathStylesheet(variables=self.get_css_variables())
        self.dispatcher = Dispatcher(self, partial(resolve, self, lambda: self._shell_has_keys), super().on_event)
        self.faults = Faults(self)
        self.shutdown = Shutdown(self)
        self.paths = paths or Paths.of_user()
        self.is_open = False
        self._clock, self._make_client, self._pace = clock or SystemClock(), make_client, pace
        self._actions: ActionRunner
        self._ticking = ticking
        self._notified = False
        self._options = options
        self._first_sandbox = ""
        if isinstance(options, StartupOptions):
            self._create_services(options)
        else:
            apply_last_theme(self, read_text(self.paths.theme))

    # Startup

    def _create_services(self, options: StartupOptions) -> None:
        from sandtui.ui.actions import ActionRunner
        from sandtui.ui.composition import Overrides, make_services

        overrides = Overrides(self._clock, self._make_client, self._pace)
        self.services = make_services(
            self, options, self.paths, overrides, lambda: self.shutdown.has_begun, self.run_registered
        )
        self._actions = ActionRunner(self, self.services)
        self._first_sandbox = options.sandbox_id
        self._theme_problem = apply_theme(self, self.services.settings.ui, read_text(self.paths.theme))
        self.is_open = True

    def compose(self) -> ComposeResult:
        if not self.is_open:
            yield StartupLine()

    def on_load(self) -> None:
        """Disable eager tasks, which Textual enables from Python 3.12 on.

        asyncssh cannot connect with them, and the order of events would depend on the Python version.
        """
        asyncio.get_running_loop().set_task_factory(None)

    def on_mount(self) -> None:
        if not self.is_headless:
            self.shutdown.handle_signals()
        if self.is_open:
            self._start_dashboard()
        else:
            self.call_after_refresh(self.run_worker, self._open, exit_on_error=True)

    async def _open(self) -> None:
        assert not isinstance(self._options, StartupOptions)
        try:
            options = await asyncio.to_thread(_load, self._options)
        except StartupError as error:
            self.exit(return_code=USAGE_ERROR, message=Text(f"sandtui: {clean(str(error))}"))
            return
        if not self.is_running:
            # The user quit meanwhile.
            return
        self._create_services(options)
        self._start_dashboard()
        self.run_worker(self._load_rest(), exit_on_error=False)

    async def _load_rest(self) -> None:
        """Import what no screen has needed yet, once the fleet is shown: imports in a thread slow everything down."""
        from sandtui.ui.pages import load_all

        with suppress(TimeoutError):
            async with asyncio.timeout(SLOW_SECONDS):
                await self.services.platform.answered.wait()
        await asyncio.to_thread(load_all)

    def _start_dashboard(self) -> None:
        """Show the list of sandboxes and start to connect."""
        services = self.services
        services.navigator.open_fleet()
        self.theme_changed_signal.subscribe(self, self._save_theme)
        for problem in (*services.keymap.problems, *services.keymap.notes, *filter(None, [self._theme_problem])):
            services.notifier.notify(problem, "warning")
        self.call_after_refresh(services.platform.start)
        if services.web_page.is_shown:
            self.run_worker(services.web_page.start(self._take_dropped), exit_on_error=False)
        if self._first_sandbox:
            self.run_worker(self._open_sandbox(self._first_sandbox), exit_on_error=False)
        if self._ticking:
            self.set_interval(CLOCK_TICK, self.tick)

    def _take_dropped(self, path: Path) -> None:
        """Upload a file that was dropped into the page, if the screen shows where to."""
        take = getattr(self.front, "take_dropped", None)
        if take is not None:
            take(path)
        else:
            text = f"{path.name} was dropped: open a directory of a sandbox to upload it to, and drop it there"
            self.services.notifier.notify(text, "warning")

    async def _open_sandbox(self, sandbox_id: str) -> None:
        """Open the sandbox of the command line once the fleet is known, unless the user went elsewhere meanwhile."""
        await self.services.platform.answered.wait()
        self.services.navigator.open_first(sandbox_id)

    def _save_theme(self, theme: Theme) -> None:
        self.services.files.keep(self.paths.theme, theme.name)

    def tick(self) -> None:
        """Update times and write collected data to disk; called once a second."""
        services = self.services
        services.recordings.flush()
        if self.front is not None:
            self.front.post_message(Tick())
        services.notifier.keep_requests()
        connection = services.platform.connection
        if connection is not None and connection.note and not self._notified:
            self._notified = True
            services.notifier.notify(connection.note, "warning" if connection.warning else "information")

    # Shutdown

    def exit(self, *arguments: Any, **named: Any) -> None:
        """Exit, after all state was saved."""
        self.shutdown.begin()
        super().exit(*arguments, **named)

    async def on_unmount(self) -> None:
        """Stop transfers so that they can resume, end recordings, close the connection and the databases."""
        if self.is_open:
            from sandtui.ui.composition import close_databases

            services = self.services
            for step in (
                services.web_page.stop(),
                services.transfers.end(),
                services.platform.stop(),
                services.recordings.end_all(),
            ):
                await self.shutdown.bounded(step)
            close_databases(services)
        self.shutdown.begin_final()

    def run(self, *arguments: Any, **named: Any) -> None:
        """Run until the user quits."""
        try:
            return super().run(*arguments, **named)
        finally:
            self.shutdown.finished()

    # The terminal

    def get_driver_class(self) -> type[Driver]:
        """Use our own driver unless the environment sets another, as Textual's web server does."""
        return super().get_driver_class() if os.environ.get("TEXTUAL_DRIVER") else TerminalDriver

    def terminal_gone(self) -> None:
        """Exit, because the terminal is gone."""
        self.shutdown.terminal_gone()

    def repaint(self) -> None:
        """Redraw the whole screen, whatever the terminal shows."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.picture.forget()
        self.refresh(layout=True)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        driver, update = self._driver, cast("object", renderable)
        if isinstance(driver, TerminalDriver) and isinstance(update, CompositorUpdate) and not self._batch_count:
            changes = driver.picture.changes(update, self.size, self.console._color_system)
            renderable = cast("RenderableType | None", changes)
        super()._display(screen, renderable)

    def stop_requested(self) -> None:
        """Suspend the process until the shell continues it, after ctrl+z."""
        if self.is_open:
            self.services.terminal.stop_process()
            # What was typed after ctrl+z was meant for the shell; some of it may still be on its way to here.
            driver = self._driver
            self.dispatcher.clear(driver.readers_ended if isinstance(driver, TerminalDriver) else 0)

    def on_input_ended(self, message: InputEnded) -> None:
        self.dispatcher.input_ended(message.number)

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """Lend the terminal to another program for a block."""
        from sandtui.ui.terminal_loan import lent

        with lent(self):
            yield

    # Input

    async def on_event(self, event: events.Event) -> None:
        """Deliver input in order, each event once the previous one has taken effect."""
        if isinstance(event, events.InputEvent | events.Paste) and not event.is_forwarded:
            await self.dispatcher.take(event)
        else:
            if isinstance(event, events.Resize):
                # Also if the size is that of before: a window that was smaller for a moment has lost what was outside.
                self.repaint()
            await super().on_event(event)

    @property
    def _shell_has_keys(self) -> bool:
        return self.front is not None and self.front.takes_all_keys

    def on_key(self, _: events.Key) -> None:
        """Note that the user is active."""
        if self.is_open:
            self.services.platform.touch()

    def on_app_focus(self, _: events.AppFocus) -> None:
        # Another program may have written to the terminal.
        self.repaint()
        if self.is_open:
            self.services.platform.set_visible(True)

    def on_app_blur(self, _: events.AppBlur) -> None:
        if self.is_open:
            self.services.platform.set_visible(False)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        mark_active(event.widget)

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        mark_active(event.widget)

    def open_url(self, url: str, *, new_tab: bool = True) -> None:
        """Open a URL in a graphical browser, or copy it if there is none."""
        self.services.clipboard.open_url(url)

    # Screens

    @property
    def front(self) -> AppScreen | None:
        """The current screen if it is one of ours and not a dialog."""
        from sandtui.ui.chrome.screen import AppScreen

        screen = self.screen_stack[-1] if self.is_open and self.screen_stack else None
        return screen if isinstance(screen, AppScreen) else None

    # Type checkers see Textual's own overloads.
    if not TYPE_CHECKING:

        def push_screen(self, screen: Any, callback: Any = None, *rest: Any, **named: Any) -> Any:
            """Show a screen, unless the program is shutting down; its callback runs in the trace that opened it."""
            if self.shutdown.has_begun:
                return AwaitComplete.nothing()
            if self.is_open:
                self.services.navigator.note_opened(screen)
            LOG.debug("shows %s", type(screen).__name__)
            if callback is not None:
                callback = with_current_trace(callback)
            # The screen outlives the trace that opened it: its later requests have other causes.
            with following(None):
                return super().push_screen(screen, callback, *rest, **named)

    def pop_screen(self) -> AwaitComplete:
        """Close the current screen; the previous-screen action opens it again."""
        front = self.screen
        done = super().pop_screen()
        self.services.navigator.note_left(front)
        return done

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        # Textual would draw the current screen again with each change of one that it covers.
        covered = self.screen_stack and self.screen_stack[-1].styles.background.a == 1
        return [] if covered else super()._background_screens

    def on_notify(self, event: Notify) -> None:
        """Count equal notifications instead of repeating them."""
        event.prevent_default()
        add_notification(self._notifications, event.notification, self._clock)
        self._refresh_notifications()

    def _refresh_notifications(self) -> None:
        screen = self.screen if self.screen_stack else None
        if isinstance(screen, PromptScreen) and screen.notices is not None:
            key = self.services.key_of("app.messages") if self.is_open else ""
            screen.notices.show(self._notifications, key)

    def _prune(self, *nodes: Widget, parent: DOMNode | None = None) -> AwaitRemove:
        # A screen that was closed changes nothing in the layout of the one below.
        return super()._prune(*nodes, parent=None if parent is self else parent)

    def update_styles(self, node: DOMNode, animate: bool = True) -> None:
        """Style a node and all in it again; one that is being created is styled when it is mounted."""
        if node is self or node.parent is not None:
            super().update_styles(node, animate)

    # Actions

    def actions_here(self) -> list[Action]:
        """Return the actions available on the current screen."""
        screen = self.front
        scopes = (*screen.hint_scopes(), GLOBAL) if screen is not None else (GLOBAL,)
        return [action for action in ACTIONS if action.scope in scopes and self.services.contexts.may(action)]

    async def run_action(
        self,
        action: str | tuple[str, str, tuple[object, ...]],
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run an action if the context allows it."""
        if not self.is_open:
            return await super().run_action(action, default_namespace, namespaces)
        run = partial(super().run_action, action, default_namespace, namespaces)
        return await self._actions.run(action, default_namespace, run)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable all keys of the app while a shell gets them, even those with priority."""
        if not self.is_open:
            return action == "quit"
        if self._shell_has_keys and action not in {"notify", "bell"}:
            return False
        return super().check_action(action, parameters)

    def run_registered(self, action_id: str) -> None:
        """Run a registered action by its id."""
        action = BY_ID[action_id]
        namespace: DOMNode = self if action.scope == GLOBAL else self.screen
        if self.front is not None and action.scope != GLOBAL:
            namespace = self.front.owner_of(action.scope)
        # With the full id: the scope may not be that of the focused pane.
        run = partial(super().run_action, action.name, namespace)
        self.call_later(self._actions.run, action.id, namespace, run)

    def why_not(self, action: str) -> str:
        """Return why a global action has no effect now, or an empty text."""
        if not self.is_open:
            return ""
        navigator = self.services.navigator
        if action == "fleet" and navigator.fleet_is_in_front:
            return "Already showing the sandboxes"
        if action in SCREENS_OF_NUMBERS and navigator.shows(SCREENS_OF_NUMBERS[action]):
            return f"Already showing the {BY_ID[f'{GLOBAL}.{action}'].title}"
        return ""

    def _run_chosen(self, action_id: str | None) -> None:
        if action_id:
            self.run_registered(action_id)

    def action_help(self) -> None:
        from sandtui.ui.dialogs.help import HelpDialog

        self.push_screen(HelpDialog(self.actions_here(), self.services.keymap), self._run_chosen)

    def action_manual(self) -> None:
        from sandtui.ui.dialogs.manual import TOPIC_OF_SCOPE, ManualDialog

        scope = self.front.hint_scopes()[0] if self.front is not None else GLOBAL
        self.push_screen(ManualDialog(TOPIC_OF_SCOPE[scope]))

    def action_command(self) -> None:
        from sandtui.ui.dialogs.command import CommandDialog

        named = [action for action in self.actions_here() if action.command]
        self.push_screen(CommandDialog(named), self._run_chosen)

    def action_command_palette(self) -> None:
        from sandtui.ui.dialogs.palette import PALETTE_ID, Palette
        from sandtui.ui.dialogs.palette_actions import action_provider

        if self.use_command_palette and not any(screen.id == PALETTE_ID for screen in self.screen_stack):
            self.push_screen(Palette([action_provider(self.services)], id=PALETTE_ID))

    def action_context(self) -> None:
        self.services.switcher.choose()

    def action_fleet(self) -> None:
        self.services.navigator.go_to_fleet()

    def action_jobs(self) -> None:
        self.services.navigator.go_to_jobs()

    def action_files(self) -> None:
        self.services.navigator.go_to_files()

    def action_ports(self) -> None:
        self.services.navigator.go_to_ports()

    def action_previous(self) -> None:
        self.services.navigator.go_to_previous()

    def action_messages(self) -> None:
        self.services.navigator.go_to_activity()

    def action_launches(self) -> None:
        services = self.services
        if services.launches.all:
            services.navigator.go_to_launch(services.launches.all[-1])
        else:
            new = services.key_of("fleet.new")
            # A dialog would take the next number key.
            services.notifier.notify(f"No launch in this session ({new}, then Count > 1)", "warning")

    def action_checkpoints(self) -> None:
        self.services.navigator.go_to_checkpoints(self.front.sandboxes if self.front is not None else ())

    def action_volumes(self) -> None:
        self.services.navigator.go_to_volumes(self.front.sandboxes if self.front is not None else ())

    def action_refresh(self) -> None:
        self.repaint()
        self.services.platform.refresh()

    def action_suspend(self) -> None:
        self.stop_requested()

    def action_help_quit(self) -> None:
        """Quit on the second ctrl+c in a row. Textual runs this for ctrl+c if nothing is selected."""
        if self.is_open:
            self.services.quitting.interrupt()

    async def action_quit(self) -> None:
        LOG.info("asked to quit")
        await super().action_quit()

    # Internal errors

    @property
    def is_leaving(self) -> bool:
        return self.shutdown.has_begun

    @property
    def is_ready(self) -> bool:
        return self.is_open and self.is_running

    def notify_error(self, text: str) -> None:
        self.services.notifier.notify(text, "error")

    def close_broken(self, screen: Screen[Any]) -> bool:
        """Close a broken screen; return whether another one is left."""
        return self.services.navigator.close_broken(screen)

    def write_report(self, error: BaseException) -> str:
        """Save a report of an error; return its path, or an empty text if that failed."""
        from sandtui.ui.crash_report import save_report

        path, _ = save_report(self.paths.crashes, error, self._crash_details())
        return str(path) if path is not None else ""

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report an error of a worker instead of ending the program."""
        if event.state is WorkerState.ERROR and event.worker.error is not None and self.is_open:
            LOG.error("worker %s failed", event.worker.group, exc_info=event.worker.error)
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
            # Actions run in the queue of the app, but the error belongs to their screen.
            if not (self.CONTAIN_FAULTS and self.faults.contain(error, namespace)):
                raise
            return True

    def _handle_exception(self, error: Exception) -> None:
        if not (self.CONTAIN_FAULTS and self.faults.contain(error)):
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        # Textual's own report prints local variables, which include keys and secrets.
        from sandtui.ui.crash_report import report_crash

        error = sys.exc_info()[1] or self._exception or RuntimeError("unknown")
        self.bell()
        self.panic(Text(report_crash(self.paths.crashes, error, self._crash_details())))

    def _crash_details(self) -> CrashDetails:
        from sandtui.ui.crash_report import CrashDetails

        screens = " > ".join(type(screen).__name__ for screen in self.screen_stack)
        where = [f"{self.size.width}x{self.size.height}, TERM={os.environ.get('TERM', '')}", f"screens: {screens}"]
        if not self.is_open:
            return CrashDetails(where)
        notifier = self.services.notifier
        messages = [each.text for each in notifier.messages]
        return CrashDetails(where, messages, notifier.secrets, notifier.requests.latest())


def _load(prepare: Callable[[], StartupOptions]) -> StartupOptions:
    """Import what the fleet's screen and everything behind it need, in a thread; return what to open it with."""
    import sandtui.ui.actions
    import sandtui.ui.composition  # noqa: F401

    return prepare()
