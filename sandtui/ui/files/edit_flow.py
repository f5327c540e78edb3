"""A file in ``$EDITOR``: fetched, edited in the terminal that is handed over, and sent back only if it changed."""

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
from sandtui.fleet.files.preview import Reader
from sandtui.fleet.files.remote import SandboxSide
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.transfers.fetching import Fetcher
from sandtui.fleet.transfers.leftovers import remove_there
from sandtui.fleet.transfers.model import Existing, Place, Spec, Transfer, TransferError
from sandtui.fleet.transfers.plan import Item
from sandtui.fleet.transfers.reasons import reason
from sandtui.fleet.transfers.sending import Sender
from sandtui.ui.chrome.gate import still_open
from sandtui.ui.dialogs.choose import Choice, DecideDialog
from sandtui.ui.rendering.units import size_text
from sandtui.ui.services.bundle import Services
from sandtui.ui.terminal_loan import TerminalLoanError, editor_command

LARGEST = 20_000_000
"""Bytes of a file that is opened in an editor; larger ones are rather fetched."""

_TROUBLE = (FilesError, TransferError, SandboxClientError, OSError, TerminalLoanError)


def edit(app: App[Any], services: Services, reader: Reader, on_change: Callable[[], None]) -> None:
    """Edit a file for the screen in front; ``on_change`` is called when it has changed.

    When the screen is left before the editor has opened, none opens. What was edited is sent back in any case.
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
    reader: Reader,
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
    except _TROUBLE as error:
        services.notifier.notify(f"{name} was not changed: {_words(error, transfer_id)}", "error")


async def _edit_remote(
    app: App[Any],
    services: Services,
    client: AsyncSandboxClient,
    reader: Reader,
    folder: Path,
    transfer_id: str,
    on_change: Callable[[], None],
    is_wanted: Callable[[], bool],
) -> bool:
    """Edit a copy; return whether it has to be kept, because the change has not arrived."""
    assert reader.sandbox_id is not None
    name = clean(base(reader.path))
    side = SandboxSide(client, reader.sandbox_id)
    before = await side.look(reader.path)
    if before is None:
        raise FilesError("it is not there any more")
    if before.size > LARGEST:
        key = services.key_of("files.copy")
        raise FilesError(f"it has {size_text(before.size)}; copy it with {key}, edit it here and copy it back")
    copy = folder / (base(reader.path) if base(reader.path).isprintable() else "file")
    place = Place(reader.path, reader.sandbox_id)
    transfer = Transfer(transfer_id, Spec(place, Place(str(copy)), "edit", Existing.OVERWRITE))
    await Fetcher(client, reader.sandbox_id, transfer).fetch(_item(reader.path, str(copy), before), lambda _: None)
    first = await asyncio.to_thread(_sum, copy)
    if not is_wanted():
        return False
    await _open(services, copy)
    if not copy.exists() or await asyncio.to_thread(_sum, copy) == first:
        services.notifier.notify(f"{name} was not changed.")
        return False
    after = await side.look(reader.path)
    goal = reader.path
    if after != before:
        answer = await _ask(app, name, gone=after is None)
        if answer is None:
            services.notifier.notify(f"{name} was left as it is there; your version is in {copy}.", "warning")
            return True
        goal = reader.path + answer
    size = copy.stat().st_size
    sender = Sender(client, reader.sandbox_id, transfer)
    try:
        await sender.send(Item("", str(copy), goal, size, 0, before.mode), lambda _: None)
    except _TROUBLE as error:
        with contextlib.suppress(FilesError):
            await remove_there(side, goal, transfer.id)
        services.notifier.notify(
            f"{name} could not be sent back: {_words(error, transfer.id)}. Your version is in {copy}.", "error"
        )
        return True
    services.notifier.notify(f"{clean(base(goal))} was written to the sandbox, {size_text(size)}.")
    on_change()
    return False


async def _ask(app: App[Any], name: str, *, gone: bool) -> str | None:
    """Ask what to do when the file is another one by now; return what is added to its name, None to leave it."""
    suffix = f".mine-{secrets.token_hex(2)}"
    words = "was removed" if gone else "was changed"
    choices = [
        Choice("beside", "b", "Write beside it", f"as {name}{suffix}"),
        Choice("over", "o", "Overwrite", "the other change is lost"),
        Choice("leave", "l", "Leave it", "your version stays on this machine"),
    ]
    future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    app.push_screen(DecideDialog(f"{name} {words} in the sandbox meanwhile", choices), future.set_result)
    answer = await future
    return {"beside": suffix, "over": ""}.get(answer or "leave")


async def _open(services: Services, path: Path) -> None:
    code = await services.terminal.run([*editor_command(), str(path)])
    if code != 0:
        raise FilesError(f"the editor ended with exit code {code}")


def _item(path: str, target: str, found: TreeItem) -> Item:
    return Item("", path, target, found.size, found.modified, found.mode)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _words(error: Exception, transfer_id: str) -> str:
    return str(error) if isinstance(error, TerminalLoanError) else reason(error, transfer_id)
