"""What arguments must be before they go over the wire: each breach is told before anything is sent."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import quote

from pydantic_core import PydanticSerializationError, to_json

from sandtui.client.errors import InvalidRequestError

MAX_ID = 1000
"""Characters of an id: a path that is much longer can't be sent."""


def check_text(what: str, value: object, *, may_be_empty: bool = False) -> str:
    """Return ``value`` when it is text that can be sent.

    Raises:
        InvalidRequestError: it is no string, is blank, or holds a NUL byte or half of a surrogate pair.
    """
    if not isinstance(value, str):
        raise InvalidRequestError(f"{what} must be a string, not {type(value).__name__}")
    if not may_be_empty and not value.strip():
        raise InvalidRequestError(f"{what} is empty")
    if "\0" in value:
        raise InvalidRequestError(f"{what} holds a NUL byte")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{what} holds characters that UTF-8 has no bytes for") from None
    return value


def check_seconds(what: str, value: object) -> float:
    """Return ``value`` when it is a number of seconds above 0.

    Raises:
        InvalidRequestError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
        raise InvalidRequestError(f"{what} must be a number of seconds above 0, not {value!r}")
    return value


def segment(value: object) -> str:
    """Return an id as one segment of a path.

    ``.`` and ``..`` are refused because HTTP libraries fold them, quoted or not: the request would go to
    another resource.

    Raises:
        InvalidRequestError: it is no text, is empty, is too long, or is ``.`` or ``..``.
    """
    text = check_text("an id", value)
    if len(text) > MAX_ID:
        raise InvalidRequestError(f"an id has at most {MAX_ID} characters, not {len(text):,}")
    if text in {".", ".."}:
        raise InvalidRequestError(f"{text!r} is not an id")
    return quote(text, safe="")


def json_body(value: Any) -> bytes:
    """Return a value as the JSON that is sent.

    Raises:
        InvalidRequestError: it holds something that JSON can't.
    """
    try:
        return to_json(value)
    except (PydanticSerializationError, UnicodeEncodeError, ValueError, RecursionError):
        raise InvalidRequestError("the request holds something that can't be sent as JSON") from None


def check_ids(what: str, ids: object) -> None:
    """Refuse a single text where a list of them belongs: each of its letters would count as one.

    Raises:
        InvalidRequestError: it is one string, or bytes.
    """
    if isinstance(ids, (str, bytes)):
        raise InvalidRequestError(f"{what} must be a list of strings, not one string")
