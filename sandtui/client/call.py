"""The description of an API call: request, response type, and whether it may be retried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from sandtui.client.checks import check_text
from sandtui.client.errors import MalformedReplyError
from sandtui.client.models.base import Nothing, RowsModel

T = TypeVar("T")

QueryValue = str | int | bool | Sequence[str] | None

CONTROL_TIMEOUT = 30.0
"""Timeout of a control call in seconds. The official SDK sets none and can hang (WIRE.md 6)."""


class Repeat(Enum):
    """When a call may be retried."""

    SAFE = "safe"
    """Always: the call changes nothing, or is idempotent."""

    UNSENT = "unsent"
    """Only if the platform certainly never received the request."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit of the hosted platform: requests of one kind per minute, counted per key (WIRE.md 2.1)."""

    kind: str
    per_minute: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class StreamedBody:
    """A body that is read while it is sent. ``open`` starts from the beginning, so that it can be resent.

    ``length`` is in bytes. The iterator may block; the asynchronous port runs it in a thread.
    """

    length: int
    open: Callable[[], Iterator[bytes]]


Body = bytes | StreamedBody


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request and the type of its response.

    ``path`` is relative to the API root for control calls and to the token's base for gateway calls.
    ``timeout`` is in seconds and bounds one attempt. ``secrets`` are redacted in errors, should the platform echo them.
    """

    method: str
    path: str
    response: type[T]
    query: Mapping[str, QueryValue] = field(default_factory=dict)
    body: Body | None = field(default=None, repr=False)
    repeat: Repeat = Repeat.UNSENT
    timeout: float = CONTROL_TIMEOUT
    rate: Rate | None = None
    content_type: str = "application/json"
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def query_pairs(self) -> list[tuple[str, str]]:
        """The query as sent: None is left out, lists repeat their key, booleans are lower case.

        Raises:
            InvalidRequestError: a value can't be sent as text.
        """
        pairs: list[tuple[str, str]] = []
        for key, value in self.query.items():
            if value is None:
                continue
            if isinstance(value, bool):
                pairs.append((key, "true" if value else "false"))
            elif isinstance(value, (str, int)):
                pairs.append((key, str(value)))
            else:
                pairs.extend((key, item) for item in value)
        for key, text in pairs:
            check_text(f"the parameter {key}", text, may_be_empty=True)
        return pairs

    def read(self, content: bytes) -> T:
        """Parse the body of a successful response.

        Raises:
            MalformedReplyError: the body does not match the model. The message names the fields but not their values,
                which may be secret.
        """
        if self.response is Nothing:
            return Nothing()  # type: ignore[return-value] # T is Nothing here
        if isinstance(self.response, type) and issubclass(self.response, RowsModel):
            parts = content.count(b"{") + content.count(b"[")
            if parts > RowsModel.MAX_PARTS:
                raise MalformedReplyError(
                    f"the platform answered {self.method} {self.path} with {parts:,} parts; "
                    f"{RowsModel.MAX_PARTS:,} are read at most",
                    method=self.method,
                    path=self.path,
                )
        try:
            adapter = _adapter(self.response)
            # An empty body is read as all defaults: required fields are only required where there is a body.
            response: T = adapter.validate_json(content) if content else adapter.validate_python({})
        except ValidationError as error:
            places = ", ".join(
                sorted({".".join(str(part) for part in item["loc"]) or "body" for item in error.errors()})[:5]
            )
            raise MalformedReplyError(
                f"the platform answered {self.method} {self.path} with something unexpected (at: {places})",
                method=self.method,
                path=self.path,
            ) from None
        return response


_ADAPTERS: dict[object, TypeAdapter[Any]] = {}


def _adapter(response: type[T]) -> TypeAdapter[Any]:
    adapter = _ADAPTERS.get(response)
    if adapter is None:
        adapter = _ADAPTERS[response] = TypeAdapter(response)
    return adapter
