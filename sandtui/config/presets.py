"""Presets of the create form: one TOML file each, to be edited, shared and kept under version control.

A file has the fields of the form by name, as text. Secrets are stored as references only (``KEY=@env:NAME``,
``KEY=@file:PATH``), never as values.
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
from sandtui.saving import typed_path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class PresetError(ValueError):
    """A preset cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Named values for fields of the form; other fields have their defaults. ``built_in`` presets come with sandtui."""

    name: str
    fields: Mapping[str, str]
    description: str = ""
    built_in: bool = False


BUILT_IN: tuple[Preset, ...] = (
    Preset("python", {}, "An idle Python sandbox for an hour", True),
    Preset(
        "untrusted",
        {"name": "untrusted", "network": "blocked", "timeout_minutes": "30m", "memory_gb": "1"},
        "For untrusted code: no network, 30m",
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
    """The presets in a directory, and the built-in ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return all names without duplicates, the user's own first."""
        own = sorted(path.stem for path in self._folder.glob("*.toml")) if self._folder.is_dir() else []
        return [*own, *(preset.name for preset in BUILT_IN if preset.name not in own)]

    def load(self, name: str) -> Preset:
        """Return a preset; the user's own takes precedence over a built-in one.

        Raises:
            PresetError: it does not exist, or its file is not valid.
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
        """Store the fields that differ from their defaults; secrets only if they are references.

        Raises:
            PresetError: the name is not valid, or the file cannot be written.
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
        """The directory of the user's own presets, one file each, to be shared."""
        return self._folder

    def take(self, path: str) -> Preset:
        """Import a preset from a file, such as one that was shared.

        Raises:
            PresetError: the file is not a preset, or the name already exists.
        """
        file = typed_path(path)
        preset = self._read(file)
        if self._path(preset.name).exists():
            raise PresetError(f"preset {preset.name!r} already exists: rename the file")
        self.save(preset.name, {**DEFAULTS, **preset.fields}, preset.description)
        return preset

    def delete(self, name: str) -> None:
        """Delete one of the user's own presets.

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
        except (OSError, ValueError, PresetError) as error:
            raise PresetError(f"cannot read {path}: {error}") from None


def read_preset(text: str, name: str) -> Preset:
    """Return the fields in a preset's file.

    Raises:
        PresetError: it is not valid TOML, or has a key that is not a field of the form.
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
    """Return a preset's file for editing, with every field and a comment on its values.

    Secrets are only included as references: a value must not get into a file.
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
