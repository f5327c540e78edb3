"""The journal of launches: written to disk before a request is sent, so that no sandbox is ever unknown.

Requests are stored without secrets. An unfinished launch is offered at the next start, once the process that ran it
has ended.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandtui.client.models import CreateSandboxRequest
from sandtui.config.database import Database
from sandtui.config.owners import SCHEMA as _OWNERS
from sandtui.config.owners import Claims, Owners, Standing, owners_beside

_SCHEMA = """
CREATE TABLE IF NOT EXISTS launches (
    launch_id TEXT PRIMARY KEY, context TEXT NOT NULL, began TEXT NOT NULL, finished INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS items (
    launch_id TEXT NOT NULL, place INTEGER NOT NULL, request TEXT NOT NULL, has_secrets INTEGER NOT NULL,
    step TEXT NOT NULL, sandbox_id TEXT, PRIMARY KEY (launch_id, place)
);
"""

_KEY = "json_extract(items.request, '$.idempotency_key') IS json_extract(excluded.request, '$.idempotency_key')"
_UPSERT = (
    "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "  # noqa: S608 - our own text
    f"step = CASE WHEN {_KEY} THEN step ELSE excluded.step END, "
    f"sandbox_id = CASE WHEN {_KEY} THEN sandbox_id END, "
    "has_secrets = max(has_secrets, excluded.has_secrets), request = excluded.request"
)

MAX_LAUNCHES = 200


@dataclass(frozen=True, slots=True)
class JournalItem:
    """A sandbox of a launch, as far as it is recorded."""

    place: int
    request: CreateSandboxRequest
    has_secrets: bool
    step: str
    sandbox_id: str | None


@dataclass(frozen=True, slots=True)
class UnfinishedLaunch:
    """A launch that the program did not finish."""

    launch_id: str
    context: str
    began: datetime
    items: tuple[JournalItem, ...]

    @property
    def can_resume(self) -> bool:
        """Whether it can be resumed. Secrets are not stored, so a launch with secrets can only be cleaned up."""
        return not any(item.has_secrets for item in self.items)

    @property
    def known(self) -> list[str]:
        """The ids of sandboxes that were created for certain."""
        return [item.sandbox_id for item in self.items if item.sandbox_id]

    @property
    def unknown(self) -> list[CreateSandboxRequest]:
        """The requests that were sent without a recorded response."""
        return [item.request for item in self.items if item.step == "creating" and not item.sandbox_id]


def database(path: Path) -> Database:
    """Return the database in a file; it is not opened yet."""
    return Database(path, _SCHEMA, _OWNERS, durable=True)


@dataclass(frozen=True, slots=True)
class ClaimedLaunches:
    """The claimed launches, and the labels of processes that may still run others out of sight of this one."""

    launches: tuple[UnfinishedLaunch, ...] = ()
    elsewhere: tuple[str, ...] = ()


class LaunchJournal:
    """The journal in a SQLite file, for this process or for ``owners``."""

    def __init__(self, path: Path, owners: Owners | None = None) -> None:
        self._database = database(path)
        self._claims = Claims(self._database, owners or owners_beside(path))
        self._lock = threading.Lock()
        self._pending: list[tuple[str, str | None, str, int]] = []
        self._database.at_close(self._flush)

    def begin(self, launch_id: str, context: str, requests: Sequence[CreateSandboxRequest]) -> None:
        """Record what is about to be created; it is on the disk when this returns.

        For a repeated launch, the state of its sandboxes is kept, except for those with a new idempotency key.

        Raises:
            OSError: the journal cannot be written, or another process runs this launch: nothing must be sent.
        """
        rows = []
        for place, request in enumerate(requests):
            text = request.model_copy(update={"secrets": None}).model_dump_json(exclude_none=True)
            rows.append((launch_id, place, text, int(bool(request.secrets)), "queued", None))
        began = datetime.now(UTC).isoformat()

        def write(connection: sqlite3.Connection) -> None:
            if not self._claims.take(connection, launch_id):
                raise OSError(f"launch {launch_id} is being run by another sandtui")
            connection.execute(
                "INSERT INTO launches VALUES (?, ?, ?, 0) ON CONFLICT DO UPDATE SET finished = 0",
                (launch_id, context, began),
            )
            connection.executemany(_UPSERT, rows)
            connection.execute(
                "DELETE FROM launches WHERE finished AND launch_id NOT IN "
                "(SELECT launch_id FROM launches ORDER BY began DESC LIMIT ?)",
                (MAX_LAUNCHES,),
            )
            connection.execute("DELETE FROM items WHERE launch_id NOT IN (SELECT launch_id FROM launches)")
            connection.execute("DELETE FROM owners WHERE entry NOT IN (SELECT launch_id FROM launches)")

        self._database.run(write)

    def write(self, launch_id: str, place: int, step: str, sandbox_id: str | None) -> None:
        """Record the state of a sandbox; it is on the disk when this returns. Simultaneous calls share one write.

        Raises:
            OSError: the journal cannot be written.
        """
        self._add(launch_id, place, step, sandbox_id)
        self._database.run(self._flush)

    def note(self, launch_id: str, place: int, step: str, sandbox_id: str | None) -> None:
        """Queue the state of a sandbox for recording, in order."""
        self._add(launch_id, place, step, sandbox_id)
        self._database.later(self._flush)

    def _add(self, launch_id: str, place: int, step: str, sandbox_id: str | None) -> None:
        with self._lock:
            self._pending.append((step, sandbox_id, launch_id, place))

    def _flush(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            rows, self._pending = self._pending, []
        if not rows:
            return
        statement = "UPDATE items SET step = ?, sandbox_id = COALESCE(?, sandbox_id) WHERE launch_id = ? AND place = ?"
        try:
            connection.executemany(statement, rows)
            connection.commit()
        except BaseException:
            # Callers that wait for a row must get the error from their own attempt.
            with self._lock:
                self._pending[:0] = rows
            raise

    def finish(self, launch_id: str) -> None:
        """Record that nothing of a launch is unknown any more."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE launches SET finished = 1 WHERE launch_id = ?", (launch_id,))
            self._claims.release(connection, launch_id)

        self._database.run(write)

    def claim(self, context: str) -> ClaimedLaunches:
        """Claim the unfinished launches of a context that no process runs, not even this one.

        If several processes ask, each launch goes to one of them, which keeps it until it ends or releases it.
        """

        def work(connection: sqlite3.Connection) -> ClaimedLaunches:
            connection.execute("DELETE FROM owners WHERE 0")  # takes the lock before anything is read
            offered, elsewhere = [], []
            for launch in _unfinished(connection):
                if launch.context != context:
                    continue
                standing, owner = self._claims.standing(connection, launch.launch_id)
                if standing is Standing.GONE:
                    self._claims.own(connection, launch.launch_id)
                    offered.append(launch)
                elif standing is Standing.ELSEWHERE and owner is not None:
                    elsewhere.append(owner.label)
            return ClaimedLaunches(tuple(offered), tuple(elsewhere))

        return self._database.run(work) if self._database.exists else ClaimedLaunches()

    def release(self, launch_id: str) -> None:
        """Release a launch, so that it is offered at the next start."""
        self._database.run(lambda connection: self._claims.release(connection, launch_id))

    def unfinished(self) -> list[UnfinishedLaunch]:
        """Return all unfinished launches, whoever runs them, oldest first."""
        return self._database.run(_unfinished) if self._database.exists else []

    def images(self) -> list[str]:
        """Return the images of earlier launches, newest first and without duplicates."""
        return self._database.run(_images) if self._database.exists else []

    def close(self) -> None:
        """Write what is queued, and release what this process has claimed."""
        self._database.close()


def _unfinished(connection: sqlite3.Connection) -> list[UnfinishedLaunch]:
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
            JournalItem(place, CreateSandboxRequest.model_validate(json.loads(text)), bool(secret), step, sandbox_id)
            for place, text, secret, step, sandbox_id in rows
        )
        found.append(UnfinishedLaunch(launch_id, context, datetime.fromisoformat(began), items))
    return found


def _images(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT json_extract(request, '$.docker_image') AS image FROM items JOIN launches USING (launch_id) "
        "GROUP BY image ORDER BY MAX(began) DESC"
    )
    return [image for (image,) in rows if isinstance(image, str)]
