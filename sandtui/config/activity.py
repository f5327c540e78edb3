"""The activity log, in a SQLite file that only the user can read; secrets are removed first."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sandtui.config.database import Database
from sandtui.fleet.activity.entry import ActivityEntry
from sandtui.fleet.activity.requests import Request, Trace, dump_requests, load_requests
from sandtui.fleet.commands.line.redaction import HIDDEN, redact

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    moment TEXT NOT NULL, context TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL
);
"""

_TRACES = """
CREATE TABLE IF NOT EXISTS traces (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, total INTEGER NOT NULL, failed INTEGER NOT NULL, requests TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS entry_traces (entry INTEGER PRIMARY KEY, trace TEXT NOT NULL);
"""

MAX_ENTRIES = 20_000
"""The most stored entries; the oldest are removed first."""

MAX_TRACES = 5000
"""The most stored traces, each with the requests of an entry."""

FOUND = 2000


def database(path: Path) -> Database:
    """Return the database in a file; it is not opened yet."""
    return Database(path, _SCHEMA, _TRACES)


class SqliteActivity:
    """The entries in a file, which is created with the first of them."""

    def __init__(self, path: Path) -> None:
        self._database = database(path)
        self._added = False

    def add(self, entry: ActivityEntry, secrets: Sequence[str] = ()) -> None:
        """Queue an entry for storing; ``secrets``, and text that looks like one, are redacted."""
        text = entry.text
        for secret in secrets:
            if secret:
                text = text.replace(secret, HIDDEN)
        parts = (entry.moment.isoformat(), entry.context, entry.kind, redact(text.strip()) or "")
        # SQLite does not accept lone surrogates.
        row = tuple(each.encode("utf-8", "replace").decode() for each in parts)

        def write(connection: sqlite3.Connection) -> None:
            place = connection.execute(
                "INSERT INTO entries (moment, context, kind, text) VALUES (?, ?, ?, ?)", row
            ).lastrowid
            connection.execute("DELETE FROM entries WHERE number <= ? - ?", (place, MAX_ENTRIES))
            if entry.trace:
                connection.execute("INSERT INTO entry_traces VALUES (?, ?)", (place, entry.trace))
                connection.execute("DELETE FROM entry_traces WHERE entry <= ? - ?", (place, MAX_ENTRIES))

        self._added = True
        self._database.later(write)

    def keep_traces(self, traces: Sequence[Trace]) -> None:
        """Queue the requests of entries for storing; they replace those stored before."""
        if not traces:
            return
        rows = [
            (trace.id, trace.total, trace.failed, dump_requests(trace.requests).encode("utf-8", "replace").decode())
            for trace in traces
        ]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO traces (id, total, failed, requests) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "total = excluded.total, failed = excluded.failed, requests = excluded.requests",
                rows,
            )
            connection.execute("DELETE FROM traces WHERE number <= (SELECT MAX(number) FROM traces) - ?", (MAX_TRACES,))

        self._database.later(write)

    def search(self, text: str) -> list[ActivityEntry]:
        """Return the entries that contain every word, ignoring case, in themselves or their requests, newest first.

        Blocks; do not call it in the event loop.

        Raises:
            OSError: the file cannot be used.
        """
        if not self._added and not self._database.exists:
            return []
        words = text.encode("utf-8", "replace").decode().split()
        content = "lower(context || ' ' || kind || ' ' || text || ' ' || coalesce(requests, ''))"
        where = " AND ".join([f"instr({content}, lower(?))"] * len(words)) or "1"

        def read(connection: sqlite3.Connection) -> list[tuple[str, str, str, str, str, int, int]]:
            return connection.execute(
                "SELECT moment, context, kind, text, coalesce(trace, ''), coalesce(total, 0), coalesce(failed, 0) "  # noqa: S608 - no word is in it
                "FROM entries LEFT JOIN entry_traces ON entry = entries.number LEFT JOIN traces ON id = trace "
                f"WHERE {where} ORDER BY entries.number DESC LIMIT ?",
                (*words, FOUND),
            ).fetchall()

        return [
            ActivityEntry(datetime.fromisoformat(moment), context, kind, text, trace, total, failed)  # type: ignore[arg-type]
            for moment, context, kind, text, trace, total, failed in self._database.run(read)
        ]

    def requests_of(self, entry: ActivityEntry) -> list[Request]:
        """Return the stored requests of an entry, in order.

        Blocks; do not call it in the event loop.

        Raises:
            OSError: they cannot be read.
        """
        if not entry.trace:
            return []

        def read(connection: sqlite3.Connection) -> list[tuple[str]]:
            return connection.execute("SELECT requests FROM traces WHERE id = ?", (entry.trace,)).fetchall()

        rows = self._database.run(read)
        try:
            return load_requests(rows[0][0]) if rows else []
        except ValueError as error:
            raise OSError(str(error)) from None

    def close(self) -> None:
        """Write what is queued and close the file."""
        self._database.close()
