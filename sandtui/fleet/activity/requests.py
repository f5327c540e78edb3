"""The API requests behind the user's actions: tracing them, storing them, and repeating one with curl.

A *trace* is one action, such as a deletion, with its requests. It is passed in a context variable
(:mod:`sandtui.fleet.activity.trace`), so that no layer between a key and the client has to hand it on. Requests are
redacted when they are recorded.
"""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from sandtui.client import RequestReport, shell_words
from sandtui.clock import Clock
from sandtui.fleet.activity.trace import current_trace
from sandtui.fleet.commands.line.redaction import HIDDEN, is_secret_name, redact

KEPT = 10
"""Requests stored per trace: this many of the first, and this many failed ones."""

LATEST = 100
"""Recent requests of the whole program held in memory, for crash reports."""

LONGEST_BODY = 2000
"""Maximum characters of a stored body; a longer one is not stored, since half a body is useless."""

_LONGEST = 1000
_VALUES = frozenset({"env", "environment", "environment_vars", "environmentvars", "secrets", "headers"})
"""Fields of a body whose values are all redacted, whatever their names."""


@dataclass(frozen=True, slots=True)
class Request:
    """A recorded request, without secrets. ``query`` is encoded, ``body`` is JSON."""

    moment: datetime
    method: str
    url: str
    query: str
    status: int | None
    milliseconds: int
    attempts: int = 1
    request_id: str = ""
    problem: str = ""
    by_token: bool = False
    body: str = ""

    @property
    def failed(self) -> bool:
        """Whether it was rejected, or got no response."""
        return self.status is None or self.status >= 400

    @property
    def path(self) -> str:
        """The path with the query."""
        path = urlsplit(self.url).path
        return f"{path}?{self.query}" if self.query else path


@dataclass(slots=True)
class Trace:
    """The requests of one action: their number, and the first and the failed ones."""

    id: str = field(default_factory=lambda: secrets.token_hex(8))
    total: int = 0
    failed: int = 0
    requests: list[Request] = field(default_factory=list)
    wanted: bool = False
    """Whether an activity entry refers to it: only then it is stored."""
    changed: bool = False

    def take(self, report: RequestReport, moment: datetime) -> None:
        """Record a request; it is redacted only if it is stored."""
        bad = report.status is None or report.status >= 400
        self.total += 1
        self.failed += bad
        self.changed = True
        if self.total - self.failed <= KEPT if not bad else self.failed <= KEPT:
            self.requests.append(redacted_request(report, moment))


class RequestBook:
    """Observes every request of a client (``client.observe(book)``) and adds it to its trace."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: deque[tuple[datetime, RequestReport]] = deque(maxlen=LATEST)
        self._changed: dict[str, Trace] = {}

    def __call__(self, report: RequestReport) -> None:
        """Record a request."""
        now = self._clock.now()
        self._latest.append((now, report))
        trace = current_trace()
        if trace is not None:
            trace.take(report, now)
            if trace.wanted:
                self._changed[trace.id] = trace

    def want(self, trace: Trace) -> None:
        """Mark a trace for storing, since an entry refers to it."""
        trace.wanted = True
        if trace.total:
            self._changed[trace.id] = trace

    def take_changed(self) -> list[Trace]:
        """Return the marked traces that changed since the last call."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def latest_failure(self) -> Trace:
        """Return a trace of the last failed request, for errors that no user action caused."""
        trace = Trace()
        for moment, report in reversed(self._latest):
            if report.status is None or report.status >= 400:
                trace.take(report, moment)
                break
        return trace

    def latest(self) -> list[Request]:
        """Return the last requests, oldest first, redacted."""
        return [redacted_request(report, moment) for moment, report in self._latest]


def redacted_request(report: RequestReport, moment: datetime) -> Request:
    """Return a request as it may be stored: redacted."""
    hide = _hider(report.secrets)
    pairs = [(name, HIDDEN if is_secret_name(name) else hide(value)) for name, value in report.query]
    return Request(
        moment=moment,
        method=report.method,
        url=hide(report.url)[:_LONGEST],
        query=urlencode(pairs, quote_via=quote, safe="/<>")[:_LONGEST],
        status=report.status,
        milliseconds=round(report.seconds * 1000),
        attempts=report.attempts,
        request_id=hide(report.request_id),
        problem=hide(report.problem),
        by_token=report.by_token,
        body=_kept_body(report.body, hide),
    )


def curl_line(request: Request) -> str:
    """Return the curl command that repeats a request, with the key or token as a shell variable."""
    variable = "SANDBOX_TOKEN" if request.by_token else "PRIME_API_KEY"
    url = f"{request.url}?{request.query}" if request.query else request.url
    text = ["curl", "-sS"]
    if request.method != "GET":
        text += ["-X", shell_words.word(request.method)]
    text += [shell_words.word(url), "-H", f'"Authorization: Bearer ${variable}"']
    if request.body:
        text += ["-H", "'Content-Type: application/json'", "-d", shell_words.word(request.body)]
    return " ".join(text)


def dump_requests(requests: Sequence[Request]) -> str:
    """Serialize requests, for a database."""
    return json.dumps([{**asdict(request), "moment": request.moment.isoformat()} for request in requests])


def load_requests(text: str) -> list[Request]:
    """Deserialize requests.

    Raises:
        ValueError: the text is invalid.
    """
    try:
        return [Request(**{**row, "moment": datetime.fromisoformat(row["moment"])}) for row in json.loads(text)]
    except (TypeError, KeyError) as error:
        raise ValueError(f"invalid request data: {error}") from None


def _hider(message: Sequence[str]) -> Callable[[str], str]:
    # A short secret would match in any text: it is redacted only by name.
    ours = sorted({word for word in message if len(word) >= 4}, key=len, reverse=True)

    def hide(text: str) -> str:
        for word in ours:
            text = text.replace(word, HIDDEN)
        # A leading space would mean that a command is not recorded at all.
        return redact(text) or ("" if not text.strip() else HIDDEN)

    return hide


def _kept_body(body: bytes | None, hide: Callable[[str], str]) -> str:
    if not body:
        return ""
    try:
        text = json.dumps(_masked_value(json.loads(body), hide), ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""
    return text if len(text) <= LONGEST_BODY else ""


def _masked_value(value: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {
            hide(str(name)): _all_hidden(each)
            if str(name).lower() in _VALUES or is_secret_name(str(name))
            else _masked_value(each, hide)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_masked_value(each, hide) for each in value]
    return hide(value) if isinstance(value, str) else value


def _all_hidden(value: Any) -> Any:
    """Return a value of the same shape with all content redacted."""
    if isinstance(value, dict):
        return {str(name): _all_hidden(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_all_hidden(each) for each in value]
    return value if value is None else HIDDEN
