"""The journal of launches: written before anything is sent, so that no sandbox is ever unknown.

Requests are kept without their secrets. A launch that was not finished is found again at the next start.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandtui.client.models import CreateSandboxRequest

_SCHEMA = """
CREATE TABLE IF NOT EXISTS launches (
    launch_id TEXT PRIMARY KEY, context TEXT NOT NULL, began TEXT NOT NULL, finished INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS items (
    launch_id TEXT NOT NULL, place INTEGER NOT NULL, request TEXT NOT NULL, has_secrets INTEGER NOT NULL,
    step TEXT NOT NULL, sandbox_id TEXT, PRIMARY KEY (launch_id, place)
);
"""

KEPT_LAUNCHES = 200


@dataclass(frozen=True, slots=True)
class JournalItem:
    """One sandbox of a launch, as far as it was written down."""

    place: int
    request: CreateSandboxRequest
    has_secrets: bool
    step: str
    sandbox_id: str | None


@dataclass(frozen=True, slots=True)
class UnfinishedLaunch:
    """A launch that the program did not see to its end."""

    launch_id: str
    context: str
    began: datetime
    items: tuple[JournalItem, ...]

    @property
    def may_go_on(self) -> bool:
        """Whether it can be continued: secrets were not kept, so a launch with some can only be cleaned up."""
        return not any(item.has_secrets for item in self.items)


class LaunchJournal:
    """The journal in one SQLite file. Notes are written in their order by a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandtui-journal")
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def begin(self, launch_id: str, context: str, requests: Sequence[CreateSandboxRequest]) -> None:
        """Write down what is about to be made; when this returns it is on the disk.

        Raises:
            OSError: the journal can't be written: nothing must be sent then.
        """
        rows = []
        for place, request in enumerate(requests):
            text = request.model_copy(update={"secrets": None}).model_dump_json(exclude_none=True)
            rows.append((launch_id, place, text, int(bool(request.secrets)), "queued", None))
        began = datetime.now(UTC).isoformat()

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR IGNORE INTO launches VALUES (?, ?, ?, 0)", (launch_id, context, began))
            # A launch that is tried again keeps what is known of the sandboxes that were made.
            connection.executemany("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?, ?, ?)", rows)
            connection.execute(
                "DELETE FROM launches WHERE finished AND launch_id NOT IN "
                "(SELECT launch_id FROM launches ORDER BY began DESC LIMIT ?)",
                (KEPT_LAUNCHES,),
            )
            connection.execute("DELETE FROM items WHERE launch_id NOT IN (SELECT launch_id FROM launches)")

        self._writer.submit(self._write, write).result()

    def note(self, launch_id: str, place: int, step: str, sandbox_id: str | None) -> None:
        """Write down how far one is; soon, and in order."""
        statement = "UPDATE items SET step = ?, sandbox_id = COALESCE(?, sandbox_id) WHERE launch_id = ? AND place = ?"
        values = (step, sandbox_id, launch_id, place)
        self._writer.submit(self._write, lambda connection: connection.execute(statement, values))

    def finish(self, launch_id: str) -> None:
        """Note that nothing of a launch is unknown any more."""
        statement = "UPDATE launches SET finished = 1 WHERE launch_id = ?"
        self._writer.submit(self._write, lambda connection: connection.execute(statement, (launch_id,))).result()

    def unfinished(self) -> list[UnfinishedLaunch]:
        """Return the launches that were not seen to their end, oldest first; none when there is no journal yet."""
        if not self._path.exists():
            return []
        return self._writer.submit(self._unfinished).result()

    def close(self) -> None:
        """Write what is still to be written."""
        self._writer.shutdown(wait=True)
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        with self._lock:
            if self._connection is None:
                try:
                    self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    self._path.touch(mode=0o600, exist_ok=True)
                    connection = sqlite3.connect(self._path, check_same_thread=False, timeout=10)
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.executescript(_SCHEMA)
                except sqlite3.Error as error:
                    raise OSError(f"the journal {self._path} can't be used: {error}") from error
                self._connection = connection
            return self._connection

    def _write(self, work: object) -> None:
        connection = self._open()
        try:
            with connection:
                work(connection)  # type: ignore[operator] # a function of the connection
        except sqlite3.Error as error:
            raise OSError(f"the journal {self._path} can't be written: {error}") from error

    def _unfinished(self) -> list[UnfinishedLaunch]:
        connection = self._open()
        found = []
        launches = connection.execute(
            "SELECT launch_id, context, began FROM launches WHERE NOT finished ORDER BY began"
        ).fetchall()
        for launch_id, context, began in launches:
            rows = connection.execute(
                "SELECT place, request, has_secrets, step, sandbox_id FROM items WHERE launch_id = ? ORDER BY place",
                (launch_id,),
            ).fetchall()
            items = tuple(
                JournalItem(
                    place, CreateSandboxRequest.model_validate(json.loads(text)), bool(secret), step, sandbox_id
                )
                for place, text, secret, step, sandbox_id in rows
            )
            found.append(UnfinishedLaunch(launch_id, context, datetime.fromisoformat(began), items))
        return found
