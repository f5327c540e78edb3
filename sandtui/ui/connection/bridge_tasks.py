"""The bridge's single tasks: each starts one coroutine of the fleet and tells what came of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.message import Message

from sandtui.client import SandboxClientError
from sandtui.config.paths import write_private
from sandtui.directories import describe
from sandtui.fleet.commands.line.history import PastCommand
from sandtui.fleet.inventory import usage
from sandtui.fleet.inventory.bulk import BulkRun
from sandtui.fleet.inventory.session import FleetSession
from sandtui.fleet.shells import LiveShell
from sandtui.ui.connection.messages import (
    BulkFinished,
    DeleteFinished,
    ExposuresArrived,
    FileWritten,
    LabelsCounted,
    UsageArrived,
)

if TYPE_CHECKING:
    from textual.screen import Screen

    from sandtui.ui.app import SandtuiApp

HELPER_SECONDS = 5.0


class BridgeTasks:
    """What :class:`Bridge` offers besides the connection; it is a part of it and not used alone."""

    _app: SandtuiApp

    def _need(self) -> FleetSession:
        raise NotImplementedError

    def _run(self, flow: Coroutine[Any, Any, None], group: str, *, exclusive: bool = False) -> None:
        raise NotImplementedError

    def _tell(self, message: Message) -> None:
        raise NotImplementedError

    def count_labels(self, labels: Sequence[str]) -> None:
        """Ask how many carry some labels; the app gets a :class:`LabelsCounted`."""
        session = self._need()

        async def flow() -> None:
            try:
                total = await session.count_labels(labels)
            except SandboxClientError as error:
                self._app.post_message(LabelsCounted(tuple(labels), 0, error))
            else:
                self._app.post_message(LabelsCounted(tuple(labels), total))

        self._run(flow(), "labels", exclusive=True)

    def delete_labels(self, labels: Sequence[str]) -> None:
        """Delete all that carry some labels; the app gets a :class:`DeleteFinished`."""
        session = self._need()

        async def flow() -> None:
            try:
                outcome = await session.delete_labels(labels)
            except SandboxClientError as error:
                self._app.post_message(LabelsCounted(tuple(labels), 0, error))
                return
            rows = (session.store.get(sandbox_id) for sandbox_id in outcome.deleted)
            names = {row.id: row.sandbox.name for row in rows if row is not None}
            self._app.post_message(DeleteFinished(outcome, names))

        self._run(flow(), "delete")

    def run_bulk(self, run: BulkRun) -> None:
        """Carry out work on many sandboxes; the app gets a :class:`BulkFinished`."""
        session = self._need()

        async def flow() -> None:
            await run.run()
            session.refresher.expect_changes()
            self._app.post_message(BulkFinished(run))

        self._run(flow(), "bulk")

    def write_file(self, path: Path, text: str, what: str) -> None:
        """Write a new file; the app gets a :class:`FileWritten`. A file that is there is never overwritten."""

        def write() -> None:
            with path.open("x", encoding="utf-8") as stream:
                stream.write(text)

        async def flow() -> None:
            try:
                await asyncio.to_thread(write)
            except (OSError, ValueError) as error:
                self._app.post_message(FileWritten(str(path), what, _without(path, error)))
            else:
                self._app.post_message(FileWritten(str(path), what))

        self._run(flow(), "write")

    def search_commands(
        self, text: str, sandbox_id: str | None, found: Callable[[Sequence[PastCommand]], None]
    ) -> None:
        """Look for commands of earlier sessions; ``found`` gets them, newest first."""

        async def flow() -> None:
            try:
                commands = await asyncio.to_thread(self._app.commands.search, text, sandbox_id)
            except OSError as error:
                self._app.say(f"The history of commands can't be read: {describe(error)}", "warning")
            else:
                found(commands)

        self._run(flow(), "history", exclusive=True)

    def save(self, path: Path, write: Callable[[], str]) -> None:
        """Have something written in a thread; the app gets a :class:`FileWritten`. ``write`` tells what it wrote."""

        async def flow() -> None:
            try:
                what = await asyncio.to_thread(write)
            except (OSError, ValueError) as error:
                self._app.post_message(FileWritten(str(path), "", _without(path, error)))
            else:
                self._app.post_message(FileWritten(str(path), what))

        self._run(flow(), "write")

    def keep_text(self, path: Path, text: str) -> None:
        """Replace a file of ours; that it can't be written is no reason to disturb anybody."""

        async def flow() -> None:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(write_private, path, text)

        self._run(flow(), f"keep {path.name}", exclusive=True)

    def learn_exposures(self) -> None:
        """Find out which sandboxes serve a port; the screens get an :class:`ExposuresArrived`."""
        session = self._need()

        async def flow() -> None:
            # Without the answer the view is only less exact, and the platform's trouble is told elsewhere.
            with contextlib.suppress(SandboxClientError):
                await session.learn_exposures()
            self._tell(ExposuresArrived())

        self._run(flow(), "exposures", exclusive=True)

    def measure(self, reply_to: Screen[Any], sandbox_id: str) -> None:
        """Ask a sandbox once what it uses; the store keeps it, and ``reply_to`` gets an :class:`UsageArrived`."""
        session = self._need()

        async def flow() -> None:
            try:
                reply = await session.client.execute_command(sandbox_id, usage.COMMAND, timeout=usage.SECONDS)
            except SandboxClientError as error:
                reply_to.post_message(UsageArrived(None, error))
            else:
                sample = usage.read_sample(reply.stdout)
                session.store.measure(sandbox_id, sample)
                reply_to.post_message(UsageArrived(sample))

        self._run(flow(), "measure", exclusive=True)

    def open_shells(self, sandbox_ids: Sequence[str]) -> list[LiveShell]:
        """Return a shell for each sandbox that is known, opening those that do not go on already."""
        session = self._need()
        shells = []
        for row in map(session.store.get, sandbox_ids):
            if row is not None:
                shell = session.shells.of(row.id)
                if shell is None:
                    shell = session.shells.add(row.id, row.sandbox.name, vm=row.sandbox.vm)
                    self._run(shell.run(), "shells")
                shells.append(shell)
        return shells

    def end_shell(self, shell: LiveShell) -> None:
        """End a shell and clean up behind it, and end its recording."""
        session = self._need()
        if shell.recorder is not None:
            self._app.end_recording(shell.recorder)
            shell.recorder = None
        self._run(session.shells.remove(shell), "shells")

    def run_helper(self, command: Sequence[str], text: str) -> None:
        """Give a text to a program of this machine, such as one that fills the clipboard."""

        async def flow() -> None:
            with contextlib.suppress(OSError, TimeoutError):
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                )
                async with asyncio.timeout(HELPER_SECONDS):
                    await process.communicate(text.encode())

        self._run(flow(), "helper")


def _without(path: Path, error: Exception) -> str:
    """Return why a file was not written, where its path is told already."""
    return describe(error, path).removeprefix(f"{path}: ")
