"""Presets of the create form: one TOML file each, to be edited, shared and kept under version control.

A file holds the form's fields by their names, as text. Secrets are kept by reference only (``KEY=@env:NAME``,
``KEY=@file:PATH``), never by value.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import tomli_w

from sandtui.config.paths import write_private
from sandtui.fleet.creation.form import BY_ID, DEFAULTS
from sandtui.fleet.creation.values import only_references

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class PresetError(ValueError):
    """A preset that can't be used, and what to do."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Fields of the form under a name; what is not named has its default. ``built_in`` ones come with the app."""

    name: str
    fields: Mapping[str, str]
    description: str = ""
    built_in: bool = False


BUILT_IN: tuple[Preset, ...] = (
    Preset("python", {}, "An idle Python sandbox for an hour", True),
    Preset(
        "untrusted",
        {"name": "untrusted", "network": "blocked", "timeout_minutes": "30m", "memory_gb": "1"},
        "For code that nobody has read: no network, half an hour",
        True,
    ),
    Preset(
        "rollouts",
        {"name": "rollout-{i:03}", "count": "16", "labels": "rl", "cpu_cores": "2", "memory_gb": "4"},
        "A fleet of sixteen for rollouts",
        True,
    ),
    Preset(
        "server",
        {
            "name": "web",
            "start_command": "python -m http.server 8000 --bind 0.0.0.0",
            "labels": "demo",
            "timeout_minutes": "8h",
        },
        "A web server on port 8000",
        True,
    ),
)


class PresetStore:
    """The presets of a folder, and those that come with the app."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return every name: the user's own first, each once."""
        own = sorted(path.stem for path in self._folder.glob("*.toml")) if self._folder.is_dir() else []
        return [*own, *(preset.name for preset in BUILT_IN if preset.name not in own)]

    def load(self, name: str) -> Preset:
        """Return a preset; the user's own goes before one of the app's with the same name.

        Raises:
            PresetError: there is none, or its file can't be understood.
        """
        if not _NAME.fullmatch(name):
            raise PresetError(f"{name!r} is not a valid preset name (letters, digits, '.', '_' and '-')")
        path = self._path(name)
        if path.is_file():
            return self._read(path)
        for preset in BUILT_IN:
            if preset.name == name:
                return preset
        raise PresetError(f"no preset {name!r}; available: {', '.join(self.names())}")

    def save(self, name: str, fields: Mapping[str, str], description: str = "") -> Path:
        """Keep the fields that differ from their defaults; secrets only where they are references.

        Raises:
            PresetError: the name can't be a file's, or the file can't be written.
        """
        if not _NAME.fullmatch(name):
            raise PresetError(f"{name!r} is not a valid preset name (letters, digits, '.', '_' and '-')")
        path = self._path(name)
        try:
            write_private(path, to_toml(fields, description))
        except OSError as error:
            raise PresetError(f"cannot write {path}: {error.strerror or error}") from None
        return path

    @property
    def folder(self) -> Path:
        """Where the user's own lie, one file each, to be shared."""
        return self._folder

    def take(self, path: str) -> Preset:
        """Make the preset of a file, such as one that was shared, one of the user's own.

        Raises:
            PresetError: it is no preset's file, or there is one of that name already.
        """
        file = Path(path).expanduser()
        preset = self._read(file)
        if self._path(preset.name).exists():
            raise PresetError(f"preset {preset.name!r} already exists: rename the file")
        self.save(preset.name, {**DEFAULTS, **preset.fields}, preset.description)
        return preset

    def delete(self, name: str) -> None:
        """Remove one of the user's own.

        Raises:
            PresetError: it is not the user's own.
        """
        path = self._path(name)
        if not _NAME.fullmatch(name) or not path.is_file():
            raise PresetError(f"no preset {name!r} of your own")
        path.unlink()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.toml"

    def _read(self, path: Path) -> Preset:
        try:
            return read_preset(path.read_text(encoding="utf-8"), path.stem)
        except (OSError, UnicodeDecodeError, PresetError) as error:
            raise PresetError(f"cannot read {path}: {error}") from None


def read_preset(text: str, name: str) -> Preset:
    """Return what a preset's file holds.

    Raises:
        PresetError: it is no TOML, or holds something that is no field of the form.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PresetError(str(error)) from None
    description = table.pop("description", "")
    fields = {}
    for key, value in table.items():
        if key not in BY_ID:
            raise PresetError(f"unknown field {key!r}; available: {', '.join(BY_ID)}")
        if isinstance(value, (dict, list, bool)):
            raise PresetError(f"{key} must be a string or a number")
        fields[key] = str(value)
    return Preset(name, fields, str(description))


def to_editable(fields: Mapping[str, str]) -> str:
    """Return a preset's file with every field and what is allowed in it, to be edited as a text.

    Secrets stand there as references only: a value must not get into a file.
    """
    rows = []
    for section, entries in groupby(BY_ID.values(), key=lambda entry: entry.section):
        rows.append(f"# {section}")
        for entry in entries:
            value = fields.get(entry.id, entry.default)
            line = tomli_w.dumps({entry.id: only_references(value) if entry.secret else value}).rstrip("\n")
            rows.append(f"{line}  # {entry.hint}" if entry.hint else line)
        rows.append("")
    return "\n".join(rows)


def to_toml(fields: Mapping[str, str], description: str = "") -> str:
    """Return a preset's file: the fields that differ from their defaults, secrets as references."""
    table: dict[str, str] = {"description": description} if description else {}
    for key in BY_ID:
        value = fields.get(key, DEFAULTS[key])
        if BY_ID[key].secret:
            value = only_references(value)
        if value != DEFAULTS[key]:
            table[key] = value
    return tomli_w.dumps(table)
