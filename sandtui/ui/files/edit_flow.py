"""Editing a sandbox's file in ``$EDITOR``: download, edit, and upload if it changed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import App

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.fleet.files.entry import TreeItem
from sandtui.fleet.files.names import FilesError, base
from sandtui.fleet.files.preview import FileReader
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.transfers.download import Downloader
from sandtui.fleet.transfers.leftovers import remove_in_sandbox
from sandtui.fleet.transfers.model import Existing, Location, Transfer, TransferError, TransferSpec
from sandtui.fleet.transfers.plan import TransferItem
from sandtui.fleet.transfers.reasons import reason
from sandtui.fleet.transfers.upload import Uploader
from sandtui.ui.chrome.gate import still_open
from sandtui.ui.dialogs.choose import Choice, DecideDialog
from sandtui.ui.rendering.units import size_text
from sandtui.ui.services.bundle import Services
from sandtui.ui.terminal_loan import TerminalLoanError, editor_command

LARGEST = 20_000_000
"""Maximum size of a file to edit, in bytes."""

_FAULTS = (FilesError, TransferError, SandboxClientError, OSError, TerminalLoanError)


def edit(app: App[Any], services: Services, reader: FileReader, on_change: Callable[[], None]) -> None:
    """Edit a file for the screen in front; ``on_change`` is called when it was changed.

    If the screen is closed before the editor opens, none opens. An edited file is uploaded in any case.
    """
    session = services.platform.session
    if session is not None:
        is_wanted = still_open(app.screen)

        def changed() -> None:
            if is_wanted():
                on_change()

        flow = _edit(app, services, session.client, reader, changed, is_wanted)
        services.work.worker(flow, "edit", exclusive=True)


async def _edit(
    app: App[Any],
    services: Services,
    client: AsyncSandboxClient,
    reader: FileReader,
    on_change: Callable[[], None],
    is_wanted: Callable[[], bool],
) -> None:
    name, transfer_id = clean(base(reader.path)), secrets.token_hex(5)
    try:
        if reader.sandbox_id is None:
            await _open(services, Path(reader.path))
            on_change()
            return
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="sandtui-edit-"))
        keep = False
        try:
            keep = await _edit_remote(app, services, client, reader, folder, transfer_id, on_change, is_wanted)
        finally:
            if not keep:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    except _FAULTS as error:
        services.notifier.notify(f"{name} not changed: {_error_text(error, transfer_id)}", "error")


async def _edit_remote(
    app: App[Any],
    services: Services,
    client: AsyncSandboxClient,
    reader: FileReader,
    folder: Path,
    transfer_id: str,
    on_change: Callable[[], None],
    is_wanted: Callable[[], bool],
) -> bool:
    """Edit a copy; return whether it must be kept because the change was not uploaded."""
    assert reader.sandbox_id is not None
    name = clean(base(reader.path))
    side = SandboxFileSystem(client, reader.sandbox_id)
    before = await side.stat(reader.path)
    if before is None:
        raise FilesError("the file no longer exists")
    if before.size > LARGEST:
        key = services.key_of("files.copy")
        raise FilesError(
            f"too large to edit here ({size_text(before.size)}): copy it with {key}, edit the copy and copy it back"
        )
    copy = folder / (base(reader.path) if base(reader.path).isprintable() else "file")
    location = Location(reader.path, reader.sandbox_id)
    transfer = Transfer(transfer_id, TransferSpec(location, Location(str(copy)), "edit", Existing.OVERWRITE))
    await Downloader(client, reader.sandbox_id, transfer).download(
        _item(reader.path, str(copy), before), lambda _: None
    )
    first = await asyncio.to_thread(_sum, copy)
    if not is_wanted():
        return False
    await _open(services, copy)
    if not copy.exists() or await asyncio.to_thread(_sum, copy) == first:
        services.notifier.notify(f"{name} not changed")
        return False
    after = await side.stat(reader.path)
    goal = reader.path
    if after != before:
        answer = await _ask(app, name, gone=after is None)
        if answer is None:
            services.notifier.notify(f"{name} not changed in the sandbox; your version is in {copy}", "warning")
            return True
        goal = reader.path + answer
    size = copy.stat().st_size
    uploader = Uploader(client, reader.sandbox_id, transfer)
    try:
        await uploader.upload(TransferItem("", str(copy), goal, size, 0, before.mode), lambda _: None)
    except _FAULTS as error:
        with contextlib.suppress(FilesError):
            await remove_in_sandbox(side, goal, transfer.id)
        services.notifier.notify(
            f"{name} not uploaded: {_error_text(error, transfer.id)}. Your version is in {copy}", "error"
        )
        return True
    services.notifier.notify(f"{clean(base(goal))} saved to the sandbox ({size_text(size)})")
    on_change()
    return False


async def _ask(app: App[Any], name: str, *, gone: bool) -> str | None:
    """Ask what to do if the file has changed meanwhile; return a suffix for its name, or None to discard."""
    suffix = f".mine-{secrets.token_hex(2)}"
    text = "was removed" if gone else "was changed"
    choices = [
        Choice("beside", "b", "Save as copy", f"as {name}{suffix}"),
        Choice("over", "o", "Overwrite", "the change in the sandbox is lost"),
        Choice("leave", "l", "Discard", "your version stays on this machine"),
    ]
    future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    app.push_screen(DecideDialog(f"{name} {text} in the sandbox while you edited it", choices), future.set_result)
    answer = await future
    return {"beside": suffix, "over": ""}.get(answer or "leave")


async def _open(services: Services, path: Path) -> None:
    code = await services.terminal.run([*editor_command(), str(path)])
    if code != 0:
        raise FilesError(f"the editor exited with code {code}")


def _item(path: str, target: str, found: TreeItem) -> TransferItem:
    return TransferItem("", path, target, found.size, found.modified, found.mode)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _error_text(error: Exception, transfer_id: str) -> str:
    return str(error) if isinstance(error, TerminalLoanError) else reason(error, transfer_id)
