"""Gateway tokens, stored in memory and on disk.

One small file per sandbox, in a folder per address and key, so that a fan-out over thousands of sandboxes does not
rewrite one large file for each token. Files are replaced atomically. While a token is fetched the sandbox is locked
against other tasks and processes, so that only one of them fetches it. The official SDK's
``~/.prime/sandbox_auth_cache.json`` is neither read nor written: it is keyed by sandbox only, readable by others and
rewritten without a lock (WIRE.md 1), so sharing it would send tokens to addresses that never issued them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from weakref import WeakValueDictionary

from pydantic import ValidationError

from sandtui.client.config import Config
from sandtui.client.file_lock import FileLock
from sandtui.client.forking import renew_in_child
from sandtui.client.models import GatewayToken
from sandtui.directories import DirectoryError, make_private, user_directory
from sandtui.saving import replace_private

EARLY = timedelta(seconds=60)
"""How long before its expiry a token is renewed."""

STALE_SECONDS = 24 * 3600
"""Seconds after which a file is considered stale; losing one costs a request at most."""

LOCK_PAUSES = (0.01, 0.02, 0.05, *(0.1 for _ in range(100)))
"""Pauses in seconds between attempts to take a lock that another process holds; in sum longer than fetching a token."""

MAX_TOKENS = 4096
"""Number of tokens in memory above which expired ones are dropped."""


def default_cache_dir() -> Path | None:
    """The default folder for tokens; None for a user without a home directory."""
    try:
        return user_directory("cache") / "tokens"
    except DirectoryError:
        return None


class TokenCache:
    """The tokens of one identity at one address.

    ``new_lock`` creates the lock under which a sandbox's token is fetched. With ``folder`` None tokens stay in memory.
    """

    def __init__(
        self,
        config: Config,
        new_lock: Callable[[], AbstractAsyncContextManager[None]],
        folder: Path | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now = now
        self._new_lock = new_lock
        self._tokens: dict[str, GatewayToken] = {}
        self._purged = False
        self.renew()
        renew_in_child(self)
        identity = hashlib.sha256(f"{config.base_url}\0{config.api_key}".encode()).hexdigest()[:32]
        self._folder = folder / identity if folder is not None else None

    def renew(self) -> None:
        """Reset in a forked process: threads of the parent may have held the locks."""
        # Weak: an unused lock is dropped.
        self._locks: WeakValueDictionary[str, AbstractAsyncContextManager[None]] = WeakValueDictionary()
        self._guard = threading.Lock()

    def lock(self, sandbox_id: str) -> AbstractAsyncContextManager[None]:
        """Return the lock to hold while a token of this sandbox is fetched."""
        with self._guard:
            lock = self._locks.get(sandbox_id)
            if lock is None:
                lock = self._locks[sandbox_id] = self._new_lock()
            return lock

    @asynccontextmanager
    async def exclusive(self, sandbox_id: str, sleep: Callable[[float], Awaitable[None]]) -> AsyncIterator[None]:
        """Hold the lock of a sandbox, against other processes too.

        Without a folder, without permission or after a timeout the work continues unlocked: at worst a second token is
        fetched.
        """
        path = self._path(sandbox_id)
        async with self.lock(sandbox_id):
            if path is None:
                yield
                return
            held = FileLock(path.with_suffix(".lock"))
            try:
                for pause in LOCK_PAUSES:
                    if held.acquire():
                        break
                    await sleep(pause)
                yield
            finally:
                held.release()

    async def obtain(
        self, sandbox_id: str, fetch: Callable[[], Awaitable[GatewayToken]], sleep: Callable[[float], Awaitable[None]]
    ) -> GatewayToken:
        """Return a token, fetched if there is none. Concurrent callers in all processes share one request."""
        token = self.get(sandbox_id)
        if token is not None:
            return token
        async with self.exclusive(sandbox_id, sleep):
            # One that another task has fetched meanwhile serves us too, even if it looks expired: then our clock is
            # wrong.
            token = self._tokens.get(sandbox_id) or self.get(sandbox_id)
            if token is None:
                token = await fetch()
                self.put(sandbox_id, token)
            return token

    def get(self, sandbox_id: str) -> GatewayToken | None:
        """Return a token that is valid for at least another minute, or None."""
        token = self._tokens.get(sandbox_id) or self._read(sandbox_id)
        if token is None:
            return None
        if token.expires_at <= self._now() + EARLY:
            self.drop(sandbox_id)
            return None
        self._tokens[sandbox_id] = token
        return token

    def put(self, sandbox_id: str, token: GatewayToken) -> None:
        """Store a token. If the disk can't be written, the next process fetches another."""
        if len(self._tokens) >= MAX_TOKENS:
            late = self._now() + EARLY
            self._tokens = {key: token for key, token in self._tokens.copy().items() if token.expires_at > late}
        self._tokens[sandbox_id] = token
        path = self._path(sandbox_id)
        if path is None:
            return
        with contextlib.suppress(OSError):
            make_private(path.parent)
            if not self._purged:
                self._purge(path.parent)
            replace_private(path, token.model_dump_json(), durable=False)

    def drop(self, sandbox_id: str, refused: GatewayToken | None = None) -> None:
        """Drop the token of a sandbox, in memory and on disk; with ``refused``, only if it is still that token.

        When many commands are refused together, the first fetches a new token, which the others must not drop.
        """
        if refused is not None:
            stored = self._tokens.get(sandbox_id)
            if stored is not None and stored.token != refused.token:
                return
            there = self._read(sandbox_id)
            if there is not None and there.token != refused.token:
                # Another process has already replaced it.
                self._tokens.pop(sandbox_id, None)
                return
        self._tokens.pop(sandbox_id, None)
        path = self._path(sandbox_id)
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()

    def forget(self, sandbox_id: str) -> None:
        """Drop everything stored about a deleted sandbox."""
        self.drop(sandbox_id)

    def clear(self) -> None:
        """Drop every token of this identity."""
        self._tokens.clear()
        if self._folder is not None and self._folder.is_dir():
            for path in self._folder.iterdir():
                with contextlib.suppress(OSError):
                    path.unlink()

    def _path(self, sandbox_id: str) -> Path | None:
        # The id comes from the platform: hashed, it can't escape the folder.
        name = hashlib.sha256(sandbox_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return None if self._folder is None else self._folder / f"{name}.json"

    def _read(self, sandbox_id: str) -> GatewayToken | None:
        path = self._path(sandbox_id)
        if path is None:
            return None
        try:
            return GatewayToken.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None

    def _purge(self, folder: Path) -> None:
        """Remove stale files: every sandbox ever used has left one."""
        self._purged = True
        oldest = time.time() - STALE_SECONDS
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    Path(entry.path).unlink(missing_ok=True)
