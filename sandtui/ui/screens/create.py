"""The create form: each field is checked as it is typed, with the reason beside it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.client import Sandbox
from sandtui.config.presets import PresetError, to_toml
from sandtui.fleet.as_code import curl_line, sdk_snippet, shell_line
from sandtui.fleet.create_form import BY_ID, DEFAULTS, FIELDS, FormField
from sandtui.fleet.form_values import dotenv
from sandtui.fleet.launch_plan import LaunchPlan, new_launch_id, plan_launch
from sandtui.fleet.sanitize import clean
from sandtui.ui.keymap import bindings
from sandtui.ui.messages import CreateFinished
from sandtui.ui.render.create import draft_from, review
from sandtui.ui.render.text import Content, Piece, content
from sandtui.ui.screens.base import AppScreen
from sandtui.ui.screens.dialogs.code import CodeDialog, CodeText
from sandtui.ui.screens.dialogs.presets import PresetChoice, PresetsDialog

CHECK_SECONDS = 0.15
"""How long typing may go on before the whole plan is made anew: a fleet of hundreds takes longer than a key may."""

PAIRS = frozenset({"environment_vars", "secrets"})


class FieldInput(Input):
    """A text field; where variables stand, a whole ``.env`` may be pasted."""

    def __init__(self, field: FormField, value: str) -> None:
        super().__init__(value, compact=True, id=f"field-{field.id}", password=field.secret)
        self._takes_lines = field.id in PAIRS

    def _on_paste(self, event: events.Paste) -> None:
        if self._takes_lines and "\n" in event.text.strip():
            event.prevent_default()
            event.stop()
            pairs = " ".join(shlex.quote(pair) for pair in dotenv(event.text))
            self.insert_text_at_cursor(f" {pairs}" if self.value else pairs)


class FieldLine(Horizontal):
    """A label, a text field, and what is allowed or wrong beside it."""

    def __init__(self, field: FormField, value: str) -> None:
        super().__init__(classes="field-line")
        self.field = field
        self._value = value

    def compose(self) -> Iterable[Widget]:
        """Label, field, words."""
        yield Static(Content(f"{self.field.label:<12}"), classes="field-label")
        yield FieldInput(self.field, self._value)
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
    """Make one sandbox, or a fleet."""

    SCOPE = "create"
    BINDINGS: ClassVar[list[BindingType]] = bindings("create")
    AUTO_FOCUS = "#field-name"

    def __init__(self, like: Sandbox | None = None) -> None:
        super().__init__()
        self._like = like
        self._launch_id = new_launch_id()
        self._refused: dict[str, str] = {}
        self._refused_values: dict[str, str] = {}
        self._sending = False
        self._timer: Timer | None = None
        self._plan = LaunchPlan(self._launch_id)

    def compose_body(self) -> Iterable[Widget]:
        """The fields by section, and the review beside them."""
        draft = draft_from(self._like) if self._like is not None else self.dashboard.create_draft
        with Horizontal(id="create-body"):
            with VerticalScroll(id="form", classes="panel", can_focus=False):
                for section, fields in groupby(FIELDS, key=lambda field: field.section):
                    yield Static(content(Piece(section, "bright")), classes="section")
                    for field in fields:
                        yield FieldLine(field, draft.get(field.id, field.default))
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
            many = len(self._plan.requests)
            what = "it" if many == 1 else f"{many} sandboxes"
            return [Piece(f"✓ ready: ctrl+s creates {what}", "good")], []
        first = next(iter(problems))
        label = BY_ID[first].label if first in BY_ID else first
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        return [Piece(f"✖ {clean(label)}: {clean(problems[first])}", "bad")], [Piece(count, "bad")]

    def on_mount(self) -> None:
        """Check what stands there."""
        self.query_one("#form").border_title = Content("New sandbox")
        self.query_one("#review").border_title = Content("Review")
        super().on_mount()
        self._check()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Check soon after each key."""
        event.stop()
        if self._timer is not None:
            self._timer.stop()
        if self._plan.requests and len(self._plan.requests) > 1:
            self._timer = self.set_timer(CHECK_SECONDS, self._check)
        else:
            self._check()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes to the next field: only ctrl+s creates."""
        event.stop()
        self.focus_next()

    def on_create_finished(self, message: CreateFinished) -> None:
        """Show the new sandbox, or the platform's words at the fields that they belong to."""
        self._sending = False
        if message.sandbox is not None:
            self.dashboard.keep_draft({})
            self.dashboard.say(f"Created {message.sandbox.name}.")
            self.dashboard.show_created(message.sandbox)
            return
        self._refused = dict(getattr(message.error, "fields", {}))
        self._refused_values = self._values()
        self.dashboard.say(f"Not created: {message.error}", "error")
        self._check()
        self.action_next_problem()

    def action_submit(self) -> None:
        """Create the sandbox or the fleet, or go to what is wrong."""
        self._check()
        if self._sending:
            return
        if not self._plan.requests:
            self.action_next_problem()
            return
        self._refused = {}
        if len(self._plan.requests) > 1:
            self._keep_draft()
            self.dashboard.start_launch(self._plan)
            return
        self._sending = True
        self.update_chrome()
        self.bridge.create(self, self._plan.requests[0])

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

    def action_presets(self) -> None:
        """Choose a preset, or keep the form as one."""
        store = self.dashboard.presets
        presets = []
        for name in store.names():
            try:
                presets.append(store.load(name))
            except PresetError as error:
                self.dashboard.say(str(error), "warning")
        self.app.push_screen(PresetsDialog(presets), self._preset_chosen)

    def action_code(self) -> None:
        """Show the form as code."""
        self._check()
        if not self._plan.requests:
            self.action_next_problem()
            return
        request, values = self._plan.requests[0], self._values()
        base_url = self.bridge.connection.config.base_url if self.bridge.connection is not None else ""
        texts = [
            CodeText("1", "the SDK script", sdk_snippet(request)),
            CodeText("2", "the curl line", curl_line(request, base_url)),
            CodeText("3", "the preset", to_toml(values)),
            CodeText("4", "the shell line", shell_line(values, DEFAULTS)),
        ]

        def chosen(text: str | None) -> None:
            if text:
                self.dashboard.copy_quietly(text)

        self.app.push_screen(CodeDialog(texts), chosen)

    def action_back(self) -> None:
        """Leave; what was typed is kept, without the secrets."""
        self._keep_draft()
        self.app.pop_screen()

    def on_unmount(self, _: events.Unmount) -> None:
        """Nothing typed lives on in the fields."""
        self._refused_values = {}

    def _preset_chosen(self, choice: PresetChoice | None) -> None:
        if choice is None:
            return
        store = self.dashboard.presets
        try:
            if choice.act == "use":
                self._fill({**DEFAULTS, **store.load(choice.name).fields})
            elif choice.act == "delete":
                store.delete(choice.name)
                self.dashboard.say(f"Deleted the preset {choice.name}.")
            else:
                path = store.save(choice.name, self._values())
                self.dashboard.say(f"Kept as {path}; secrets only where they are references.")
        except PresetError as error:
            self.dashboard.say(str(error), "error")

    def _fill(self, values: Mapping[str, str]) -> None:
        for field in FIELDS:
            self.query_one(f"#field-{field.id}", Input).value = values.get(field.id, field.default)
        self._check()

    def _keep_draft(self) -> None:
        if self._like is None:
            self.dashboard.keep_draft({key: value for key, value in self._values().items() if not BY_ID[key].secret})

    def _values(self) -> dict[str, str]:
        return {field.id: self.query_one(f"#field-{field.id}", Input).value for field in FIELDS}

    def _problems(self) -> dict[str, str]:
        return {**self._refused, **self._plan.problems}

    def _check(self) -> None:
        self._timer = None
        if not self.is_mounted:
            return
        values = self._values()
        # The platform's words stand until the field that they are about is changed.
        self._refused = {
            field: words
            for field, words in self._refused.items()
            if field not in values or values[field] == self._refused_values.get(field)
        }
        self._plan = plan_launch(values, self._launch_id)
        problems = self._problems()
        for line in self.query(FieldLine):
            line.show_words(problems.get(line.field.id))
        label = self.bridge.connection.label if self.bridge.connection is not None else ""
        self.query_one("#review-text", Static).update(review(self._plan, problems, label))
        self._keep_draft()
        self._update_activity()

    def _focused_field(self) -> str | None:
        focused = self.focused
        identity = focused.id if focused is not None else None
        return identity.removeprefix("field-") if identity and identity.startswith("field-") else None
