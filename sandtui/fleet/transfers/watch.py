"""Changes under a directory of this machine, as they are saved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from sandtui.fleet.files.entry import TreeItem
from sandtui.fleet.files.local import LocalSide
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.transfers.equal import ignored


async def changes(root: str, ignore: tuple[str, ...], seconds: float) -> AsyncIterator[None]:
    """Yield once at the start, then each time when something under ``root`` has changed and has come to rest.

    It looks every ``seconds``; what still changes between two looks is waited for, so that a file is not sent while
    it is written.
    """
    sent: list[TreeItem] | None = None
    before: list[TreeItem] | None = None
    while True:
        try:
            now = ignored(ignore, (await LocalSide().walk(root))[0])
        except FilesError:
            now = before or []  # it is being replaced: the next look will tell
        if now != sent and (now == before or sent is None):
            sent = now
            yield
        before = now
        await asyncio.sleep(seconds)
