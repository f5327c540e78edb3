"""Load, edit, copy or delete a preset, or save the form as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from sandtui.config.presets import Preset
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.gate import Dialog
from sandtui.ui.dialogs.box import BODY, DialogBox
from sandtui.ui.rendering.text import Piece, content
from sandtui.ui.widgets.option_menu import OptionMenu

NAME_WIDTH = 20


@dataclass(frozen=True, slots=True)
class PresetChoice:
    """What to do with a preset: ``use``, ``edit``, ``copy``, ``delete``, ``save``, or ``take`` from a file."""

    act: str
    name: str


class PresetsDialog(Dialog[PresetChoice]):
    """Lists the presets; returns the choice, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
        Binding("D", "delete", "delete", show=False),
        Binding("e", "edit", "edit", show=False),
        Binding("y", "copy", "copy", show=False),
    ]
    AUTO_FOCUS = "OptionList"

    def __init__(self, presets: Sequence[Preset]) -> None:
        super().__init__()
        self._presets = presets

    def compose(self) -> Iterable[Widget]:
        with DialogBox("Presets"):
            options = map(self._option, self._presets)
            yield OptionMenu(*options, id="choices", classes=BODY, compact=True)
            yield Input(
                placeholder="name: save as preset · path to .toml: import it",
                id="preset-name",
                compact=True,
            )
            keys = "enter load · e edit · y copy · D delete · tab save as… · esc close"
            yield Static(content(Piece(keys, "dim")), id="dialog-keys")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(PresetChoice("use", event.option.id or ""))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        name = event.value.strip()
        if name:
            self.dismiss(PresetChoice("take" if name.endswith(".toml") or "/" in name else "save", name))

    def action_delete(self) -> None:
        if (preset := self._chosen) is not None and not preset.built_in:
            self.dismiss(PresetChoice("delete", preset.name))

    def action_edit(self) -> None:
        if (preset := self._chosen) is not None:
            self.dismiss(PresetChoice("edit", preset.name))

    def action_copy(self) -> None:
        if (preset := self._chosen) is not None:
            self.dismiss(PresetChoice("copy", preset.name))

    @property
    def _chosen(self) -> Preset | None:
        index = self.query_one(OptionList).highlighted
        return None if index is None else self._presets[index]

    def action_close(self) -> None:
        self.dismiss(None)

    @staticmethod
    def _option(preset: Preset) -> Option:
        words = preset.description or ", ".join(preset.fields)
        kind = "built-in" if preset.built_in else "custom"
        return Option(
            content(
                Piece(f"{clean(preset.name):<{NAME_WIDTH}}", "key"), Piece(clean(words)), Piece(f"  ({kind})", "dim")
            ),
            id=preset.name,
        )
