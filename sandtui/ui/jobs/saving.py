"""Saving a job's log to a local file: the loaded lines, or the whole log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from textual.app import App

from sandtui.client import SandboxClientError
from sandtui.fleet.jobs.job import Job
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.dialogs.new_file import ask_new_file
from sandtui.ui.rendering.units import short_size
from sandtui.ui.services.bundle import Services


class LogSaver:
    """Asks what to save where, and saves it.

    ``on_progress`` gets the progress of a download, in the thread that downloads; an empty text, in the event loop,
    when it has ended.
    """

    def __init__(
        self, app: App[Any], services: Services, job: Job, stream: str, on_progress: Callable[[str], None]
    ) -> None:
        self.app, self.services = app, services
        self._job, self._stream, self._on_progress = job, stream, on_progress

    def ask(self, lines: Sequence[str], total: int | None) -> None:
        """Ask what to save: the loaded lines, or all ``total`` bytes (None: the sandbox no longer has them)."""
        choices = [Choice("read", "r", "the loaded lines", f"{len(lines):,} lines")]
        if total is not None:
            choices.append(Choice("whole", "w", "the whole log", f"{short_size(total)}, downloaded from the sandbox"))

        def on_choice(what: str | None) -> None:
            if what:
                self._ask_where(None if what == "whole" else lines)

        self.app.push_screen(ChooseDialog("Save log", choices), on_choice)

    def _ask_where(self, lines: Sequence[str] | None) -> None:
        def save(path: Path) -> None:
            if lines is not None:
                text = "".join(line + "\n" for line in lines)
                self.services.files.write(path, text, f"{len(lines):,} lines of the log")
            else:
                self.services.work.start(self._download(path), "job-fetch")

        name = f"{self._job.key.job_id}.{self._stream}.log"
        ask_new_file(self.app, "Save log", name, save, value=name)

    async def _download(self, path: Path) -> None:
        session = self.services.platform.session
        if session is None:
            return

        def progress(done: int, total: int | None) -> None:
            self._on_progress(f"downloading {short_size(done)}" + (f" of {short_size(total)}" if total else ""))

        source = self._job.log_path(self._stream)
        try:
            await session.client.download_file(self._job.key.sandbox_id, source, path, on_progress=progress)
        except SandboxClientError as error:
            self.services.notifier.notify(f"Log not downloaded: {error}", "error")
        else:
            self.services.notifier.notify(f"Log saved to {path}")
        finally:
            self._on_progress("")
