"""The asynchronous client."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sandtui.client.async_port import AsyncPort
from sandtui.client.channels import SSHChannels
from sandtui.client.config import Config
from sandtui.client.errors import InvalidRequestError
from sandtui.client.flows.commands import check_launch, raise_if_too_long, start_message
from sandtui.client.flows.images import ImageOperations
from sandtui.client.flows.operations import Operations
from sandtui.client.flows.volumes import VolumeOperations
from sandtui.client.http_library import httpx
from sandtui.client.process import AsyncSandboxProcess
from sandtui.client.rpc import RPCError
from sandtui.client.session import Session
from sandtui.client.tokens import default_cache_dir

if TYPE_CHECKING:
    import asyncssh


class AsyncSandboxClient(Operations):
    """Every operation of the platform, as coroutines on one event loop.

    Example:
        async with AsyncSandboxClient() as sandboxes:
            request = CreateSandboxRequest(name="demo", docker_image="python:3.11-slim")
            sandbox = await sandboxes.create(request)

    ``config`` is read from the environment and ``~/.prime`` when it is not given; ``api_key`` overrides
    its key. ``transport`` replaces the network, for tests. Gateway tokens are stored in ``token_folder``
    between runs; with ``keep_tokens=False`` they stay in memory.
    """

    def __init__(
        self,
        api_key: str | None = None,
        max_connections: int = 1000,
        max_keepalive_connections: int = 200,
        *,
        config: Config | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        token_folder: Path | None = None,
        keep_tokens: bool = True,
    ) -> None:
        chosen = (config or Config.load()).with_changes(api_key=api_key)
        folder = (token_folder or default_cache_dir()) if keep_tokens else None
        limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_keepalive_connections)
        super().__init__(Session.open(chosen, AsyncPort(transport, limits), folder))
        self._session.channels = SSHChannels(self._session)

    @property
    def config(self) -> Config:
        """The address and identity in use."""
        return self._session.config

    @property
    def images(self) -> ImageOperations:
        """Operations on images."""
        return ImageOperations(self._session)

    @property
    def volumes(self) -> VolumeOperations:
        """Operations on volumes."""
        return VolumeOperations(self._session)

    async def open_process(
        self,
        sandbox_id: str,
        command: str,
        working_dir: str | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        *,
        size: tuple[int, int] | None = None,
    ) -> AsyncSandboxProcess:
        """Start an interactive process in a VM; ``size`` (columns, lines) gives it a terminal.

        Use it with ``async with`` (``with`` in the blocking client): leaving the block ends the process.

        Raises:
            InvalidRequestError: an argument is invalid, or the sandbox is a container: use :meth:`connect_ssh` there.
                Nothing was started.
            CommandTooLongError: the platform does not accept such a long command; upload it as a file and run that.
            SandboxNotRunningError: the sandbox has ended.
            APIError: the process could not be started.
        """
        check_launch(command, working_dir, env, user)
        if not await self._session.is_vm(sandbox_id):
            raise InvalidRequestError("a container has no command sessions; use connect_ssh for an interactive process")
        session_uuid = str(uuid.uuid4())
        start = start_message(command, working_dir, env, user, stdin=True, session_uuid=session_uuid, size=size)
        process = AsyncSandboxProcess(self._session, sandbox_id, start, terminal=size is not None)
        try:
            return await process.started()
        except BaseException as error:
            await self._session.port.shielded(process.aclose())
            if isinstance(error, RPCError):
                raise_if_too_long(error, sandbox_id, command, env)
            raise

    def connect_ssh(
        self, sandbox_id: str, ttl_seconds: int | None = None
    ) -> AbstractAsyncContextManager[asyncssh.SSHClientConnection]:
        """Open an SSH connection into the sandbox; leaving the block closes it and its session.

        The asynchronous client yields asyncssh's connection, the blocking one a :class:`SandboxSSH` that wraps it.

        Raises:
            APIError: the platform has no SSH for this sandbox, or refused.
            ConnectionFailedError: the address that the platform returned is not reachable.
        """
        from sandtui.client.ssh import ssh_connection

        return ssh_connection(self, sandbox_id, ttl_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
