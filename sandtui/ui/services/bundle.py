"""The bundle of services that each screen gets in its constructor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandtui.clock import Clock
from sandtui.config.bookmarks import Bookmarks
from sandtui.config.deaths import DeathFile
from sandtui.config.jobs import JobFile
from sandtui.config.paths import Paths
from sandtui.config.presets import PresetStore
from sandtui.config.settings import Settings
from sandtui.config.view_states import ViewStates
from sandtui.fleet.commands.line.history import CommandHistory
from sandtui.fleet.inventory.preferences import Preferences
from sandtui.fleet.keymap import Keymap
from sandtui.ui.key_bindings import key_of
from sandtui.ui.navigator import Navigator
from sandtui.ui.services.bulk import BulkActions
from sandtui.ui.services.clipboard import Clipboard
from sandtui.ui.services.context_switcher import ContextSwitcher
from sandtui.ui.services.contexts import Contexts
from sandtui.ui.services.drafts import Drafts
from sandtui.ui.services.files import LocalFiles
from sandtui.ui.services.launches import Launches
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import PlatformConnection
from sandtui.ui.services.quitting import Quitting
from sandtui.ui.services.recordings import Recordings
from sandtui.ui.services.sandbox_actions import SandboxActions
from sandtui.ui.services.terminal import TerminalLender
from sandtui.ui.services.transfers import Transfers
from sandtui.ui.services.web_page import WebPage
from sandtui.ui.services.work import Work


@dataclass(slots=True)
class Services:
    """The services. Screens reach the platform and each other only through them."""

    clock: Clock
    paths: Paths
    settings: Settings
    keymap: Keymap
    preferences: Preferences
    view_states: ViewStates
    presets: PresetStore
    command_history: CommandHistory
    job_file: JobFile
    deaths: DeathFile
    bookmarks: Bookmarks
    drafts: Drafts
    work: Work
    notifier: Notifier
    platform: PlatformConnection
    navigator: Navigator
    web_page: WebPage
    clipboard: Clipboard
    files: LocalFiles
    recordings: Recordings
    terminal: TerminalLender
    contexts: Contexts
    bulk: BulkActions
    sandboxes: SandboxActions
    launches: Launches
    transfers: Transfers
    switcher: ContextSwitcher
    quitting: Quitting
    run_action: Callable[[str], None]
    """Runs an action of the registry, by id."""

    def key_of(self, action_id: str) -> str:
        """Return the user's key for an action, for use in texts."""
        return key_of(action_id, self.keymap)

    def save_preferences(self) -> None:
        """Save the preferences of the fleet screen."""
        self.files.keep(self.paths.fleet, self.preferences.dump())
