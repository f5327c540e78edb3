"""What every model of the API has in common."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasGenerator, BaseModel, ConfigDict, StringConstraints

_UPPER_CASE_WORDS = {"gb": "GB"}


def camel(name: str) -> str:
    """Return the camelCase spelling of a field: ``memory_gb`` becomes ``memoryGB``.

    Sandbox objects come back in camelCase and everything else in snake_case (wire.md 2.2).
    """
    first, *rest = name.split("_")
    return first + "".join(_UPPER_CASE_WORDS.get(word, word.capitalize()) for word in rest)


def _in_utc(moment: datetime) -> datetime:
    """Return a time with its zone: one that tells none is UTC (wire.md 2.2)."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _usable_gateway(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
        _ = parts.port
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ValueError("this is not an http(s) address")
    return url


def _one_segment(text: str) -> str:
    if text in {".", ".."}:
        raise ValueError("this would lead to another resource")
    return text


Moment = Annotated[datetime, AfterValidator(_in_utc)]
HeaderText = Annotated[str, StringConstraints(pattern=r"^[!-~]+$")]
"""Something that is sent in a header."""

GatewayUrl = Annotated[str, AfterValidator(_usable_gateway)]
PathSegment = Annotated[str, StringConstraints(pattern=r"^[^/?#\s\x00-\x20]+$"), AfterValidator(_one_segment)]


class WireModel(BaseModel):
    """A reply of the platform: unknown fields are ignored, both spellings of a name are read."""

    model_config = ConfigDict(
        extra="ignore",
        populate_by_name=True,
        alias_generator=AliasGenerator(alias=camel),
        frozen=True,
    )


class AnswerModel(WireModel):
    """A reply that can also be read like the dictionary that the official SDK returns."""

    def __getitem__(self, key: str) -> object:
        """Return a field by its name.

        Raises:
            KeyError: there is no such field.
        """
        if key not in type(self).model_fields:
            raise KeyError(key)
        return getattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in type(self).model_fields

    def keys(self) -> list[str]:
        """Return the names of the fields."""
        return list(type(self).model_fields)

    def get(self, key: str, default: object = None) -> object:
        """Return a field by its name, or ``default``."""
        return getattr(self, key) if key in type(self).model_fields else default


class Nothing(WireModel):
    """A reply whose body does not matter."""


class RequestModel(BaseModel):
    """Something that we send: a misspelt field is an error and never dropped in silence."""

    # Inputs stay out of error texts, since some of them are secrets.
    model_config = ConfigDict(extra="forbid", validate_assignment=True, hide_input_in_errors=True)
