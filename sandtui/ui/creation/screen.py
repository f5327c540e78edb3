"""The create form: each field is checked while typing, with the error beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from sandtui.client.models.checkpoints import DURABLE
from sandtui.config.presets import PresetError, read_preset, to_editable, to_toml
from sandtui.directories import describe
from sandtui.fleet.activity.trace import following
from sandtui.fleet.creation.as_code import curl_lines, sdk_snippet, shell_line
from sandtui.fleet.creation.choices import FormChoices
from sandtui.fleet.creation.form import (
    BY_ID,
    DEFAULTS,
    FIELDS,
    SECRETS,
    VARIABLES,
    FormField,
    draft_from,
    saved_text,
)
from sandtui.fleet.creation.launch_plan import LaunchPlan, new_launch_id, plan_launch
from sandtui.fleet.creation.values import only_values, secret_looking
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.creation.form import review
from sandtui.ui.creation.form_field import FieldLine
from sandtui.ui.creation.pair_rows import PairRows
from sandtui.ui.creation.presets_dialog import PresetChoice, PresetsDialog
from sandtui.ui.creation.section import FormSection, SectionLine
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.code import CodeDialog, CodeText
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import ChoicesKnown, CreateFinished, ImageChecked, ImagesKnown
from sandtui.ui.rendering.text import Content, Piece
from sandtui.ui.rendering.units import age, short_size
from sandtui.ui.services.bundle import Services

CHECK_SECONDS = 0.15
"""The pause in typing before the plan of a fleet is computed: hundreds of requests take longer than a key may."""

IMAGE_SECONDS = 0.7
"""The pause in typing before the platform is asked about an image."""


class FormScroll(VerticalScroll, inherit_bindings=False):
    """The fields. Page keys go from section to section."""


class CreateScreen(AppScreen):
    """Create one sandbox or a fleet."""

    SCOPE = "create"
    BINDINGS: ClassVar[list[BindingType]] = bindings("create")
    AUTO_FOCUS = "#field-name"

    def __init__(self, services: Services, like: Sandbox | None = None) -> None:
        super().__init__(services)
        self.lines: list[FieldLine] = []
        self.sections: list[FormSection] = []
        self._at_first: dict[str, str] = {}
        self._checked: dict[str, str] = {}
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
        """A form for a clone does not replace the draft."""
        return self._like is None

    @property
    def plan(self) -> LaunchPlan:
        """The requests of the form as it is."""
        return self._plan

    @property
    def is_sending(self) -> bool:
        """Whether a create request is waiting for its response."""
        return self._sending

    def compose_body(self) -> Iterable[Widget]:
        draft = draft_from(self._like) if self._like is not None else self.services.drafts.values
        session = self.services.platform.session
        assert session is not None
        self._choices = FormChoices(session.store, self.services.settings.create.images)
        with Horizontal(id="create-body"):
            with FormScroll(id="form", classes="panel", can_focus=False):
                for name, fields in groupby(FIELDS, key=lambda field: field.section):
                    section = self._section(name, list(fields), draft)
                    yield from section.widgets()
            with Vertical(id="review", classes="panel"):
                yield Static(id="review-text")

    def _section(self, name: str, fields: Sequence[FormField], draft: Mapping[str, str]) -> FormSection:
        lines = []
        for index, field in enumerate(fields):
            choices = partial(self._choices.of, field.id)
            line = FieldLine(field, draft.get(field.id, field.default), choices, section="" if index else name)
            line.set_class(bool(self.sections) and not index, "-spaced")
            line.reveal, line.fold = self._reveal, self._fold_at
            lines.append(line)
        section = FormSection(name, lines, is_folded=name in self.services.drafts.folded)
        self.lines += lines
        self.sections.append(section)
        return section

    def crumbs(self) -> list[str]:
        return ["Fleet", "New sandbox"]

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        if self._sending:
            return [Piece("◐ creating …", "info")], []
        problems = self.problems()
        submit = self.services.key_of("create.submit")
        if not problems:
            many = len(self._plan.requests)
            what = "create" if many == 1 else f"create {many} sandboxes"
            return [Piece(f"✓ valid · {submit} to {what}", "good")], []
        first = next(iter(problems))
        label = BY_ID[first].label if first in BY_ID else first
        count = f"{len(problems)} error" + ("s" if len(problems) > 1 else "")
        if self.query_one("#review").display:
            # What is wrong is said there.
            return [Piece(f"✖ {count} · {self.services.key_of('create.next_problem')} goes to the next", "bad")], []
        return [Piece(f"✖ {clean(label)}: {clean(problems[first])}", "bad")], [Piece(count, "bad")]

    def on_mount(self) -> None:
        self.query_one("#form").border_title = Content("New sandbox")
        self.query_one("#review").border_title = Content("Review")
        self._at_first = self.values()
        self.check_form()
        self.services.launches.recall_images(self)
        self.services.launches.learn_choices(self)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.values() == self._checked:
            # A field reports the value that it was created with.
            return
        if self._timer is not None:
            self._timer.stop()
        if self._plan.requests and len(self._plan.requests) > 1:
            self._timer = self.set_timer(CHECK_SECONDS, self.check_form)
        else:
            self.check_form()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        # Enter never creates: a form of this size would be sent by accident.
        self.focus_next()

    def on_descendant_focus(self, _: events.DescendantFocus) -> None:
        self._show_words()

    def on_images_known(self, message: ImagesKnown) -> None:
        self._choices.add_images(message.images)
        self._show_words()

    def on_choices_known(self, message: ChoicesKnown) -> None:
        self._choices.add(message.field, message.values)
        self._show_words()

    def on_image_checked(self, message: ImageChecked) -> None:
        if message.image != self._image:
            return
        if message.accessible is None:
            self._image_note = None
        elif message.accessible:
            self._image_note = Piece("✓ image available", "good")
        else:
            self._image_note = Piece(f"▲ {clean(message.details) or 'image not available'}", "busy")
        self._show_words()

    def on_create_finished(self, message: CreateFinished) -> None:
        self._sending = False
        if message.sandbox is not None:
            self.services.drafts.keep({})
            with following(message.trace):
                self.services.notifier.notify(f"Created {message.sandbox.name}")
            self.services.navigator.show_created(message.sandbox)
            return
        self._refused = dict(getattr(message.error, "fields", {}))
        self._refused_values = self.values()
        if message.unsure:
            # The same request with the same idempotency key can't create a second one.
            self._unsure = (self._refused_values, self._plan)
            again = self.services.key_of("create.submit")
            note = f" It may have been created anyway: {again} retries without creating a second one."
        else:
            note = ""
        words = describe(message.error) if message.error is not None else ""
        with following(message.trace):
            self.services.notifier.notify(f"Not created: {words}{note}", "error")
        self.check_form()
        self.action_next_problem()

    def action_submit(self) -> None:
        if self._sending:
            return
        self.check_form()
        if not self._plan.requests:
            self.action_next_problem()
            return
        self._refused = {}
        if len(self._plan.requests) > 1:
            self.keep_draft()
            drafts = self.services.drafts
            sent = drafts.values

            def forget() -> None:
                # Unless another was begun meanwhile: that one is not lost.
                if drafts.values == sent:
                    drafts.keep({})

            self.services.launches.begin(self._plan, forget)
            return
        if self._unsure is not None and self._unsure[0] == self.values():
            self._plan = self._unsure[1]
        self._sending = True
        self.update_chrome()
        self.services.launches.create(self, self._plan)

    def on_unmount(self) -> None:
        # Nothing that was typed, secrets above all, outlives the screen.
        self._refused_values, self._unsure = {}, None

    def keep_draft(self) -> None:
        """Save what was typed as the draft; of secrets only references."""
        if self.keeps_draft:
            self.services.drafts.keep(secret_free(self.values()))

    def problems(self) -> dict[str, str]:
        """Return what is wrong, by field: the platform's errors and our own."""
        return {**self._refused, **self._plan.problems}

    def check_form(self) -> None:
        """Check every field, and show what would be created."""
        self._timer = None
        if not self.is_mounted or self._sending:
            return
        values = self._checked = self.values()
        # An error of the platform stays until its field is changed.
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
        """Ask the platform about the image of a container after a pause in typing."""
        image = values["docker_image"].strip()
        if image == self._image:
            return
        self._image, self._image_note = image, None
        if self._image_timer is not None:
            self._image_timer.stop()
        is_asked = values["kind"] != "vm" and not values["checkpoint_id"].strip()
        if image and "{" not in image and is_asked and "docker_image" not in self.problems():
            self._image_timer = self.set_timer(IMAGE_SECONDS, partial(self.services.launches.check_image, self, image))

    def _show_words(self) -> None:
        problems = self.problems()
        notes = {
            "docker_image": self._image_note,
            "checkpoint_id": self._checkpoint_note(),
            VARIABLES: self._secret_note(),
        }
        for line in self.lines:
            line.show_words(problems.get(line.field.id), notes.get(line.field.id))
        for section in self.sections:
            section.draw(problems)

    def _checkpoint_note(self) -> Piece | None:
        """Return what a checkpoint is of, which its id does not tell."""
        session = self.services.platform.session
        found = (
            None if session is None else session.checkpoints.checkpoints.get(self.line("checkpoint_id").value.strip())
        )
        if session is None or found is None:
            return None
        row = session.store.get(found.sandbox_id)
        name = row.sandbox.name if row is not None else found.sandbox_id
        made = age(found.created_at, self.services.clock.now())
        text = f"of {clean(name)} · {short_size(found.occupied_bytes)} · {made.text} old"
        return Piece(text, "good") if found.state == DURABLE else Piece(f"▲ {clean(found.state)} · {text}", "busy")

    def _secret_note(self) -> Piece | None:
        names = secret_looking(self.line(VARIABLES).value)
        if not names:
            return None
        what = f"{names[0]} looks" if len(names) == 1 else f"{len(names)} look"
        return Piece(f"▲ {clean(what)} secret: {self.services.key_of('create.to_secrets')} moves to secrets", "busy")

    def why_not(self, action: str) -> str:
        """Return why an action is not available."""
        if action == "next_problem" and not self.problems():
            return f"No errors: {self.services.key_of('create.submit')} to create"
        if action == "to_secrets" and not secret_looking(self.line(VARIABLES).value):
            return "No variable looks like a secret"
        return ""

    async def on_section_line_opened(self, message: SectionLine.Opened) -> None:
        message.stop()
        section = next(section for section in self.sections if section.name == message.name)
        await self._open(section, section.focus)

    def on_pair_rows_expanded(self, message: PairRows.Expanded) -> None:
        message.stop()
        count = "1 variable" if message.count == 1 else f"{message.count} variables"
        self.services.notifier.notify(f"Read {count} from {clean(message.path)}")

    async def _open(self, section: FormSection, focus: Callable[[], None]) -> None:
        await section.open(self.query_one("#form"))
        self._folds_changed()
        focus()

    async def _fold(self, section: FormSection) -> None:
        await section.fold(self.query_one("#form"))
        self._folds_changed()
        section.focus()

    def _reveal(self, line: FieldLine) -> None:
        if self._of(line).is_folded:
            self.call_later(self._open, self._of(line), line.focus_field)

    def _fold_at(self, line: FieldLine) -> None:
        self.call_later(self._fold, self._of(line))

    def _folds_changed(self) -> None:
        self.services.drafts.keep_folded(frozenset(each.name for each in self.sections if each.is_folded))
        self._show_words()

    def _of(self, line: FieldLine) -> FormSection:
        return next(section for section in self.sections if line in section.lines)

    @property
    def _here(self) -> int:
        return next((index for index, section in enumerate(self.sections) if section.has_focus), 0)

    def action_next_section(self) -> None:
        self.sections[(self._here + 1) % len(self.sections)].focus()

    def action_previous_section(self) -> None:
        """Go to the beginning of this section, or to the one before."""
        here = self.sections[self._here]
        (here if not here.is_at_start else self.sections[self._here - 1]).focus()

    async def action_fold(self) -> None:
        section = self.sections[self._here]
        if section.is_folded:
            await self._open(section, section.focus)
        else:
            await self._fold(section)

    async def action_to_secrets(self) -> None:
        source, target = self.line(VARIABLES), self.line(SECRETS)
        # Opened, so that what moves can be seen.
        await self._open(self._of(source), source.focus_field)
        await self._of(target).open(self.query_one("#form"))
        if source.pairs is None or target.pairs is None:
            return
        taken = source.pairs.take_secret_looking()
        target.pairs.add_pairs(taken)
        names = [clean(pair.partition("=")[0]) for pair in taken]
        self.check_form()
        self.services.notifier.notify(f"Moved to the secrets: {', '.join(names)}")

    def line(self, field: str) -> FieldLine:
        """Return the line of a field."""
        return next(line for line in self.lines if line.field.id == field)

    def values(self) -> dict[str, str]:
        """Return the text of every field."""
        return {line.field.id: line.value for line in self.lines}

    def fill(self, values: Mapping[str, str]) -> None:
        """Set the text of every field; those that are not given get their defaults."""
        for line in self.lines:
            line.value = values.get(line.field.id, line.field.default)
        self.check_form()

    def action_next_problem(self) -> None:
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
        store = self.services.presets
        presets = []
        for name in store.names():
            try:
                presets.append(store.load(name))
            except PresetError as error:
                self.services.notifier.notify(str(error), "warning")
        self.app.push_screen(PresetsDialog(presets), self._preset_chosen)

    def action_code(self) -> None:
        self.check_form()
        if not self._plan.requests:
            self.action_next_problem()
            return
        requests, values = self._plan.requests, self.values()
        base_url = (
            self.services.platform.connection.config.base_url if self.services.platform.connection is not None else ""
        )
        texts = [
            CodeText("1", "Python", sdk_snippet(requests)),
            CodeText("2", "curl", curl_lines(requests, base_url)),
            CodeText("3", "preset", to_toml(values)),
            CodeText("4", "shell", shell_line(values, DEFAULTS)),
        ]

        def chosen(text: str | None) -> None:
            if text:
                self.services.clipboard.copy_text(text)

        self.app.push_screen(CodeDialog(texts), chosen)

    def action_edit(self) -> None:
        """Edit the form in the editor; secrets that were typed stay in the form and never reach the file."""
        self.services.terminal.edit_text(self._edited or to_editable(self.values()), "sandbox.toml", self._take_edited)

    def action_back(self) -> None:
        lost = self._lost()
        if not lost:
            self._leave()
            return

        def answered(leave: bool | None) -> None:
            if leave:
                self._leave()

        self.app.push_screen(AskDialog("Close the form?", lost, "Close"), answered)

    def _lost(self) -> str:
        values = self.values()
        typed = any(only_values(values[field.id]) for field in FIELDS if field.secret)
        if typed or secret_looking(values[VARIABLES]):
            return "Secrets are not saved and will be lost."
        if not self.keeps_draft and values != self._at_first:
            presets = self.services.key_of("create.presets")
            return f"Changes to a clone are not saved as a draft and will be lost. {presets} saves them as a preset."
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
            self.services.notifier.notify(f"Form not changed: {error}. {key} opens the text again.", "error")
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
                say(f'Preset "{preset.name}" imported')
            elif choice.act == "delete":
                store.delete(choice.name)
                say(f'Preset "{choice.name}" deleted')
            elif choice.act == "copy":
                preset = store.load(choice.name)
                self.services.clipboard.copy_text(to_toml({**DEFAULTS, **preset.fields}, preset.description))
            elif choice.act == "edit":
                self._edit_preset(choice.name)
            else:
                path = store.save(choice.name, self.values())
                left = any(only_values(self.values()[key]) for key in BY_ID if BY_ID[key].secret)
                say(f"Saved to {path}" + (" without the secrets that you typed" if left else ""))
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
                self.services.notifier.notify(f'Preset "{name}" not changed: {error}', "error")
            else:
                self.services.notifier.notify(f"Saved to {path}")

        self.services.terminal.edit_text(
            to_toml({**DEFAULTS, **preset.fields}, preset.description), f"{name}.toml", done
        )


def secret_free(values: Mapping[str, str]) -> dict[str, str]:
    """Return the fields, of secrets only those that are references, and no variable that looks like a secret."""
    return {key: saved_text(key, value) for key, value in values.items()}
