"""The create form: each field is checked as it is typed, with the reason beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import groupby
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from sandtui.client import Sandbox
from sandtui.config.presets import PresetError, read_preset, to_editable, to_toml
from sandtui.directories import describe
from sandtui.fleet.activity.trace import following
from sandtui.fleet.creation.as_code import curl_lines, sdk_snippet, shell_line
from sandtui.fleet.creation.choices import FormChoices
from sandtui.fleet.creation.form import BY_ID, DEFAULTS, FIELDS, draft_from
from sandtui.fleet.creation.launch_plan import LaunchPlan, new_launch_id, plan_launch
from sandtui.fleet.creation.values import only_references, only_values
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.creation.form import review
from sandtui.ui.creation.form_field import FieldLine
from sandtui.ui.creation.presets_dialog import PresetChoice, PresetsDialog
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.code import CodeDialog, CodeText
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import CreateFinished, ImageChecked, ImagesKnown
from sandtui.ui.rendering.text import Content, Piece, content
from sandtui.ui.services.bundle import Services

CHECK_SECONDS = 0.15
"""How long typing may go on before the whole plan is made anew: a fleet of hundreds takes longer than a key may."""

IMAGE_SECONDS = 0.7
"""How long an image's name must stand before the platform is asked about it."""


class CreateScreen(AppScreen):
    """Make one sandbox, or a fleet."""

    SCOPE = "create"
    BINDINGS: ClassVar[list[BindingType]] = bindings("create")
    AUTO_FOCUS = "#field-name"

    def __init__(self, services: Services, like: Sandbox | None = None) -> None:
        super().__init__(services)
        self.lines: list[FieldLine] = []
        self._at_first: dict[str, str] = {}
        self._edited = ""
        self._like = like
        self._launch_id = new_launch_id()
        self._refused: dict[str, str] = {}
        self._refused_values: dict[str, str] = {}
        self._sending = False
        self._timer: Timer | None = None
        self._image_timer: Timer | None = None
        self._reviewed: Content | None = None
        self._image = ""
        self._image_note: Piece | None = None
        self._unsure: tuple[dict[str, str], LaunchPlan] | None = None
        self._plan = LaunchPlan(self._launch_id)

    @property
    def keeps_draft(self) -> bool:
        """A form that was filled like a sandbox leaves the draft alone."""
        return self._like is None

    @property
    def plan(self) -> LaunchPlan:
        """What would be made of the form as it stands."""
        return self._plan

    @property
    def is_sending(self) -> bool:
        """Whether the platform has been asked and has not answered."""
        return self._sending

    def compose_body(self) -> Iterable[Widget]:
        """The fields by section, and the review beside them."""
        draft = draft_from(self._like) if self._like is not None else self.services.drafts.values
        session = self.services.platform.session
        assert session is not None
        self._choices = FormChoices(session.store, self.services.settings.create.images)
        with Horizontal(id="create-body"):
            with VerticalScroll(id="form", classes="panel", can_focus=False):
                for section, fields in groupby(FIELDS, key=lambda field: field.section):
                    yield Static(content(Piece(section, "bright")), classes="section")
                    for field in fields:
                        value = draft.get(field.id, field.default)
                        line = FieldLine(field, value, partial(self._choices.of, field.id))
                        self.lines.append(line)
                        yield line
            with Vertical(id="review", classes="panel"):
                yield Static(id="review-text")

    def crumbs(self) -> list[str]:
        """Fleet, new."""
        return ["Fleet", "New sandbox"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Tell what is wrong, or that all is well."""
        if self._sending:
            return [Piece("◐ creating …", "busy")], []
        problems = self.problems()
        submit = self.services.key_of("create.submit")
        if not problems:
            many = len(self._plan.requests)
            what = "it" if many == 1 else f"{many} sandboxes"
            return [Piece(f"✓ ready: {submit} creates {what}", "good")], []
        first = next(iter(problems))
        label = BY_ID[first].label if first in BY_ID else first
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        return [Piece(f"✖ {clean(label)}: {clean(problems[first])}", "bad")], [Piece(count, "bad")]

    def on_mount(self) -> None:
        """Check what stands there."""
        self.query_one("#form").border_title = Content("New sandbox")
        self.query_one("#review").border_title = Content("Review")
        self._at_first = self.values()
        self.check_form()
        self.services.launches.recall_images(self)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Check soon after each key."""
        event.stop()
        if self._timer is not None:
            self._timer.stop()
        if self._plan.requests and len(self._plan.requests) > 1:
            self._timer = self.set_timer(CHECK_SECONDS, self.check_form)
        else:
            self.check_form()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes to the next field: only ctrl+s creates."""
        event.stop()
        self.focus_next()

    def on_descendant_focus(self, _: events.DescendantFocus) -> None:
        """The words beside a field depend on where the cursor is."""
        self._show_words()

    def on_images_known(self, message: ImagesKnown) -> None:
        """Offer what was used before."""
        self._choices.add_images(message.images)
        self._show_words()

    def on_image_checked(self, message: ImageChecked) -> None:
        """Show what the platform says about the image, if it is still the one that stands there."""
        if message.image != self._image:
            return
        if message.accessible is None:
            self._image_note = None
        elif message.accessible:
            self._image_note = Piece("✓ the platform can use it", "good")
        else:
            self._image_note = Piece(f"▲ {clean(message.details) or 'the platform can not use it'}", "busy")
        self._show_words()

    def on_create_finished(self, message: CreateFinished) -> None:
        """Show the new sandbox, or the platform's words at the fields that they belong to."""
        self._sending = False
        if message.sandbox is not None:
            self.services.drafts.keep({})
            with following(message.trace):
                self.services.notifier.notify(f"Created {message.sandbox.name}.")
            self.services.navigator.show_created(message.sandbox)
            return
        self._refused = dict(getattr(message.error, "fields", {}))
        self._refused_values = self.values()
        if message.unsure:
            # The same request again, with the same key, can't make a second one.
            self._unsure = (self._refused_values, self._plan)
            again = self.services.key_of("create.submit")
            note = f" It may have been made all the same: {again} asks again and makes no second one."
        else:
            note = ""
        words = describe(message.error) if message.error is not None else ""
        with following(message.trace):
            self.services.notifier.notify(f"Not created: {words}{note}", "error")
        self.check_form()
        self.action_next_problem()

    def action_submit(self) -> None:
        """Create the sandbox or the fleet, or go to what is wrong."""
        if self._sending:
            return
        self.check_form()
        if not self._plan.requests:
            self.action_next_problem()
            return
        self._refused = {}
        if len(self._plan.requests) > 1:
            self.keep_draft()
            self.services.launches.begin(self._plan)
            return
        if self._unsure is not None and self._unsure[0] == self.values():
            self._plan = self._unsure[1]
        self._sending = True
        self.update_chrome()
        self.services.launches.create(self, self._plan)

    def on_unmount(self) -> None:
        """Nothing typed lives on in the fields."""
        self._refused_values, self._unsure = {}, None

    def keep_draft(self) -> None:
        """Keep what was typed; secrets only where they are references."""
        if self.keeps_draft:
            self.services.drafts.keep(secret_free(self.values()))

    def problems(self) -> dict[str, str]:
        """Return what is wrong, by field: the platform's words and our own."""
        return {**self._refused, **self._plan.problems}

    def check_form(self) -> None:
        """Check every field, and show what would be made."""
        self._timer = None
        if not self.is_mounted or self._sending:
            return
        values = self.values()
        # The platform's words stand until the field that they are about is changed.
        self._refused = {
            field: words
            for field, words in self._refused.items()
            if field not in values or values[field] == self._refused_values.get(field)
        }
        self._plan = plan_launch(values, self._launch_id)
        problems = self.problems()
        self._watch_image(values)
        self._show_words()
        label = self.services.platform.connection.label if self.services.platform.connection is not None else ""
        shown = review(self._plan, problems, label)
        if shown != self._reviewed:
            self._reviewed = shown
            self.query_one("#review-text", Static).update(shown, layout=False)
        self.keep_draft()
        self._update_activity()

    def _watch_image(self, values: dict[str, str]) -> None:
        """Have the platform asked about the image, once its name has stood for a moment; only containers have that."""
        image = values["docker_image"].strip()
        if image == self._image:
            return
        self._image, self._image_note = image, None
        if self._image_timer is not None:
            self._image_timer.stop()
        if image and "{" not in image and values["kind"] != "vm" and "docker_image" not in self.problems():
            self._image_timer = self.set_timer(IMAGE_SECONDS, partial(self.services.launches.check_image, self, image))

    def _show_words(self) -> None:
        problems = self.problems()
        for line in self.lines:
            note = self._image_note if line.field.id == "docker_image" else None
            line.show_words(problems.get(line.field.id), note)

    def why_not(self, action: str) -> str:
        """Return that the form has no error to go to."""
        if action == "next_problem" and not self.problems():
            return f"No field is wrong: {self.services.key_of('create.submit')} creates it."
        return ""

    def line(self, field: str) -> FieldLine:
        """Return the line of a field."""
        return next(line for line in self.lines if line.field.id == field)

    def values(self) -> dict[str, str]:
        """Return the text of every field."""
        return {line.field.id: line.value for line in self.lines}

    def fill(self, values: Mapping[str, str]) -> None:
        """Put texts into the fields; those that are not named get their defaults."""
        for line in self.lines:
            line.value = values.get(line.field.id, line.field.default)
        self.check_form()

    def action_next_problem(self) -> None:
        """Go to the next field that is wrong."""
        order = [field.id for field in FIELDS]
        wrong = [field for field in order if field in self.problems()]
        if not wrong:
            return
        here = next((line.field.id for line in self.lines if line.has_focus_within), None)
        start = order.index(here) if here is not None else -1
        after = [field for field in wrong if order.index(field) > start]
        target = self.line((after or wrong)[0])
        if target.has_focus_within:
            # Nothing moves.
            self.services.notifier.notify(f"{target.field.label}: {clean(self.problems()[target.field.id])}", "warning")
        target.focus_field()

    def action_presets(self) -> None:
        """Choose a preset, or keep the form as one."""
        store = self.services.presets
        presets = []
        for name in store.names():
            try:
                presets.append(store.load(name))
            except PresetError as error:
                self.services.notifier.notify(str(error), "warning")
        self.app.push_screen(PresetsDialog(presets), self._preset_chosen)

    def action_code(self) -> None:
        """Show the form as code."""
        self.check_form()
        if not self._plan.requests:
            self.action_next_problem()
            return
        requests, values = self._plan.requests, self.values()
        base_url = (
            self.services.platform.connection.config.base_url if self.services.platform.connection is not None else ""
        )
        texts = [
            CodeText("1", "the SDK script", sdk_snippet(requests)),
            CodeText("2", "the curl line", curl_lines(requests, base_url)),
            CodeText("3", "the preset", to_toml(values)),
            CodeText("4", "the shell line", shell_line(values, DEFAULTS)),
        ]

        def chosen(text: str | None) -> None:
            if text:
                self.services.clipboard.copy_text(text)

        self.app.push_screen(CodeDialog(texts), chosen)

    def action_edit(self) -> None:
        """Edit the form as a text; secrets that were typed stay in the form and out of the file."""
        self.services.terminal.edit_text(self._edited or to_editable(self.values()), "sandbox.toml", self._take_edited)

    def action_back(self) -> None:
        """Leave; ask first when something would be lost."""
        lost = self._lost()
        if not lost:
            self._leave()
            return

        def answered(leave: bool | None) -> None:
            if leave:
                self._leave()

        self.app.push_screen(AskDialog("Leave the form?", lost, "Leave"), answered)

    def _lost(self) -> str:
        values = self.values()
        if any(only_values(values[field.id]) for field in FIELDS if field.secret):
            return "The secrets that you typed are kept nowhere: they would be lost."
        if not self.keeps_draft and values != self._at_first:
            presets = self.services.key_of("create.presets")
            return f"What you changed here is not kept as a draft: it would be lost. {presets} keeps it as a preset."
        return ""

    def _leave(self) -> None:
        self.keep_draft()
        self.app.pop_screen()

    def _take_edited(self, text: str) -> None:
        try:
            fields = dict(read_preset(text, "edited").fields)
        except PresetError as error:
            self._edited = text
            key = self.services.key_of("create.edit")
            self.services.notifier.notify(f"Not taken over: {error}. {key} opens the text again.", "error")
            return
        self._edited = ""
        typed = self.values()
        for field in FIELDS:
            if field.secret:
                fields[field.id] = f"{only_values(typed[field.id])} {fields.get(field.id, '')}".strip()
        self.fill({**DEFAULTS, **fields})

    def _preset_chosen(self, choice: PresetChoice | None) -> None:
        if choice is None:
            return
        store, say = self.services.presets, self.services.notifier.notify
        try:
            if choice.act == "use":
                self.fill({**DEFAULTS, **store.load(choice.name).fields})
            elif choice.act == "take":
                preset = store.take(choice.name)
                self.fill({**DEFAULTS, **preset.fields})
                say(f"Took over {preset.name}; it is a preset of your own now.")
            elif choice.act == "delete":
                store.delete(choice.name)
                say(f"Deleted the preset {choice.name}.")
            elif choice.act == "copy":
                preset = store.load(choice.name)
                self.services.clipboard.copy_text(to_toml({**DEFAULTS, **preset.fields}, preset.description))
            elif choice.act == "edit":
                self._edit_preset(choice.name)
            else:
                path = store.save(choice.name, self.values())
                left = any(only_values(self.values()[key]) for key in BY_ID if BY_ID[key].secret)
                say(f"Kept as {path}." + (" Secrets that you typed are left out." if left else ""))
        except PresetError as error:
            say(str(error), "error")

    def _edit_preset(self, name: str) -> None:
        store = self.services.presets
        preset = store.load(name)

        def done(text: str) -> None:
            try:
                edited = read_preset(text, name)
                path = store.save(name, {**DEFAULTS, **edited.fields}, edited.description)
            except PresetError as error:
                self.services.notifier.notify(f"{name} is as it was: {error}", "error")
            else:
                self.services.notifier.notify(f"Kept as {path}.")

        self.services.terminal.edit_text(
            to_toml({**DEFAULTS, **preset.fields}, preset.description), f"{name}.toml", done
        )


def secret_free(values: Mapping[str, str]) -> dict[str, str]:
    """Return the fields with only those secrets that are references."""
    return {key: only_references(value) if BY_ID[key].secret else value for key, value in values.items()}
