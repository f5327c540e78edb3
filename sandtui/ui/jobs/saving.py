"""Writing a job's log to a file of this machine: what was read of it, or the whole of it."""

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


class LogSaving:
    """Asks what to write where, and writes it.

    ``tell`` is given the progress of a fetch, in the thread that fetches; at its end an empty text, in the caller's.
    """

    def __init__(self, app: App[Any], services: Services, job: Job, stream: str, tell: Callable[[str], None]) -> None:
        self.app, self.services = app, services
        self._job, self._stream, self._tell = job, stream, tell

    def ask(self, lines: Sequence[str], total: int | None) -> None:
        """Ask what to save: the lines that were read, or all ``total`` bytes (None: the sandbox does not have them)."""
        choices = [Choice("read", "r", "what is read here", f"{len(lines):,} lines")]
        if total is not None:
            choices.append(Choice("whole", "w", "the whole log", f"{short_size(total)}, fetched from the sandbox"))

        def chosen(what: str | None) -> None:
            if what:
                self._ask_where(None if what == "whole" else lines)

        self.app.push_screen(ChooseDialog("Save the log", choices), chosen)

    def _ask_where(self, lines: Sequence[str] | None) -> None:
        def save(path: Path) -> None:
            if lines is not None:
                text = "".join(line + "\n" for line in lines)
                self.services.files.write(path, text, f"{len(lines):,} lines of the log")
            else:
                self.services.work.start(self._fetch(path), "job-fetch")

        name = f"{self._job.key.job_id}.{self._stream}.log"
        ask_new_file(self.app, "Save the log", name, save, value=name)

    async def _fetch(self, path: Path) -> None:
        session = self.services.platform.session
        if session is None:
            return

        def progress(done: int, total: int | None) -> None:
            self._tell(f"fetching {short_size(done)}" + (f" of {short_size(total)}" if total else ""))

        source = self._job.log_path(self._stream)
        try:
            await session.client.download_file(self._job.key.sandbox_id, source, path, on_progress=progress)
        except SandboxClientError as error:
            self.services.notifier.notify(f"The log was not fetched: {error}", "error")
        else:
            self.services.notifier.notify(f"The whole log is in {path}.")
        finally:
            self._tell("")
