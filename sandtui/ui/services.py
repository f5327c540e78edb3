"""What works behind the screens, made when the settings are known. It is imported after the first frame."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sandtui.config.activity import SqliteActivity
from sandtui.config.bookmarks import Bookmarks
from sandtui.config.command_history import SqliteCommandHistory
from sandtui.config.drafts import read_draft
from sandtui.config.jobs import JobFile
from sandtui.config.journal import LaunchJournal
from sandtui.config.paths import read_text
from sandtui.config.presets import PresetStore
from sandtui.config.settings import Settings
from sandtui.fleet.activity.requests import RequestBook
from sandtui.fleet.inventory.preferences import Preferences
from sandtui.fleet.keymap import read_keymap
from sandtui.ui.connection.bridge import Bridge, default_client
from sandtui.ui.contexts.flow import ContextFlow
from sandtui.ui.files.transfer_flow import TransferFlow
from sandtui.ui.inventory.bulk_flow import BulkFlow
from sandtui.ui.jobs.flow import JobFlow
from sandtui.ui.key_bindings import textual_keymap
from sandtui.ui.theme.themes import begin_looks

if TYPE_CHECKING:
    from sandtui.ui.app import SandtuiApp
    from sandtui.ui.startup import Opening


def furnish(app: SandtuiApp, opening: Opening) -> None:
    """Give the app its stores, the way to the platform, its flows, keys and looks."""
    paths = app.paths
    app.settings = opening.settings or Settings()
    app.presets = PresetStore(paths.presets)
    app.journal = LaunchJournal(paths.journal)
    app.commands = SqliteCommandHistory(paths.commands)
    app.kept = SqliteActivity(paths.activity)
    app.job_file = JobFile(paths.jobs)
    app.requests = RequestBook(app.clock)
    app.bridge = Bridge(app, opening.connect, app.clock, app.make_client or default_client, app.pace)
    app.create_draft = read_draft(paths)
    app.preferences = Preferences.load(read_text(paths.fleet))
    app.bulk = BulkFlow(app)
    app.transfers = TransferFlow(app)
    app.bookmarks = Bookmarks(read_text(paths.bookmarks), partial(app.bridge.keep_text, paths.bookmarks))
    app.contexts = ContextFlow(app, opening.contexts, opening.connect_to)
    app.contexts.in_use = opening.context
    app.user_keys = read_keymap(app.settings.keys)
    app.set_keymap(textual_keymap(app.user_keys))
    app.job_flow = JobFlow(app)
    app.theme_problem = begin_looks(app, app.settings.ui, read_text(paths.theme))
