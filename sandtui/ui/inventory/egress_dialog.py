"""The dialog to change which hosts a running sandbox may connect to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static, TextArea

from sandtui.client import SandboxClientError
from sandtui.fleet.inventory.egress import EgressAccess, EgressLists
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import DialogBox
from sandtui.ui.rendering.text import Piece, Role, content
from sandtui.ui.services.bundle import Services

KEYS = "enter apply · esc cancel"
FORMS = (
    ("open", "all hosts"),
    ("blocked", "none"),
    ("allow HOST …", "only these"),
    ("deny HOST …", "all but these"),
)


class EgressField(TextArea):
    """Lists may be long: the text is wrapped, and enter applies it."""

    DEFAULT_CSS = "EgressField { height: auto; max-height: 8; padding: 0 1; }"

    class Applied(Message):
        """Enter was pressed."""

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Applied())


class EgressDialog(Dialog[EgressLists]):
    """Returns the new lists, or None. ``known`` is what was last read; the platform's own follow with :meth:`show`."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False)]
    AUTO_FOCUS = "EgressField"

    def __init__(self, name: str, known: EgressLists) -> None:
        super().__init__()
        self._sandbox_name, self._shown = name, str(known)
        self._ready = False
        self._said: tuple[str, Role] = ("reading the current lists …", "waiting")

    def compose(self) -> Iterable[Widget]:
        with DialogBox(f"Egress of {self._sandbox_name}", classes="command form"):
            for form, words in FORMS:
                yield Static(content(Piece(f"{form:<14}", "key"), Piece(words, "dim")))
            yield EgressField(
                clean(self._shown), soft_wrap=True, compact=True, highlight_cursor_line=False, tab_behavior="focus"
            )
            yield Static(id="egress-state")
            yield Static(content(Piece(KEYS, "dim")), id="dialog-keys")

    def on_mount(self) -> None:
        field = self.query_one(EgressField)
        # The answer of the platform may have come first.
        field.text = clean(self._shown)
        field.move_cursor(field.document.end)
        self._ready = True
        self._tell(*self._said)

    def show(self, lists: EgressLists) -> None:
        """Show the lists of the platform, unless the user has begun to edit those known before."""
        if self._ready and self.is_attached:
            field = self.query_one(EgressField)
            if field.text == clean(self._shown):
                field.text = clean(str(lists))
                field.move_cursor(field.document.end)
        self._shown = str(lists)
        count = len(lists.allow or lists.deny or ())
        self._tell(f"now: {count:,} {'entry' if count == 1 else 'entries'}" if count else f"now: {lists}", "dim")

    def fail(self, text: str) -> None:
        """Show why the lists cannot be read."""
        self._tell(text, "bad")

    def on_text_area_changed(self, _: TextArea.Changed) -> None:
        self.query_one("#dialog-keys", Static).update(content(Piece(KEYS, "dim")))

    def on_egress_field_applied(self, message: EgressField.Applied) -> None:
        message.stop()
        try:
            lists = EgressLists.parse(self.query_one(EgressField).text)
        except ValueError as problem:
            self.query_one("#dialog-keys", Static).update(content(Piece(clean(str(problem)), "bad")))
        else:
            self.dismiss(lists)

    def action_close(self) -> None:
        self.dismiss(None)

    def _tell(self, text: str, role: Role) -> None:
        self._said = (text, role)
        if self._ready and self.is_attached:
            self.query_one("#egress-state", Static).update(content(Piece(clean(text), role)))


def edit_egress(app: App[object], services: Services, row: Row) -> None:
    """Open the dialog for a sandbox, and apply what it returns."""
    session = services.platform.need_session()
    access = EgressAccess(session.client, session.store, session.history)
    dialog = EgressDialog(row.sandbox.name, EgressLists.of_sandbox(row.sandbox))

    async def read() -> None:
        try:
            dialog.show(await access.read(row.id))
        except SandboxClientError as error:
            dialog.fail(error.explanation)

    async def replace(lists: EgressLists) -> None:
        try:
            words = await access.replace(row.id, lists)
        except SandboxClientError as error:
            services.notifier.notify(f"Egress not changed: {error.explanation}", "error")
        else:
            services.notifier.notify(f"Egress of {row.sandbox.name}: {words}")

    def on_result(lists: EgressLists | None) -> None:
        if lists is not None:
            services.work.start(replace(lists), "egress")

    app.push_screen(dialog, on_result)
    services.work.start(read(), "egress")
