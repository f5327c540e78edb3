"""The asynchronous client."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from sandtui.client.config import Config
from sandtui.client.flows.commands import Commands
from sandtui.client.flows.lifecycle import Lifecycle
from sandtui.client.http_library import httpx
from sandtui.client.port import AsyncPort
from sandtui.client.session import Session
from sandtui.client.tokens import default_cache_dir


class AsyncSandboxClient(Lifecycle, Commands):
    """Every operation of the platform, as coroutines on one event loop.

    Example:
        async with AsyncSandboxClient() as sandboxes:
            request = CreateSandboxRequest(name="demo", docker_image="python:3.11-slim")
            sandbox = await sandboxes.create(request)

    ``config`` is read from the environment and ``~/.prime`` when it is not given; ``api_key`` overrides
    its key. ``transport`` replaces the network, for tests. ``token_folder`` is where gateway tokens are kept
    between runs; with ``keep_tokens=False`` they stay in memory.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        config: Config | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        token_folder: Path | None = None,
        keep_tokens: bool = True,
    ) -> None:
        chosen = (config or Config.load()).with_changes(api_key=api_key)
        folder = (token_folder or default_cache_dir()) if keep_tokens else None
        self._session = Session.open(chosen, AsyncPort(transport), folder)

    @property
    def config(self) -> Config:
        """The address and identity in use."""
        return self._session.config

    async def clear_auth_cache(self) -> None:
        """Forget every gateway token, in memory and on disk."""
        self._session.tokens.clear()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.port.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
