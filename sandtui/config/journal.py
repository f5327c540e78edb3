"""The journal of launches: written before anything is sent, so that no sandbox is ever unknown.

Requests are kept without their secrets. A launch that was not finished is found again at the next start.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandtui.client.models import CreateSandboxRequest
from sandtui.config.database import Database

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

    @property
    def known(self) -> list[str]:
        """The sandboxes that are known to be made."""
        return [item.sandbox_id for item in self.items if item.sandbox_id]

    @property
    def unknown(self) -> list[CreateSandboxRequest]:
        """What was asked for without an answer being seen."""
        return [item.request for item in self.items if item.step == "creating" and not item.sandbox_id]


class LaunchJournal:
    """The journal in one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

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

        self._database.run(write)

    def note(self, launch_id: str, place: int, step: str, sandbox_id: str | None) -> None:
        """Write down how far one is; soon, and in order."""
        statement = "UPDATE items SET step = ?, sandbox_id = COALESCE(?, sandbox_id) WHERE launch_id = ? AND place = ?"
        values = (step, sandbox_id, launch_id, place)
        self._database.later(lambda connection: connection.execute(statement, values))

    def finish(self, launch_id: str) -> None:
        """Note that nothing of a launch is unknown any more."""
        statement = "UPDATE launches SET finished = 1 WHERE launch_id = ?"
        self._database.run(lambda connection: connection.execute(statement, (launch_id,)))

    def unfinished(self) -> list[UnfinishedLaunch]:
        """Return the launches that were not seen to their end, oldest first; none when there is no journal yet."""
        return self._database.run(_unfinished) if self._database.exists else []

    def images(self) -> list[str]:
        """Return the images of earlier launches, the latest first, each once."""
        return self._database.run(_images) if self._database.exists else []

    def close(self) -> None:
        """Write what is still to be written."""
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
