"""Trouble on demand: faults by probability, for tests and demonstrations; the same seed draws the same faults."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from random import Random
from typing import Any, Final, Self

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandtui.local.control.api_key import PREFIX
from sandtui.local.wire import AsciiJSONResponse

_ASKED: Final = "this is trouble that was asked for."
SHIFT_KEY: Final = "sandtui.shift"
_SLOW_SECONDS: Final = (0.1, 1.5)
_ERRORS: Final = (500, 502, 503, 504)
_CODES: Final = {401: "unauthenticated", 409: "unavailable", 429: "resource_exhausted", 500: "internal"}


class Broken(Exception):
    """A reply that is broken off on purpose."""


@dataclass(frozen=True)
class FaultSettings:
    """How probable each kind of trouble is, from 0 to 1."""

    rate: float = 0.0
    """429 with Retry-After."""
    error: float = 0.0
    """500, 502, 503 or 504; half of them after the request was carried out."""
    slow: float = 0.0
    """A reply that comes late."""
    stall: float = 0.0
    """A reply that never comes; the request was carried out."""
    reset: float = 0.0
    """A reply that breaks off in its middle; the request was carried out."""
    token: float = 0.0
    """Gateway: a token that has expired."""
    conflict: float = 0.0
    """Gateway: 409, as while a sandbox starts."""
    shift: float = 0.0
    """List: later pages repeat rows, as when sandboxes are made meanwhile."""
    seed: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``KIND=PROBABILITY,...``; ``all`` stands for every kind. ValueError says what is wrong."""
        kinds = [field.name for field in fields(cls) if field.name != "seed"]
        values: dict[str, Any] = {}
        for part in text.split(","):
            name, equals, number = part.strip().partition("=")
            if not equals or name not in (*kinds, "all", "seed"):
                raise ValueError(
                    f"{part.strip()!r}: write KIND=PROBABILITY; the kinds are all, {', '.join(kinds)}, seed"
                )
            try:
                value = int(number) if name == "seed" else float(number)
            except ValueError as error:
                raise ValueError(f"{part.strip()!r}: {number!r} is no number") from error
            if name != "seed" and not 0 <= value <= 1:
                raise ValueError(f"{part.strip()!r}: a probability goes from 0 to 1")
            values |= dict.fromkeys(kinds, value) | values if name == "all" else {name: value}
        return cls(**values)


class FaultInjection:
    """Stands between the clients and the platform."""

    def __init__(self, app: ASGIApp, settings: FaultSettings) -> None:
        self._app = app
        self._settings = settings
        self._random = Random(settings.seed)  # noqa: S311

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or not."""
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or path == "/healthz":
            await self._app(scope, receive, send)
            return
        is_gateway = not path.startswith(PREFIX)
        if self._strikes("slow"):
            await asyncio.sleep(self._random.uniform(*_SLOW_SECONDS))
        if self._strikes("rate"):
            await self._refuse(429, "Too many requests; this is trouble that was asked for.", scope, receive, send)
        elif is_gateway and self._strikes("token"):
            await self._refuse(401, "The token has expired; this is trouble that was asked for.", scope, receive, send)
        elif is_gateway and self._strikes("conflict"):
            await self._refuse(
                409, "The sandbox is starting; this is trouble that was asked for.", scope, receive, send
            )
        elif self._strikes("error"):
            if self._random.random() < 0.5:
                await self._app(scope, receive, _drop)
            status = self._random.choice(_ERRORS)
            await self._refuse(status, f"The platform failed; {_ASKED}", scope, receive, send)
        elif self._strikes("stall"):
            await self._app(scope, receive, _drop)
            while (await receive())["type"] != "http.disconnect":
                pass
        elif self._strikes("reset"):
            await self._app(scope, receive, _Breaking(send).send)
        else:
            if not is_gateway and self._strikes("shift"):
                scope[SHIFT_KEY] = self._random.randint(1, 5)
            await self._app(scope, receive, send)

    def _strikes(self, kind: str) -> bool:
        probability = float(getattr(self._settings, kind))
        return probability > 0 and self._random.random() < probability

    async def _refuse(self, status: int, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"retry-after": "1"} if status == 429 else None
        body: dict[str, str] = {"detail": detail}
        if "command_session.CommandSession" in str(scope.get("path", "")):
            body = {"code": _CODES.get(status, "unavailable"), "message": detail}
        elif status == 409:
            body["error"] = "sandbox_not_running"
        await AsciiJSONResponse(body, status, headers)(scope, receive, send)


async def _drop(message: Message) -> None:
    """Send nothing."""


class _Breaking:
    """Sends half of the first part of a body, then breaks off."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def send(self, message: Message) -> None:
        """Send a part of a reply."""
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body = bytes(message.get("body", b""))
        await self._send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        raise Broken("trouble that was asked for")
