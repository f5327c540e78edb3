"""Checks the API key of calls to the control plane, and looks up the sandbox that a path names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandtui.local import wire
from sandtui.local.gateway.tokens import same
from sandtui.local.store.records import SandboxRecord
from sandtui.local.store.registry import Registry

PREFIX = "/api/v1"

Handler = Callable[[Request], Awaitable[Response]]
Row = tuple[str, str, Handler]
"""Method (``*`` for all), path below the prefix, handler."""


class ApiKeyGuard:
    """Guards routes with the API key."""

    def __init__(self, registry: Registry, api_key: str) -> None:
        self._registry = registry
        self._api_key = api_key

    def routes(self, rows: list[Row]) -> list[Route]:
        """Return guarded routes in the order of the rows."""
        every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return [
            Route(PREFIX + path, self._guarded(handler), methods=every if method == "*" else [method])
            for method, path, handler in rows
        ]

    def sandbox(self, request: Request) -> SandboxRecord:
        """Return the sandbox of a request's path, or raise a 404."""
        record = self._registry.get(request.path_params["id"])
        if record is None:
            raise wire.problem(HTTPStatus.NOT_FOUND, "Sandbox not found")
        return record

    def running(self, request: Request) -> SandboxRecord:
        """Return the sandbox of a request's path; raise a 404 if there is none, or a 409 if it is not RUNNING."""
        record = self.sandbox(request)
        if record.status != "RUNNING":
            raise wire.problem(HTTPStatus.CONFLICT, f"The sandbox is {record.status}, not RUNNING.")
        return record

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            kind, _, key = request.headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not same(key.strip(), self._api_key):
                text = "The API key is missing or invalid; `sandtui local env` prints it."
                raise wire.problem(HTTPStatus.UNAUTHORIZED, text)
            return await handler(request)

        return guarded


def refuse(what: str) -> Handler:
    """Return a handler for a part of the API that this platform does not implement."""

    async def refused(request: Request) -> Response:
        raise wire.not_offered(what)

    return refused
