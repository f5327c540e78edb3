"""The Docker API, as served by Docker and Podman."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import httpx

from sandtui.local.drivers.base import DriverError
from sandtui.local.drivers.engine_links import EngineLink, EngineStream, EngineTransport

VERSION: Final = "/v1.41"
_SECONDS: Final = 60.0


class EngineError(DriverError):
    """The engine refused a call; ``status`` is its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class EngineApi:
    """Calls of one engine."""

    def __init__(self, link: EngineLink) -> None:
        self.link = link
        transport = EngineTransport(link)
        self._http = httpx.AsyncClient(transport=transport, base_url=f"http://engine{VERSION}", timeout=_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self.link.close()

    async def call(self, method: str, path: str, *, wait: bool = False, **options: Any) -> Any:
        """Make a call and return its JSON; with ``wait``, without a timeout."""
        try:
            timeout = httpx.Timeout(None, connect=_SECONDS) if wait else httpx.Timeout(_SECONDS)
            response = await self._http.request(method, path, timeout=timeout, **options)
        except httpx.HTTPError as error:
            raise DriverError(
                f"The container engine {self.link.address} does not respond: {error or type(error).__name__}."
            ) from error
        if response.status_code >= 400:
            raise EngineError(response.status_code, _reason(response))
        try:
            return response.json() if response.content else {}
        except ValueError:
            return response.content

    async def lines(self, method: str, path: str, **options: Any) -> AsyncIterator[dict[str, Any]]:
        """Make a call and yield the JSON lines of its response as they arrive."""
        timeout = httpx.Timeout(None, connect=_SECONDS)
        try:
            async with self._http.stream(method, path, timeout=timeout, **options) as response:
                if response.status_code >= 400:
                    await response.aread()
                    raise EngineError(response.status_code, _reason(response))
                async for line in response.aiter_lines():
                    if line.strip():
                        yield json.loads(line)
        except (httpx.HTTPError, ValueError) as error:
            raise DriverError(
                f"The container engine closed the connection: {error or type(error).__name__}."
            ) from error

    async def hijack(self, path: str, body: dict[str, Any]) -> EngineStream:
        """Make a call whose connection becomes a byte stream in both directions."""
        reader, writer = await self.link.open()
        data = json.dumps(body).encode("ascii")
        head = (
            f"POST {VERSION}{path} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        )
        try:
            writer.write(head.encode("ascii") + data)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status = int(answer.split(" ", 2)[1])
            if status not in (101, 200):
                text = (await reader.read(4096)).decode("utf-8", "replace")
                raise EngineError(status, text.partition("\r\n\r\n")[2] or text)
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            writer.close()
            raise DriverError("The container engine closed the connection.") from error
        except BaseException:
            writer.close()
            raise
        return reader, writer


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text.strip()[:1000] or f"status {response.status_code}"


def image_path(image: str) -> str:
    """Return the path of an image's calls."""
    return f"/images/{quote(image, safe='/:@')}"
