"""Reads the text of one field: a value, or words that say what is wrong."""

from __future__ import annotations

import io
import os
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import SecretStr

from sandtui.client.models.sandbox import DEFAULT_START_COMMAND, StartCommand
from sandtui.fleet.creation.network_entries import MAX_ENTRIES, entry_problem

MAX_FILE = 256 * 1024
"""Bytes of a file that a variable or a secret is taken from."""

_DURATION = re.compile(r"(?:(\d+)\s*d)?\s*(?:(\d+)\s*h)?\s*(?:(\d+)\s*m(?:in)?)?", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class FieldProblem(ValueError):
    """The words beside a field."""


def minutes(text: str) -> int:
    """Read ``90m``, ``24h``, ``1d 2h`` or a plain number of minutes.

    Raises:
        FieldProblem: it is none of these.
    """
    if text.isascii() and text.isdigit():
        return int(text)
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise FieldProblem("write it as 90m, 24h or minutes")
    days, hours, rest = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + rest


def lifetime(text: str, longest: int) -> int:
    """Read a lifetime of 1 to ``longest`` minutes."""
    if not text:
        raise FieldProblem("a lifetime is needed, such as 90m")
    value = minutes(text)
    if not 1 <= value <= longest:
        raise FieldProblem("must be 1m to 24h")
    return value


def number(low: float, high: float) -> Callable[[str], float]:
    """Return what reads a number between two bounds; a comma is a point."""

    def read(text: str) -> float:
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            raise FieldProblem(f"a number, {low:g} to {high:g}") from None
        if not low <= value <= high:
            raise FieldProblem(f"must be {low:g} to {high:g}")
        return value

    return read


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return what reads a whole number between two bounds."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise FieldProblem(f"a whole number, {low} to {high}")
        if not low <= int(text) <= high:
            raise FieldProblem(f"must be {low} to {high}")
        return int(text)

    return read


def image(text: str) -> str:
    """Read an image's name."""
    if not text:
        raise FieldProblem("an image is needed: python:3.11-slim")
    if any(character.isspace() for character in text):
        raise FieldProblem("an image's name holds no blanks")
    return text


def words(text: str) -> list[str]:
    """Read words, each once."""
    return list(dict.fromkeys(text.split()))


def kind(text: str) -> str:
    """Read what kind of sandbox it is."""
    if text.lower() not in {"container", "vm"}:
        raise FieldProblem("container or vm")
    return text.lower()


def hosts(text: str) -> dict[str, object]:
    """Read ``open``, ``blocked``, ``allow HOST ...`` or ``deny HOST ...`` into the request's fields."""
    word, *entries = text.replace(",", " ").split() or ["open"]
    if word in {"open", "blocked"} and not entries:
        return {"network_access": word == "open"}
    if word not in {"allow", "deny"}:
        raise FieldProblem("open, blocked, allow HOST or deny HOST")
    if not entries:
        raise FieldProblem(f"{word} which hosts?")
    if {"allow", "deny"} & set(entries):
        raise FieldProblem("allow or deny, not both")
    if len(entries) > MAX_ENTRIES:
        raise FieldProblem(f"{len(entries)} hosts: {MAX_ENTRIES} at most")
    for entry in entries:
        if problem := entry_problem(entry):
            raise FieldProblem(f"{entry}: {problem}")
    return {f"network_{word}list": entries}


def start_command(text: str, what: object) -> str | StartCommand | None:
    """Read the start command: shell text for a container, words without a shell for a VM (client/WIRE.md 2.3)."""
    if "\0" in text:
        raise FieldProblem("it can't hold a NUL byte")
    if what != "vm":
        return text or DEFAULT_START_COMMAND
    parts = split_words(text)
    if parts and not parts[0]:
        raise FieldProblem("the program's name is empty")
    return StartCommand(executable=parts[0], args=parts[1:]) if parts else None


def environment(text: str) -> dict[str, str] | None:
    """Read variables: ``KEY=value`` words, and ``@PATH`` for a whole ``.env`` file."""
    pairs: dict[str, str] = {}
    for word in split_words(text):
        if word.startswith("@"):
            pairs.update(_pairs(dotenv(_read_file(word[1:]))))
        else:
            pairs.update(_pairs([word], len(pairs)))
    return pairs or None


def secret_values(text: str) -> dict[str, SecretStr] | None:
    """Read secrets: as variables, and ``KEY=@env:NAME`` or ``KEY=@file:PATH`` for where a value is taken from."""
    pairs = environment(text)
    return None if pairs is None else {key: SecretStr(_resolve(key, value)) for key, value in pairs.items()}


def split_words(text: str) -> list[str]:
    """Return the words of a field, as a shell takes them apart.

    Raises:
        FieldProblem: a quote has no end.
    """
    try:
        return shlex.split(text)
    except ValueError:
        raise FieldProblem("a quote is missing its end") from None


def only_references(text: str) -> str:
    """Return the secrets that are named by a reference: what may be kept in a file. Values are left out."""
    return _join(part for part in _parts(text) if _is_reference(part))


def only_values(text: str) -> str:
    """Return the secrets that were typed: what is kept nowhere but in the form."""
    return _join(part for part in _parts(text) if not _is_reference(part))


def _parts(text: str) -> list[str]:
    try:
        return split_words(text)
    except FieldProblem:
        return []


def _is_reference(part: str) -> bool:
    return part.startswith("@") or part.partition("=")[2].startswith(("@env:", "@file:"))


def _join(parts: Iterable[str]) -> str:
    return " ".join(shlex.quote(part) for part in parts)


def dotenv(text: str) -> list[str]:
    """Return the ``KEY=value`` words of a ``.env`` file as python-dotenv reads them, without filling in variables.

    What can't be read is returned as it stands: whoever takes the words refuses it.
    """
    # Only a file or a paste needs it.
    from dotenv.parser import parse_stream

    found: list[str] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            found.append(binding.original.string.strip())
        elif binding.key is not None:
            found.append(binding.key if binding.value is None else f"{binding.key}={binding.value}")
    return found


def _pairs(parts: Iterable[str], before: int = 0) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        place = before + len(pairs) + 1
        # The word may be a secret: it is counted, not shown.
        if not equals:
            raise FieldProblem(f"entry {place} is not KEY=value")
        if not _KEY.fullmatch(key):
            raise FieldProblem(f"name {place}: letters, digits and _, not starting with a digit")
        if "\0" in value:
            raise FieldProblem(f"value {place} can't hold a NUL byte")
        pairs[key] = value
    return pairs


def _resolve(key: str, value: str) -> str:
    if value.startswith("@env:"):
        name = value.removeprefix("@env:")
        if name not in os.environ:
            raise FieldProblem(f"{key}: there is no variable {name} here")
        return os.environ[name]
    if value.startswith("@file:"):
        return _read_file(value.removeprefix("@file:")).rstrip("\n")
    return value


def _read_file(name: str) -> str:
    path = Path(name).expanduser()
    try:
        if path.stat().st_size > MAX_FILE:
            raise FieldProblem(f"{name} is too large for this")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise FieldProblem(f"{name} can't be read") from None
