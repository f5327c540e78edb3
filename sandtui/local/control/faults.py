"""Fault injection: faults by probability, for tests and demonstrations. The same seed draws the same faults."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from random import Random
from typing import Any, Final, Self

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandtui.local.control.api_key import PREFIX
from sandtui.local.wire import AsciiJSONResponse

_INJECTED: Final = "this fault is injected."
SHIFT_KEY: Final = "sandtui.shift"
_SLOW_SECONDS: Final = (0.1, 1.5)
_ERRORS: Final = (500, 502, 503, 504)
_CODES: Final = {401: "unauthenticated", 409: "unavailable", 429: "resource_exhausted", 500: "internal"}


class Broken(Exception):
    """A response that is cut off on purpose."""


@dataclass(frozen=True)
class FaultSettings:
    """The probability of each kind of fault, from 0 to 1."""

    rate: float = 0.0
    """429 with Retry-After."""
    error: float = 0.0
    """500, 502, 503 or 504; half of them after the request was carried out."""
    slow: float = 0.0
    """A late response."""
    stall: float = 0.0
    """No response; the request is carried out."""
    reset: float = 0.0
    """A response that is cut off in the middle; the request is carried out."""
    token: float = 0.0
    """Gateway: a token that has expired."""
    conflict: float = 0.0
    """Gateway: 409, as while a sandbox starts."""
    shift: float = 0.0
    """List: later pages repeat rows, as happens when sandboxes are created between two requests."""
    seed: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``KIND=PROBABILITY,...``, where ``all`` stands for every kind.

        Raises:
            ValueError: the text is not valid; its message says why.
        """
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
                raise ValueError(f"{part.strip()!r}: {number!r} is not a number") from error
            if name != "seed" and not 0 <= value <= 1:
                raise ValueError(f"{part.strip()!r}: a probability must be from 0 to 1")
            values |= dict.fromkeys(kinds, value) | values if name == "all" else {name: value}
        return cls(**values)


class FaultInjection:
    """Middleware between the clients and the platform that answers some requests with a fault."""

    def __init__(self, app: ASGIApp, settings: FaultSettings) -> None:
        self._app = app
        self._settings = settings
        self._random = Random(settings.seed)  # noqa: S311

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a fault."""
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or path == "/healthz":
            await self._app(scope, receive, send)
            return
        is_gateway = not path.startswith(PREFIX)
        if self._strikes("slow"):
            await asyncio.sleep(self._random.uniform(*_SLOW_SECONDS))
        if self._strikes("rate"):
            await self._refuse(429, f"Too many requests; {_INJECTED}", scope, receive, send)
        elif is_gateway and self._strikes("token"):
            await self._refuse(401, f"The token has expired; {_INJECTED}", scope, receive, send)
        elif is_gateway and self._strikes("conflict"):
            await self._refuse(409, f"The sandbox is starting; {_INJECTED}", scope, receive, send)
        elif self._strikes("error"):
            if self._random.random() < 0.5:
                await self._app(scope, receive, _drop)
            status = self._random.choice(_ERRORS)
            await self._refuse(status, f"The platform failed; {_INJECTED}", scope, receive, send)
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
    """Discard a message."""


class _Breaking:
    """Sends half of the first part of a body, then fails."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def send(self, message: Message) -> None:
        """Send a part of a response, or fail in the middle of it."""
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body = bytes(message.get("body", b""))
        await self._send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        raise Broken(_INJECTED)
