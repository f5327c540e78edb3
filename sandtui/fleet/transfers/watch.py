"""Watching a local directory for changes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator

from sandtui.fleet.files.entry import TreeItem
from sandtui.fleet.files.local import LocalFileSystem
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.transfers.sync import without_ignored

UNNOTIFIED_SECONDS = 10.0
"""Scan interval without notifications: systems send none for network drives, or after a directory was replaced."""

_STEP_MS, _REPORT_MS = 100, 500


async def changes(root: str, ignore: tuple[str, ...], seconds: float) -> AsyncIterator[None]:
    """Yield once at the start, then each time the files under ``root`` have changed and settled.

    Scans are triggered by notifications of the system. A tree that still changes within ``seconds`` is scanned again,
    so that a file is not copied while it is being written.
    """
    sent: list[TreeItem] | None = None
    before: list[TreeItem] | None = None
    with _notifications(root) as notified:
        while True:
            notified.clear()
            is_there = True
            try:
                now = without_ignored(ignore, (await LocalFileSystem().walk(root))[0])
            except FilesError:
                is_there, now = False, before or []  # it is being replaced: scan again
            if now != sent and (now == before or sent is None):
                sent = now
                yield
            before = now
            if is_there and now == sent:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(UNNOTIFIED_SECONDS):
                        await notified.wait()
            else:
                await asyncio.sleep(seconds)


@contextlib.contextmanager
def _notifications(root: str) -> Iterator[asyncio.Event]:
    """Set an event when the system reports a change under a directory, and once when watching has started."""
    loop = asyncio.get_running_loop()
    notified, stop = asyncio.Event(), threading.Event()

    def watch() -> None:
        import watchfiles

        # Started in the thread: it takes a while for a large tree, which may also exceed the system's limit.
        try:
            reports = watchfiles.watch(
                root,
                watch_filter=None,
                step=_STEP_MS,
                debounce=_STEP_MS,
                rust_timeout=_REPORT_MS,
                yield_on_timeout=True,
                stop_event=stop,
                raise_interrupt=False,
                ignore_permission_denied=True,
            )
            is_first = True
            for report in reports:
                if report or is_first:
                    is_first = False
                    loop.call_soon_threadsafe(notified.set)
        except (OSError, RuntimeError):
            return  # too many directories, or the loop has ended: periodic scans remain

    thread = threading.Thread(target=watch, name="sandtui-watch", daemon=True)
    thread.start()
    try:
        yield notified
    finally:
        stop.set()
