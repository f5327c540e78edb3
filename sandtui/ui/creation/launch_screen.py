"""The screen of a launch: its progress, what failed and why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from sandtui.fleet.creation.as_code import curl_lines, sdk_snippet
from sandtui.fleet.creation.launch import Launch, LaunchItem, Step
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.creation.launch import Board, summary
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.code import CodeDialog, CodeText
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import LaunchChanged, SandboxesChanged
from sandtui.ui.rendering.text import Content, Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.row_actions import SANDBOX_ACTIONS, RowActions
from sandtui.ui.widgets.row_marks import RowMarks

NOTHING = "Select a sandbox first"


class LaunchScreen(AppScreen):
    """One launch, live. Leaving the screen does not stop it, and it can be opened again."""

    SCOPE = "launch"
    BINDINGS: ClassVar[list[BindingType]] = bindings("launch")
    AUTO_FOCUS = "OutputView"

    def __init__(self, services: Services, launch: Launch) -> None:
        super().__init__(services)
        self.launch = launch
        self._board = Board(launch, 80)
        self._stale = False
        self._placed = False
        """Whether the cursor was put on the first sandbox, below the overview."""
        self.marks = RowMarks(lambda: self.view, lambda: self._board.keys, self._marks_changed)
        self.marks.attach(self)
        self.row_actions = RowActions(services.sandboxes, self._named, NOTHING, self._current)
        self.row_actions.attach(self, "open_sandbox", "shell", "logs", "files", "exec", "fork")

    def compose_body(self) -> Iterable[Widget]:
        yield Input(placeholder="filter: name, id, step, reason", compact=True, id="launch-filter")
        with Vertical(id="launch-panel", classes="panel"):
            yield OutputView(self._line, follows=False, fits=True, id="board")

    def crumbs(self) -> list[str]:
        return ["Fleet", f"Launch {clean(self.launch.launch_id)}"]

    @property
    def view(self) -> OutputView:
        """The view of the sandboxes."""
        return self.query_one(OutputView)

    @property
    def filter_field(self) -> Input:
        """The filter."""
        return self.query_one(Input)

    @property
    def chosen(self) -> list[LaunchItem]:
        """The sandboxes that an action is for: the marked ones, or the one under the cursor."""
        return [self.launch.items[index] for index in self.marks.chosen if isinstance(index, int)]

    def hint_scopes(self) -> tuple[str, ...]:
        """Return the scope; none while the filter has the focus."""
        return () if self.filter_field.has_focus else (self.SCOPE,)

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        key = self.services.key_of
        left = [
            *self.marks.status(key("launch.mark"), key("launch.back")),
            *summary(self.launch, self.services.clock.monotonic()),
        ]
        return left, [Piece("launching…" if self.launch.running else "complete", "dim")]

    def on_mount(self) -> None:
        self.filter_field.display = False
        self.listen(self.launch.on_change, self._changed)

    def on_screen_resume(self) -> None:
        self._draw()

    def on_resize(self, _: events.Resize) -> None:
        self.call_after_refresh(self._draw)

    def tick(self) -> None:
        super().tick()
        if self.launch.running:
            self._draw()

    def on_launch_changed(self, _: LaunchChanged) -> None:
        self._draw()

    def on_sandboxes_changed(self, _: SandboxesChanged) -> None:
        """Note which of them were deleted, from here or elsewhere."""
        session = self.services.platform.session
        if session is not None:
            rows = (session.store.get(each) for each in self.launch.ids)
            self.launch.note_deleted([row.id for row in rows if row is not None and row.status == "TERMINATED"])
        self._draw()

    def on_output_view_cursor_moved(self, _: OutputView.CursorMoved) -> None:
        self.update_chrome()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.view.focus()

    def why_not(self, action: str) -> str:
        """Return why an action is not available."""
        launch = self.launch
        if not self.query("#board"):
            # Children of a panel are mounted after the screen.
            return ""
        if action == "cancel" and not launch.running:
            return "Launch complete: nothing to stop"
        if action == "retry" and not launch.counts[Step.FAILED]:
            return "Nothing failed in this launch"
        if action == "copy" and not launch.ids:
            return "No sandboxes created yet"
        if action == "delete":
            if self._deletes_all:
                return "" if launch.ids or any(item.unsure for item in launch.items) else "No sandboxes to delete"
            return self._why_not_created() or self.row_actions.why_not(action)
        if action in SANDBOX_ACTIONS:
            return self._why_not_created() or self.row_actions.why_not(action)
        return self.marks.why_not(action, self.services.key_of("launch.mark"))

    def _why_not_created(self) -> str:
        chosen = self.chosen
        if not chosen or any(item.sandbox_id for item in chosen):
            return ""
        return "This sandbox was not created" if len(chosen) == 1 else "None of these sandboxes was created"

    @property
    def _deletes_all(self) -> bool:
        """Whether all of the launch are marked: then those without a known result are deleted too."""
        return len(self.marks.marked) == len(self.launch.items)

    def action_cancel(self) -> None:
        preparing = self.launch.preparing_since is not None
        self.services.launches.cancel(self.launch)
        if preparing:
            again = self.services.key_of("launch.retry")
            text = f"Stopped: nothing created. The checkpoint may still be taken; {again} takes another one."
            self.services.notifier.notify(text, "warning")
            return
        self.services.notifier.notify("Launch stopped. Created sandboxes stay; the rest stays queued.", "warning")

    def action_retry(self) -> None:
        count = self.launch.retry_failed()
        self.services.notifier.notify(f"Retrying {count}")
        self.services.launches.run(self.launch)

    def action_delete(self) -> None:
        """Delete the marked sandboxes, or the current one; the whole launch if all are marked."""
        if not self._deletes_all:
            self.row_actions.run("delete")
            return
        count = len(self.launch.ids)
        what = f"all {count:,} sandboxes" if count > 1 else "the sandbox"
        question = f"Delete {what} of this launch?"
        if any(item.unsure for item in self.launch.items):
            question += " Requests without a known result are looked up, and deleted too."

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self.services.launches.cancel(self.launch)
                self.services.launches.delete(self.launch)

        self.app.push_screen(AskDialog("Delete launch", question, f"Delete {count}"), answered)

    def action_code(self) -> None:
        requests = [item.request for item in self.launch.items]
        base_url = (
            self.services.platform.connection.config.base_url if self.services.platform.connection is not None else ""
        )
        texts = [
            CodeText("1", "Python", sdk_snippet(requests)),
            CodeText("2", "curl", curl_lines(requests, base_url)),
        ]

        def chosen(text: str | None) -> None:
            if text:
                self.services.clipboard.copy_text(text)

        self.app.push_screen(CodeDialog(texts), chosen)

    def action_copy(self) -> None:
        self.services.clipboard.copy(" ".join(self.launch.ids))

    def action_filter(self) -> None:
        self.filter_field.display = True
        self.filter_field.focus()

    def action_back(self) -> None:
        """Leave the filter, cancel the range, clear the filter, then the marks, then go back."""
        field = self.filter_field
        if field.has_focus:
            self.view.focus()
        elif self.marks.has_range:
            self.marks.undo()
        elif field.value:
            field.value = ""
        elif not self.marks.undo():
            self.app.pop_screen()
        field.display = bool(field.value) or field.has_focus

    def _named(self) -> Sequence[str]:
        return [item.sandbox_id for item in self.chosen if item.sandbox_id]

    def _current(self) -> Sequence[str]:
        index = self.marks.current
        item = self.launch.items[index] if isinstance(index, int) else None
        return [item.sandbox_id] if item is not None and item.sandbox_id else []

    def _go_to_first(self) -> None:
        first = next((line for line, key in enumerate(self._board.keys) if key is not None), 0)
        self.view.point(first)

    def _follow(self, line: int) -> None:
        """Put the cursor on the new line of its sandbox; unless the view was scrolled, it shows the overview."""
        view = self.view
        if view.scroll_offset.y == 0 and line < view.size.height:
            view.point(line)
        else:
            view.keep(line)

    def _marks_changed(self) -> None:
        self.view.refresh()
        self.update_chrome()

    def _line(self, number: int) -> list[Piece]:
        pieces = self._board.line(number, self.services.clock.monotonic())
        keys = self._board.keys
        key = keys[number] if number < len(keys) else None
        if key is None or not pieces:
            return pieces
        # The sign of the mark takes the place of the space before a line.
        return [self.marks.sign(key), Piece(pieces[0].text[1:], pieces[0].role), *pieces[1:]]

    def _changed(self) -> None:
        if not self._stale:
            self._stale = True
            # A launch of hundreds changes hundreds of times a second: ten repaints are enough.
            self.set_timer(0.1, self._draw)

    def _draw(self) -> None:
        self._stale = False
        if not self.is_mounted:
            return
        view, before = self.view, self.marks.current
        self._board = Board(self.launch, view.size.width or 80, self.filter_field.value)
        view.show(len(self._board))
        if not self._placed and view.size.height:
            self._placed = True
            self._go_to_first()
        if before is not None and before != self.marks.current and before in self._board.keys:
            # A sandbox that has failed moves up, and the overview above all grows.
            self._follow(self._board.keys.index(before))
        total, shown = len(self.launch.items), self._board.count
        count = f"{total:,}" if shown == total else f"{shown:,} of {total:,}"
        self.query_one("#launch-panel").border_title = Content(f"{count} sandbox{'es' * (count != '1')}")
        self.update_chrome()
