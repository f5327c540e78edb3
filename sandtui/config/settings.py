"""The settings file: TOML, validated as a whole; errors name the line and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sandtui.client.errors import ConfigurationError
from sandtui.client.toolkit import normalise_base_url
from sandtui.directories import make_private
from sandtui.fleet.inventory.cost import Rates
from sandtui.saving import write_new

RESERVED = frozenset({"local", "prime"})
"""Names of built-in contexts."""

_PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class SettingsError(ValueError):
    """The file is not valid; the message says where and why."""


class _Table(BaseModel):
    """A table of the file; unknown keys are errors."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


class UiSettings(_Table):
    """Theme and animations."""

    theme: str = ""
    """The theme to start with; empty for the last one used."""
    animations: bool | None = None
    """None means on, but off over SSH."""


Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CreateSettings(_Table):
    """The create form."""

    images: tuple[str, ...] = ()
    """Images to suggest, in addition to those used before."""


class CostSettings(_Table):
    """Prices in dollars an hour; without any there are no estimates."""

    core_hour: Price | None = None
    memory_gb_hour: Price | None = None
    disk_gb_hour: Price | None = None
    gpu_hour: Mapping[str, Price] = Field(default_factory=dict)
    """By the type of the GPU."""

    @property
    def rates(self) -> Rates:
        """The same for the fleet."""
        return Rates(self.core_hour, self.memory_gb_hour, self.disk_gb_hour, self.gpu_hour)


def _usable_url(url: str) -> str:
    try:
        return normalise_base_url(url)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None


class Profile(_Table):
    """A platform with an account. At most one source of the key may be given."""

    local: bool = False
    """The local platform, with its own key."""
    engine: str = ""
    """A container engine for local sandboxes: a context of ``docker``, or an address such as ``ssh://me@build``."""
    engine_runtime: str = ""
    """The runtime of its containers, such as ``runsc``."""
    engine_certificates: str = ""
    """The directory of ``ca.pem``, ``cert.pem`` and ``key.pem`` for TLS to the engine."""
    base_url: Annotated[str, AfterValidator(_usable_url)] = ""
    """The address of the platform; empty for the hosted one."""
    team: str = ""
    key_env: str = ""
    """The environment variable that holds the key."""
    key_command: str = ""
    """A command that prints the key, such as ``pass show prime`` or ``op read op://...``; run without a shell."""
    key_keyring: str = ""
    """``SERVICE/USER`` in the system's keyring."""
    key: str = Field(default="", repr=False)
    """The key in plain text."""
    read_only: bool = False
    """Whether every action that changes anything is disabled."""
    production: bool = False
    """Whether the header is colored and every change is confirmed twice."""
    allow_http: bool = False
    """Whether the key may be sent to another machine without encryption."""

    @property
    def is_local(self) -> bool:
        """Whether the sandboxes run on the local platform, over a container engine or not."""
        return self.local or bool(self.engine or self.engine_runtime)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in ("key_env", "key_command", "key_keyring", "key") if getattr(self, name)]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} cannot be combined: keep one")
        if self.is_local and (ways or self.base_url or self.team):
            raise ValueError("the local platform has its own address and key: remove base_url, team and key settings")
        if self.engine_certificates and not self.engine:
            raise ValueError("engine_certificates needs an engine")
        if self.key_keyring and "/" not in self.key_keyring:
            raise ValueError("key_keyring must be SERVICE/USER")
        return self


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Keys = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]


class Settings(_Table):
    """The whole file; every key is optional."""

    profile: str = ""
    ui: UiSettings = Field(default_factory=UiSettings)
    create: CreateSettings = Field(default_factory=CreateSettings)
    cost: CostSettings = Field(default_factory=CostSettings)
    keys: Mapping[str, Keys] = Field(default_factory=dict)
    profiles: Mapping[str, Profile] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names(self) -> Self:
        for name in self.profiles:
            if name in RESERVED or not _PROFILE_NAME.fullmatch(name):
                raise ValueError(
                    f"profiles.{name}: not a valid name (letters, digits, '.', '_' and '-'; not local or prime)"
                )
        return self


COMMENTED = """\
# Settings of sandtui. Every setting is optional; `sandtui config check` validates this file, and
# `sandtui help settings` describes it.

# The context to start with: one of [profiles], "local", "prime" (~/.prime and PRIME_*), or a context of the prime
# command. Default: prime if there is an API key, otherwise local. SANDTUI_PROFILE and --profile take precedence.
# profile = "work"

[ui]
# sandtui-dark, sandtui-light, or a theme of Textual. Default: the last one used.
# theme = "sandtui-light"
# Default: on, but off over SSH.
# animations = false

[create]
# Images to suggest in the create form, in addition to those used before.
# images = ["python:3.11-slim", "ubuntu:24.04"]

[cost]
# Prices in dollars an hour, for estimates. Default: none, and no estimates.
# core_hour = 0.05
# memory_gb_hour = 0.01
# disk_gb_hour = 0.0002
# gpu_hour = { H100_80GB = 2.5 }

[keys]
# Keys by action id; `sandtui keys` lists all of them. "" removes the keys of an action.
# "fleet.delete" = "ctrl+x"
# "app.refresh" = ["r", "f5"]

# A profile is a platform with an account; @ in the dashboard switches between them. The API key comes from one of:
# key_env = "VARIABLE", key_command = "pass show prime" (run without a shell),
# key_keyring = "SERVICE/USER" (needs the keyring package), or key = "..." in plain text.
# [profiles.work]
# team = "team_123"
# key_command = "pass show prime/work"
# production = true    # colored header; every change is confirmed twice
#
# [profiles.look]
# key_env = "PRIME_API_KEY"
# read_only = true     # every action that changes anything is disabled
#
# [profiles.staging]
# base_url = "https://api.staging.example.com"
# key_keyring = "sandtui/staging"
# allow_http = true    # send the key without encryption, for an http:// base_url
#
# [profiles.here]
# local = true
#
# [profiles.build]
# engine = "ssh://me@build"   # local sandboxes as containers there; also a context of docker, or tcp://HOST:PORT
# engine_runtime = "runsc"    # default: the engine's
"""


def write_commented(path: Path) -> None:
    """Write a file that explains every setting and sets none.

    Raises:
        SettingsError: the file exists, or cannot be written.
    """
    try:
        make_private(path.parent)
        write_new(path, [COMMENTED])
    except FileExistsError:
        raise SettingsError(f"{path} already exists; not changed") from None
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror or error}") from None


def load_settings(path: Path) -> Settings:
    """Read the settings; without a file, all have their defaults.

    Raises:
        SettingsError: the file cannot be read or is not valid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        # Most have no file, and need no validation of defaults.
        return Settings.model_construct()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text: {error}") from None
    return read_settings(text, str(path))


def read_settings(text: str, where: str) -> Settings:
    """Read the text of a settings file; ``where`` names it.

    Raises:
        SettingsError: it is not valid.
    """
    try:
        return Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where} is not valid TOML: {error}") from None
    except ValidationError as error:
        # The value is not shown: it may be a key.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        keys = [str(part) for part in first["loc"]]
        reason = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        reason = reason.removeprefix("Value error, ")
        line = f"line {number}: " if (number := line_of(text, keys)) else ""
        raise SettingsError(f"{where}: {line}{'.'.join(keys)}{': ' if keys else ''}{reason}") from None


def line_of(text: str, keys: list[str]) -> int:
    """Return the number of the line with a key of the file, counted from 1; 0 if it is not found.

    The TOML parser does not report positions. So the text is cut before each line: the first cut after which the key
    is defined ends at its line.
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
        if keys and depth == len(keys):
            return number
    return 0
