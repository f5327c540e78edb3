"""What the client tells of its requests: to an observer, and to the log `sandtui.client` at its debug level.

An observer is called once for each request, when it is over, in the context of whoever asked for it: what a
:class:`contextvars.ContextVar` holds there says for what the request was made. It must be quick and must not raise.
The log's lines never hold a key, a token, a body or the value of a query.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

from sandtui.client.call import Body
from sandtui.client.port import WireRequest
from sandtui.client.replies import hide

LOG = logging.getLogger("sandtui.client")

LARGEST_BODY = 16 * 1024
"""Bytes of a request's body that an observer may see; a larger one, or one that is read from a file, is left out."""

MAX_WORDS = 300

_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid", "x-correlation-id", "cf-ray")
"""Where platforms and what stands before them name a request, the most telling first."""


@dataclass(frozen=True, slots=True)
class RequestReport:
    """A request that is over.

    Attributes:
        method: HTTP method.
        url: address without its query.
        query: the query's pairs, as they were sent.
        status: status of the last reply; None when there was none.
        seconds: from the first attempt to the end of the last, pauses included.
        attempts: how often it was sent; 0 when it was cancelled while it waited for its turn.
        request_id: the platform's own name for it, or an empty text.
        problem: why there was no reply, without secrets, or an empty text.
        by_token: whether a sandbox's gateway token was sent in place of the API key.
        body: what was sent, when it is JSON and not large. It may hold secrets of the caller's.
        secrets: what must not be shown, should it stand anywhere here.
    """

    method: str
    url: str
    query: tuple[tuple[str, str], ...]
    status: int | None
    seconds: float
    attempts: int
    request_id: str = ""
    problem: str = ""
    by_token: bool = False
    body: bytes | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


Observer = Callable[[RequestReport], None]


class Reply(Protocol):
    """What is looked at of a reply."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The reply's headers."""
        ...


class Watched:
    """A request while it is made: used with ``with``, it tells the observer when the block ends."""

    def __init__(self, request: WireRequest, observer: Observer | None, secrets: tuple[str, ...], api_key: str) -> None:
        self._request = request
        self._observer = observer
        self._secrets = secrets
        self._api_key = api_key
        self._started = 0.0
        self.attempts = 0
        self.reply: Reply | None = None

    def __enter__(self) -> Self:
        self._started = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._observer is None and not LOG.isEnabledFor(logging.DEBUG):
            return
        # Whoever watches is not to blame, and not to be hurt, when a request fails.
        try:
            self._tell(error)
        except Exception:
            LOG.exception("what watches the requests failed")

    def _tell(self, error: BaseException | None) -> None:
        request, reply, attempts = self._request, self.reply, self.attempts
        seconds = perf_counter() - self._started
        status = reply.status_code if reply is not None else None
        named = _request_id(reply.headers) if reply is not None else ""
        problem = ""
        if error is not None and not isinstance(error, GeneratorExit):
            words = "cancelled" if isinstance(error, CancelledError) else str(error)
            problem = hide(" ".join(words.split()) or type(error).__name__, self._secrets)[:MAX_WORDS]
        if LOG.isEnabledFor(logging.DEBUG):
            said = [request.method, _place(request.url), str(status or "no reply"), f"{seconds * 1000:.0f} ms"]
            said += [f"{attempts} attempts"] if attempts != 1 else []
            said += [part for part in (named, problem) if part]
            LOG.debug("%s", hide(" ".join(said), self._secrets))
        if self._observer is not None:
            self._observer(
                RequestReport(
                    method=request.method,
                    url=request.url,
                    query=tuple(request.query),
                    status=status,
                    seconds=seconds,
                    attempts=attempts,
                    request_id=named,
                    problem=problem,
                    by_token=request.headers.get("Authorization") != f"Bearer {self._api_key}",
                    body=_shown_body(request.body, request.headers),
                    secrets=self._secrets,
                )
            )


def _request_id(headers: Mapping[str, str]) -> str:
    named = next((value for name in _ID_HEADERS if (value := headers.get(name))), "")
    return "".join(character for character in named[:100] if character.isprintable())


def _shown_body(body: Body | None, headers: Mapping[str, str]) -> bytes | None:
    is_json = headers.get("Content-Type", "").startswith("application/json")
    return body if is_json and isinstance(body, bytes) and len(body) <= LARGEST_BODY else None


def _place(url: str) -> str:
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname}{port}{parts.path}"
