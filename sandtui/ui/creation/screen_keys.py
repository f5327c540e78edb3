"""What the keys do in the create form: presets, code, the editor, leaving."""

from __future__ import annotations

from collections.abc import Mapping

from sandtui.config.presets import PresetError, read_preset, to_editable, to_toml
from sandtui.fleet.creation.as_code import curl_lines, sdk_snippet, shell_line
from sandtui.fleet.creation.form import BY_ID, DEFAULTS, FIELDS
from sandtui.fleet.creation.launch_plan import LaunchPlan
from sandtui.fleet.creation.values import only_references, only_values
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.creation.form_field import FieldLine
from sandtui.ui.creation.presets_dialog import PresetChoice, PresetsDialog
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.code import CodeDialog, CodeText
from sandtui.ui.services.bundle import Services


class CreateKeys(AppScreen):
    """The actions of the create form; the screen itself lays out, checks and sends."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._plan = LaunchPlan("")
        self.lines: list[FieldLine] = []
        self._at_first: dict[str, str] = {}
        self._edited = ""

    def check_form(self) -> None:
        """Check every field now."""
        raise NotImplementedError

    def problems(self) -> dict[str, str]:
        """Return what is wrong, by field."""
        raise NotImplementedError

    def keep_draft(self) -> None:
        """Keep what was typed, without the secrets."""
        raise NotImplementedError

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

    @property
    def keeps_draft(self) -> bool:
        """Whether the form is found again as it is left."""
        return True

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
