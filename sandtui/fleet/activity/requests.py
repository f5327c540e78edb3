"""The requests behind what the user did: who caused them, what is kept of them, and how to make one by hand.

A *trace* is one thing that was done, such as a deletion, with the requests that were made for it. It travels by a
context variable (:mod:`sandtui.fleet.activity.trace`), so that no layer between a key and the client
hands it on. What is kept of a request is masked when it is taken.
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
from sandtui.fleet.commands.line.masking import HIDDEN, is_secret_name, masked

KEPT = 10
"""Requests of a trace that are kept: so many of the first, and so many of those that failed."""

LATEST = 100
"""Requests of the program as a whole that are kept while it runs, for the report of a crash."""

LONGEST_BODY = 2000
"""Characters of a body that are kept; a longer one is not kept at all, for half a body is no request."""

_LONGEST = 1000
_VALUES = frozenset({"env", "environment", "environment_vars", "environmentvars", "secrets", "headers"})
"""Fields of a body whose values are all left out, whatever their names."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is kept of a request: nothing of it is secret. ``query`` is encoded, ``body`` is JSON."""

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
        """Whether it was refused, or got no reply."""
        return self.status is None or self.status >= 400

    @property
    def path(self) -> str:
        """The path, with what was asked."""
        path = urlsplit(self.url).path
        return f"{path}?{self.query}" if self.query else path


@dataclass(slots=True)
class Trace:
    """The requests of one thing that was done: how many, and the first and the failed ones of them."""

    id: str = field(default_factory=lambda: secrets.token_hex(8))
    total: int = 0
    failed: int = 0
    requests: list[Request] = field(default_factory=list)
    wanted: bool = False
    """Whether an entry of the activity refers to it: only then it is kept."""
    changed: bool = False

    def take(self, report: RequestReport, moment: datetime) -> None:
        """Take note of a request; it is masked only if it is kept."""
        bad = report.status is None or report.status >= 400
        self.total += 1
        self.failed += bad
        self.changed = True
        if self.total - self.failed <= KEPT if not bad else self.failed <= KEPT:
            self.requests.append(kept(report, moment))


class RequestBook:
    """Hears of every request of a client (``client.observe(book)``) and gives it to its trace."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: deque[tuple[datetime, RequestReport]] = deque(maxlen=LATEST)
        self._changed: dict[str, Trace] = {}

    def __call__(self, report: RequestReport) -> None:
        """Take note of a request."""
        now = self._clock.now()
        self._latest.append((now, report))
        trace = current_trace()
        if trace is not None:
            trace.take(report, now)
            if trace.wanted:
                self._changed[trace.id] = trace

    def want(self, trace: Trace) -> None:
        """Have a trace kept: an entry refers to it."""
        trace.wanted = True
        if trace.total:
            self._changed[trace.id] = trace

    def take_changed(self) -> list[Trace]:
        """Return the wanted traces that changed since the last time."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def latest_failure(self) -> Trace:
        """Return a trace of the last request that failed, for trouble that no user caused."""
        trace = Trace()
        for moment, report in reversed(self._latest):
            if report.status is None or report.status >= 400:
                trace.take(report, moment)
                break
        return trace

    def latest(self) -> list[Request]:
        """Return the last requests, the oldest first; nothing in them is secret."""
        return [kept(report, moment) for moment, report in self._latest]


def kept(report: RequestReport, moment: datetime) -> Request:
    """Return what may be kept of a request."""
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
    """Return the command that makes a request again, with the key or token as a variable of the shell."""
    variable = "SANDBOX_TOKEN" if request.by_token else "PRIME_API_KEY"
    url = f"{request.url}?{request.query}" if request.query else request.url
    words = ["curl", "-sS"]
    if request.method != "GET":
        words += ["-X", shell_words.word(request.method)]
    words += [shell_words.word(url), "-H", f'"Authorization: Bearer ${variable}"']
    if request.body:
        words += ["-H", "'Content-Type: application/json'", "-d", shell_words.word(request.body)]
    return " ".join(words)


def dump_requests(requests: Sequence[Request]) -> str:
    """Return requests as text, for a database."""
    return json.dumps([{**asdict(request), "moment": request.moment.isoformat()} for request in requests])


def load_requests(text: str) -> list[Request]:
    """Return requests from such a text.

    Raises:
        ValueError: it is not one.
    """
    try:
        return [Request(**{**row, "moment": datetime.fromisoformat(row["moment"])}) for row in json.loads(text)]
    except (TypeError, KeyError) as error:
        raise ValueError(f"these are no requests: {error}") from None


def _hider(words: Sequence[str]) -> Callable[[str], str]:
    # A short word would be found in any text, but a secret may be short: then the masks by name must do.
    ours = sorted({word for word in words if len(word) >= 4}, key=len, reverse=True)

    def hide(text: str) -> str:
        for word in ours:
            text = text.replace(word, HIDDEN)
        # A blank at the beginning means that a command is not kept at all.
        return masked(text) or ("" if not text.strip() else HIDDEN)

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
    """Return a value with its shape, and nothing that was in it."""
    if isinstance(value, dict):
        return {str(name): _all_hidden(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_all_hidden(each) for each in value]
    return value if value is None else HIDDEN
