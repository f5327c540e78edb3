"""Downloading a directory of a sandbox at once, without a queue."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sandtui.client import AsyncSandboxClient
from sandtui.fleet.files.entry import FileKind
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.transfers.executor import Signature, TransferExecutor
from sandtui.fleet.transfers.model import Existing, Location, Transfer, TransferSpec


class _NoLog:
    def note_files(self, transfer_id: str, items: Sequence[tuple[str, Signature]]) -> None:
        """Do nothing: an interrupted download begins again."""


async def is_folder(client: AsyncSandboxClient, sandbox_id: str, path: str) -> bool:
    """Return whether a path of a sandbox is a directory; False if it can't be looked at."""
    try:
        found = await SandboxFileSystem(client, sandbox_id).stat(path)
    except FilesError:
        return False
    return found is not None and found.kind is FileKind.FOLDER


async def download_folder(client: AsyncSandboxClient, sandbox_id: str, path: str, target: Path, mark: str) -> None:
    """Download a directory with all that is in it; what exists locally with the same content is kept.

    ``mark`` names the temporary files.

    Raises:
        TransferError, FilesError, SandboxClientError, OSError: it failed; complete files stay.
    """
    source, goal = Location(path, sandbox_id), Location(str(target))
    transfer = Transfer(mark, TransferSpec(source, goal, mark, Existing.DIFFERENT))
    with tempfile.TemporaryDirectory(prefix="sandtui-") as spool:
        await TransferExecutor(client, transfer, Path(spool), _NoLog(), lambda: None, {}).run()
