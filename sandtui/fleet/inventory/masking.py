"""Hides secrets in what is printed of a sandbox."""

from __future__ import annotations

from collections.abc import Mapping

from sandtui.fleet.commands.line.redaction import HIDDEN, is_secret_name, redact


def masked_values(variables: Mapping[str, object] | None) -> dict[str, str] | None:
    """Return variables with their names only."""
    return None if variables is None else dict.fromkeys(variables, HIDDEN)


def masked(fields: Mapping[str, object]) -> dict[str, object]:
    """Return fields of any depth; the values of those whose names are those of secrets are hidden."""
    return {
        name: HIDDEN if value and is_secret_name(name) and not isinstance(value, bool | int | float) else _inside(value)
        for name, value in fields.items()
    }


def _inside(value: object) -> object:
    if isinstance(value, Mapping):
        return masked(value)
    return [_inside(each) for each in value] if isinstance(value, list) else value


def masked_command(command: str | Mapping[str, object] | None) -> object:
    """Return a start command without what looks like a secret."""
    if isinstance(command, str):
        return (redact(command.strip()) or "") if command else command
    if command is None:
        return None
    return {
        name: [redact(str(each)) or "" for each in value] if isinstance(value, list) else value
        for name, value in command.items()
    }
