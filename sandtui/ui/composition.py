"""The composition root: creates all services once the settings are read. Imported after the first frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from textual.app import App

from sandtui.clock import Clock
from sandtui.config.activity import SqliteActivity
from sandtui.config.bookmarks import Bookmarks
from sandtui.config.command_history import SqliteCommandHistory
from sandtui.config.deaths import DeathFile
from sandtui.config.jobs import JobFile
from sandtui.config.journal import LaunchJournal
from sandtui.config.paths import Paths, read_text
from sandtui.config.presets import PresetStore
from sandtui.config.settings import Settings
from sandtui.config.view_states import ViewStates
from sandtui.fleet.activity.requests import RequestBook
from sandtui.fleet.inventory.cost import use_rates
from sandtui.fleet.inventory.preferences import Preferences
from sandtui.fleet.inventory.refresh import Pace
from sandtui.fleet.keymap import read_keymap
from sandtui.ui.jobs.flow import JobFlow
from sandtui.ui.key_bindings import key_of, textual_keymap
from sandtui.ui.navigator import Navigator
from sandtui.ui.pages import LazyPages
from sandtui.ui.services.bulk import BulkActions
from sandtui.ui.services.bundle import Services
from sandtui.ui.services.clipboard import Clipboard
from sandtui.ui.services.context_switcher import ContextSwitcher
from sandtui.ui.services.contexts import Contexts
from sandtui.ui.services.drafts import Drafts
from sandtui.ui.services.files import LocalFiles
from sandtui.ui.services.forks import Forks
from sandtui.ui.services.launches import Launches
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import ClientFactory, PlatformConnection, default_client
from sandtui.ui.services.quitting import Quitting, RunningWork
from sandtui.ui.services.recordings import Recordings
from sandtui.ui.services.sandbox_actions import SandboxActions
from sandtui.ui.services.terminal import TerminalLender
from sandtui.ui.services.transfers import Transfers
from sandtui.ui.services.web_page import WebPage
from sandtui.ui.services.work import Work
from sandtui.ui.startup import StartupOptions
from sandtui.web.channel import inherited


@dataclass(frozen=True, slots=True)
class Overrides:
    """What tests override."""

    clock: Clock
    make_client: ClientFactory | None = None
    pace: Pace | None = None


def make_services(
    app: App[Any],
    options: StartupOptions,
    paths: Paths,
    overrides: Overrides,
    is_ending: Callable[[], bool],
    run_action: Callable[[str], None],
) -> Services:
    """Create the services of an app. No request is sent yet."""
    clock = overrides.clock
    settings = options.settings or Settings()
    keymap = read_keymap(settings.keys)
    use_rates(settings.cost.rates)
    app.set_keymap(textual_keymap(keymap))
    key_to = partial(key_of, keymap=keymap)
    job_file, deaths = JobFile(paths.jobs), DeathFile(paths.deaths)
    work = Work(app, is_ending)
    notifier = Notifier(app, clock, SqliteActivity(paths.activity), RequestBook(clock))
    platform = PlatformConnection(
        app,
        clock,
        work,
        notifier,
        options.connect,
        overrides.make_client or default_client,
        overrides.pace,
        job_file,
        paths.leases,
        deaths,
    )
    pages = LazyPages(app)
    navigator = Navigator(app, pages, key_to, notifier, platform)
    page = WebPage(inherited())
    notifier.announced.subscribe(lambda text, is_urgent: page.announce(text, urgent=is_urgent))
    clipboard, files = Clipboard(app, work, notifier, page), LocalFiles(work, notifier, confined=options.confined)
    contexts = Contexts(app, platform, confined=options.confined)
    journal = LaunchJournal(paths.journal)
    launches = Launches(app, clock, journal, work, notifier, platform, navigator, contexts)
    transfers = Transfers(app, paths, key_to, work, notifier, platform)
    transfers.downloaded.subscribe(page.offer)
    running = RunningWork(work, platform, launches, transfers)
    forks = Forks(app, notifier, launches)
    bulk = BulkActions(app, clock, keymap, work, notifier, platform, contexts, clipboard, files, navigator, forks)
    services = Services(
        clock=clock,
        paths=paths,
        settings=settings,
        keymap=keymap,
        preferences=Preferences.load(read_text(paths.fleet)),
        view_states=ViewStates(paths.view_states),
        presets=PresetStore(paths.presets),
        command_history=SqliteCommandHistory(paths.commands),
        job_file=job_file,
        deaths=deaths,
        bookmarks=Bookmarks(read_text(paths.bookmarks), partial(files.keep, paths.bookmarks)),
        drafts=Drafts(paths, work),
        work=work,
        notifier=notifier,
        platform=platform,
        navigator=navigator,
        web_page=page,
        clipboard=clipboard,
        files=files,
        recordings=Recordings(app, clock, paths.recordings, work, notifier),
        terminal=TerminalLender(app, work, notifier, confined=options.confined),
        contexts=contexts,
        bulk=bulk,
        sandboxes=SandboxActions(platform, navigator, bulk, notifier, forks),
        launches=launches,
        transfers=transfers,
        switcher=ContextSwitcher(
            app,
            options.contexts,
            options.connect_to,
            options.context,
            key_to,
            work,
            notifier,
            platform,
            navigator,
            launches,
            running,
        ),
        quitting=Quitting(app, clock, running, notifier, key_to),
        run_action=run_action,
    )
    pages.services = services
    pages.job_flow = JobFlow(app, services)
    return services


def close_databases(services: Services) -> None:
    """Save collected data and close all files, at shutdown."""
    services.launches.journal.close()
    services.command_history.close()
    services.notifier.keep_requests()
    services.notifier.activity.close()
    services.job_file.close()
    services.deaths.close()
