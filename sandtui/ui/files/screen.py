"""The file browser: two panes and the queue of transfers below them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input

from sandtui.fleet.actions import BY_ID
from sandtui.fleet.files.entry import Entry
from sandtui.fleet.files.names import parent
from sandtui.fleet.files.pane import UP
from sandtui.fleet.files.preview import Reader
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.transfers.model import ACTIVE, State
from sandtui.ui.chrome.key_hints import Hint
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.files.edit_flow import edit
from sandtui.ui.files.preview import PreviewScreen
from sandtui.ui.files.screen_keys import NEEDS_ENTRY
from sandtui.ui.files.sync import Syncing
from sandtui.ui.files.table import FileTable
from sandtui.ui.files.transfers import queue_title, transfer_pieces
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.text import Content, Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView

PROGRESS_SECONDS = 0.5

QUEUE_KEYS = ("cancel", "pause", "again", "clear")
"""What the frame of the queue names."""

QUEUE_ACTIONS = frozenset({"cancel", "pause", "again", "clear", "sooner", "later"})
WORKS_ON_MARKS = frozenset({"copy", "copy_as", "delete", "permissions", "measure"})
NEEDS_LISTING = frozenset({"open", "mark_all", "sync", "mkdir", "sort", "reverse", "hidden", "filter"}) | NEEDS_ENTRY


class FilesScreen(Syncing):
    """This machine beside a sandbox, or two sandboxes. Copies go to all ``sandbox_ids``."""

    SCOPE = "files"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("files"), *bindings("queue")]
    AUTO_FOCUS = "#files-1"

    def __init__(self, services: Services, sandbox_ids: Sequence[str]) -> None:
        super().__init__(services, list(sandbox_ids))
        self._done: set[str] = set()

    def compose_body(self) -> Iterable[Widget]:
        """Way, panes, queue."""
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
            yield OutputView(self._transfer_line, follows=False, id="queue")

    def crumbs(self) -> list[str]:
        """Fleet, the sandbox, files."""
        more = f" +{len(self.sandbox_ids) - 1}" if len(self.sandbox_ids) > 1 else ""
        return ["Fleet", clean(self.name_of(self.sandbox_ids[0])) + more, "Files"]

    def hint_scopes(self) -> tuple[str, ...]:
        """In the queue its keys come first."""
        in_queue = self.focused is not None and self.focused.id == "queue"
        return ("queue", "files") if in_queue else ("files", "queue")

    def offered_hints(self) -> list[Hint]:
        """Leave the keys of the queue out while it is empty."""
        queue = self.services.transfers.queue
        empty = queue is None or not queue.transfers
        return [hint for hint in super().offered_hints() if not (empty and hint.action.startswith("queue."))]

    def on_mount(self) -> None:
        """List both sides."""
        super().on_mount()
        self.call_after_refresh(self._show_first)

    def _show_first(self) -> None:
        self.hear(self.services.transfers.changed, lambda _: self._queue_changed())
        self.set_interval(PROGRESS_SECONDS, self._draw_progress)
        self._draw_queue()
        for number in (0, 1):
            self.go(number, self.panes[number].path)

    def on_screen_resume(self) -> None:
        """Catch up, and ask what has to be asked."""
        super().on_screen_resume()
        self._queue_changed()

    def tick(self) -> None:
        """Let the ages grow."""
        super().tick()
        if not self.is_covered:
            for number in (0, 1):
                self.draw_chrome(number)

    def on_resize(self, event: events.Resize) -> None:
        """Draw what depends on the width."""
        super().on_resize(event)
        for number in (0, 1):
            self.call_after_refresh(self.draw_chrome, number)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Remember which pane is meant."""
        for number in (0, 1):
            if event.widget.id == f"files-{number}":
                self.active = number
                self.draw_chrome(number)
        if event.widget.id != "queue":
            self.remove_class("-queue")
        super().on_descendant_focus(event)

    def on_file_table_opened(self, event: FileTable.Opened) -> None:
        """Open what was clicked twice."""
        event.stop()
        self.action_open()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as one types."""
        event.stop()
        if self.filter_field.has_focus:
            self.pane.filter = event.value
            self.pane.arrange()
            self.draw_pane(self.active)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go back to the pane; the filter stays."""
        event.stop()
        self._leave_filter()

    def why_not(self, action: str) -> str:
        """Return why there is nothing that a key could be about, and what to do instead."""
        if not self.is_ready:
            return ""
        if action in QUEUE_ACTIONS:
            return self._why_not_in_queue(action)
        if action == "open" and self.query_one("#queue").has_focus:
            asks = self.queue is not None and self.queue.question() is not None
            return (
                "" if asks else f"Nothing is asked here: {self.services.key_of('files.pane')} goes back to the files."
            )
        return self._why_not_in_pane(action)

    def _why_not_in_pane(self, action: str) -> str:
        pane, entry, key = self.pane, self.entry, self.services.key_of
        marked = action in WORKS_ON_MARKS and bool(pane.marks)
        if action in NEEDS_LISTING and pane.listing is None:
            if not pane.problem:
                return "The files are still being listed."
            side, again, why = key("files.side"), key("files.reload"), clean(pane.problem)
            return f"{pane.title} can't be listed: {why}. {again} tries again, {side} shows another sandbox."
        if action == "up" and pane.is_root:
            return "This is the top directory."
        if action == "unmark" and not pane.marks and not self.table(self.active).has_anchor:
            return f"Nothing is marked: {key('files.mark')} marks."
        if action == "same" and self.other.path == pane.path and not self.other.problem:
            return "Both panes show the same path."
        if action == "mark_all" and all(row.name == UP for row in pane.rows):
            return self._why_empty()
        if action in NEEDS_ENTRY | {"open"} and not marked:
            if entry is None:
                return self._why_empty()
            if entry.name == UP and action not in {"yank", "open"}:
                return f"This line leads to the directory above: choose an entry below, or {key('files.open')} goes up."
        if action in {"view", "edit"} and entry is not None and entry.is_folder:
            return f"{clean(entry.name)} is a directory: {key('files.open')} opens it."
        if action == "measure" and not any(each.is_folder for each in self.chosen):
            return "Only a directory has a size to be counted: that of a file is shown beside it."
        return ""

    def _why_empty(self) -> str:
        key, pane = self.services.key_of, self.pane
        if pane.filter:
            return f"Nothing matches the filter: {key('files.back')} clears it."
        hidden = pane.listing is not None and any(entry.is_hidden for entry in pane.listing.entries)
        if hidden and not pane.hidden:
            return f"All names here begin with a dot: {key('files.hidden')} shows them."
        return f"This directory is empty: {key('files.up')} goes up, {key('files.pane')} to the other pane."

    def _why_not_in_queue(self, action: str) -> str:
        queue, transfer, key = self.queue, self.transfer, self.services.key_of
        if queue is None or transfer is None:
            return f"There is no transfer: {key('files.copy')} copies what is chosen to the other pane."
        if action == "clear":
            return "" if any(each.is_over for each in queue.transfers) else "No transfer is over yet."
        if action in {"cancel", "pause"} and transfer.is_over:
            return f"This transfer is over: {key('queue.clear')} takes it off the list."
        if action == "again" and transfer.state not in {State.FAILED, State.CANCELLED}:
            return "Only a transfer that failed or was cancelled can be tried again."
        if action == "sooner" and transfer is queue.transfers[0]:
            return "It is the first in the queue."
        if action == "later" and transfer is queue.transfers[-1]:
            return "It is the last in the queue."
        return ""

    def action_pane(self) -> None:
        """Go to the other pane, then to the queue."""
        queue = self.query_one("#queue", OutputView)
        if queue.has_focus:
            self.table(1).focus()
        elif self.active == 1 or not queue.display or not self.query_one("#queue-panel").display:
            self.table(1 - self.active).focus()
        else:
            queue.focus()

    def action_view(self) -> None:
        """Look at the file."""
        entry = self.entry
        if entry is not None and not entry.is_folder:
            self.app.push_screen(PreviewScreen(self.services, self._reader(entry), self.pane.title))

    def action_edit(self) -> None:
        """Edit the file."""
        entry, number = self.entry, self.active
        if entry is not None and not entry.is_folder:
            edit(self.app, self.services, self._reader(entry), lambda: self.reload(number))

    def _reader(self, entry: Entry) -> Reader:
        session = self.services.platform.session
        assert session is not None
        return Reader(session.client, self.pane.side.sandbox_id, self.pane.destination(entry))

    def action_open(self) -> None:
        """In the queue answer what is asked; in a pane open."""
        if self.query_one("#queue").has_focus:
            self.services.transfers.ask()
        else:
            super().action_open()

    def action_back(self) -> None:
        """Undo one step: the field, the queue, the range, the filter, the marks; then go back."""
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
        fresh = {each.id for each in queue.transfers if each.state is State.DONE} - self._done
        self._done |= fresh
        for number, pane in enumerate(self.panes):
            for each in queue.transfers:
                target = each.spec.target
                seen = pane.path in {target.path, parent(target.path)}
                if each.id in fresh and target.sandbox_id == pane.side.sandbox_id and seen:
                    self.reload(number)
                    break
        self._draw_queue()
        if len(queue.transfers) in {0, 1}:
            # The first brings the keys of the queue, and the last takes them away.
            self.update_chrome()
        if self.app.screen is self:
            self.services.transfers.ask()

    def _draw_progress(self) -> None:
        queue = self.queue
        if queue is not None and not self.is_covered and any(each.state in ACTIVE for each in queue.transfers):
            for each in queue.transfers:
                if each.state in ACTIVE:
                    each.sample(self.services.clock.monotonic())
            self._draw_queue()
            self.update_news()

    def _draw_queue(self) -> None:
        queue = self.queue
        panel = self.query_one("#queue-panel")
        panel.border_title = Content(queue_title(queue.totals) if queue is not None else "Transfers")
        panel.border_subtitle = Content(
            " · ".join(f"{self.services.key_of(f'queue.{name}')} {BY_ID[f'queue.{name}'].title}" for name in QUEUE_KEYS)
        )
        self.query_one("#queue", OutputView).show(max(1, len(queue.transfers)) if queue is not None else 1)

    def _transfer_line(self, number: int) -> list[Piece]:
        queue = self.queue
        if queue is None or not queue.transfers:
            if number:
                return []
            key = self.services.key_of("files.copy")
            return [Piece(" Nothing was copied yet   ", "dim"), Piece(f"{key} copies across", "dim")]
        if number >= len(queue.transfers):
            return []
        view = self.query_one("#queue", OutputView)
        bar = Piece("▌" if number == view.cursor and view.has_focus else " ", "key")
        return [bar, *transfer_pieces(queue.transfers[number], view.size.width - 2, self.services.key_of("files.open"))]
