"""Creating sandboxes: launches, unfinished launches of earlier runs, image checks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App
from textual.screen import Screen

from sandtui.client import NotFoundError, Sandbox, SandboxClientError
from sandtui.clock import Clock
from sandtui.config.journal import LaunchJournal, UnfinishedLaunch
from sandtui.directories import describe
from sandtui.fleet.checkpoints.forks import ForkCheckpoints, ForkPlan
from sandtui.fleet.creation.launch import Launch, Prepare, Step, clean_up
from sandtui.fleet.creation.launch_plan import LaunchPlan
from sandtui.fleet.creation.offers import offered_checkpoints, offered_images, offered_volumes
from sandtui.fleet.inventory.session import FleetSession
from sandtui.ui.dialogs.unfinished import Decision, UnfinishedDialog
from sandtui.ui.messages import ChoicesKnown, CreateFinished, ImageChecked, ImagesKnown, LaunchChanged
from sandtui.ui.navigator import Navigator
from sandtui.ui.services.contexts import Contexts
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import PlatformConnection
from sandtui.ui.services.work import Work


class Launches:
    """The launches of this run; each is journaled before anything is sent."""

    def __init__(
        self,
        app: App[Any],
        clock: Clock,
        journal: LaunchJournal,
        work: Work,
        notifier: Notifier,
        platform: PlatformConnection,
        navigator: Navigator,
        contexts: Contexts,
    ) -> None:
        self._app, self._clock, self.journal = app, clock, journal
        self._work, self._notifier, self._platform = work, notifier, platform
        self._navigator, self._contexts = navigator, contexts
        self._checks_images = True
        self.all: list[Launch] = []
        """All launches, oldest first."""
        platform.connected.subscribe(self._connected)

    @property
    def running(self) -> bool:
        """Whether a launch is in progress."""
        return any(launch.running for launch in self.all)

    # Single sandboxes

    def create(self, reply_to: Screen[Any], plan: LaunchPlan) -> None:
        """Create the single sandbox of a plan, journaled first; ``reply_to`` gets a :class:`CreateFinished`."""
        made: list[Sandbox] = []
        launch = self.make(plan, made.append)

        async def flow() -> None:
            try:
                await launch.create()
            except OSError as error:
                reply_to.post_message(CreateFinished(None, error))
                return
            (item,) = launch.items
            if made:
                session = self._platform.need_session()
                session.store.apply(made)
                session.refresher.expect_changes()
            reply_to.post_message(CreateFinished(made[0] if made else None, item.error, unsure=item.unsure))

        self._work.start(flow(), "create")

    def check_image(self, reply_to: Screen[Any], image: str) -> None:
        """Check whether an image is available; ``reply_to`` gets an :class:`ImageChecked`.

        A platform that does not support this call is asked only once.
        """
        session = self._platform.need_session()

        async def flow() -> None:
            try:
                response = await session.client.check_docker_image(image)
            except SandboxClientError as error:
                self._checks_images = not (isinstance(error, NotFoundError) or error.status_code in {405, 501})
                reply_to.post_message(ImageChecked(image, None, ""))
            else:
                reply_to.post_message(ImageChecked(image, response.accessible, response.details))

        if self._checks_images:
            self._work.start(flow(), "image", exclusive=True)

    def recall_images(self, reply_to: Screen[Any]) -> None:
        """Look up the images of earlier launches; ``reply_to`` gets an :class:`ImagesKnown`."""

        async def flow() -> None:
            try:
                images = await asyncio.to_thread(self.journal.images)
            except OSError:
                # These are only suggestions: a journal that can't be read is reported elsewhere.
                images = []
            reply_to.post_message(ImagesKnown(images))

        self._work.start(flow(), "images")

    def learn_choices(self, reply_to: Screen[Any]) -> None:
        """Ask the platform what the form can offer; ``reply_to`` gets a :class:`ChoicesKnown` for each field.

        These are only suggestions: nothing is said of what can't be asked.
        """
        session = self._platform.need_session()

        async def ask(field: str, offered: Callable[[], Awaitable[list[str]]]) -> None:
            reply_to.post_message(ChoicesKnown(field, await offered()))

        asked = {
            "docker_image": lambda: offered_images(session.client),
            "volumes": lambda: offered_volumes(session.volumes),
            "checkpoint_id": lambda: offered_checkpoints(session.checkpoints, len(session.store)),
        }
        for field, offered in asked.items():
            self._work.start(ask(field, offered), "choices")

    # Launches

    def make(
        self,
        plan: LaunchPlan,
        on_created: Callable[[Sandbox], None] | None = None,
        prepare: Prepare | None = None,
    ) -> Launch:
        """Return a launch of a plan; nothing is sent yet. Its sandboxes are shown at once, unless it is handed over."""
        session = self._platform.need_session()

        def created(sandbox: Sandbox) -> None:
            session.store.apply([sandbox])
            session.refresher.expect_changes()

        return Launch(
            plan, session.client, self._clock, self.journal, self._platform.label, on_created or created, prepare
        )

    def fork(self, forks: ForkPlan) -> None:
        """Take a checkpoint of each source, then create the forks; their launch is shown at once."""
        checkpoints = ForkCheckpoints(self._platform.need_session().client, forks.sources)
        self._navigator.go_to_fleet()
        self._show(self.make(forks.plan, prepare=checkpoints))

    def begin(self, plan: LaunchPlan, on_complete: Callable[[], None] = lambda: None) -> None:
        """Start a launch and open its screen above the fleet; ``on_complete`` is called if all its sandboxes run."""
        self._navigator.go_to_fleet()
        self._show(self.make(plan), on_complete)

    def run(self, launch: Launch, on_complete: Callable[[], None] = lambda: None) -> None:
        """Create the queued sandboxes of a launch; every screen is notified of its end."""

        async def flow() -> None:
            try:
                await launch.run()
            except OSError as error:
                self._notifier.notify(f"Nothing created: {describe(error)}", "error")
            if all(item.step is Step.READY for item in launch.items):
                on_complete()
            self._platform.broadcast(LaunchChanged())

        self._work.start(flow(), f"launch {launch.launch_id}")

    def cancel(self, launch: Launch) -> None:
        """Stop a launch; created sandboxes stay."""
        self._work.cancel(f"launch {launch.launch_id}")

    def delete(self, launch: Launch) -> None:
        """Delete all sandboxes of a launch."""
        session = self._platform.need_session()
        session.store.mark_deleting(launch.ids)

        async def flow() -> None:
            try:
                count = await launch.delete_made()
                self._notifier.notify(f"Deleted {count} sandboxes of launch {launch.launch_id}")
            except SandboxClientError as error:
                self._notifier.notify(f"Some sandboxes were not deleted: {error}", "error")
            session.refresher.refresh_now()
            self._platform.broadcast(LaunchChanged())

        self._work.start(flow(), f"launch {launch.launch_id}")

    def _show(self, launch: Launch, on_complete: Callable[[], None] = lambda: None) -> None:
        self.all.append(launch)
        self.run(launch, on_complete)
        self._navigator.open_launch(launch)

    # Unfinished launches of earlier runs

    def _connected(self, _: FleetSession) -> None:
        self._work.start(self._look_for_unfinished(), "unfinished")

    async def _look_for_unfinished(self) -> None:
        try:
            found = await asyncio.to_thread(self.journal.claim, self._platform.label)
        except (OSError, ValueError) as error:
            self._notifier.notify(f"Can't read the launch journal: {describe(error)}", "warning")
            return
        if found.elsewhere:
            number = "1 launch is" if len(found.elsewhere) == 1 else f"{len(found.elsewhere):,} launches are"
            self._notifier.notify(f"{number} running in another sandtui ({found.elsewhere[0]})")
        for unfinished in found.launches:
            self.offer(unfinished)

    def offer(self, unfinished: UnfinishedLaunch) -> None:
        """Offer to resume or clean up an unfinished launch of an earlier run."""
        if any(launch.launch_id == unfinished.launch_id for launch in self.all):
            return

        def on_result(decision: Decision | None) -> None:
            if decision == "clean_up":
                text = f"delete all sandboxes of launch {unfinished.launch_id}."
                with self._notifier.doing(f"clean up › {unfinished.launch_id}"):
                    self._contexts.sure("clean up", text, lambda: self._clean_up(unfinished))
            elif decision == "resume":
                requests = tuple(item.request for item in unfinished.items)
                launch = self.make(LaunchPlan(unfinished.launch_id, requests))
                launch.resume([(item.step, item.sandbox_id) for item in unfinished.items])
                self._show(launch)
            else:
                self._release(unfinished)

        self._app.push_screen(UnfinishedDialog(unfinished), on_result)

    def _release(self, unfinished: UnfinishedLaunch) -> None:
        """Release an unfinished launch, to be offered at the next start."""

        async def flow() -> None:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self.journal.release, unfinished.launch_id)

        self._work.start(flow(), "journal")

    def _clean_up(self, unfinished: UnfinishedLaunch) -> None:
        """Delete all sandboxes of an unfinished launch."""
        session, launch_id = self._platform.need_session(), unfinished.launch_id

        async def flow() -> None:
            try:
                count = await clean_up(session.client, launch_id, unfinished.known, unfinished.unknown)
            except SandboxClientError as error:
                self._notifier.notify(f"Launch not cleaned up: {error}", "error")
                return
            await asyncio.to_thread(self.journal.finish, launch_id)
            self._notifier.notify(f"Deleted {count} sandboxes of launch {launch_id}")
            session.refresher.refresh_now()

        self._work.start(flow(), f"launch {launch_id}")
