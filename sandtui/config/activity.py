"""What was done and what went wrong, in one SQLite file that only the user can read; never with secrets."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sandtui.config.database import Database
from sandtui.fleet.activity import Entry
from sandtui.fleet.commandline.masking import HIDDEN, masked

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    moment TEXT NOT NULL, context TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL
);
"""

KEPT = 20_000
"""Entries that are kept; the oldest go first."""

FOUND = 2000


class SqliteActivity:
    """The entries in one file, made when the first is kept."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)
        self._added = False

    def add(self, entry: Entry, secrets: Sequence[str] = ()) -> None:
        """Keep an entry, soon; ``secrets`` are taken out of it, and so is what looks like one."""
        text = entry.text
        for secret in secrets:
            if secret:
                text = text.replace(secret, HIDDEN)
        parts = (entry.moment.isoformat(), entry.context, entry.kind, masked(text.strip()) or "")
        # SQLite takes no lone surrogates.
        row = tuple(each.encode("utf-8", "replace").decode() for each in parts)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO entries (moment, context, kind, text) VALUES (?, ?, ?, ?)", row)
            connection.execute("DELETE FROM entries WHERE number <= (SELECT MAX(number) FROM entries) - ?", (KEPT,))

        self._added = True
        self._database.later(write)

    def search(self, text: str) -> list[Entry]:
        """Return the entries that hold every word in any case, newest first; not from the event loop.

        Raises:
            OSError: the file can't be used.
        """
        if not self._added and not self._database.exists:
            return []
        words = text.encode("utf-8", "replace").decode().split()
        where = " AND ".join(["instr(lower(context || ' ' || kind || ' ' || text), lower(?))"] * len(words)) or "1"

        def read(connection: sqlite3.Connection) -> list[tuple[str, str, str, str]]:
            return connection.execute(
                f"SELECT moment, context, kind, text FROM entries WHERE {where} "  # noqa: S608 - no word is in it
                "ORDER BY number DESC LIMIT ?",
                (*words, FOUND),
            ).fetchall()

        return [
            Entry(datetime.fromisoformat(moment), context, kind, text)  # type: ignore[arg-type]
            for moment, context, kind, text in self._database.run(read)
        ]

    def close(self) -> None:
        """Write what is still to be written."""
        self._database.close()
