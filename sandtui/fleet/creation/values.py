"""Read the text of one field of the create form: a value, or a message about what is wrong."""

from __future__ import annotations

import io
import os
import re
import shlex
from collections.abc import Callable, Iterable

from pydantic import SecretStr

from sandtui.client.models.bounds import LIFETIME_MINUTES, MAX_NAME_LENGTH, Bounds
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND, StartCommand
from sandtui.client.models.volumes import AttachedVolume, VolumeMount
from sandtui.fleet.creation.network_entries import MAX_ENTRIES, entry_problem
from sandtui.saving import typed_path

MAX_CHECKPOINT_ID = 64
"""Characters of the id of a checkpoint."""

MAX_FILE = 256 * 1024
"""The largest file, in bytes, that a variable or a secret is read from."""

_DURATION = re.compile(r"(?:(\d+)\s*d)?\s*(?:(\d+)\s*h)?\s*(?:(\d+)\s*m(?:in)?)?", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class FieldProblem(ValueError):
    """What is wrong with a field, as the text to show beside it."""


def name(text: str) -> str:
    """Read the name of a sandbox."""
    if not text:
        raise FieldProblem("a name is required")
    if len(text) > MAX_NAME_LENGTH:
        raise FieldProblem(f"{len(text)} characters; the maximum is {MAX_NAME_LENGTH}")
    return text


def optional(text: str) -> str | None:
    """Read a text that may be left out."""
    return text or None


def one_of(*choices: str) -> Callable[[str], str | None]:
    """Return a reader for one of some words, which may be left out."""

    def read(text: str) -> str | None:
        if text and text not in choices:
            raise FieldProblem(f"must be {' or '.join(choices)}")
        return text or None

    return read


def minutes(text: str) -> int:
    """Read ``90m``, ``24h``, ``1d 2h`` or a plain number of minutes.

    Raises:
        FieldProblem: it is none of these.
    """
    if text.isascii() and text.isdigit():
        return int(text)
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise FieldProblem("not a duration: use 90m, 24h or a number of minutes")
    days, hours, rest = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + rest


def lifetime(text: str) -> int:
    """Read a lifetime or an idle timeout, in minutes."""
    if not text:
        raise FieldProblem("a lifetime is required, such as 90m")
    value = minutes(text)
    if value not in LIFETIME_MINUTES:
        raise FieldProblem(f"must be {LIFETIME_MINUTES.low:g}m to {LIFETIME_MINUTES.high // 60:g}h")
    return value


def number(bounds: Bounds) -> Callable[[str], float]:
    """Return a reader for a number within bounds; a decimal comma is accepted."""

    def read(text: str) -> float:
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            raise FieldProblem(f"not a number: must be {bounds}") from None
        if value not in bounds:
            raise FieldProblem(f"must be {bounds}")
        return value

    return read


def whole_number(bounds: Bounds) -> Callable[[str], int]:
    """Return a reader for a whole number within bounds."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise FieldProblem(f"not a whole number: must be {bounds}")
        if int(text) not in bounds:
            raise FieldProblem(f"must be {bounds}")
        return int(text)

    return read


def image(text: str) -> str:
    """Read the name of an image."""
    if not text:
        raise FieldProblem("an image is required, such as python:3.11-slim")
    if any(character.isspace() for character in text):
        raise FieldProblem("an image name can't contain spaces")
    return text


def checkpoint(text: str) -> str | None:
    """Read the id of a checkpoint, which may be left out."""
    if any(character.isspace() for character in text):
        raise FieldProblem("an id can't contain spaces")
    if len(text) > MAX_CHECKPOINT_ID:
        raise FieldProblem(f"{len(text)} characters; the maximum is {MAX_CHECKPOINT_ID}")
    return text or None


def volumes(text: str) -> list[VolumeMount] | None:
    """Read volumes: ``NAME:/PATH`` or ``NAME:/PATH:ro``, separated by spaces."""
    found: list[VolumeMount] = []
    for word in text.split():
        name, _, rest = word.partition(":")
        path, _, mode = rest.partition(":")
        if not name or not path.startswith("/") or mode not in {"", "ro", "rw"}:
            raise FieldProblem(f"{word}: use NAME:/PATH, or NAME:/PATH:ro")
        if name in {each.name for each in found} or path in {each.mount_path for each in found}:
            raise FieldProblem(f"{word}: names and paths must differ")
        found.append(VolumeMount(name=name, mount_path=path, read_only=mode == "ro"))
    return found or None


def volume_text(mount: VolumeMount | AttachedVolume) -> str:
    """Return a volume as it is typed."""
    return f"{mount.name}:{mount.mount_path}{':ro' if mount.read_only else ''}"


def words(text: str) -> list[str]:
    """Read words that are separated by spaces, each once."""
    return list(dict.fromkeys(text.split()))


def kind(text: str) -> dict[str, object]:
    """Read whether the sandbox is a container or a VM, into the field of the request."""
    if text.lower() not in {"container", "vm"}:
        raise FieldProblem("must be container or vm")
    return {"vm": text.lower() == "vm"}


def hosts(text: str) -> dict[str, object]:
    """Read ``open``, ``blocked``, ``allow HOST ...`` or ``deny HOST ...`` into the fields of the request."""
    word, *entries = text.replace(",", " ").split() or ["open"]
    if word in {"open", "blocked"} and not entries:
        return {"network_access": word == "open"}
    if word not in {"allow", "deny"}:
        raise FieldProblem("use open, blocked, allow HOST or deny HOST")
    if not entries:
        raise FieldProblem(f"{word} needs at least one host")
    if {"allow", "deny"} & set(entries):
        raise FieldProblem("use allow or deny, not both")
    if len(entries) > MAX_ENTRIES:
        raise FieldProblem(f"{len(entries)} hosts; the maximum is {MAX_ENTRIES}")
    for entry in entries:
        if problem := entry_problem(entry):
            raise FieldProblem(f"{entry}: {problem}")
    return {f"network_{word}list": entries}


def command_text(text: str) -> str:
    """Read a start command as text."""
    if "\0" in text:
        raise FieldProblem("a command can't contain a NUL byte")
    return text


def start_command(text: str, *, vm: bool) -> str | StartCommand | None:
    """Return a start command for the request: shell text for a container, words without a shell for a VM
    (client/WIRE.md 2.3)."""
    if not vm:
        return text or DEFAULT_START_COMMAND
    parts = split_words(text)
    if parts and not parts[0]:
        raise FieldProblem("the name of the program is empty")
    return StartCommand(executable=parts[0], args=parts[1:]) if parts else None


def environment(text: str) -> dict[str, str] | None:
    """Read variables: ``KEY=value`` words, and ``@PATH`` for a whole ``.env`` file."""
    pairs: dict[str, str] = {}
    for row, word in enumerate(split_words(text), 1):
        # The word may be a secret: a message names its row and not its text.
        if word.startswith("@"):
            try:
                entries = env_file(word[1:])
            except FieldProblem as problem:
                raise FieldProblem(f"row {row}: {problem}") from None
            pairs.update(_pair(entry, f"row {row}, entry {n} of the file") for n, entry in enumerate(entries, 1))
        else:
            pairs.update([_pair(word, f"row {row}")])
    return pairs or None


def secret_values(text: str) -> dict[str, SecretStr] | None:
    """Read secrets: like variables, and ``KEY=@env:NAME`` or ``KEY=@file:PATH`` for a value that is read from there."""
    pairs = environment(text)
    if pairs is None:
        return None
    try:
        return {key: SecretStr(_resolve(key, value)) for key, value in pairs.items()}
    except FieldProblem as problem:
        raise FieldProblem(_with_row(text, str(problem))) from None


def split_words(text: str) -> list[str]:
    """Split a field into words as a shell does.

    Raises:
        FieldProblem: a quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError:
        raise FieldProblem("a quote is not closed") from None


def only_references(text: str) -> str:
    """Return the secrets that are references, which may be saved in a file; values are left out."""
    return _join(part for part in _parts(text) if _is_reference(part))


def only_values(text: str) -> str:
    """Return the secrets that were typed as values, which exist only in the form."""
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
    """Return the ``KEY=value`` words of a ``.env`` file as python-dotenv reads them, without expanding variables.

    What can't be parsed is returned unchanged, and refused by the reader of the words.
    """
    # Imported late: only a file or a paste needs it.
    from dotenv.parser import parse_stream

    found: list[str] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            found.append(binding.original.string.strip())
        elif binding.key is not None:
            found.append(binding.key if binding.value is None else f"{binding.key}={binding.value}")
    return found


def env_file(path_text: str) -> list[str]:
    """Return the ``KEY=value`` words of a file. Blocks: not for the event loop.

    Raises:
        FieldProblem: it can't be read.
    """
    return dotenv(_read_file(path_text))


def _pair(part: str, where: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if not equals:
        raise FieldProblem(f"{where} is not KEY=value: add =value, or write @.env for a file")
    if not key:
        raise FieldProblem(f"{where}: KEY is empty: name it, or clear the value")
    if not _KEY.fullmatch(key):
        raise FieldProblem(f"{where}: KEY takes letters, digits and _, and can't start with a digit: rename it")
    if "\0" in value:
        raise FieldProblem(f"{where}: the value can't contain a NUL byte: remove it")
    return key, value


def _with_row(text: str, problem: str) -> str:
    """Return a problem that begins with a key, with the row of that key."""
    keys = [word.partition("=")[0] for word in split_words(text)]
    key = problem.partition(":")[0]
    return f"{problem} (row {keys.index(key) + 1})" if key in keys else problem


_SECRET_WORDS = frozenset(
    {
        "AUTH", "BEARER", "CREDENTIAL", "CREDENTIALS", "CREDS", "KEY", "PASS", "PASSPHRASE", "PASSWD", "PASSWORD",
        "PAT", "PRIVATE", "PWD", "SECRET", "SECRETS", "TOKEN",
    }
)  # fmt: skip
_SECRET_ENDS = ("APIKEY", "ACCESSKEY", "SECRETKEY", "PASSWORD", "TOKEN", "SECRET")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LOGIN = re.compile(r"://[^\s/:@]*:[^\s/@]+@")
"""A user and a password in a URL."""


def looks_secret(name: str, value: str) -> bool:
    """Return whether a variable is probably a secret, by its name or by the password of a URL."""
    if not value or value.startswith(("@env:", "@file:")) or name == "PWD":
        return False
    words_of_name = {word.upper() for word in _WORD.findall(name)}
    if words_of_name & {"PUBLIC", "PUB"}:
        return False
    ends = any(word.endswith(_SECRET_ENDS) for word in words_of_name)
    return ends or bool(words_of_name & _SECRET_WORDS) or _LOGIN.search(value) is not None


def without_secret_looking(text: str) -> str:
    """Return variables without those that are probably secrets; files are kept as references."""
    parts = _parts(text)
    if not any(looks_secret(*_split(part)) for part in parts):
        return text
    return _join(part for part in parts if not looks_secret(*_split(part)))


def names_of(text: str) -> list[str]:
    """Return the names of variables."""
    return [_split(part)[0] for part in _parts(text)]


def secret_looking(text: str) -> list[str]:
    """Return the names of the variables that are probably secrets."""
    return [name for name, value in map(_split, _parts(text)) if looks_secret(name, value)]


def _split(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name, value


def _resolve(key: str, value: str) -> str:
    if value.startswith("@env:"):
        variable = value.removeprefix("@env:")
        if variable not in os.environ:
            raise FieldProblem(f"{key}: the environment variable {variable} is not set: set it, or write the value")
        return os.environ[variable]
    if value.startswith("@file:"):
        return _read_file(value.removeprefix("@file:")).rstrip("\n")
    return value


def _read_file(path_text: str) -> str:
    path = typed_path(path_text)
    try:
        text = path.read_text(encoding="utf-8") if path.stat().st_size <= MAX_FILE else None
    except (OSError, ValueError):
        # A ValueError tells of a NUL in the path, or of text that is not UTF-8.
        raise FieldProblem(f"can't read {path_text}: check the path") from None
    if text is None:
        raise FieldProblem(f"{path_text} is too large: the maximum is {MAX_FILE // 1024} KiB")
    return text
