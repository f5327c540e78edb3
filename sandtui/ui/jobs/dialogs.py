"""The dialogs for jobs: start one, and choose what happens when it succeeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.fleet.jobs.job import Chain, Job
from sandtui.fleet.text.sanitize import clean
from sandtui.saving import check_folder, check_new_path, typed_path
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import DialogBox
from sandtui.ui.rendering.jobs import command_text
from sandtui.ui.rendering.text import Piece, content
from sandtui.ui.widgets.check import Check

T = TypeVar("T")

NAMES_SHOWN = 3


class JobForm(Dialog[T]):
    """A dialog of several fields: enter goes to the next field and submits from the last one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False)]

    def action_close(self) -> None:
        self.dismiss(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field; submit from the last one."""
        event.stop()
        fields = list(self.query(Input))
        index = fields.index(event.input)
        if index + 1 < len(fields) and not event.input.has_class("last") and not self._is_complete():
            fields[index + 1].focus()
        else:
            self._submit()

    def _is_complete(self) -> bool:
        return False

    def _submit(self) -> None:
        raise NotImplementedError

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()

    def _show_problem(self, problem: str) -> None:
        self.query_one("#dialog-keys", Static).update(content(Piece(clean(problem), "bad")))


class NewJobDialog(JobForm[tuple[str, str]]):
    """Returns a command and a working directory, or None. ``where`` names the sandboxes; it may come from outside."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def compose(self) -> Iterable[Widget]:
        with DialogBox(f"New job in {self._where}", classes="command form"):
            yield Static(content(Piece("Command", "dim")))
            yield Input(placeholder="python train.py --seed 7", compact=True, id="job-command", classes="last")
            yield Static(content(Piece("Working directory in the sandbox (optional)", "dim")))
            yield Input(placeholder="/workspace", compact=True, id="job-folder", classes="last")
            yield Static(
                content(Piece("Keeps running after you quit · enter start · esc cancel", "dim")), id="dialog-keys"
            )

    def _submit(self) -> None:
        command, folder = self._value("job-command"), self._value("job-folder")
        if not command:
            self._show_problem("a command is required")
        elif "\0" in command + folder:
            self._show_problem("a command can't contain a NUL character")
        else:
            self.dismiss((command, folder))


class OnSuccessDialog(JobForm[Chain]):
    """Returns a chain for some jobs (an empty one removes it) or None. ``folder`` is where downloads go by default.

    With several jobs the target is a directory, in which each sandbox gets one of its own.
    """

    def __init__(self, jobs: Sequence[Job], folder: Path) -> None:
        super().__init__()
        self._jobs, self._folder = jobs, folder

    def compose(self) -> Iterable[Widget]:
        chain = self._jobs[0].chain if len(self._jobs) == 1 else None
        chain = chain or Chain()
        what = f"job {self._jobs[0].key.job_id}" if len(self._jobs) == 1 else f"each of {len(self._jobs):,} jobs"
        with DialogBox(f"When {what} succeeds", classes="command form"):
            yield Static(content(Piece(self._subject, "dim")))
            yield Static(content(Piece("Download from the sandbox: a file or directory (optional)", "dim")))
            yield Input(chain.download, placeholder="/workspace/result.json", compact=True, id="then-download")
            many = "Save below (local directory, one for each sandbox)"
            yield Static(content(Piece("Save as (local path)" if len(self._jobs) == 1 else many, "dim")))
            yield Input(chain.target, placeholder=self._suggested("result.json"), compact=True, id="then-target")
            noun = "Delete the sandbox" if len(self._jobs) == 1 else "Delete the sandboxes"
            yield Check(noun, chain.delete, compact=True, id="then-delete")
            yield Static(
                content(Piece("Runs only on exit code 0 · enter save · esc cancel", "dim")),
                id="dialog-keys",
            )

    @property
    def _subject(self) -> str:
        if len(self._jobs) == 1:
            return command_text(self._jobs[0])
        names = [clean(job.sandbox_name or job.key.sandbox_id) for job in self._jobs]
        more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
        return ", ".join(names[:NAMES_SHOWN]) + more

    def _suggested(self, name: str) -> str:
        return str(self._folder / name if len(self._jobs) == 1 else self._folder)

    @on(Input.Changed, "#then-download")
    def _suggest_target(self, event: Input.Changed) -> None:
        name = PurePosixPath(event.value.strip()).name
        self.query_one("#then-target", Input).placeholder = self._suggested(name or "result.json")

    def _is_complete(self) -> bool:
        return not self._value("then-download")

    def _submit(self) -> None:
        download, target = self._value("then-download"), self._value("then-target")
        delete = self.query_one("#then-delete", Check).value
        if not download:
            self.dismiss(Chain(delete=delete))
            return
        if not download.startswith("/") or not PurePosixPath(download).name:
            self._show_problem("expected an absolute path, such as /workspace/result.json")
            return
        path = typed_path(target) if target else Path(self._suggested(PurePosixPath(download).name))
        path = path if path.is_absolute() else self._folder / path
        problem = check_new_path(path) if len(self._jobs) == 1 else check_folder(path)
        if problem:
            self._show_problem(problem)
        else:
            self.dismiss(Chain(str(PurePosixPath(download)), str(path), delete))
