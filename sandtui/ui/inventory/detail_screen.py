"""Everything about one sandbox, kept fresh."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget

from sandtui.fleet.activity.trace import following
from sandtui.fleet.inventory.bulk_plan import DELETE
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.usage import Usage
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.inventory.copying import choose_copy, open_web_page
from sandtui.ui.inventory.detail import detail
from sandtui.ui.inventory.sandbox_activity import activity
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import ExposuresArrived, JobsChanged, SandboxesChanged, UsageArrived
from sandtui.ui.rendering.text import Content, Piece, content
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.text_panel import TextPanel

MEASURE_SECONDS = 2.0


class DetailScreen(AppScreen):
    """One sandbox in full."""

    SCOPE = "detail"
    BINDINGS: ClassVar[list[BindingType]] = bindings("detail")
    AUTO_FOCUS = "#detail"

    def __init__(self, services: Services, sandbox_id: str) -> None:
        super().__init__(services)
        self.sandbox_id = sandbox_id
        self._usage: Usage | None = None
        self._measuring = False

    def compose_body(self) -> Iterable[Widget]:
        """What it is, and what goes on."""
        with Horizontal(id="detail-body"):
            with VerticalScroll(id="detail", classes="panel"):
                yield TextPanel(id="detail-text")
            with VerticalScroll(id="detail-more", classes="panel") as more:
                more.border_title = Content("goes on")
                yield TextPanel(id="detail-activity")

    def crumbs(self) -> list[str]:
        """Fleet, then the sandbox."""
        row = self._row()
        return ["Fleet", clean(row.sandbox.name) if row is not None else clean(self.sandbox_id)]

    def why_not(self, action: str) -> str:
        """Return that there is no sandbox any more, for all that needs one."""
        if action in {"back", "copy", "web"} or not hasattr(self, f"action_{action}") or self._row() is not None:
            return ""
        if self.services.platform.session is None:
            return f"Not connected yet: {self.services.key_of('app.refresh')} tries again."
        return f"The platform does not know this sandbox any more: {self.services.key_of('detail.back')} goes back."

    def on_mount(self) -> None:
        """Draw, and find out what it serves."""
        if self.services.platform.session is not None:
            self.services.platform.learn_exposures()
        self._draw()

    def tick(self) -> None:
        """Let the ages grow."""
        super().tick()
        self._draw()

    def on_sandboxes_changed(self, _: SandboxesChanged) -> None:
        """Draw again when this one changed."""
        if not self.is_covered:
            self._draw()

    def on_screen_resume(self) -> None:
        """Catch up."""
        self._draw()

    def on_exposures_arrived(self, _: ExposuresArrived) -> None:
        """Show what it serves."""
        self._draw()

    def on_jobs_changed(self, _: JobsChanged) -> None:
        """Show its jobs."""
        self._draw()

    def on_usage_arrived(self, message: UsageArrived) -> None:
        """Draw what it uses, and ask again in a moment while somebody looks."""
        if message.error is not None:
            self._measuring = False
            with following(message.trace):
                self.services.notifier.notify(f"What it uses can't be told: {message.error}", "warning")
        elif message.sample is not None:
            self._usage = self._usage or Usage()
            self._usage.add(message.sample)
            if self._measuring:
                self.set_timer(MEASURE_SECONDS, self._measure)
        self._draw()

    def action_exec(self) -> None:
        """Open the console."""
        self.services.navigator.open_console(self.sandbox_id)

    def action_shell(self) -> None:
        """Open a shell."""
        self.services.navigator.open_shells([self.sandbox_id])

    def action_whole_shell(self) -> None:
        """Hand the terminal to a shell."""
        self.services.navigator.attach_shell(self.sandbox_id)

    def action_logs(self) -> None:
        """Read the log."""
        self.services.navigator.open_log(self.sandbox_id)

    def action_files(self) -> None:
        """Browse its files."""
        self.services.navigator.open_files([self.sandbox_id])

    def action_ports(self) -> None:
        """Show the exposed ports; a new one is for this sandbox."""
        self.services.navigator.open_ports(self.sandbox_id)

    def action_jobs(self) -> None:
        """Show the background jobs of this sandbox."""
        self.services.navigator.open_jobs([self.sandbox_id], self.sandbox_id)

    def action_measure(self) -> None:
        """Begin to measure what it uses, or end it."""
        self._measuring = not self._measuring
        if self._measuring:
            self._measure()
        self._draw()

    def action_clone(self) -> None:
        """Create one like this."""
        if (row := self._row()) is not None:
            self.services.navigator.open_create(row.sandbox)

    def action_delete(self) -> None:
        """Ask, and delete it."""
        if (row := self._row()) is not None:
            self.services.bulk.ask(DELETE, [row])

    def action_copy(self) -> None:
        """Copy the id."""
        self.services.clipboard.copy(self.sandbox_id)

    def action_copy_more(self) -> None:
        """Choose what to copy."""
        if (row := self._row()) is not None:
            choose_copy(self.app, self.services, row)

    def action_web(self) -> None:
        """Open the platform's web page."""
        open_web_page(self.services, self.sandbox_id)

    def action_back(self) -> None:
        """Go back."""
        self._measuring = False
        self.app.pop_screen()

    def _measure(self) -> None:
        # Asking keeps an idle sandbox alive: it ends with the screen, and rests while another is in front.
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
            panel.border_title = Content(f"{clean(self.sandbox_id)}")
            text.show(content(Piece("The platform does not know this sandbox any more.", "busy")))
            return
        panel.border_title = Content(f"{clean(row.sandbox.name)}")
        now = self.services.clock.now()
        ports = session.exposures.get(row.id, [])
        text.show(detail(row, now, panel.content_size.width, full=True))
        more = activity(
            session.history.of(row.id),
            ports,
            self._usage,
            self._measuring,
            now,
            session.jobs.of(row.id),
            self.services.key_of,
        )
        self.query_one("#detail-activity", TextPanel).show(more)
        self.query_one("#detail-more").display = bool(more.plain)
