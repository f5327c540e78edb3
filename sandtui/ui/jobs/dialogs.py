"""The questions about jobs: what to start, and what is to follow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import ClassVar, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.fleet.jobs.job import Chain, Job
from sandtui.fleet.text.sanitize import clean
from sandtui.saving import check_new_path, typed_path
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.rendering.jobs import command_text
from sandtui.ui.rendering.text import Content, Piece, content
from sandtui.ui.widgets.check import Check

T = TypeVar("T")


class _Form(Dialog[T]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False)]

    def action_close(self) -> None:
        self.dismiss(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field, or take all."""
        event.stop()
        fields = list(self.query(Input))
        place = fields.index(event.input)
        if place + 1 < len(fields) and not event.input.has_class("last") and not self._is_enough():
            fields[place + 1].focus()
        else:
            self._take()

    def _is_enough(self) -> bool:
        return False

    def _take(self) -> None:
        raise NotImplementedError

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()

    def _complain(self, problem: str) -> None:
        self.query_one("#dialog-keys", Static).update(content(Piece(clean(problem), "bad")))


class NewJobDialog(_Form[tuple[str, str]]):
    """Answers a command and a working folder, or None. ``where`` names the sandboxes; it may come from outside."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def compose(self) -> Iterable[Widget]:
        with Vertical(id="dialog", classes="command form") as dialog:
            dialog.border_title = Content(f"New job in {clean(self._where)}")
            yield Static(content(Piece("Command", "dim")))
            yield Input(placeholder="python train.py --seed 7", compact=True, id="job-command", classes="last")
            yield Static(content(Piece("Working folder in the sandbox (may stay empty)", "dim")))
            yield Input(placeholder="/workspace", compact=True, id="job-folder", classes="last")
            yield Static(
                content(Piece("It goes on when sandtui is left. enter starts it · esc closes", "dim")), id="dialog-keys"
            )

    def _take(self) -> None:
        command, folder = self._value("job-command"), self._value("job-folder")
        if not command:
            self._complain("the command is missing")
        elif "\0" in command + folder:
            self._complain("a command can't hold a NUL character")
        else:
            self.dismiss((command, folder))


class ThenDialog(_Form[Chain]):
    """Answers a chain, an empty one to take it back, or None. ``folder`` is where downloads go by themselves."""

    def __init__(self, job: Job, folder: Path) -> None:
        super().__init__()
        self._job, self._folder = job, folder

    def compose(self) -> Iterable[Widget]:
        chain = self._job.chain or Chain()
        with Vertical(id="dialog", classes="command form") as dialog:
            dialog.border_title = Content(f"When job {self._job.key.job_id} is done")
            yield Static(content(Piece(command_text(self._job), "dim")))
            yield Static(content(Piece("Download this file of the sandbox (may stay empty)", "dim")))
            yield Input(chain.download, placeholder="/workspace/result.json", compact=True, id="then-download")
            yield Static(content(Piece("to this new file here", "dim")))
            target = chain.target or ""
            yield Input(target, placeholder=str(self._folder / "result.json"), compact=True, id="then-target")
            yield Check("then delete the sandbox", chain.delete, compact=True, id="then-delete")
            yield Static(
                content(Piece("Only after exit code 0, and when the file has arrived · esc closes", "dim")),
                id="dialog-keys",
            )

    @on(Input.Changed, "#then-download")
    def _suggest_target(self, event: Input.Changed) -> None:
        name = PurePosixPath(event.value.strip()).name
        self.query_one("#then-target", Input).placeholder = str(self._folder / (name or "result.json"))

    def _is_enough(self) -> bool:
        return not self._value("then-download")

    def _take(self) -> None:
        download, target = self._value("then-download"), self._value("then-target")
        delete = self.query_one("#then-delete", Check).value
        if not download:
            self.dismiss(Chain(delete=delete))
            return
        if not download.startswith("/") or download.endswith("/"):
            self._complain("give the file's whole path in the sandbox, such as /workspace/result.json")
            return
        place = typed_path(target) if target else self._folder / PurePosixPath(download).name
        place = place if place.is_absolute() else self._folder / place
        if problem := check_new_path(place):
            self._complain(problem)
        else:
            self.dismiss(Chain(download, str(place), delete))
