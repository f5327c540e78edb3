"""The panel beside the list: the sandbox or the group under the cursor."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.widget import Widget

from sandtui.fleet.inventory.groups import Group
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.inventory.detail import panel
from sandtui.ui.inventory.group_detail import group_detail
from sandtui.ui.inventory.sandbox_activity import SandboxActivity
from sandtui.ui.rendering.text import Content, lines
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.panel import show_frame
from sandtui.ui.widgets.text_panel import TextPanel

GROUP_SECONDS = 10
"""A group is described again after this time, because of the ages in it, and whenever its numbers change."""


class Inspector(VerticalScroll, can_focus=False):
    """Describes a line of the list. The log of what has ended is read once the cursor rests on it."""

    def __init__(self, services: Services, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id, classes="panel")
        self.services = services
        self._rest: Timer | None = None
        self._resting_id: str | None = None
        self._group: tuple[Hashable, Content] = (None, Content(""))

    def compose(self) -> Iterable[Widget]:
        yield TextPanel(id="inspector-text")

    def show(self, line: Group | Row | None) -> None:
        """Describe a line."""
        if not self.display:
            self._expect_rest(None)
            return
        text = self.query_one("#inspector-text", TextPanel)
        if line is None:
            show_frame(self, "no selection")
            text.show(self._filled(Content("")))
        elif isinstance(line, Group):
            show_frame(self, clean(line.key))
            text.show(self._filled(self._describe(line)))
        else:
            show_frame(self, clean(line.sandbox.name))
            text.show(self._filled(self._describe_sandbox(line)))
        self._expect_rest(line if isinstance(line, Row) else None)

    def _filled(self, text: Content) -> Content:
        """Return a text that is as high as the panel: with another height, each cursor key would lay out the screen."""
        missing = self.content_size.height - 1 - text.plain.count("\n")
        return text.append("\n" * missing) if missing > 0 else text

    def _describe(self, group: Group) -> Content:
        now, width = self.services.clock.now(), self.content_size.width
        key = (group.id, group.version, len(group.rows), int(now.timestamp()) // GROUP_SECONDS, width)
        if key != self._group[0]:
            self._group = key, lines(group_detail(group, now, width))
        return self._group[1]

    def _describe_sandbox(self, row: Row) -> Content:
        session, now = self.services.platform.session, self.services.clock.now()
        size = self.content_size
        activity = SandboxActivity(now) if session is None else SandboxActivity.of(session, row, now)
        return panel(row, activity, size.width, size.height, self.services.key_of)

    def _expect_rest(self, row: Row | None) -> None:
        """Wait for the cursor to rest on a sandbox whose log is to be read."""
        session = self.services.platform.session
        is_due = row is not None and session is not None and session.log_ends.is_due(row)
        wanted = row.id if row is not None and is_due else None
        if wanted == self._resting_id:
            return
        if self._rest is not None:
            self._rest.stop()
        self._resting_id = wanted
        self._rest = None if wanted is None else self.set_timer(self.services.platform.rest_seconds, self._rested)

    def _rested(self) -> None:
        session, sandbox_id = self.services.platform.session, self._resting_id
        self._rest = self._resting_id = None
        row = session.store.get(sandbox_id) if session is not None and sandbox_id is not None else None
        if row is not None:
            self.services.platform.read_log_end(self.screen, row)
