"""The journal of launches: on the disk before anything is sent, so that no sandbox is ever unknown.

Requests are kept without their secrets. A launch that was not finished is found again at the next start, when the
process that carried it out is gone.
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

    @property
    def known(self) -> list[str]:
        """The sandboxes that are known to be made."""
        return [item.sandbox_id for item in self.items if item.sandbox_id]

    @property
    def unknown(self) -> list[CreateSandboxRequest]:
        """What was asked for without an answer being seen."""
        return [item.request for item in self.items if item.step == "creating" and not item.sandbox_id]


def database(path: Path) -> Database:
    """Return the database in a file; nothing is opened yet."""
    return Database(path, _SCHEMA, _OWNERS, durable=True)


@dataclass(frozen=True, slots=True)
class ClaimedLaunches:
    """What was taken over to be offered, and what is left alone: the labels of processes that can't be seen here."""

    launches: tuple[UnfinishedLaunch, ...] = ()
    elsewhere: tuple[str, ...] = ()


class LaunchJournal:
    """The journal in one SQLite file, for this process or for ``owners``."""

    def __init__(self, path: Path, owners: Owners | None = None) -> None:
        self._database = database(path)
        self._claims = Claims(self._database, owners or owners_beside(path))
        self._lock = threading.Lock()
        self._pending: list[tuple[str, str | None, str, int]] = []
        self._database.at_close(self._flush)

    def begin(self, launch_id: str, context: str, requests: Sequence[CreateSandboxRequest]) -> None:
        """Write down what is about to be made; when this returns it is on the disk.

        A launch that is tried again keeps what is known of its sandboxes, but for those that get another key.

        Raises:
            OSError: the journal can't be written, or another process carries this launch out: nothing must be sent.
        """
        rows = []
        for place, request in enumerate(requests):
            text = request.model_copy(update={"secrets": None}).model_dump_json(exclude_none=True)
            rows.append((launch_id, place, text, int(bool(request.secrets)), "queued", None))
        began = datetime.now(UTC).isoformat()

        def write(connection: sqlite3.Connection) -> None:
            if not self._claims.take(connection, launch_id):
                raise OSError(f"launch {launch_id} is being carried out by another sandtui")
            connection.execute(
                "INSERT INTO launches VALUES (?, ?, ?, 0) ON CONFLICT DO UPDATE SET finished = 0",
                (launch_id, context, began),
            )
            connection.executemany(_UPSERT, rows)
            connection.execute(
                "DELETE FROM launches WHERE finished AND launch_id NOT IN "
                "(SELECT launch_id FROM launches ORDER BY began DESC LIMIT ?)",
                (KEPT_LAUNCHES,),
            )
            connection.execute("DELETE FROM items WHERE launch_id NOT IN (SELECT launch_id FROM launches)")
            connection.execute("DELETE FROM owners WHERE entry NOT IN (SELECT launch_id FROM launches)")

        self._database.run(write)

    def write(self, launch_id: str, place: int, step: str, sandbox_id: str | None) -> None:
        """Write down how far one is; when this returns it is on the disk. Calls at the same time share one write.

        Raises:
            OSError: the journal can't be written.
        """
        self._add(launch_id, place, step, sandbox_id)
        self._database.run(self._flush)

    def note(self, launch_id: str, place: int, step: str, sandbox_id: str | None) -> None:
        """Write down how far one is; soon, and in order."""
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
            # Whoever waits for one of them is to hear of it from a try of its own.
            with self._lock:
                self._pending[:0] = rows
            raise

    def finish(self, launch_id: str) -> None:
        """Note that nothing of a launch is unknown any more."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE launches SET finished = 1 WHERE launch_id = ?", (launch_id,))
            self._claims.release(connection, launch_id)

        self._database.run(write)

    def claim(self, context: str) -> ClaimedLaunches:
        """Take over the unfinished launches of a context that nobody carries out, this process included.

        Of several processes that ask, one gets each; it keeps them until it ends or releases them.
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
        """Give a launch back, to be offered at the next start."""
        self._database.run(lambda connection: self._claims.release(connection, launch_id))

    def unfinished(self) -> list[UnfinishedLaunch]:
        """Return the launches that were not seen to their end, whoever carries them out, oldest first."""
        return self._database.run(_unfinished) if self._database.exists else []

    def images(self) -> list[str]:
        """Return the images of earlier launches, the latest first, each once."""
        return self._database.run(_images) if self._database.exists else []

    def close(self) -> None:
        """Write what is still to be written, and give back what this process carried out."""
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
