"""What the bytes of files go over: the platform's gateway, or SFTP when that was asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from sandtui.client import AsyncSandboxClient
from sandtui.client.toolkit import Progress
from sandtui.fleet.transfers.model import Spec


class Way(Protocol):
    """Moves files; the client itself, or an SFTP connection."""

    async def upload_file(
        self, sandbox_id: str, file_path: str, local_file_path: str | Path, *, on_progress: Progress
    ) -> object:
        """Send a file to a name that nobody looks at; see :meth:`AsyncSandboxClient.upload_file`."""
        ...

    async def download_file(
        self,
        sandbox_id: str,
        file_path: str,
        local_file_path: str | Path,
        *,
        on_progress: Progress,
        checksum: bool,
        version: tuple[int, int] | None = None,
        mark: str | None = None,
    ) -> None:
        """Fetch a file; see :meth:`AsyncSandboxClient.download_file`."""
        ...


@asynccontextmanager
async def open_ways(client: AsyncSandboxClient, spec: Spec) -> AsyncIterator[dict[str, Way]]:
    """Open the way into each sandbox of a transfer.

    Raises:
        SandboxClientError: there is no SSH into it.
    """
    async with AsyncExitStack() as opened:
        ways: dict[str, Way] = {}
        for place in (spec.source, spec.target):
            if place.sandbox_id is None or place.sandbox_id in ways:
                continue
            way: Way = client
            if spec.sftp:
                # Only here: SSH takes long to be loaded.
                from sandtui.client.toolkit import open_sftp

                way = await opened.enter_async_context(open_sftp(client, place.sandbox_id))
            ways[place.sandbox_id] = way
        yield ways
