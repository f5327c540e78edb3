"""A part of the fleet: what a configuration with ``only_labels`` may ask for, and what it gets to see.

Only lists, statuses and logs of sandboxes with all the labels are read, without the values of variables. Everything
else is refused before it is sent.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import unquote

from sandtui.client.call import Call
from sandtui.client.errors import InvalidRequestError, NotFoundError
from sandtui.client.models import BatchStatusReply, ErrorContext, LogsReply, Sandbox, SandboxPage

T = TypeVar("T")

LIST: Final = "/sandbox"
STATUSES: Final = "/sandbox/status:batchGet"
_ONE: Final = re.compile(r"/sandbox/([^/:]+)(/logs|/error-context)?")

_READABLE: Final[frozenset[object]] = frozenset({SandboxPage, Sandbox, BatchStatusReply, LogsReply, ErrorContext})
"""The responses that can be limited to what may be seen; raw ones can't."""

HIDDEN: Final = "(hidden)"
MAX_KNOWN: Final = 100_000


class Share:
    """The sandboxes with some labels. An id is known once the platform has said that it has them."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = frozenset(labels)
        self._known: set[str] = set()

    def limited(self, call: Call[T], sandbox_id: str | None) -> Call[T]:
        """Return a call as it may be sent.

        Raises:
            InvalidRequestError: it asks for something else than this part of the fleet; nothing was sent.
        """
        if call.response not in _READABLE:
            raise self._refusal(call)
        if call.method == "GET" and call.path == LIST:
            asked = call.query.get("labels")
            given = asked if isinstance(asked, (list, tuple)) else ()
            return replace(call, query={**call.query, "labels": [*dict.fromkeys([*given, *sorted(self._labels)])]})
        if call.method == "POST" and call.path == STATUSES:
            return call
        found = _ONE.fullmatch(call.path) if call.method == "GET" else None
        # A sandbox itself is read before it is known; what is read of it later must belong to one that is.
        if found is None or sandbox_id is None or (found[2] and unquote(found[1]) not in self._known):
            raise self._refusal(call)
        return call

    def visible(self, call: Call[T], response: T) -> T:
        """Return what may be seen of a response.

        Raises:
            NotFoundError: it is a sandbox without the labels.
        """
        if isinstance(response, SandboxPage):
            shown = [self._redacted(sandbox) for sandbox in response.sandboxes if self._has(sandbox)]
            return response.model_copy(update={"sandboxes": shown})
        if isinstance(response, Sandbox):
            if not self._has(response):
                raise NotFoundError(
                    "no such sandbox is shared here", status_code=404, method=call.method, path=call.path
                )
            return self._redacted(response)  # type: ignore[return-value] # T is Sandbox here
        if isinstance(response, BatchStatusReply):
            rows = [row for row in response.statuses if row.sandbox_id in self._known]
            return response.model_copy(update={"statuses": rows, "errors": []})
        return response

    def _refusal(self, call: Call[T]) -> InvalidRequestError:
        return InvalidRequestError(
            "only a part of the fleet is shared here: nothing was sent", method=call.method, path=call.path
        )

    def _has(self, sandbox: Sandbox) -> bool:
        return self._labels <= set(sandbox.labels)

    def _redacted(self, sandbox: Sandbox) -> Sandbox:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known.add(sandbox.id)
        hidden = {name: dict.fromkeys(values, HIDDEN) if values else values for name, values in (
            ("environment_vars", sandbox.environment_vars), ("secrets", sandbox.secrets),
        )}  # fmt: skip
        return sandbox.model_copy(update={**hidden, "advanced_configs": None})
