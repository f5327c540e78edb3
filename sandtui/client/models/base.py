"""The bases of all models."""

import re
from datetime import UTC, datetime
from ipaddress import ip_address
from types import NoneType
from typing import Annotated, Any, ClassVar, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import to_json

_UPPER_CASE_WORDS = {"gb": "GB"}


def camel(name: str) -> str:
    """Return the camelCase spelling of a field: ``memory_gb`` becomes ``memoryGB``.

    Sandbox objects use camelCase and everything else snake_case (WIRE.md 2.2).
    """
    first, *rest = name.split("_")
    return first + "".join(_UPPER_CASE_WORDS.get(word, word.capitalize()) for word in rest)


def _in_utc(moment: datetime) -> datetime:
    """Return a time with a time zone; without one it is UTC (WIRE.md 2.2)."""
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


def _host(text: str) -> str:
    try:
        ip_address(text)
    except ValueError:
        if not re.fullmatch(r"(?=.{1,253}$)(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*\.?", text):
            raise ValueError("this is not a host name or address") from None
    return text


def _one_segment(text: str) -> str:
    if text in {".", ".."}:
        raise ValueError("this would lead to another resource")
    return text


Moment = Annotated[datetime, AfterValidator(_in_utc)]
HeaderText = Annotated[str, StringConstraints(pattern=r"^[!-~]+$")]
"""A string that is sent in a header."""

HostName = Annotated[str, AfterValidator(_host)]
SessionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~:@+=,-]{1,256}$")]
"""A string that is part of a line of text, as a user name: without spaces and line breaks."""

GatewayUrl = Annotated[str, AfterValidator(_usable_gateway)]
PathSegment = Annotated[str, StringConstraints(pattern=r"^[^/?#\s\x00-\x20]+$"), AfterValidator(_one_segment)]


class WireModel(BaseModel):
    """A response of the platform: unknown fields are ignored, and both spellings of a field are accepted."""

    model_config = ConfigDict(
        defer_build=True,
        extra="ignore",
        populate_by_name=True,
        alias_generator=AliasGenerator(alias=camel),
        frozen=True,
    )

    _filled: ClassVar[frozenset[str]] = frozenset()
    """The fields with a default that can't be null."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        filled = {
            name: field
            for name, field in cls.model_fields.items()
            if not field.is_required() and NoneType not in get_args(field.annotation)
        }
        cls._filled = frozenset(filled) | {field.alias for field in filled.values() if field.alias}

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: object) -> object:
        # A null is treated like a missing field if there is a default.
        if isinstance(data, dict):
            nulls = [key for key, value in data.items() if value is None and key in cls._filled]
            if nulls:
                return {key: value for key, value in data.items() if key not in nulls}
        return data


class AnswerModel(WireModel):
    """A response that can also be read like a dictionary, which the official SDK returns."""

    def __getitem__(self, key: str) -> object:
        """Return a field by its name.

        Raises:
            KeyError: the field does not exist.
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


class RowsModel(WireModel):
    """A response with rows, limited in number against hostile or faulty servers."""

    MAX_PARTS: ClassVar[int] = 500_000
    """Maximum number of objects and lists in a response: parsed, they take a hundred times their size on the wire."""


class Nothing(WireModel):
    """A response whose body is ignored."""


class RequestModel(BaseModel):
    """A request: a misspelt field is an error instead of being dropped silently."""

    # Error messages omit inputs, some of which are secrets.
    model_config = ConfigDict(defer_build=True, extra="forbid", validate_assignment=True, hide_input_in_errors=True)


def readable_rows(model: type[BaseModel]) -> BeforeValidator:
    """Return a validator that leaves out rows that can't be read: one odd row must not redact all others."""

    def keep(rows: Any) -> Any:
        if not isinstance(rows, list):
            return rows
        valid = []
        for row in rows:
            try:
                valid.append(model.model_validate(row))
            except ValidationError:
                continue
        if rows and not valid:
            raise ValueError("none of the rows is valid")
        return valid

    return BeforeValidator(keep)


def _as_texts(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {
        str(key): value if value is None or isinstance(value, str) else to_json(value).decode()
        for key, value in values.items()
    }


Texts = Annotated[dict[str, str | None], BeforeValidator(_as_texts)]
"""A mapping whose values are converted to strings."""
