"""Reports of requests: to an observer, and to the logger ``sandtui.client`` at debug level.

An observer is called once per request, after it has ended, in the caller's context: a :class:`contextvars.ContextVar`
set by the caller tells what the request was made for. It must be quick and must not raise. Log lines never contain a
key, a token, a body or query values.
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
from sandtui.client.responses import redact

LOG = logging.getLogger("sandtui.client")

MAX_BODY = 16 * 1024
"""Maximum size in bytes of a body in a report; larger bodies, and files, are left out."""

MAX_WORDS = 300

_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid", "x-correlation-id", "cf-ray")
"""Response headers in which platforms and proxies return a request id, the most specific first."""


@dataclass(frozen=True, slots=True)
class RequestReport:
    """A finished request.

    Attributes:
        method: HTTP method.
        url: address without the query.
        query: the query parameters as sent.
        status: HTTP status of the last response; None if there was none.
        seconds: from the start of the first attempt to the end of the last, including pauses.
        attempts: how often it was sent; 0 if it was cancelled while waiting for its rate limit.
        request_id: the platform's id of the request, or an empty string.
        problem: why there was no response, redacted, or an empty string.
        by_token: whether it was authorised by a gateway token instead of the API key.
        body: the request body if it is JSON and not large. It may contain secrets of the caller.
        secrets: strings that must not be shown, should they occur anywhere here.
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


class ReportedResponse(Protocol):
    """The parts of a response that are reported."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The response's headers."""
        ...


class Watched:
    """A request in progress: a context manager that reports to the observer at its end."""

    def __init__(self, request: WireRequest, observer: Observer | None, secrets: tuple[str, ...], api_key: str) -> None:
        self._request = request
        self._observer = observer
        self._secrets = secrets
        self._api_key = api_key
        self._started = 0.0
        self.attempts = 0
        self.response: ReportedResponse | None = None

    def __enter__(self) -> Self:
        self._started = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._observer is None and not LOG.isEnabledFor(logging.DEBUG):
            return
        # An error of the observer must not become one of the request.
        try:
            self._report(error)
        except Exception:
            LOG.exception("the observer of requests failed")

    def _report(self, error: BaseException | None) -> None:
        request, response, attempts = self._request, self.response, self.attempts
        seconds = perf_counter() - self._started
        status = response.status_code if response is not None else None
        named = _request_id(response.headers) if response is not None else ""
        problem = ""
        if error is not None and not isinstance(error, GeneratorExit):
            words = "cancelled" if isinstance(error, CancelledError) else str(error)
            problem = redact(" ".join(words.split()) or type(error).__name__, self._secrets)[:MAX_WORDS]
        if LOG.isEnabledFor(logging.DEBUG):
            said = [request.method, _place(request.url), str(status or "no response"), f"{seconds * 1000:.0f} ms"]
            said += [f"{attempts} attempts"] if attempts != 1 else []
            said += [part for part in (named, problem) if part]
            LOG.debug("%s", redact(" ".join(said), self._secrets))
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
    return body if is_json and isinstance(body, bytes) and len(body) <= MAX_BODY else None


def _place(url: str) -> str:
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname}{port}{parts.path}"
