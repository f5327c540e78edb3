"""Validation of arguments before anything is sent."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import quote

from pydantic_core import PydanticSerializationError, to_json

from sandtui.client.errors import InvalidRequestError

MAX_ID = 1000
"""Maximum length of an id: much longer paths can't be sent."""


def check_text(what: str, value: object, *, may_be_empty: bool = False) -> str:
    """Return ``value`` if it is text that can be sent.

    Raises:
        InvalidRequestError: it is not a string, is blank, or contains a NUL byte or a lone surrogate.
    """
    if not isinstance(value, str):
        raise InvalidRequestError(f"{what} must be a string, not {type(value).__name__}")
    if not may_be_empty and not value.strip():
        raise InvalidRequestError(f"{what} is empty")
    if "\0" in value:
        raise InvalidRequestError(f"{what} contains a NUL byte")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{what} contains characters that can't be encoded as UTF-8") from None
    return value


def check_seconds(what: str, value: object) -> float:
    """Return ``value`` if it is a positive number of seconds.

    Raises:
        InvalidRequestError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
        raise InvalidRequestError(f"{what} must be a number of seconds above 0, not {value!r}")
    return value


def segment(value: object) -> str:
    """Return an id as one segment of a path.

    ``.`` and ``..`` are refused: HTTP libraries normalise them, quoted or not, and the request would go to another
    resource.

    Raises:
        InvalidRequestError: it is not a string, is empty, too long, ``.`` or ``..``.
    """
    text = check_text("an id", value)
    if len(text) > MAX_ID:
        raise InvalidRequestError(f"an id has at most {MAX_ID} characters, not {len(text):,}")
    if text in {".", ".."}:
        raise InvalidRequestError(f"{text!r} is not an id")
    return quote(text, safe="")


def json_body(value: Any) -> bytes:
    """Return a value as JSON.

    Raises:
        InvalidRequestError: it contains something that JSON can't represent.
    """
    try:
        return to_json(value)
    except (PydanticSerializationError, UnicodeEncodeError, ValueError, RecursionError):
        raise InvalidRequestError("the request holds something that can't be sent as JSON") from None


def check_ids(what: str, ids: object) -> None:
    """Refuse a single string in place of a list: each character would count as an entry.

    Raises:
        InvalidRequestError: it is one string, or bytes.
    """
    if isinstance(ids, (str, bytes)):
        raise InvalidRequestError(f"{what} must be a list of strings, not one string")
