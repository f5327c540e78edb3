"""What is kept of sandboxes that died, in a SQLite file that only the user can read; the oldest are removed first."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sandtui.config.database import Database
from sandtui.fleet.deaths.death import Death
from sandtui.fleet.inventory.sandbox_history import Event

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deaths (
    sandbox_id TEXT PRIMARY KEY, name TEXT NOT NULL, ended TEXT NOT NULL, weight INTEGER NOT NULL, record TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deaths_by_name ON deaths (name);
CREATE INDEX IF NOT EXISTS deaths_by_end ON deaths (ended);
"""

MAX_DEATHS = 5000

FOUND = 5000


def database(path: Path) -> Database:
    """Return the database in a file; it is not opened yet."""
    return Database(path, _SCHEMA)


class DeathFile:
    """A :class:`~sandtui.fleet.deaths.recorder.DeathStorage` in a file."""

    def __init__(self, path: Path) -> None:
        self._database = database(path)

    def save(self, deaths: Sequence[Death]) -> None:
        """Store deaths; what is known of one already is replaced only by more.

        Raises:
            OSError: the file cannot be written.
        """
        if not deaths:
            return
        rows = [
            (_text(death.sandbox_id), _text(death.name), death.ended.isoformat(), _weight(death), _text(_dump(death)))
            for death in deaths
        ]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO deaths VALUES (?, ?, ?, ?, ?) ON CONFLICT (sandbox_id) DO UPDATE SET "
                "name = excluded.name, ended = excluded.ended, weight = excluded.weight, record = excluded.record "
                "WHERE excluded.weight > weight",
                rows,
            )
            connection.execute(
                "DELETE FROM deaths WHERE sandbox_id IN "
                "(SELECT sandbox_id FROM deaths ORDER BY ended DESC LIMIT -1 OFFSET ?)",
                (MAX_DEATHS,),
            )

        self._database.run(write)

    def find(self, word: str = "") -> list[Death]:
        """Return the deaths with an id, a name or the beginning of an id, or all of them; latest first.

        Raises:
            OSError: the file cannot be read.
        """
        if not self._database.exists:
            return []
        text = _text(word)

        def read(connection: sqlite3.Connection) -> list[tuple[str]]:
            return connection.execute(
                "SELECT record FROM deaths WHERE ? = '' OR sandbox_id = ? OR name = ? "
                "OR (length(?) > 3 AND substr(sandbox_id, 1, length(?)) = ?) ORDER BY ended DESC LIMIT ?",
                (text, text, text, text, text, text, FOUND),
            ).fetchall()

        return [death for (record,) in self._database.run(read) if (death := _load(record)) is not None]

    def close(self) -> None:
        """Write what is queued and close the file."""
        self._database.close()


def _weight(death: Death) -> int:
    return int(death.seen) + 2 * (death.log is not None)


def _text(text: str) -> str:
    # SQLite does not accept lone surrogates.
    return text.encode("utf-8", "replace").decode()


def _dump(death: Death) -> str:
    events = [[event.moment.isoformat(), event.words, event.bad] for event in death.events]
    fields = {name: getattr(death, name) for name in Death.__dataclass_fields__}
    return json.dumps(fields | {"ended": death.ended.isoformat(), "events": events}, ensure_ascii=False)


def _load(record: str) -> Death | None:
    try:
        fields = json.loads(record)
        fields["ended"] = datetime.fromisoformat(fields["ended"])
        fields["labels"] = tuple(fields["labels"])
        fields["log"] = None if fields["log"] is None else tuple(fields["log"])
        fields["events"] = tuple(
            Event(datetime.fromisoformat(moment), words, bad) for moment, words, bad in fields["events"]
        )
        return Death(**fields)
    except (ValueError, KeyError, TypeError):
        return None
