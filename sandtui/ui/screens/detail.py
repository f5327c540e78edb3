"""Everything about one sandbox, kept fresh."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget

from sandtui.fleet.row import Row
from sandtui.fleet.sanitize import clean
from sandtui.ui.keymap import bindings
from sandtui.ui.messages import SandboxesChanged
from sandtui.ui.render.detail import detail
from sandtui.ui.render.text import Content, Piece, content
from sandtui.ui.screens.base import AppScreen
from sandtui.ui.widgets.text_panel import TextPanel


class DetailScreen(AppScreen):
    """One sandbox in full."""

    SCOPE = "detail"
    BINDINGS: ClassVar[list[BindingType]] = bindings("detail")
    AUTO_FOCUS = "#detail"

    def __init__(self, sandbox_id: str) -> None:
        super().__init__()
        self.sandbox_id = sandbox_id

    def compose_body(self) -> Iterable[Widget]:
        """One scrolled text."""
        with VerticalScroll(id="detail", classes="panel"):
            yield TextPanel(id="detail-text")

    def crumbs(self) -> list[str]:
        """Fleet, then the sandbox."""
        row = self._row()
        return ["Fleet", clean(row.sandbox.name) if row is not None else clean(self.sandbox_id)]

    def on_mount(self) -> None:
        """Draw."""
        super().on_mount()
        self._draw()

    def tick(self) -> None:
        """Let the ages grow."""
        super().tick()
        self._draw()

    def on_sandboxes_changed(self, message: SandboxesChanged) -> None:
        """Draw again when this one changed."""
        super().on_sandboxes_changed(message)
        if not self.is_covered:
            self._draw()

    def on_screen_resume(self) -> None:
        """Catch up."""
        super().on_screen_resume()
        self._draw()

    def action_exec(self) -> None:
        """Open the console."""
        self.dashboard.open_console(self.sandbox_id)

    def action_logs(self) -> None:
        """Read the log."""
        self.dashboard.open_log(self.sandbox_id)

    def action_clone(self) -> None:
        """Create one like this."""
        if (row := self._row()) is not None:
            self.dashboard.open_create(row.sandbox)

    def action_delete(self) -> None:
        """Ask, and delete it."""
        if (row := self._row()) is not None:
            self.dashboard.ask_delete([row])

    def action_copy(self) -> None:
        """Copy the id."""
        self.dashboard.copy(self.sandbox_id)

    def action_back(self) -> None:
        """Go back."""
        self.app.pop_screen()

    def _row(self) -> Row | None:
        session = self.bridge.session
        return session.store.get(self.sandbox_id) if session is not None else None

    def _draw(self) -> None:
        row = self._row()
        text = self.query_one("#detail-text", TextPanel)
        panel = self.query_one("#detail")
        if row is None:
            panel.border_title = Content(f"{clean(self.sandbox_id)}")
            text.show(content(Piece("The platform does not know this sandbox any more.", "busy")))
            return
        panel.border_title = Content(f"{clean(row.sandbox.name)}")
        text.show(detail(row, self.bridge.clock.now(), panel.content_size.width, full=True))
