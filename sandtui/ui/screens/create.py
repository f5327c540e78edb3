"""The create form: each field is checked as it is typed, with the reason beside it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Checkbox, Input, Static

from sandtui.client import Sandbox
from sandtui.fleet.create_form import BY_ID, FIELDS, FormField, FormResult, read_form
from sandtui.fleet.sanitize import clean
from sandtui.ui.keymap import bindings
from sandtui.ui.messages import CreateFinished
from sandtui.ui.render.create import draft_from, problem_text, review
from sandtui.ui.render.text import Content, Piece, content
from sandtui.ui.screens.base import AppScreen


class FieldLine(Horizontal):
    """A label, a text field, and what is allowed or wrong beside it."""

    def __init__(self, field: FormField, value: str) -> None:
        super().__init__(classes="field-line")
        self.field = field
        self._value = value

    def compose(self) -> Iterable[Widget]:
        """Label, field, words."""
        yield Static(Content(f"{self.field.label:<11}"), classes="field-label")
        yield Input(self._value, compact=True, id=f"field-{self.field.id}", password=self.field.secret)
        yield Static(classes="field-words")

    def show_words(self, problem: str | None) -> None:
        """Show the problem, or else the hint."""
        words = self.query_one(".field-words", Static)
        if problem:
            words.update(content(Piece(f"✖ {clean(problem)}", "bad")))
        else:
            words.update(content(Piece(self.field.hint, "dim")))
        self.set_class(bool(problem), "-problem")


class CreateScreen(AppScreen):
    """Make one sandbox."""

    SCOPE = "create"
    BINDINGS: ClassVar[list[BindingType]] = bindings("create")
    AUTO_FOCUS = "#field-name"

    def __init__(self, like: Sandbox | None = None) -> None:
        super().__init__()
        self._like = like
        self._refused: dict[str, str] = {}
        self._refused_values: dict[str, str] = {}
        self._sending = False
        self._result = FormResult(None)

    def compose_body(self) -> Iterable[Widget]:
        """The fields by section, and the review beside them."""
        draft = draft_from(self._like) if self._like is not None else self.dashboard.create_draft
        with Horizontal(id="create-body"):
            with VerticalScroll(id="form", classes="panel", can_focus=False):
                for section, fields in groupby(FIELDS, key=lambda field: field.section):
                    yield Static(content(Piece(section, "bright")), classes="section")
                    for field in fields:
                        yield FieldLine(field, draft.get(field.id, field.default))
                network = draft.get("network_access", "yes") != "no"
                yield Checkbox("Network access", network, compact=True, id="network")
            with Vertical(id="review", classes="panel"):
                yield Static(id="review-text")

    def crumbs(self) -> list[str]:
        """Fleet, new."""
        return ["Fleet", "New sandbox"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell what is wrong, or that all is well."""
        if self._sending:
            return [Piece("◐ creating …", "busy")], []
        problems = self._problems()
        if not problems:
            return [Piece("✓ ready: ctrl+s creates it", "good")], []
        first = next(iter(problems))
        label = BY_ID[first].label if first in BY_ID else first
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        return [Piece(f"✖ {label}: {clean(problems[first])}", "bad")], [Piece(count, "bad")]

    def on_mount(self) -> None:
        """Check what stands there."""
        self.query_one("#form").border_title = Content("New sandbox")
        self.query_one("#review").border_title = Content("Review")
        super().on_mount()
        self._check()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Check at each key."""
        event.stop()
        self._check()

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        """Check the network setting."""
        event.stop()
        self._check()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes to the next field: only ctrl+s creates."""
        event.stop()
        self.focus_next()

    def on_create_finished(self, message: CreateFinished) -> None:
        """Show the new sandbox, or the platform's words at the fields that they belong to."""
        self._sending = False
        if message.sandbox is not None:
            self.dashboard.create_draft = {}
            self.dashboard.say(f"Created {message.sandbox.name}.")
            self.dashboard.show_created(message.sandbox)
            return
        self._refused = dict(getattr(message.error, "fields", {}))
        self._refused_values = self._values()
        self.dashboard.say(f"Not created: {message.error}", "error")
        self._check()
        self.action_next_problem()

    def action_submit(self) -> None:
        """Create the sandbox, or go to what is wrong."""
        self._check()
        if self._sending:
            return
        if self._result.request is None:
            self.action_next_problem()
            return
        self._refused = {}
        self._sending = True
        self.update_chrome()
        self.bridge.create(self, self._result.request)

    def action_next_problem(self) -> None:
        """Go to the next field that is wrong."""
        wrong = [field.id for field in FIELDS if field.id in self._problems()]
        if not wrong:
            return
        here = self._focused_field()
        order = [field.id for field in FIELDS]
        start = order.index(here) if here is not None else -1
        after = [field for field in wrong if order.index(field) > start]
        self.query_one(f"#field-{(after or wrong)[0]}", Input).focus()

    def action_back(self) -> None:
        """Leave; what was typed is kept, without the secrets."""
        self._keep_draft()
        self.app.pop_screen()

    def on_unmount(self, _: events.Unmount) -> None:
        """Nothing typed lives on in the fields."""
        self._refused_values = {}

    def _keep_draft(self) -> None:
        if self._like is None:
            kept = {key: value for key, value in self._values().items() if not BY_ID[key].secret}
            kept["network_access"] = "yes" if self.query_one(Checkbox).value else "no"
            self.dashboard.create_draft = kept

    def _values(self) -> dict[str, str]:
        return {field.id: self.query_one(f"#field-{field.id}", Input).value for field in FIELDS}

    def _problems(self) -> dict[str, str]:
        return {**self._refused, **self._result.problems}

    def _check(self) -> None:
        if not self.is_mounted:
            return
        values = self._values()
        # The platform's words stand until the field that they are about is changed.
        self._refused = {
            field: words
            for field, words in self._refused.items()
            if field not in values or values[field] == self._refused_values.get(field)
        }
        self._result = read_form(values, network_access=self.query_one(Checkbox).value)
        problems = self._problems()
        for line in self.query(FieldLine):
            line.show_words(problem_text(problems, line.field.id))
        label = self.bridge.connection.label if self.bridge.connection is not None else ""
        self.query_one("#review-text", Static).update(review(self._result, problems, label))
        self._update_activity()

    def _focused_field(self) -> str | None:
        focused = self.focused
        identity = focused.id if focused is not None else None
        return identity.removeprefix("field-") if identity and identity.startswith("field-") else None
