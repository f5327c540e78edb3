"""The files screen: two panes, with the transfer queue below."""

from __future__ import annotations

import asyncio
import posixpath
import secrets
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input

from sandtui.client import SandboxClientError
from sandtui.fleet.actions import BY_ID
from sandtui.fleet.files.entry import FileEntry
from sandtui.fleet.files.local import LocalFileSystem
from sandtui.fleet.files.names import FilesError, as_name, check_name, is_text, join, parent
from sandtui.fleet.files.pane import UP, Pane, in_order
from sandtui.fleet.files.preview import FileReader
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.transfers.model import (
    ACTIVE,
    Existing,
    Location,
    Transfer,
    TransferError,
    TransferSpec,
    TransferState,
)
from sandtui.fleet.transfers.queue import TransferQueue
from sandtui.fleet.transfers.reasons import reason
from sandtui.saving import with_home
from sandtui.ui.chrome.key_hints import Hint
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.files.edit_flow import edit
from sandtui.ui.files.entries import entry_pieces, foot_pieces, head_pieces, permissions_text, state_text, title_text
from sandtui.ui.files.preview import PreviewScreen
from sandtui.ui.files.questions import copy_text, delete_text
from sandtui.ui.files.sync_dialog import SyncDialog
from sandtui.ui.files.table import FileTable
from sandtui.ui.files.transfers import queue_title, transfer_pieces
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.loading import load_pieces
from sandtui.ui.rendering.text import Piece
from sandtui.ui.rendering.units import size_text
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.panel import show_frame
from sandtui.ui.widgets.row_actions import RowActions

SIDES_SHOWN = 30

NEEDS_ENTRY = frozenset(
    {"mark", "range", "rename", "edit", "yank", "delete", "permissions", "measure", "copy", "copy_as"}
)

WAYS: dict[str, tuple[str, dict[str, object]]] = {
    "k": ("Preserve times and permissions", {"keep": True}),
    "d": ("Only different files, preserving times", {"keep": True, "existing": Existing.DIFFERENT}),
    "n": ("Only newer files, preserving times", {"keep": True, "existing": Existing.NEWER}),
    "o": ("Overwrite existing files", {"existing": Existing.OVERWRITE}),
    "g": ("Include .git directories (git may run code from them)", {"allow_git": True}),
    "q": ("Skip checksums, compare sizes only", {"checksum": False}),
}

LONG_SECONDS = 0.3
"""Delay before the user is notified of a long comparison, in seconds."""

PROGRESS_SECONDS = 0.5

QUEUE_KEYS = ("cancel", "pause", "again", "clear")
"""Actions shown in the border of the queue."""

QUEUE_ACTIONS = frozenset({"cancel", "pause", "again", "clear", "sooner", "later"})

WORKS_ON_MARKS = frozenset({"copy", "copy_as", "delete", "permissions", "measure"})

NEEDS_LISTING = frozenset({"open", "mark_all", "sync", "mkdir", "sort", "reverse", "hidden", "filter"}) | NEEDS_ENTRY


class FilesScreen(AppScreen):
    """Shows this machine beside a sandbox, or two sandboxes. Copies go to all ``sandbox_ids``."""

    SCOPE = "files"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("files"), *bindings("queue")]
    AUTO_FOCUS = "#files-1"

    def __init__(self, services: Services, sandbox_ids: Sequence[str]) -> None:
        super().__init__(services)
        self.sandbox_ids = list(sandbox_ids)
        self.panes: list[Pane] = []
        self.active = 1
        """The index of the active pane: initially the sandbox's."""
        self._done: set[str] = set()
        self.row_actions = RowActions(services.sandboxes, self._named, "This is the local machine: select a sandbox")
        self.row_actions.attach(self, "shell", "logs", "exec", "fork")

    def compose_body(self) -> Iterable[Widget]:
        self.panes = [self.make_pane(None), self.make_pane(self.sandbox_ids[0])]
        with Horizontal(id="files-bar"):
            yield ChromeLine(id="files-way")
            yield Input(placeholder="filter", compact=True, id="files-filter")
        with Horizontal(id="files-body"):
            for number in (0, 1):
                with Vertical(id=f"files-panel-{number}", classes="panel files-panel"):
                    yield FileTable(partial(self.line, number), partial(self.head, number), id=f"files-{number}")
                    yield ChromeLine(id=f"files-foot-{number}", classes="files-foot")
        with Vertical(id="queue-panel", classes="panel"):
            yield OutputView(self._transfer_line, follows=False, fits=True, id="queue")

    def crumbs(self) -> list[str]:
        """Return the breadcrumbs."""
        more = f" +{len(self.sandbox_ids) - 1}" if len(self.sandbox_ids) > 1 else ""
        return ["Fleet", clean(self.name_of(self.sandbox_ids[0])) + more, "Files"]

    def hint_scopes(self) -> tuple[str, ...]:
        """Return the scopes; in the queue its own keys come first."""
        in_queue = self.focused is not None and self.focused.id == "queue"
        return ("queue", "files") if in_queue else ("files", "queue")

    def offered_hints(self) -> list[Hint]:
        """Hide the actions of the queue while it is empty."""
        queue = self.services.transfers.queue
        empty = queue is None or not queue.transfers
        return [hint for hint in super().offered_hints() if not (empty and hint.action.startswith("queue."))]

    def on_mount(self) -> None:
        self.call_after_refresh(self._show_first)

    def _show_first(self) -> None:
        self.listen(self.services.transfers.changed, self._queue_changed)
        self.set_interval(PROGRESS_SECONDS, self._draw_progress)
        self.draw_queue()
        for number in (0, 1):
            self.go(number, self.panes[number].path)

    def on_screen_resume(self) -> None:
        """Redraw, and ask pending questions."""
        self._queue_changed()

    def tick(self) -> None:
        """Update the ages."""
        super().tick()
        if not self.is_covered:
            for number in (0, 1):
                self.draw_chrome(number)

    def on_resize(self, _: events.Resize) -> None:
        for number in (0, 1):
            self.call_after_refresh(self.draw_chrome, number)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        for number in (0, 1):
            if event.widget.id == f"files-{number}":
                self.active = number
                self.draw_chrome(number)
        if event.widget.id != "queue":
            self.remove_class("-queue")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.filter_field.has_focus:
            self.pane.filter = event.value
            self.pane.arrange()
            self.draw_pane(self.active)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._leave_filter()

    def why_not(self, action: str) -> str:
        """Return why an action is not available and what to do instead, or an empty text."""
        if not self.is_ready:
            return ""
        if action in QUEUE_ACTIONS:
            return self._why_not_in_queue(action)
        if action == "open" and self.query_one("#queue").has_focus:
            if self.queue is not None and self.queue.question() is not None:
                return ""
            if self.transfer is None:
                return f"No transfers: {self.services.key_of('files.copy')} copies to the other pane"
            return self.row_actions.why_not("open_sandbox")
        if action in {"shell", "logs", "exec", "fork"}:
            return self.row_actions.why_not(action)
        return self._why_not_in_pane(action)

    def _why_not_in_pane(self, action: str) -> str:
        pane, entry, key = self.pane, self.entry, self.services.key_of
        marked = action in WORKS_ON_MARKS and bool(pane.marks)
        if action in NEEDS_ENTRY and not marked and self.query_one("#queue").has_focus:
            # No entry shows the cursor.
            return f"The cursor is in the transfers: {key('files.pane')} goes to the files"
        if action in NEEDS_LISTING and pane.listing is None:
            if pane.load_state.is_loading:
                return "Still loading the directory"
            side, again, why = key("files.side"), key("files.reload"), clean(pane.problem)
            return f"{pane.title} can't be listed: {why}. Press {again} to retry or {side} to switch machines"
        if action == "up" and pane.is_root:
            return "Already at the root directory"
        if action == "unmark" and not pane.marks and not self.table(self.active).has_anchor:
            return f"No marks: {key('files.mark')} toggles a mark"
        if action == "same" and self.other.path == pane.path and not self.other.problem:
            return "Both panes already show this path"
        if action == "mark_all" and all(row.name == UP for row in pane.rows):
            return self._why_empty()
        if action in NEEDS_ENTRY | {"open"} and not marked:
            if entry is None:
                return self._why_empty()
            if entry.name == UP and action not in {"yank", "open"}:
                return f"This is the parent directory: select an entry below, or press {key('files.open')} to go up"
        if action == "edit" and entry is not None and entry.is_folder:
            return f"{clean(entry.name)} is a directory: {key('files.open')} opens it"
        if action == "measure" and not any(each.is_folder for each in self.chosen):
            return "Select a directory: the size of a file is already shown"
        return ""

    def _why_empty(self) -> str:
        key, pane = self.services.key_of, self.pane
        if pane.filter:
            return f"No matches: {key('files.back')} clears the filter"
        hidden = pane.listing is not None and any(entry.is_hidden for entry in pane.listing.entries)
        if hidden and not pane.hidden:
            return f"Only hidden files: {key('files.hidden')} shows them"
        return f"Empty directory: {key('files.up')} goes up, {key('files.pane')} switches panes"

    def _why_not_in_queue(self, action: str) -> str:
        queue, transfer, key = self.queue, self.transfer, self.services.key_of
        if queue is None or transfer is None:
            return f"No transfers: {key('files.copy')} copies to the other pane"
        if action == "clear":
            return "" if any(each.is_over for each in queue.transfers) else "No finished transfers"
        if action in {"cancel", "pause"} and transfer.is_over:
            return f"This transfer has ended: {key('queue.clear')} clears it"
        if action == "again" and transfer.state not in {TransferState.FAILED, TransferState.CANCELLED}:
            return "Only a failed or cancelled transfer can be retried"
        if action == "sooner" and transfer is queue.transfers[0]:
            return "Already first in the queue"
        if action == "later" and transfer is queue.transfers[-1]:
            return "Already last in the queue"
        return ""

    def action_pane(self) -> None:
        queue = self.query_one("#queue", OutputView)
        if queue.has_focus:
            self.table(1).focus()
        elif self.active == 1 or self.transfer is None or not self.query_one("#queue-panel").display:
            self.table(1 - self.active).focus()
        else:
            queue.focus()

    def action_edit(self) -> None:
        entry, number = self.entry, self.active
        if entry is not None and not entry.is_folder:
            edit(self.app, self.services, self._reader(entry), lambda: self.reload(number))

    def _reader(self, entry: FileEntry) -> FileReader:
        session = self.services.platform.session
        assert session is not None
        return FileReader(session.client, self.pane.side.sandbox_id, self.pane.destination(entry))

    @on(FileTable.Opened)
    def action_open(self) -> None:
        if self.query_one("#queue").has_focus:
            if self.queue is not None and self.queue.question() is not None:
                self.services.transfers.ask()
            else:
                self.row_actions.run("open_sandbox")
            return
        entry = self.entry
        if entry is None:
            return
        if entry.is_folder:
            self.go(self.active, self.pane.destination(entry))
        else:
            self.app.push_screen(PreviewScreen(self.services, self._reader(entry), self.pane.title))

    def action_back(self) -> None:
        """Undo one step: leave the field or the queue, cancel the range, clear the filter, the marks; then go back."""
        pane, table = self.pane, self.table(self.active)
        if self.filter_field.has_focus:
            self._leave_filter()
        elif self.query_one("#queue").has_focus:
            self.action_queue()
        elif table.has_anchor:
            table.set_anchor(False)
            self.draw_chrome(self.active)
        elif pane.filter:
            pane.filter = ""
            pane.arrange()
            self.draw_pane(self.active)
        elif pane.marks:
            self.action_unmark()
        else:
            self.app.pop_screen()

    def _leave_filter(self) -> None:
        self.set_focus(self.table(self.active))

    def _queue_changed(self) -> None:
        queue = self.queue
        if queue is None or not self.is_ready:
            return
        fresh = {each.id for each in queue.transfers if each.state is TransferState.DONE} - self._done
        self._done |= fresh
        for number, pane in enumerate(self.panes):
            for each in queue.transfers:
                target = each.spec.target
                seen = pane.path in {target.path, parent(target.path)}
                if each.id in fresh and target.sandbox_id == pane.side.sandbox_id and seen:
                    self.reload(number)
                    break
        self.draw_queue()
        if len(queue.transfers) in {0, 1}:
            # The keys of the queue appear with its first transfer and disappear with the last one.
            self.update_chrome()
        if self.app.screen is self:
            self.services.transfers.ask()

    def _draw_progress(self) -> None:
        queue = self.queue
        if queue is not None and not self.is_covered and any(each.state in ACTIVE for each in queue.transfers):
            for each in queue.transfers:
                if each.state in ACTIVE:
                    each.sample(self.services.clock.monotonic())
            self.draw_queue()
            self.update_news()

    def draw_queue(self) -> None:
        """Draw the transfers and how far they are."""
        queue = self.queue
        panel = self.query_one("#queue-panel")
        panel.set_class(queue is None or not queue.transfers, "-empty")
        keys = (f"{self.services.key_of(f'queue.{name}')} {BY_ID[f'queue.{name}'].title}" for name in QUEUE_KEYS)
        show_frame(panel, queue_title(queue.totals) if queue is not None else "Transfers", " · ".join(keys))
        self.query_one("#queue", OutputView).show(max(1, len(queue.transfers)) if queue is not None else 1)

    def _transfer_line(self, number: int) -> list[Piece]:
        queue = self.queue
        if queue is None or not queue.transfers:
            if number:
                return []
            key = self.services.key_of("files.copy")
            return [Piece(" No transfers   ", "dim"), Piece(f"{key} to copy", "dim")]
        if number >= len(queue.transfers):
            return []
        view = self.query_one("#queue", OutputView)
        bar = Piece("▌" if number == view.cursor and view.has_focus else " ", "key")
        return [bar, *transfer_pieces(queue.transfers[number], view.size.width - 2, self.services.key_of("files.open"))]

    def action_sync(self) -> None:
        here, there, session = self.pane, self.other, self.services.platform.session
        if session is None or here.side.sandbox_id == there.side.sandbox_id:
            side = self.services.key_of("files.side")
            self.services.notifier.refuse(
                f"Both panes show the same machine: press {side} to switch one to a sandbox", "sync"
            )
            return
        source = Location(here.path, here.side.sandbox_id, here.title if here.side.sandbox_id else "")
        target = Location(there.path, there.side.sandbox_id, there.title if there.side.sandbox_id else "")
        self.work(self._compare(source, target), "sync")

    async def _compare(self, source: Location, target: Location) -> None:
        flow = self.services.transfers
        # In a thread, since large trees take a while.
        notice = asyncio.get_running_loop().call_later(
            LONG_SECONDS, self.services.notifier.notify, "Comparing directories …"
        )
        try:
            ignore = await asyncio.to_thread(_patterns, source)
            spec = TransferSpec(source, target, secrets.token_hex(4), Existing.DIFFERENT, keep=True, ignore=ignore)
            found = await flow.compare(spec)
        except (FilesError, TransferError, SandboxClientError, OSError) as error:
            self.services.notifier.notify(f"Comparison failed: {clean(reason(error))}", "error")
            return
        finally:
            notice.cancel()
        watched = None if source.sandbox_id is not None else flow.is_watched(spec)

        def on_result(answer: str | None) -> None:
            if answer in {"copy", "delete"}:
                flow.add([replace(spec, delete=answer == "delete")])
            elif answer == "watch":
                flow.watch(spec)

        if self.is_attached:
            self.app.push_screen(SyncDialog(spec, found, watched=watched), on_result)

    def _named(self) -> Sequence[str]:
        """Return the sandboxes of the transfer under the cursor, the target first, or the one of the pane."""
        if not self.query_one("#queue").has_focus:
            sandbox_id = self.pane.side.sandbox_id
            return [sandbox_id] if sandbox_id is not None else []
        spec = transfer.spec if (transfer := self.transfer) is not None else None
        sides = (spec.target, spec.source) if spec is not None else ()
        return [side.sandbox_id for side in sides if side.sandbox_id is not None]

    @property
    def queue(self) -> TransferQueue | None:
        """The queue of this connection."""
        return self.services.transfers.queue

    @property
    def transfer(self) -> Transfer | None:
        """The transfer under the cursor of the queue."""
        queue = self.queue
        place = self.query_one("#queue", OutputView).cursor
        return queue.transfers[place] if queue is not None and place < len(queue.transfers) else None

    def action_copy(self) -> None:
        self._copy({})

    def action_copy_as(self) -> None:
        choices = [Choice(key, key, title) for key, (title, _) in WAYS.items()]

        def on_result(key: str | None) -> None:
            if key:
                self._copy(WAYS[key][1])

        self.app.push_screen(ChooseDialog("Copy", choices), on_result)

    def _copy(self, options: dict[str, object]) -> None:
        specs = [replace(spec, **options) for spec in self._specs(self.chosen)]  # type: ignore[arg-type]
        if not specs:
            return
        boxes = len(self.sandbox_ids)

        def on_result(confirmed: bool | None) -> None:
            if confirmed:
                self._begin(specs)

        if boxes > 1:
            kind = "Upload to" if self.pane.side.sandbox_id is None else "Download from"
            names = [self.name_of(sandbox_id) for sandbox_id in self.sandbox_ids]
            chosen, pane, target = self.chosen, self.pane, self.other.path

            def question() -> str:
                return copy_text(chosen, pane.sizes, target, names)

            dialog = AskDialog(f"{kind} {boxes} sandboxes", question(), "Copy", danger=False)
            self.app.push_screen(dialog, on_result)
            self._add_sizes(dialog, chosen, pane, question)
        else:
            self._begin(specs)

    def _add_sizes(
        self, dialog: AskDialog, chosen: Sequence[FileEntry], pane: Pane, question: Callable[[], str]
    ) -> None:
        """Measure the directories that a question names while it is asked, and say in it how large they are."""
        folders = [entry for entry in chosen if entry.is_folder and not entry.target and entry.name not in pane.sizes]

        async def measure() -> None:
            for entry in folders:
                with suppress(FilesError):
                    pane.sizes[entry.name] = (await pane.side.measure(join(pane.path, entry.name))).size
                if not dialog.is_attached:
                    return
                dialog.ask(question())

        if folders:
            self.work(measure(), "sizes")

    def take_dropped(self, path: Path) -> None:
        """Upload a file that was dropped into the page to the directory of the sandbox that is shown."""
        pane = next((each for each in (self.pane, self.other) if each.side.sandbox_id is not None), None)
        services = self.services
        if services.contexts.read_only:
            services.notifier.refuse("This context is read-only", "upload")
        elif pane is None:
            services.notifier.refuse("Both panes show this machine", "upload")
        else:
            target = Location(join(pane.path, path.name), pane.side.sandbox_id, pane.title)
            specs = [TransferSpec(Location(str(path)), target, secrets.token_hex(4))]
            question = f"{clean(path.name)} is copied to {clean(pane.path)}"
            services.contexts.sure("Upload", question, lambda: services.transfers.add(specs))

    def _begin(self, specs: list[TransferSpec]) -> None:
        self.services.transfers.add(specs)
        self.pane.marks.clear()
        self.draw_pane(self.active)

    def _specs(self, entries: list[FileEntry]) -> list[TransferSpec]:
        """Return a spec for all entries, and for each marked sandbox."""
        here, there, batch = self.pane, self.other, secrets.token_hex(4)
        if here.side.sandbox_id is None and there.side.sandbox_id is None:
            side = self.services.key_of("files.side")
            self.services.notifier.refuse(
                f"Both panes show this machine: press {side} to switch one to a sandbox", "copy"
            )
            return []
        if here.side.sandbox_id is not None and there.side.sandbox_id is not None:
            source, target = (
                Location("", here.side.sandbox_id, here.title),
                Location("", there.side.sandbox_id, there.title),
            )
            return [_spec(source, here.path, target, there.path, entries, batch)] if entries else []
        if not entries:
            return []
        shown = here.side.sandbox_id or there.side.sandbox_id
        boxes = self.sandbox_ids if len(self.sandbox_ids) > 1 and shown in self.sandbox_ids else [shown or ""]
        names = [as_name(self.name_of(box), box) for box in boxes]
        specs = []
        for box, name in zip(boxes, names, strict=True):
            sandbox, local = Location("", box, self.name_of(box)), Location("")
            if here.side.sandbox_id is None:
                specs.append(_spec(local, here.path, sandbox, there.path, entries, batch))
                continue
            folder = there.path
            if len(boxes) > 1:
                folder = join(folder, name if names.count(name) == 1 else f"{name}-{box}")
            specs.append(_spec(sandbox, here.path, local, folder, entries, batch))
        return specs

    def action_queue(self) -> None:
        queue = self.query_one("#queue", OutputView)
        if queue.has_focus:
            self.remove_class("-queue")
            self.table(self.active).focus()
        else:
            self.add_class("-queue")
            queue.focus()

    def action_cancel(self) -> None:
        if self.queue is not None and (transfer := self.transfer) is not None:
            self.queue.cancel(transfer.id)

    def action_pause(self) -> None:
        if self.queue is None or (transfer := self.transfer) is None:
            return
        if transfer.state is TransferState.PAUSED:
            self.queue.resume(transfer.id)
        else:
            self.queue.pause(transfer.id)

    def action_again(self) -> None:
        if self.queue is not None and (transfer := self.transfer) is not None:
            self.queue.retry(transfer.id)

    def action_clear(self) -> None:
        if self.queue is not None:
            self.queue.clear_finished()

    def action_sooner(self) -> None:
        self._move(-1)

    def action_later(self) -> None:
        self._move(1)

    def _move(self, step: int) -> None:
        if self.queue is not None and (transfer := self.transfer) is not None:
            self.queue.move(transfer.id, step)
            self.query_one("#queue", OutputView).action_move(step)

    @property
    def chosen(self) -> list[FileEntry]:
        """The target of an action: the marked entries, or else the one under the cursor."""
        return self.pane.chosen(self.table(self.active).name_at_cursor)

    def action_up(self) -> None:
        if not self.pane.is_root:
            self.go(self.active, parent(self.pane.path))

    def action_go(self) -> None:
        pane, number = self.pane, self.active

        def on_result(text: str | None) -> None:
            if text:
                whole = str(with_home(Path(text))) if pane.side.sandbox_id is None else text
                self.go(number, posixpath.normpath(posixpath.join(pane.path, whole)))

        dialog = ValueDialog(f"Go to path in {pane.title}", "path", "/workspace, ../data", _no_nul)
        self.app.push_screen(dialog, on_result)

    def action_same(self) -> None:
        self.go(1 - self.active, self.pane.path)

    def action_reload(self) -> None:
        self.reload()

    def action_side(self) -> None:
        number, session = self.active, self.services.platform.session
        rows = [] if session is None else [row for row in session.store if row.status == "RUNNING"]
        choices = [Choice("local", "l", "this machine")]
        choices += [Choice(row.id, "", row.sandbox.name, row.id) for row in rows[:SIDES_SHOWN]]

        def on_result(answer: str | None) -> None:
            if answer:
                self.panes[number] = self.make_pane(None if answer == "local" else answer)
                self.table(number).show([], set())
                self.go(number, self.panes[number].path)

        self.app.push_screen(ChooseDialog("Switch machine", choices), on_result)

    def action_bookmarks(self) -> None:
        pane, number = self.pane, self.active
        known = self.services.bookmarks.of(pane.side.sandbox_id is None)
        here = "Remove bookmark" if pane.path in known else "Bookmark this directory"
        choices = [Choice("here", "b", here, pane.path)]
        choices += [Choice(f"go {n}", str(n) if n < 10 else "", path) for n, path in enumerate(known, 1)]

        def on_result(answer: str | None) -> None:
            if answer == "here":
                self.services.bookmarks.toggle(pane.side.sandbox_id is None, pane.path)
            elif answer:
                self.go(number, known[int(answer.removeprefix("go ")) - 1])

        self.app.push_screen(ChooseDialog("Bookmarks", choices), on_result)

    def action_hidden(self) -> None:
        self._arrange(lambda pane: setattr(pane, "hidden", not pane.hidden))
        listing = self.pane.listing
        if listing is not None and not any(entry.is_hidden for entry in listing.entries):
            # The list does not change, so notify.
            self.services.notifier.notify(
                f"Hidden files {'shown' if self.pane.hidden else 'hidden'} (none in this directory)"
            )

    def action_sort(self) -> None:
        self._arrange(Pane.next_order)

    def action_reverse(self) -> None:
        self._arrange(lambda pane: setattr(pane, "descending", not pane.descending))

    def action_filter(self) -> None:
        # At once, since the next keys are for the field.
        self.set_focus(self.filter_field)

    def _arrange(self, change: Callable[[Pane], object]) -> None:
        change(self.pane)
        self.pane.arrange()
        self.draw_pane(self.active)

    def action_mark(self) -> None:
        """Toggle the mark of the entry, or mark the range, and go to the next row."""
        table, entry = self.table(self.active), self.entry
        if table.has_anchor:
            self.pane.marks |= set(table.range_names) - {UP}
            table.set_anchor(False)
        elif entry is not None and entry.name != UP:
            self.pane.marks ^= {entry.name}
        self.draw_pane(self.active)
        table.action_move(1)

    def action_range(self) -> None:
        """Start a range, or mark it."""
        table = self.table(self.active)
        if table.has_anchor:
            self.action_mark()
        else:
            table.set_anchor(True)
            self.draw_chrome(self.active)

    def action_mark_all(self) -> None:
        self.pane.marks |= {row.name for row in self.pane.rows} - {UP}
        self.draw_pane(self.active)

    def action_unmark(self) -> None:
        self.pane.marks.clear()
        self.table(self.active).set_anchor(False)
        self.draw_pane(self.active)

    def action_mkdir(self) -> None:
        pane, number = self.pane, self.active

        async def make(name: str) -> None:
            if await self._try(pane.side.make_folders([join(pane.path, name)]), "not created"):
                pane.cursors[pane.path] = name
                await self._list(number, pane.path, fresh=True)

        def on_result(name: str | None) -> None:
            if name:
                self.work(make(name))

        self.app.push_screen(ValueDialog(f"New directory in {pane.path}", "name", "results", _bad_name), on_result)

    def action_rename(self) -> None:
        entry, pane, number = self.entry, self.pane, self.active
        if entry is None or entry.name == UP:
            return

        async def rename(name: str) -> None:
            if await self._try(pane.side.rename(join(pane.path, entry.name), name), "not renamed"):
                pane.cursors[pane.path] = name
                await self._list(number, pane.path, fresh=True)

        def on_result(name: str | None) -> None:
            if name and name != entry.name:
                self.work(rename(name))

        # A name with unprintable characters is not prefilled: the field would show it raw.
        old = entry.name if is_text(entry.name) and entry.name.isprintable() else ""
        dialog = ValueDialog(f"Rename {clean(entry.name)}", "name", "results.json", _bad_name, old)
        self.app.push_screen(dialog, on_result)

    def action_delete(self) -> None:
        chosen, pane, number = self.chosen, self.pane, self.active
        if not chosen:
            return

        async def remove() -> None:
            await self._try(pane.side.remove([join(pane.path, entry.name) for entry in chosen]), "not deleted")
            pane.marks.clear()
            await self._list(number, pane.path, fresh=False)

        def on_result(confirmed: bool | None) -> None:
            if confirmed:
                self.work(remove())

        count = "1 entry" if len(chosen) == 1 else f"{len(chosen):,} entries"

        def question() -> str:
            return delete_text(chosen, pane.sizes, pane.title, pane.path)

        dialog = AskDialog(f"Delete {count}", question(), "Delete")
        self.app.push_screen(dialog, on_result)
        self._add_sizes(dialog, chosen, pane, question)

    def action_permissions(self) -> None:
        chosen, pane, number = self.chosen, self.pane, self.active
        if not chosen:
            return

        async def change(mode: int) -> None:
            paths = [join(pane.path, entry.name) for entry in chosen]
            await self._try(pane.side.set_permissions(paths, mode), "permissions not changed")
            await self._list(number, pane.path, fresh=False)

        def on_result(text: str | None) -> None:
            if text:
                self.work(change(int(text, 8)))

        title = f"Permissions (now {permissions_text(chosen[0].mode)})"
        first = f"{chosen[0].permissions:03o}"
        self.app.push_screen(ValueDialog(title, "octal mode", "644, 755", _bad_mode, first), on_result)

    def action_measure(self) -> None:
        pane, number = self.pane, self.active
        folders = [entry for entry in self.chosen if entry.is_folder]

        async def count() -> None:
            for entry in folders:
                try:
                    found = await pane.side.measure(join(pane.path, entry.name))
                except FilesError as error:
                    self.services.notifier.notify(f"Size of {clean(entry.name)} not available: {error}", "error")
                    continue
                pane.sizes[entry.name] = found.size
                self.services.notifier.notify(f"{clean(entry.name)}/: {size_text(found.size)} in {found.files:,} files")
                if self.is_attached:
                    pane.arrange()
                    self.draw_pane(number)
                    self.table(number).redraw()

        if folders:
            self.work(count())

    def action_yank(self) -> None:
        if (entry := self.entry) is not None:
            self.services.clipboard.copy(self.pane.destination(entry))

    async def _try(self, work: object, text: str) -> bool:
        try:
            await work  # type: ignore[misc]
        except FilesError as error:
            self.services.notifier.notify(f"{clean(str(error))}: {text}", "error")
            return False
        return True

    @property
    def pane(self) -> Pane:
        """The pane that has, or last had, the focus."""
        return self.panes[self.active]

    @property
    def other(self) -> Pane:
        """The other pane."""
        return self.panes[1 - self.active]

    @property
    def entry(self) -> FileEntry | None:
        """The entry under the cursor."""
        return self.table(self.active).entry

    @property
    def is_ready(self) -> bool:
        """Whether all widgets are mounted: children of a panel are mounted after the screen."""
        return (
            self.is_attached and len(self.query(".files-foot")) == len(self.panes) == 2 and bool(self.query("#queue"))
        )

    def table(self, number: int) -> FileTable:
        """Return the table of a pane."""
        return self.query_one(f"#files-{number}", FileTable)

    def name_of(self, sandbox_id: str) -> str:
        """Return the name of a sandbox; not cleaned yet."""
        session = self.services.platform.session
        row = session.store.get(sandbox_id) if session is not None else None
        return row.sandbox.name if row is not None else sandbox_id

    def make_pane(self, sandbox_id: str | None) -> Pane:
        """Return a pane for a sandbox, or for this machine."""
        session = self.services.platform.session
        if sandbox_id is None or session is None:
            return Pane(LocalFileSystem(), "local", str(Path.cwd()))
        return Pane(SandboxFileSystem(session.client, sandbox_id), self.name_of(sandbox_id))

    def work(self, flow: Coroutine[Any, Any, None], group: str = "files") -> None:
        """Start a coroutine that belongs to this screen."""
        self.run_flow(flow, group)

    def go(self, number: int, path: str, *, fresh: bool = True) -> None:
        """Load a directory into a pane; ``fresh`` restores the cursor from the last visit."""
        pane = self.panes[number]
        name = self.table(number).name_at_cursor
        if name is not None:
            pane.cursors[pane.path] = name
        self.work(self._list(number, path, fresh=fresh), f"files {number}")

    def reload(self, *numbers: int) -> None:
        """Reload; the cursor stays."""
        for number in numbers or (0, 1):
            self.go(number, self.panes[number].path, fresh=False)

    async def _list(self, number: int, path: str, *, fresh: bool) -> None:
        pane, came_from = self.panes[number], self.panes[number].path
        before = pane.problem
        pane.loading = True
        self.draw_chrome(number)
        try:
            listing = await pane.side.read_folder(path)
            sizes = dict(pane.sizes) if listing.path == pane.path else {}
            order, descending = pane.order, pane.descending
            ordered = await asyncio.to_thread(in_order, listing.entries, order, descending=descending, sizes=sizes)
        except FilesError as error:
            pane.problem = str(error)
            if pane.problem == before:
                # The pane already shows the error: without a notification the retry would go unnoticed.
                self.services.notifier.notify(f"{pane.title}: {path} can't be listed: {error}", "error")
        else:
            pane.take(listing, self.services.clock.monotonic(), ordered)
        finally:
            pane.loading = False
        if self.is_ready and pane is self.panes[number]:
            # A pane that failed to load keeps its content and cursor.
            self.draw_pane(number, pane.cursor_after(came_from) if fresh and not pane.problem else None)

    def draw_pane(self, number: int, go_to: str | None = None) -> None:
        """Redraw a pane with its frame."""
        pane = self.panes[number]
        self.table(number).show(pane.rows, pane.marks, go_to)
        self.draw_chrome(number)

    def draw_chrome(self, number: int) -> None:
        """Redraw title, counts and footer of a pane, and the header line."""
        if not self.is_ready:
            return
        pane = self.panes[number]
        self.table(number).show_empty(self._empty_line(pane))
        panel = self.query_one(f"#files-panel-{number}")
        room = max(10, panel.size.width - 22)
        show_frame(panel, title_text(pane, room), state_text(pane, self.services.clock.monotonic()))
        self.query_one(f"#files-foot-{number}", ChromeLine).show(foot_pieces(pane), [])
        if number == self.active and not self.filter_field.has_focus and self.filter_field.value != pane.filter:
            self.filter_field.value = pane.filter
        self._draw_way()

    def _empty_line(self, pane: Pane) -> list[Piece]:
        """Return the line of a pane without entries."""
        key = self.services.key_of
        # The foot of the pane gives the reason of a failure.
        state = replace(pane.load_state, detail="")
        what = "files" if pane.path == "." else clean(pane.path)
        if unknown := load_pieces(state, what, key("files.reload")):
            return [Piece("  "), *unknown]
        text = f"no matches: {key('files.back')} clears the filter" if pane.filter else "empty directory"
        return [Piece(f"   {text}", "dim")]

    def _draw_way(self) -> None:
        left, right = self.panes
        header = [
            Piece(f" {clean(left.title)} {clean(left.path)}", "bright" if self.active == 0 else "dim"),
            Piece("    ⇄    ", "dim"),
            Piece(f"{clean(right.title)}:{clean(right.path)}", "bright" if self.active == 1 else "dim"),
        ]
        if len(self.sandbox_ids) > 1:
            header.append(Piece(f"    target: all {len(self.sandbox_ids)} marked sandboxes", "busy"))
        marks = self.pane.marks
        if count := len(self.table(self.active).range_names):
            key = self.services.key_of
            header.append(Piece(f"    range: {count} rows · ", "key"))
            header.append(Piece(f"{key('files.mark')} mark · {key('files.back')} cancel", "dim"))
        marked = [Piece(f"{len(marks)} marked · {size_text(self.pane.marked_size)} ", "key")] if marks else []
        self.query_one("#files-way", ChromeLine).show(header, marked)

    def line(self, number: int, entry: FileEntry, width: int) -> list[Piece]:
        """Render one entry of a pane."""
        measured = self.panes[number].sizes.get(entry.name)
        return entry_pieces(entry, width, self.services.clock.now(), measured)

    def head(self, number: int, width: int) -> list[Piece]:
        """Render the column headings of a pane."""
        return head_pieces(self.panes[number], width) if self.panes else []

    @property
    def filter_field(self) -> Input:
        """The filter input."""
        return self.query_one("#files-filter", Input)


def _bad_name(text: str) -> str:
    try:
        check_name(text.strip())
    except FilesError as error:
        return str(error)
    return ""


def _bad_mode(text: str) -> str:
    good = 1 <= len(text.strip()) <= 4 and all(c in "01234567" for c in text.strip())
    return "" if good else "expected three or four octal digits, such as 644"


def _no_nul(text: str) -> str:
    return "" if text.strip() and "\0" not in text else "a path is required"


def _spec(
    source: Location, folder: str, target: Location, goal: str, entries: list[FileEntry], batch: str
) -> TransferSpec:
    if len(entries) == 1:
        folder, goal = join(folder, entries[0].name), join(goal, entries[0].name)
    names = tuple(entry.name for entry in entries) if len(entries) > 1 else ()
    return TransferSpec(replace(source, path=folder), replace(target, path=goal), batch, names=names)


def _patterns(source: Location) -> tuple[str, ...]:
    """Return the patterns of the source's ``.gitignore``, plus ``.git/``."""
    path = Path(source.path, ".gitignore")
    if source.sandbox_id is not None or not path.is_file():
        return ()
    return (".git/", *path.read_text(encoding="utf-8", errors="replace").splitlines())
