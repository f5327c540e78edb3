"""The preview screen: a window of a file as text, hex dump or archive listing; follows a growing file."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from sandtui.fleet.files.names import FilesError, base
from sandtui.fleet.files.preview import WINDOW, FileReader, FileType, FileWindow, hex_lines, image_facts, looks_like
from sandtui.fleet.load_state import LOADING
from sandtui.fleet.text.growing_line import GrowingLine
from sandtui.fleet.text.sanitize import clean, output_line
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.files.edit_flow import edit
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.code import code_lines
from sandtui.ui.rendering.loading import load_pieces
from sandtui.ui.rendering.text import Piece
from sandtui.ui.rendering.units import size_text
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.panel import show_frame

FOLLOW_SECONDS = 1.0
LINES_KEPT = 10_000
CHARACTERS_KEPT = 8_000_000
"""Maximum number of lines while following a file."""


class PreviewScreen(AppScreen):
    """Previews the file of ``reader``. ``title`` names the machine."""

    SCOPE = "preview"
    BINDINGS: ClassVar[list[BindingType]] = bindings("preview")
    AUTO_FOCUS = "#preview"

    def __init__(self, services: Services, reader: FileReader, title: str) -> None:
        super().__init__(services)
        self._reader, self._owner = reader, title
        self._lines: list[list[Piece]] = [load_pieces(LOADING, clean(base(reader.path)), "")]
        self._window = FileWindow(0, b"", 0)
        self._looks: FileType | None = None
        self._as_hex = False
        self._following = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._growing: GrowingLine | None = None
        """The incomplete last line."""
        self._state = ""

    def compose_body(self) -> Iterable[Widget]:
        with Vertical(id="preview-panel", classes="panel"):
            yield OutputView(self._line, follows=False, id="preview")

    def crumbs(self) -> list[str]:
        """Return the breadcrumbs."""
        return ["Fleet", clean(self._owner), "Files", clean(base(self._reader.path))]

    def on_mount(self) -> None:
        self._draw()
        self._read(0)

    def on_unmount(self) -> None:
        self._following = False

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        window = self._window
        if action == "next_part" and window.end >= window.total:
            return "Already at the end of the file"
        if action == "previous_part" and not window.offset:
            return "Already at the start of the file"
        if action in {"hex", "yank", "wrap"} and not window.data:
            return "Nothing to show: the file was not loaded"
        return ""

    def action_next_part(self) -> None:
        self._read(self._window.end)

    def action_previous_part(self) -> None:
        self._read(max(0, self._window.offset - WINDOW))

    def action_hex(self) -> None:
        self._as_hex = not self._as_hex
        self.run_flow(self._show(self._window), "preview")

    def action_wrap(self) -> None:
        view = self.query_one(OutputView)
        view.wrap = not view.wrap
        self._draw_frame()

    def action_follow(self) -> None:
        view = self.query_one(OutputView)
        if self._following and not view.following:
            view.follow()
        elif self._following:
            self._stop_following()
        else:
            self._following = view.follows = True
            self.run_flow(self._follow(), "preview", exclusive=True)
        self._draw_frame()

    def on_output_view_following_changed(self) -> None:
        self._draw_frame()

    def action_edit(self) -> None:
        self._stop_following()
        edit(self.app, self.services, self._reader, lambda: self._read(self._window.offset))

    def action_yank(self) -> None:
        index = self.query_one(OutputView).cursor
        if index < len(self._lines):
            self.services.clipboard.copy("".join(piece.text for piece in self._lines[index]))

    def action_back(self) -> None:
        self.app.pop_screen()

    def _stop_following(self) -> None:
        view = self.query_one(OutputView)
        self._following = view.follows = False
        view.pause()

    def _read(self, offset: int) -> None:
        self._stop_following()
        self.run_flow(self._look(offset), "preview")

    async def _look(self, offset: int) -> None:
        try:
            window = await self._reader.window(offset)
        except FilesError as error:
            self._lines = [[Piece(f" ✖ {clean(str(error))}", "bad")]]
            self._draw()
            return
        if self.is_attached:
            self.query_one(OutputView).restart()
        await self._show(window)

    async def _show(self, window: FileWindow) -> None:
        self._window = window
        if self._looks is None or window.offset == 0:
            self._looks = looks_like(window.data)
        looks = FileType.BYTES if self._as_hex else self._looks
        self._state = looks.value
        try:
            self._lines = await self._lines_of(window, looks)
        except FilesError as error:
            problem = [[Piece(f" ✖ {clean(str(error))}", "bad")], []]
            self._lines = problem + await self._lines_of(window, FileType.BYTES)
        self._draw()

    async def _lines_of(self, window: FileWindow, looks: FileType) -> list[list[Piece]]:
        if not window.data:
            return [[Piece(" empty file", "dim")]]
        if looks in {FileType.TAR, FileType.ZIP}:
            return [[Piece(clean(line))] for line in await self._reader.names(looks)]
        if looks is FileType.TEXT:
            text = window.data.decode("utf-8", "replace")
            return await asyncio.to_thread(code_lines, text, base(self._reader.path))
        facts = image_facts(window.data) if looks is FileType.IMAGE else None
        head = [[Piece(f" {facts}, {size_text(window.total)}", "bright")], []] if facts else []
        return head + [[Piece(line[:10], "dim"), Piece(line[10:])] for line in hex_lines(window)]

    async def _follow(self) -> None:
        """Read new data every second while the screen is visible; start again if the file was truncated."""
        try:
            window = await self._reader.window(-WINDOW)
            self._window, self._looks = window, FileType.TEXT
            self._lines = []
            self._restart_lines()
            if self.is_attached:
                self.query_one(OutputView).restart()
            self._append(window.data)
            end = window.end
            while self._following and self.is_attached:
                await self.services.clock.sleep(FOLLOW_SECONDS)
                window = await self._reader.window(end)
                if window.total < end:
                    window = await self._reader.window(0)
                    self._restart_lines()
                    self._lines.append([Piece("── file truncated ──", "busy")])
                if window.data and self._following:
                    self._window = window
                    self._append(window.data)
                end = window.end
        except FilesError as error:
            self._lines.append([Piece(f" ✖ {clean(str(error))}", "bad")])
        if self.is_mounted:
            self._stop_following()
        self._draw()

    def _restart_lines(self) -> None:
        self._decoder.reset()
        self._growing = None

    def _append(self, data: bytes) -> None:
        """Append data; the last line grows until its newline arrives."""
        held = len(self._lines)
        first, *others = self._decoder.decode(data).split("\n")
        same = held - 1
        if self._growing is None:
            same = held
            if first or others:
                self._growing = GrowingLine()
                self._lines.append([])
        if self._growing is not None:
            self._growing.feed(first)
            self._lines[-1] = [Piece(output_line(self._growing.text))]
        for text in others:
            self._growing = GrowingLine()
            self._growing.feed(text)
            self._lines.append([Piece(output_line(self._growing.text))])
        if others and not others[-1]:
            # A trailing newline starts no new line yet.
            self._growing = None
            self._lines.pop()
        surplus = self._surplus()
        del self._lines[:surplus]
        self._draw(max(0, same - surplus), -surplus)

    def _surplus(self) -> int:
        """Return the number of lines to drop."""
        surplus = max(0, len(self._lines) - LINES_KEPT)
        sizes = [sum(len(piece.text) for piece in line) for line in self._lines]
        left = sum(sizes[surplus:])
        while left > CHARACTERS_KEPT:
            left -= sizes[surplus]
            surplus += 1
        return surplus

    def _line(self, number: int) -> list[Piece]:
        return self._lines[number] if number < len(self._lines) else []

    def _draw(self, same: int = 0, shift: int = 0) -> None:
        if self.is_mounted:
            self.query_one(OutputView).show(len(self._lines), same=same, shift=shift)
            self._draw_frame()

    def _draw_frame(self) -> None:
        if not self.is_mounted:
            return
        window, view = self._window, self.query_one(OutputView)
        panel = self.query_one("#preview-panel")
        index = f"{size_text(window.total)}"
        if len(window.data) < window.total and self._looks not in {FileType.TAR, FileType.ZIP}:
            index = f"bytes {window.offset:,} to {window.end:,} of {window.total:,}"
        parts = [self._state, index]
        if self._following:
            parts.append("● following" if view.following else "‖ paused")
        if view.wrap:
            parts.append("wrapped")
        show_frame(panel, f"{clean(self._owner)}  {clean(self._reader.path)}", " · ".join(parts))
        self.update_chrome()
