"""The settings file: one TOML file that people edit, checked as a whole; mistakes are told with line and key."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class SettingsError(ValueError):
    """The file can't be used; the message says where and why."""


class _Table(BaseModel):
    """A table of the file: a key that it does not have is a mistake of the writer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CreateSettings(_Table):
    """The create form."""

    images: tuple[str, ...] = ()
    """Images to offer in the form, beside those that were used before."""


class Settings(_Table):
    """The whole file; every key may be left out."""

    create: CreateSettings = Field(default_factory=CreateSettings)


def load_settings(path: Path) -> Settings:
    """Read the settings; without a file all have their defaults.

    Raises:
        SettingsError: the file can't be read, is no TOML, or holds a key or a value that is not known.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} can't be read: {error}") from None
    try:
        return Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is no TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        keys = [str(part) for part in first["loc"]]
        words = "there is no such key" if first["type"] == "extra_forbidden" else first["msg"]
        where = f"line {number}: " if (number := line_of(text, keys)) else ""
        raise SettingsError(f"{path}: {where}{'.'.join(keys)}: {words}") from None


def line_of(text: str, keys: list[str]) -> int:
    """Return the number of the line on which a key of the file stands, counted from 1; 0 when it is not found.

    The reader of TOML does not tell where it found what. Cutting the text before a line and reading the rest of
    it tells the same: the first cut after which the key is there ends at its line.
    """
    lines = text.splitlines()
    for number in range(1, len(lines) + 1):
        try:
            table: object = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue
        depth = 0
        for key in keys:
            if isinstance(table, dict) and key in table:
                table, depth = table[key], depth + 1
            elif isinstance(table, list) and key.isdigit() and int(key) < len(table):
                table, depth = table[int(key)], depth + 1
            else:
                break
        if depth == len(keys):
            return number
    return 0
