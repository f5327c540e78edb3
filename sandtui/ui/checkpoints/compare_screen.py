"""Compares the files of two sandboxes or checkpoints: the paths that differ, and the lines of the current one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from sandtui.client import SandboxClientError
from sandtui.fleet.checkpoints.compare import Change, FileChange
from sandtui.fleet.checkpoints.comparison import Comparison, Patch
from sandtui.fleet.checkpoints.sides import Side
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.loading import load_pieces, why_not_loaded
from sandtui.ui.rendering.text import Piece, Role, fit_middle, width_of
from sandtui.ui.rendering.units import duration, short_size
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.panel import show_frame
from sandtui.ui.widgets.row_list import RowList

WHAT = "differences"
SIGNS: dict[Change, tuple[str, Role]] = {
    Change.ADDED: ("A", "good"),
    Change.REMOVED: ("D", "bad"),
    Change.CHANGED: ("M", "busy"),
}
LINE_ROLES: dict[str, Role] = {"+": "good", "-": "bad", "@": "info", "\\": "dim"}
SIZES = 15
"""Cells of the sizes beside a path."""
DETAIL = 11
READING_SECONDS = 0.15
"""How long the cursor rests on a path before its lines are read."""


class CompareScreen(AppScreen):
    """Two sides. What was created to read a checkpoint is deleted when the screen closes."""

    SCOPE = "compare"
    BINDINGS: ClassVar[list[BindingType]] = bindings("compare")
    AUTO_FOCUS = "#changes"

    def __init__(self, services: Services, before: Side, after: Side, path: str = "/") -> None:
        super().__init__(services)
        self._before, self._after, self._path = before, after, path
        self.comparison: Comparison | None = None
        self._began = 0.0
        self._shown: list[FileChange] = []
        self.patch: Patch | None = None
        self._patch_problem = ""
        self.read: FileChange | None = None
        """The path whose lines are shown, or being read."""

    def compose_body(self) -> Iterable[Widget]:
        yield Input(placeholder="filter by path", compact=True, id="compare-filter")
        with Vertical(id="changes-panel", classes="panel"):
            yield RowList(self._line, id="changes")
        with Vertical(id="patch-panel", classes="panel"):
            yield OutputView(self._patch_line, follows=False, id="patch")

    def crumbs(self) -> list[str]:
        return ["Fleet", "Compare"]

    @property
    def is_of_fleet(self) -> bool:
        return False

    @property
    def changes_view(self) -> RowList:
        """The paths that differ."""
        return self.query_one("#changes", RowList)

    @property
    def patch_view(self) -> OutputView:
        """The lines of the current path."""
        return self.query_one("#patch", OutputView)

    @property
    def filter_field(self) -> Input:
        """The filter."""
        return self.query_one(Input)

    @property
    def change(self) -> FileChange | None:
        """The path under the cursor."""
        cursor = self.changes_view.cursor
        return self._shown[cursor] if cursor < len(self._shown) else None

    @property
    def is_comparing(self) -> bool:
        """Whether the differences are still looked for."""
        return self.comparison is not None and self.comparison.state.is_loading

    def hint_scopes(self) -> tuple[str, ...]:
        """Return the scope; none while the filter has the focus."""
        return () if self.filter_field.has_focus else (self.SCOPE,)

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        comparison = self.comparison
        if comparison is None or not comparison.state.is_loaded:
            return [], []
        pieces = []
        for change, (sign, role) in SIGNS.items():
            if count := comparison.count(change):
                pieces.append(Piece(f"{sign} {count:,} {change.value}   ", role))
        return pieces, [Piece(clean(self._path), "dim")]

    def on_mount(self) -> None:
        self.filter_field.display = False
        self._start()

    def on_unmount(self) -> None:
        if self.comparison is not None:
            if self.is_comparing:
                self.services.work.cancel(self._group)
            self.comparison.close()

    def tick(self) -> None:
        super().tick()
        if self.is_comparing:
            self.changes_view.refresh()

    def on_resize(self, _: events.Resize) -> None:
        self.call_after_refresh(self._draw)

    def on_row_list_moved(self, _: RowList.Moved) -> None:
        self._read_soon()
        self.update_chrome()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.changes_view.focus()

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        if not self.query("#changes") or self.comparison is None:
            return ""
        key = self.services.key_of
        if action == "cancel" and not self.is_comparing:
            return "Nothing to stop"
        if action in {"open", "copy", "filter"}:
            if reason := why_not_loaded(self.comparison.state, WHAT, key("compare.reload")):
                return reason
            if action != "filter" and self.change is None:
                return "No differences"
        return ""

    # Actions

    def action_open(self) -> None:
        self.patch_view.focus()

    def action_pane(self) -> None:
        (self.changes_view if self.patch_view.has_focus else self.patch_view).focus()

    def action_cancel(self) -> None:
        self.services.work.cancel(self._group)

    def action_go(self) -> None:
        def check(text: str) -> str:
            is_path = text.strip().startswith("/") and "\0" not in text
            return "" if is_path else "use an absolute path, such as /workspace"

        def on_result(path: str | None) -> None:
            if path:
                self._path = path.rstrip("/") or "/"
                self.action_reload()

        self.app.push_screen(ValueDialog("Compare below", "path", "/workspace", check, self._path), on_result)

    def action_filter(self) -> None:
        self.filter_field.display = True
        self.filter_field.focus()

    def action_wrap(self) -> None:
        self.patch_view.wrap = not self.patch_view.wrap
        self._show_patch()

    def action_copy(self) -> None:
        if self.comparison is not None and self.change is not None:
            self.services.clipboard.copy(self.comparison.full_path(self.change))

    def action_reload(self) -> None:
        if self.comparison is not None:
            if self.is_comparing:
                self.services.work.cancel(self._group)
            self.comparison.close()
        self._start()

    def action_back(self) -> None:
        """Leave the filter or the lines, clear the filter, then go back."""
        field = self.filter_field
        if field.has_focus or self.patch_view.has_focus:
            self.changes_view.focus()
        elif field.value:
            field.value = ""
        else:
            self.app.pop_screen()
        field.display = bool(field.value) or field.has_focus

    # Work

    @property
    def _group(self) -> str:
        return f"compare {id(self.comparison)}"

    def _start(self) -> None:
        session = self.services.platform.session
        if session is None:
            return
        self._began = self.services.clock.monotonic()
        self.comparison = comparison = Comparison(session.client, self._before, self._after, self._path)
        self.patch, self._patch_problem, self.read, self._shown = None, "", None, []
        self.listen(comparison.on_change, self._changed)
        notifier = self.services.notifier
        comparison.on_left.subscribe(lambda words: notifier.notify(words, "error"))
        # It ends after the screen: what it has created is deleted.
        self.services.work.start(comparison.run(), self._group)
        self._draw()

    def _read_soon(self) -> None:
        self.patch, self._patch_problem, self.read = None, "", self.change
        self._show_patch()
        if self.read is not None:
            self.set_timer(READING_SECONDS, lambda change=self.read: self._read_now(change))

    def _read_now(self, change: FileChange) -> None:
        if change is self.read:
            self.run_flow(self._read_patch(change), "compare-lines", exclusive=True)

    async def _read_patch(self, change: FileChange) -> None:
        if self.comparison is None:
            return
        try:
            patch, problem = await self.comparison.patch(change), ""
        except (SandboxClientError, FilesError) as error:
            patch, problem = None, str(error)
        if change is self.read:
            self.patch, self._patch_problem = patch, problem
            self._show_patch()

    # Drawing

    def _changed(self) -> None:
        self.call_later(self._draw)

    def _draw(self) -> None:
        comparison = self.comparison
        if not self.is_mounted or comparison is None or not self.query("#patch"):
            return
        needle = self.filter_field.value.strip().lower()
        changes = comparison.changes if comparison.state.is_loaded else ()
        self._shown = [each for each in changes if needle in each.path.lower()]
        title = f"{clean(self._before.title)} → {clean(self._after.title)}"
        show_frame(self.query_one("#changes-panel"), title, f"{len(self._shown):,} differ")
        self.changes_view.show_rows([each.path for each in self._shown])
        if self.read is not self.change:
            self._read_soon()
        self._show_patch()
        self.update_chrome()

    def _line(self, number: int) -> list[Piece]:
        comparison = self.comparison
        if comparison is None:
            return []
        if not self._shown:
            key = self.services.key_of
            if unknown := load_pieces(comparison.state, WHAT, key("compare.reload")):
                if comparison.state.is_loading:
                    took = duration(max(0.0, self.services.clock.monotonic() - self._began))
                    unknown = [*unknown, Piece(f" · {took}", "dim"), Piece(f"   {key('compare.cancel')}", "key")]
                    unknown.append(Piece(" stop", "dim"))
                return unknown
            if self.filter_field.value:
                return [Piece(" No matches   ", "bright"), Piece(f"{key('compare.back')} clears the filter", "dim")]
            return [Piece(" No differences   ", "bright"), Piece(f"below {clean(self._path)}", "dim")]
        if number >= len(self._shown):
            return []
        change = self._shown[number]
        sign, role = SIGNS[change.change]
        room = max(10, (self.changes_view.size.width or 80) - SIZES - DETAIL - 8)
        return [
            Piece("▌" if number == self.changes_view.cursor else " ", "key"),
            Piece(f" {sign} ", role),
            Piece(fit_middle(clean(comparison.full_path(change)), room)),
            Piece(f" {change.detail:<{DETAIL}} ", "dim"),
            Piece(f"{_sizes(change):>{SIZES}}", "dim"),
        ]

    def _show_patch(self) -> None:
        view = self.patch_view
        name = clean(self.comparison.full_path(self.read)) if self.comparison is not None and self.read else ""
        room, wrapped = max(10, self.size.width - 12), "wrapped" if view.wrap else ""
        show_frame(self.query_one("#patch-panel"), fit_middle(name, room) if width_of(name) > room else name, wrapped)
        view.restart()
        count = 1 if self.patch is None else len(self.patch.notes) + len(self.patch.lines)
        view.show(count)
        view.refresh()

    def _patch_line(self, number: int) -> list[Piece]:
        patch = self.patch
        if patch is None:
            if self._patch_problem:
                return [Piece(f" ✖ {clean(self._patch_problem)}", "bad")]
            return [Piece(" ◌ Reading…", "waiting")] if self.read is not None else []
        if number < len(patch.notes):
            return [Piece(f" {clean(patch.notes[number])}", "dim")]
        number -= len(patch.notes)
        if number >= len(patch.lines):
            return []
        text = patch.lines[number]
        role = "bright" if text.startswith(("+++", "---")) else LINE_ROLES.get(text[:1], "text")
        return [Piece(f" {clean(text)}", role)]


def _sizes(change: FileChange) -> str:
    before, after = (None if each is None else short_size(each.size) for each in (change.before, change.after))
    if before is None or after is None or before == after:
        return after or before or ""
    return f"{before} → {after}"
