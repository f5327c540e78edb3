"""The shell screen: shells in tabs. While attached, all keys but one go to the shell in front."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from sandtui.fleet.actions import BY_ID
from sandtui.fleet.actions.shell import DETACH_KEY
from sandtui.fleet.shells import LiveShell, ShellBoard, ShellState
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.text.search import Lines
from sandtui.terminal.colors import Colors
from sandtui.terminal.keys import key_bytes
from sandtui.ui.chrome.key_hints import Hint
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.search import SearchControl, Searched
from sandtui.ui.key_bindings import bindings
from sandtui.ui.rendering.terminal import colors_of
from sandtui.ui.rendering.text import Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.shells import tabs as looks
from sandtui.ui.widgets.terminal_view import TerminalView

COPY_SHOWN = 10_000
"""Characters that a question shows of what a program wants to copy."""


class ShellScreen(AppScreen):
    """Shows the shells of the session. ``front`` is the initial tab."""

    SCOPE = "shell"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("shell"), *bindings("terminal")]
    AUTO_FOCUS = "TerminalView"

    def __init__(self, services: Services, front: LiveShell) -> None:
        super().__init__(services)
        self._front = front
        self._search = SearchControl(self, services, "shell", "Search scrollback", self._searched)
        self._subscriptions_of: dict[LiveShell, list[Callable[[], None]]] = {}

    def compose_body(self) -> Iterable[Widget]:
        yield ChromeLine(id="tabs")
        yield TerminalView(self._keys_of("terminal.out"), id="terminal")

    @property
    def view(self) -> TerminalView:
        """The terminal view."""
        return self.query_one(TerminalView)

    @property
    def board(self) -> ShellBoard:
        """All shells."""
        session = self.services.platform.session
        if session is None:
            raise RuntimeError("not connected")
        return session.shells

    @property
    def takes_all_keys(self) -> bool:
        """Whether keys go to the shell."""
        return self.is_mounted and self.view.typing

    @property
    def can_reopen(self) -> bool:
        """Whether the shell is still open."""
        return self.services.platform.session is not None and self._front in self.board.shells

    def crumbs(self) -> list[str]:
        """Return the breadcrumbs."""
        return ["Fleet", "Shell", clean(self._front.name)]

    def hint_scopes(self) -> tuple[str, ...]:
        """Return the scope of the attached or the detached mode."""
        return ("terminal",) if self.takes_all_keys else ("shell",)

    def offered_hints(self) -> list[Hint]:
        """Hide actions that are not available."""
        return [
            hint
            for hint in super().offered_hints()
            if self.check_action(hint.action.partition(".")[2], ()) is not False
        ]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Return the status line."""
        left, right = looks.state(self._front, self.view.typing, self.view.lines_below, self.services.key_of)
        return left, right if self.view.typing else [*self._search.place(), *right]

    def on_mount(self) -> None:
        self.call_after_refresh(self.show, self._front)

    def on_unmount(self) -> None:
        """Unsubscribe; the shells keep running."""
        for shell in [*self._subscriptions_of]:
            self._forget(shell)

    def show(self, shell: LiveShell) -> None:
        """Bring a shell to the front and attach to it."""
        for other in [*self._subscriptions_of]:
            self._forget(other)
        for other in self.board.shells:
            self._listen(other)
            other.terminal.colors = self._colors
        self._front = shell
        self._subscriptions_of[shell].append(self.listen(shell.on_output, self.view.changed))
        self.view.set_typing(shell.state is not ShellState.ENDED)
        self.view.show(shell.text, self._send)
        size = self.view.size
        self.view.keep_position(lambda: shell.resize((size.width, size.height)))
        self._state_changed()

    def _colors(self) -> Colors:
        return colors_of(self.app.theme_variables, self.app.ansi_theme)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available, which depends on the mode and the state of the shell."""
        typing = self.takes_all_keys
        if action == "out":
            return typing
        if action == "again" and typing:
            return not self._front.is_open
        if action == "type" and typing:
            return False
        # ``why_not`` explains the rest, unless the key goes to the shell.
        return not typing and super().check_action(action, parameters)

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        if self.takes_all_keys:
            return ""
        if action == "again" and self._front.is_open:
            return f"This shell is still open: {self.services.key_of('shell.type')} attaches to it"
        if action == "type" and not self._front.is_open:
            return f"This shell has ended: {self.services.key_of('shell.again')} reconnects"
        if action == "allow_copy" and not self._front.copy_wanted:
            return "No clipboard request from this shell"
        if action in {"next_tab", "previous_tab"} and len(self.board.shells) < 2:
            return f"This is the only shell: {self.services.key_of('shell.new_tab')} opens another one"
        if action == "copy" and not self.view.copied().strip():
            return "No text on this line: move to another line, or start a range"
        return ""

    # Attaching and detaching

    def action_out(self) -> None:
        self._set_typing(False)

    def action_type(self) -> None:
        self._set_typing(True)

    def action_send_key(self) -> None:
        self._send(key_bytes(DETACH_KEY, None, self._front.terminal.modes))
        self._set_typing(True)

    def action_search(self) -> None:
        self._search.ask()

    def action_next_hit(self) -> None:
        self._search.go(1)

    def action_previous_hit(self) -> None:
        self._search.go(-1)

    def action_range(self) -> None:
        view = self.view
        view.range_start = view.cursor_line if view.range_start is None else None
        view.refresh()

    def action_copy(self) -> None:
        self.services.clipboard.copy_text(self.view.copied())
        self.view.range_start = None
        self.view.refresh()

    def action_allow_copy(self) -> None:
        shell, wanted = self._front, self._front.copy_wanted
        shown = wanted if len(wanted) <= COPY_SHOWN else wanted[:COPY_SHOWN] + " …"
        shown = f"A program in {clean(shell.name)} wants to copy this:\n\n{shown}"

        def on_result(yes: bool | None) -> None:
            shell.copy_wanted = ""
            if yes:
                self.services.clipboard.copy_text(wanted)
            self.update_chrome()

        title = f"Copy {len(wanted):,} characters to the clipboard"
        self.app.push_screen(AskDialog(title, shown, "Copy", danger=False), on_result)

    # Tabs

    def action_next_tab(self) -> None:
        self._step(1)

    def action_previous_tab(self) -> None:
        self._step(-1)

    def action_new_tab(self) -> None:
        shell = self.board.add(self._front.sandbox_id, self._front.name, vm=self._front.vm)
        self.services.work.start(shell.run(), "shells")
        self.show(shell)

    def action_close_tab(self) -> None:
        shell = self._front
        end_shell(self.services, shell)
        rest = [other for other in self.board.shells if other is not shell]
        if rest:
            self.show(rest[-1])
            self._set_typing(False)
        else:
            self.app.pop_screen()

    def action_again(self) -> None:
        self.services.work.start(self._front.run(), "shells")
        self._set_typing(True)

    def action_record(self) -> None:
        shell = self._front
        if shell.recorder is None:
            shell.recorder = self.services.recordings.record_terminal(f"shell in {shell.name}", shell.terminal)
        else:
            self.services.recordings.end(shell.recorder)
            shell.recorder = None
        self._draw()

    def action_recordings(self) -> None:
        self.services.navigator.open_recordings()

    def action_back(self) -> None:
        """Go back; ended shells are removed."""
        for shell in [shell for shell in self.board.shells if shell.state is ShellState.ENDED]:
            end_shell(self.services, shell)
        self.app.pop_screen()

    # Events

    def on_terminal_view_resized(self, message: TerminalView.Resized) -> None:
        self.view.keep_position(lambda: self._front.resize((message.columns, message.lines)))
        self.view.changed()

    def on_terminal_view_moved(self, _: TerminalView.Moved) -> None:
        self.update_news()

    def on_terminal_view_link_chosen(self, message: TerminalView.LinkChosen) -> None:
        def on_result(yes: bool | None) -> None:
            if yes:
                self.services.clipboard.open_url(message.url)

        self.app.push_screen(AskDialog("Open a link from the sandbox", message.url, "Open", danger=False), on_result)

    def _send(self, data: bytes) -> None:
        self.services.platform.touch()
        self._front.send(data)

    def _set_typing(self, typing: bool) -> None:
        self.view.set_typing(typing)
        self._draw()

    def _state_changed(self) -> None:
        if not self.is_mounted:
            return
        # An ended shell gets no keys: of further typing, only one key has an effect.
        again = frozenset() if self._front.is_open else self._keys_of("terminal.again")
        self.view.passed_on = self._keys_of("terminal.out") | again
        if self._front.state is ShellState.ENDED and self.view.typing:
            # Further input has no receiver, and one key should go back.
            self.view.set_typing(False)
        self._draw()

    def _keys_of(self, action_id: str) -> frozenset[str]:
        return frozenset(self.services.keymap.of(BY_ID[action_id]))

    def _searched(self) -> Searched:
        view, text = self.view, self.view.text

        def redraw() -> None:
            view.searched_for = self._search.needle
            view.refresh()
            self.update_news()

        return Searched(
            Lines(text.first, text.end, text.holds),
            view.cursor_line,
            view.lines_below == 0,
            lambda line: view.go_to_text(line, self._search.needle),
            redraw,
        )

    def _step(self, step: int) -> None:
        shells = self.board.shells
        index = shells.index(self._front) if self._front in shells else -1
        self.show(shells[(index + step) % len(shells)])

    def _draw(self) -> None:
        if self.is_mounted and not self.is_covered:
            self.query_one("#tabs", ChromeLine).show(
                looks.tabs(self.board.shells, self._front), looks.title(self._front)
            )
            self.update_chrome()
            self.refresh_bindings()

    def tick(self) -> None:
        """Update the title and the duration of a recording."""
        self._draw()

    def _listen(self, shell: LiveShell) -> None:
        self._subscriptions_of[shell] = [self.listen(shell.on_state, self._state_changed)]

    def _forget(self, shell: LiveShell) -> None:
        for end in self._subscriptions_of.pop(shell, ()):
            end()


def open_shells(services: Services, sandbox_ids: Sequence[str]) -> list[LiveShell]:
    """Return an open shell for each sandbox, opening new ones where needed."""
    session = services.platform.need_session()
    shells = []
    for row in map(session.store.get, sandbox_ids):
        if row is not None:
            shell = session.shells.of(row.id)
            if shell is None:
                shell = session.shells.add(row.id, row.sandbox.name, vm=row.sandbox.vm)
                services.work.start(shell.run(), "shells")
            shells.append(shell)
    return shells


def end_shell(services: Services, shell: LiveShell) -> None:
    """End a shell and its recording, and clean up."""
    session = services.platform.need_session()
    if shell.recorder is not None:
        services.recordings.end(shell.recorder)
        shell.recorder = None
    services.work.start(session.shells.remove(shell), "shells")
