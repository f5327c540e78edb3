"""The details of one sandbox, refreshed while it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.geometry import Size
from textual.widget import Widget

from sandtui.fleet.activity.trace import following
from sandtui.fleet.inventory.bulk_plan import DELETE
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.inventory.copying import choose_copy, open_web_console
from sandtui.ui.inventory.detail import detail
from sandtui.ui.inventory.egress_dialog import edit_egress
from sandtui.ui.inventory.sandbox_activity import SandboxActivity, log_section, sections
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import (
    ExposuresArrived,
    JobsChanged,
    LogEndArrived,
    NetworksArrived,
    SandboxesChanged,
    UsageArrived,
)
from sandtui.ui.rendering.text import Content, Piece, content, lines
from sandtui.ui.services.bundle import Services
from sandtui.ui.services.sandbox_actions import needs_running
from sandtui.ui.widgets.panel import show_frame
from sandtui.ui.widgets.text_panel import TextPanel

MEASURE_SECONDS = 2.0


class DetailScreen(AppScreen):
    """Details of a sandbox on the left; usage, ports, jobs and events on the right."""

    SCOPE = "detail"
    BINDINGS: ClassVar[list[BindingType]] = bindings("detail")
    AUTO_FOCUS = "#detail"

    def __init__(self, services: Services, sandbox_id: str) -> None:
        super().__init__(services)
        self.sandbox_id = sandbox_id
        self._measuring = False

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal(id="detail-body"):
            with VerticalScroll(id="detail", classes="panel"):
                yield TextPanel(id="detail-text")
            with VerticalScroll(id="detail-more", classes="panel") as more:
                more.border_title = Content("Live")
                yield TextPanel(id="detail-activity")

    @property
    def sandboxes(self) -> Sequence[str]:
        return [self.sandbox_id]

    def crumbs(self) -> list[str]:
        row = self._row()
        return ["Fleet", clean(row.sandbox.name) if row is not None else clean(self.sandbox_id)]

    def why_not(self, action: str) -> str:
        """Return that the sandbox is gone, for each action that needs it; otherwise an empty text."""
        row = self._row()
        if action == "egress" and row is not None and row.status != "RUNNING":
            return "Not running: the egress lists of a running sandbox can be changed"
        if action in {"back", "copy", "web"} or not hasattr(self, f"action_{action}") or row is not None:
            return ""
        if self.services.platform.session is None:
            return f"Not connected: press {self.services.key_of('app.refresh')} to retry"
        return f"This sandbox no longer exists: press {self.services.key_of('detail.back')} to go back"

    def refuses(self, action: str) -> bool:
        row = self._row()
        return row is not None and needs_running(action, [row])

    def on_mount(self) -> None:
        if self.services.platform.session is not None:
            self.services.platform.learn_exposures()
            self.services.platform.learn_networks()
            self.services.platform.load_death(self, self.sandbox_id)
        self._draw()

    def tick(self) -> None:
        super().tick()
        self._draw()

    def on_sandboxes_changed(self, _: SandboxesChanged) -> None:
        if not self.is_covered:
            self._draw()

    def on_screen_resume(self) -> None:
        self._draw()

    def on_exposures_arrived(self, _: ExposuresArrived) -> None:
        self._draw()

    def on_networks_arrived(self, _: NetworksArrived) -> None:
        self._draw()

    def on_log_end_arrived(self, _: LogEndArrived) -> None:
        self._draw()

    def on_resize(self, _: events.Resize) -> None:
        self.call_after_refresh(self._draw)

    def on_jobs_changed(self, _: JobsChanged) -> None:
        self._draw()

    def on_usage_arrived(self, message: UsageArrived) -> None:
        """Show the sample and schedule the next one."""
        if message.error is not None:
            self._measuring = False
            with following(message.trace):
                self.services.notifier.notify(f"Usage not available: {message.error}", "warning")
        elif message.sample is not None and self._measuring:
            self.set_timer(MEASURE_SECONDS, self._measure)
        self._draw()

    def action_exec(self) -> None:
        self.services.navigator.open_console(self.sandbox_id)

    def action_shell(self) -> None:
        self.services.navigator.open_shells([self.sandbox_id])

    def action_whole_shell(self) -> None:
        self.services.navigator.attach_shell(self.sandbox_id)

    def action_logs(self) -> None:
        self.services.navigator.open_log(self.sandbox_id)

    def action_files(self) -> None:
        self.services.navigator.open_files([self.sandbox_id])

    def action_ports(self) -> None:
        self.services.navigator.open_ports(self.sandbox_id)

    def action_egress(self) -> None:
        if (row := self._row()) is not None:
            edit_egress(self.app, self.services, row)

    def action_jobs(self) -> None:
        self.services.navigator.open_jobs([self.sandbox_id], self.sandbox_id)

    def action_measure(self) -> None:
        self._measuring = not self._measuring
        if self._measuring:
            self._measure()
        self._draw()

    def action_clone(self) -> None:
        if (row := self._row()) is not None:
            self.services.navigator.open_create(row.sandbox)

    def action_fork(self) -> None:
        self.services.sandboxes.fork([self.sandbox_id])

    def action_delete(self) -> None:
        if (row := self._row()) is not None:
            self.services.bulk.ask(DELETE, [row])

    def action_copy(self) -> None:
        self.services.clipboard.copy(self.sandbox_id)

    def action_copy_more(self) -> None:
        if (row := self._row()) is not None:
            choose_copy(self.app, self.services, row)

    def action_web(self) -> None:
        open_web_console(self.services, self.sandbox_id)

    def action_back(self) -> None:
        self._measuring = False
        self.app.pop_screen()

    def _measure(self) -> None:
        # Measuring resets the idle timer of the sandbox: pause while another screen is in front, and end with this one.
        if self._measuring and self.is_attached and self.services.platform.session is not None:
            if self.is_covered:
                self.set_timer(MEASURE_SECONDS, self._measure)
            else:
                self.services.platform.measure(self, self.sandbox_id)

    def _row(self) -> Row | None:
        session = self.services.platform.session
        return session.store.get(self.sandbox_id) if session is not None else None

    def _draw(self) -> None:
        row, session = self._row(), self.services.platform.session
        text = self.query_one("#detail-text", TextPanel)
        panel = self.query_one("#detail")
        if row is None or session is None:
            show_frame(panel, clean(self.sandbox_id))
            text.show(content(Piece("This sandbox no longer exists", "busy")))
            return
        show_frame(panel, clean(row.sandbox.name))
        show_frame(self.query_one("#detail-more"), "Activity" if row.sandbox.is_finished else "Live")
        now, key = self.services.clock.now(), self.services.key_of
        text.show(detail(row, now, panel.content_size.width, key, session.memberships.get(row.id, ())))
        known = SandboxActivity.of(session, row, now, live=True).with_keys(
            key("detail.measure"), key("detail.jobs"), key("detail.logs")
        )
        # Without a sample yet, nothing tells that measuring is switched off.
        known = replace(known, measuring=self._measuring)
        more = self.query_one("#detail-more")
        parts = (
            known.log,
            known.loading,
            known.usage,
            known.jobs,
            known.ports,
            known.events,
            known.death,
            self._measuring,
        )
        shown = any(parts)
        if more.display is not shown:
            more.display = shown
            # Its size is known only after the layout.
            self.call_after_refresh(self._draw)
        self.query_one("#detail-activity", TextPanel).show(self._activity(known, more.scrollable_content_region.size))
        if not self.is_covered:
            self.services.platform.read_log_end(self, row, live=True)

    @staticmethod
    def _activity(known: SandboxActivity, size: Size) -> Content:
        """Return what goes on, the log last, in what room is left; first for a sandbox that has ended."""
        going_on = sections(known, size.width)
        room = size.height - sum(len(section) + 1 for section in going_on)
        log = log_section(known, size.width, room)
        ended = known.log is not None and known.log.final
        shown = [section for section in ([log, *going_on] if ended else [*going_on, log]) if section]
        return lines([line for index, each in enumerate(shown) for line in ([content("")] if index else []) + each])
