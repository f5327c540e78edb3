"""The two panes: listing, drawing, and where the cursor is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from textual.widgets import Input

from sandtui.fleet.files.entry import Entry
from sandtui.fleet.files.local import LocalSide
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.files.pane import Pane, in_order
from sandtui.fleet.files.remote import SandboxSide
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.files.entries import entry_pieces, foot_pieces, head_pieces, state_text, title_text
from sandtui.ui.files.table import FileTable
from sandtui.ui.rendering.text import Content, Piece
from sandtui.ui.rendering.units import size_text
from sandtui.ui.services.bundle import Services


class FilePanes(AppScreen):
    """What the actions of the file browser work on. ``sandbox_ids`` are those that copies go to."""

    def __init__(self, services: Services, sandbox_ids: list[str]) -> None:
        super().__init__(services)
        self.sandbox_ids = sandbox_ids
        self.panes: list[Pane] = []
        self.active = 1
        """The pane that keys are for: the sandbox's at first, for its files are what one came to see."""

    @property
    def pane(self) -> Pane:
        """The pane that has, or last had, the focus."""
        return self.panes[self.active]

    @property
    def other(self) -> Pane:
        """The pane across."""
        return self.panes[1 - self.active]

    @property
    def entry(self) -> Entry | None:
        """The entry under the cursor."""
        return self.table(self.active).entry

    @property
    def is_ready(self) -> bool:
        """Whether everything is there to be drawn: what is inside a panel comes after the screen."""
        return (
            self.is_attached and len(self.query(".files-foot")) == len(self.panes) == 2 and bool(self.query("#queue"))
        )

    def table(self, number: int) -> FileTable:
        """Return the table of a pane."""
        return self.query_one(f"#files-{number}", FileTable)

    def name_of(self, sandbox_id: str) -> str:
        """Return what a sandbox is called; made safe where it is drawn."""
        session = self.services.platform.session
        row = session.store.get(sandbox_id) if session is not None else None
        return row.sandbox.name if row is not None else sandbox_id

    def make_pane(self, sandbox_id: str | None) -> Pane:
        """Return a pane on a sandbox, or on this machine."""
        session = self.services.platform.session
        if sandbox_id is None or session is None:
            return Pane(LocalSide(), "local", str(Path.cwd()))
        return Pane(SandboxSide(session.client, sandbox_id), self.name_of(sandbox_id))

    def work(self, flow: Coroutine[Any, Any, None], group: str = "files") -> None:
        """Start a coroutine that belongs to this screen."""
        self.run_flow(flow, group)

    def go(self, number: int, path: str, *, fresh: bool = True) -> None:
        """List a directory in a pane; ``fresh`` puts the cursor where it was when the directory was left."""
        pane = self.panes[number]
        name = self.table(number).name_at_cursor
        if name is not None:
            pane.places[pane.path] = name
        self.work(self._list(number, path, fresh=fresh), f"files {number}")

    def reload(self, *numbers: int) -> None:
        """List again; the cursor stays."""
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
                # The pane tells it already: that it was tried again would not be seen.
                self.services.notifier.notify(f"{pane.title}: {path} can't be listed: {error}", "error")
        else:
            pane.take(listing, self.services.clock.monotonic(), ordered)
        finally:
            pane.loading = False
        if self.is_ready and pane is self.panes[number]:
            # A pane that could not be listed keeps what it showed, and its place.
            self.draw_pane(number, pane.cursor_after(came_from) if fresh and not pane.problem else None)

    def draw_pane(self, number: int, go_to: str | None = None) -> None:
        """Draw the rows of a pane and what is around them."""
        pane = self.panes[number]
        table = self.table(number)
        words = (
            f"nothing matches: {self.services.key_of('files.back')} clears the filter"
            if pane.filter
            else "this directory is empty"
        )
        table.empty = [Piece(f"   {words if pane.listing is not None else ''}", "dim")]
        table.show(pane.rows, pane.marks, go_to)
        self.draw_chrome(number)

    def draw_chrome(self, number: int) -> None:
        """Draw title, counts and foot of a pane, and the line above both."""
        if not self.is_ready:
            return
        pane = self.panes[number]
        panel = self.query_one(f"#files-panel-{number}")
        room = max(10, panel.size.width - 22)
        panel.border_title = Content(title_text(pane, room))
        panel.border_subtitle = Content(state_text(pane, self.services.clock.monotonic()))
        self.query_one(f"#files-foot-{number}", ChromeLine).show(foot_pieces(pane), [])
        if number == self.active and not self.filter_field.has_focus and self.filter_field.value != pane.filter:
            self.filter_field.value = pane.filter
        self._draw_way()

    def _draw_way(self) -> None:
        left, right = self.panes
        way = [
            Piece(f" {clean(left.title)} {clean(left.path)}", "bright" if self.active == 0 else "dim"),
            Piece("    ⇄    ", "dim"),
            Piece(f"{clean(right.title)}:{clean(right.path)}", "bright" if self.active == 1 else "dim"),
        ]
        if len(self.sandbox_ids) > 1:
            way.append(Piece(f"    copies go to all {len(self.sandbox_ids)} marked sandboxes", "busy"))
        marks = self.pane.marks
        if count := len(self.table(self.active).range_names):
            key = self.services.key_of
            way.append(Piece(f"    range of {count}: ", "key"))
            way.append(Piece(f"{key('files.mark')} marks it, {key('files.back')} ends it", "dim"))
        told = [Piece(f"{len(marks)} marked · {size_text(self.pane.marked_size)} ", "key")] if marks else []
        self.query_one("#files-way", ChromeLine).show(way, told)

    def line(self, number: int, entry: Entry, width: int) -> list[Piece]:
        """Draw one entry of a pane."""
        measured = self.panes[number].sizes.get(entry.name)
        return entry_pieces(entry, width, self.services.clock.now(), measured)

    def head(self, number: int, width: int) -> list[Piece]:
        """Draw the line above the entries of a pane."""
        return head_pieces(self.panes[number], width) if self.panes else []

    @property
    def filter_field(self) -> Input:
        """Where the filter is typed."""
        return self.query_one("#files-filter", Input)
