"""From what is typed into the create form to a request, or to the words beside each field (wire.md 8)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr, ValidationError

from sandtui.client.models import CreateSandboxRequest
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND, MAX_LIFETIME_MINUTES

_DURATION = re.compile(r"(?:(\d+)\s*d)?\s*(?:(\d+)\s*h)?\s*(?:(\d+)\s*m(?:in)?)?", re.IGNORECASE)
_ENVIRONMENT_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class FormField:
    """One line of the form. ``hint`` tells what is allowed, ``section`` where it stands."""

    id: str
    label: str
    section: str
    default: str = ""
    hint: str = ""
    secret: bool = False


FIELDS: tuple[FormField, ...] = (
    FormField("name", "Name", "Basics", "sandbox", "1 to 100 characters"),
    FormField("docker_image", "Image", "Basics", "python:3.11-slim", "name:tag"),
    FormField("start_command", "Command", "Basics", "", "empty keeps it idle and ready"),
    FormField("labels", "Labels", "Basics", "", "separated by blanks"),
    FormField("cpu_cores", "CPU cores", "Resources", "1", "0.1 to 16"),
    FormField("memory_gb", "Memory GB", "Resources", "2", "0.1 to 64"),
    FormField("disk_size_gb", "Disk GB", "Resources", "5", "0.1 to 1000"),
    FormField("timeout_minutes", "Lifetime", "Lifetime", "1h", "90m, 24h: 1m to 24h"),
    FormField("idle_timeout_minutes", "Idle limit", "Lifetime", "", "empty: none"),
    FormField("environment_vars", "Variables", "Environment", "", "KEY=value KEY2='two words'"),
    FormField("secrets", "Secrets", "Environment", "", "KEY=value, shown to nobody", secret=True),
)

BY_ID: Mapping[str, FormField] = {entry.id: entry for entry in FIELDS}


@dataclass(frozen=True, slots=True)
class FormResult:
    """A request, or what is wrong, by field."""

    request: CreateSandboxRequest | None
    problems: Mapping[str, str] = field(default_factory=dict)


class _Problem(ValueError):
    """The words beside a field."""


def read_form(values: Mapping[str, str], *, network_access: bool = True) -> FormResult:
    """Check every field and, when all are good, build the request."""
    problems: dict[str, str] = {}
    parsed: dict[str, object] = {}
    for entry in FIELDS:
        try:
            parsed[entry.id] = _READERS[entry.id](values.get(entry.id, "").strip())
        except _Problem as problem:
            problems[entry.id] = str(problem)
    lifetime, idle = parsed.get("timeout_minutes"), parsed.get("idle_timeout_minutes")
    if isinstance(lifetime, int) and isinstance(idle, int) and idle > lifetime:
        problems["idle_timeout_minutes"] = f"at most the lifetime ({lifetime}m)"
    if problems:
        return FormResult(None, problems)
    given = {key: value for key, value in parsed.items() if value is not None}
    try:
        request = CreateSandboxRequest.model_validate({**given, "network_access": network_access})
    except ValidationError as error:
        return FormResult(None, {str((*row["loc"], "name")[0]): row["msg"] for row in error.errors()})
    return FormResult(request)


def minutes(text: str) -> int:
    """Read ``90m``, ``24h``, ``1d 2h`` or a plain number of minutes.

    Raises:
        ValueError: it is none of these.
    """
    if text.isascii() and text.isdigit():
        return int(text)
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise _Problem("write it as 90m, 24h or a number of minutes")
    days, hours, rest = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + rest


def _name(text: str) -> str:
    if not 1 <= len(text) <= 100:
        raise _Problem(f"{len(text)} characters: 100 at most" if text else "a name is needed")
    return text


def _image(text: str) -> str:
    if not text:
        raise _Problem("an image is needed, such as python:3.11-slim")
    if any(character.isspace() for character in text):
        raise _Problem("an image's name holds no blanks")
    return text


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            raise _Problem(f"a number, {low:g} to {high:g}") from None
        if not low <= value <= high:
            raise _Problem(f"must be {low:g} to {high:g}")
        return value

    return read


def _lifetime(text: str) -> int:
    if not text:
        raise _Problem("a lifetime is needed, such as 90m")
    value = minutes(text)
    if not 1 <= value <= MAX_LIFETIME_MINUTES:
        raise _Problem("must be 1m to 24h")
    return value


def _labels(text: str) -> list[str]:
    return list(dict.fromkeys(text.split()))


def _pairs(text: str) -> dict[str, str] | None:
    try:
        words = shlex.split(text)
    except ValueError:
        raise _Problem("a quote is missing its end") from None
    pairs: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            # The word may be a secret: it is counted, not shown.
            raise _Problem(f"entry {len(pairs) + 1} is not KEY=value")
        if not _ENVIRONMENT_KEY.fullmatch(key):
            raise _Problem(f"name {len(pairs) + 1}: letters, digits and _, not starting with a digit")
        pairs[key] = value
    return pairs or None


def _secrets(text: str) -> dict[str, SecretStr] | None:
    pairs = _pairs(text)
    return None if pairs is None else {key: SecretStr(value) for key, value in pairs.items()}


_READERS: Mapping[str, Callable[[str], object]] = {
    "name": _name,
    "docker_image": _image,
    "start_command": lambda text: text or DEFAULT_START_COMMAND,
    "labels": _labels,
    "cpu_cores": _number(0.1, 16),
    "memory_gb": _number(0.1, 64),
    "disk_size_gb": _number(0.1, 1000),
    "timeout_minutes": _lifetime,
    "idle_timeout_minutes": lambda text: _lifetime(text) if text else None,
    "environment_vars": _pairs,
    "secrets": _secrets,
}
