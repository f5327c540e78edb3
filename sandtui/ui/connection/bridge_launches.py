"""The bridge's part about creating: launches, what an earlier run left, and whether an image can be used."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from sandtui.client import NotFoundError, Sandbox, SandboxClientError
from sandtui.config.journal import LaunchJournal, UnfinishedLaunch
from sandtui.directories import describe
from sandtui.fleet.clock import Clock
from sandtui.fleet.creation.launch import Launch, clean_up
from sandtui.fleet.creation.launch_plan import LaunchPlan
from sandtui.fleet.inventory.session import Connection
from sandtui.ui.connection.bridge_tasks import BridgeTasks
from sandtui.ui.connection.messages import CreateFinished, ImageChecked, ImagesKnown, LaunchChanged

if TYPE_CHECKING:
    from textual.screen import Screen


class BridgeLaunches(BridgeTasks):
    """What :class:`Bridge` offers to make sandboxes."""

    clock: Clock
    connection: Connection | None
    _checks_images = True

    def create(self, reply_to: Screen[Any], plan: LaunchPlan) -> None:
        """Make the one sandbox of a plan, written down first; ``reply_to`` gets a :class:`CreateFinished`."""
        launch = self.make_launch(plan, self._app.journal)
        made: list[Sandbox] = []
        launch.on_created = made.append

        async def flow() -> None:
            try:
                await launch.create()
            except OSError as error:
                reply_to.post_message(CreateFinished(None, error))
                return
            (item,) = launch.items
            if made:
                session = self._need()
                session.store.apply(made)
                session.refresher.expect_changes()
            reply_to.post_message(CreateFinished(made[0] if made else None, item.error, unsure=item.unsure))

        self._run(flow(), "create")

    def check_image(self, reply_to: Screen[Any], image: str) -> None:
        """Ask whether a container can be made of an image; ``reply_to`` gets an :class:`ImageChecked`.

        A platform that does not know this call is asked once and never again.
        """
        session = self._need()

        async def flow() -> None:
            try:
                reply = await session.client.check_docker_image(image)
            except SandboxClientError as error:
                self._checks_images = not (isinstance(error, NotFoundError) or error.status_code in {405, 501})
                reply_to.post_message(ImageChecked(image, None, ""))
            else:
                reply_to.post_message(ImageChecked(image, reply.accessible, reply.details))

        if self._checks_images:
            self._run(flow(), "image", exclusive=True)

    def recall_images(self, reply_to: Screen[Any]) -> None:
        """Look up the images of earlier launches; ``reply_to`` gets an :class:`ImagesKnown`."""

        async def flow() -> None:
            try:
                images = await asyncio.to_thread(self._app.journal.images)
            except OSError:
                # Only suggestions: that the journal can't be read is told where it matters.
                images = []
            reply_to.post_message(ImagesKnown(images))

        self._run(flow(), "images")

    def make_launch(self, plan: LaunchPlan, journal: LaunchJournal) -> Launch:
        """Return a launch of a plan; nothing is sent yet."""
        session = self._need()
        label = self.connection.label if self.connection is not None else ""

        def created(sandbox: Sandbox) -> None:
            session.store.apply([sandbox])
            session.refresher.expect_changes()

        return Launch(plan, session.client, self.clock, journal, label, created)

    def run_launch(self, launch: Launch) -> None:
        """Make what is queued of a launch; every screen hears of its end."""

        async def flow() -> None:
            try:
                await launch.run()
            except OSError as error:
                self._app.say(f"Nothing was created: {describe(error)}", "error")
            self._tell(LaunchChanged())

        self._run(flow(), f"launch {launch.launch_id}")

    def cancel_launch(self, launch: Launch) -> None:
        """Send nothing more of a launch."""
        self._app.workers.cancel_group(self._app, f"launch {launch.launch_id}")

    def delete_launch(self, launch: Launch) -> None:
        """Delete all that a launch has made."""
        session = self._need()
        session.store.mark_deleting(launch.ids)

        async def flow() -> None:
            try:
                count = await launch.delete_made()
                self._app.say(f"Deleted {count} sandboxes of launch {launch.launch_id}.")
            except SandboxClientError as error:
                self._app.say(f"Not all could be deleted: {error}", "error")
            session.refresher.refresh_now()
            self._tell(LaunchChanged())

        self._run(flow(), f"launch {launch.launch_id}")

    async def _offer_unfinished(self) -> None:
        label = self.connection.label if self.connection is not None else ""
        try:
            found = await asyncio.to_thread(self._app.journal.claim, label)
        except (OSError, ValueError) as error:
            self._app.say(f"The journal of launches can't be read: {describe(error)}", "warning")
            return
        if found.elsewhere:
            number = "A launch is" if len(found.elsewhere) == 1 else f"{len(found.elsewhere):,} launches are"
            self._app.say(f"{number} being carried out by another sandtui ({found.elsewhere[0]}).")
        for unfinished in found.launches:
            self._app.offer_unfinished(unfinished)

    def leave_launch(self, unfinished: UnfinishedLaunch) -> None:
        """Give a launch of an earlier run back, to be offered at the next start."""

        async def flow() -> None:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._app.journal.release, unfinished.launch_id)

        self._run(flow(), "journal")

    def clean_up_launch(self, unfinished: UnfinishedLaunch) -> None:
        """Delete all that a launch of an earlier run has made."""
        session, launch_id = self._need(), unfinished.launch_id

        async def flow() -> None:
            try:
                count = await clean_up(session.client, launch_id, unfinished.known, unfinished.unknown)
            except SandboxClientError as error:
                self._app.say(f"The launch could not be cleaned up: {error}", "error")
                return
            await asyncio.to_thread(self._app.journal.finish, launch_id)
            self._app.say(f"Deleted {count} sandboxes of launch {launch_id}.")
            session.refresher.refresh_now()

        self._run(flow(), f"launch {launch_id}")
