"""Arbitrary requests, for routes without a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sandtui.client.call import CONTROL_TIMEOUT, Call, QueryValue, Repeat
from sandtui.client.checks import json_body
from sandtui.client.flows.base import Flows

_SAFE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_OBJECT = cast("type[dict[str, Any]]", dict[str, Any])


class RawCalls(Flows):
    """Control-plane calls by method and path; responses are JSON objects."""

    async def request(
        self,
        method: str,
        endpoint: str,
        params: Mapping[str, QueryValue] | None = None,
        json: object = None,
        timeout: float | None = None,
        idempotent_post: bool = False,
    ) -> dict[str, Any]:
        """Send a request to ``/api/v1/<endpoint>`` and return its response. ``timeout`` is in seconds.

        Only safe requests are retried; ``idempotent_post`` marks a POST as safe.

        Raises:
            APIError: the platform refused, or its response is not a JSON object.
        """
        verb = method.upper()
        call = Call(
            verb,
            "/" + endpoint.lstrip("/"),
            _OBJECT,
            query=params or {},
            body=None if json is None else json_body(json),
            repeat=Repeat.SAFE if verb in _SAFE_METHODS or idempotent_post else Repeat.UNSENT,
            timeout=CONTROL_TIMEOUT if timeout is None else timeout,
        )
        return await self._session.control(call)

    async def get(self, endpoint: str, params: Mapping[str, QueryValue] | None = None) -> dict[str, Any]:
        """GET an endpoint."""
        return await self.request("GET", endpoint, params)

    async def post(self, endpoint: str, json: object = None) -> dict[str, Any]:
        """POST to an endpoint."""
        return await self.request("POST", endpoint, json=json)

    async def patch(self, endpoint: str, json: object = None) -> dict[str, Any]:
        """PATCH an endpoint."""
        return await self.request("PATCH", endpoint, json=json)

    async def delete(self, endpoint: str, json: object = None) -> dict[str, Any]:
        """DELETE an endpoint."""
        return await self.request("DELETE", endpoint, json=json)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.port.aclose()
