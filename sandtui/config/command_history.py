"""The command history, in a SQLite file that only the user can read; secrets are removed first."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from sandtui.config.database import Database
from sandtui.fleet.commands.line.history import PastCommand
from sandtui.fleet.commands.line.redaction import redact

_SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sandbox_id TEXT NOT NULL, sandbox_name TEXT NOT NULL, command TEXT NOT NULL, ran TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS once ON commands (sandbox_id, command);
"""

MAX_COMMANDS = 10_000
"""The most stored commands; the oldest are removed first."""

MAX_LENGTH = 20_000
"""The most characters of a stored command; longer ones are mostly data."""

FOUND = 500


def database(path: Path) -> Database:
    """Return the database in a file; it is not opened yet."""
    return Database(path, _SCHEMA)


class SqliteCommandHistory:
    """The history in a file, which is created with the first command."""

    def __init__(self, path: Path) -> None:
        self._database = database(path)
        self._added = False

    def add(self, sandbox_id: str, sandbox_name: str, command: str) -> None:
        """Queue a command for storing; a known command becomes the newest."""
        text = redact(command) if len(command) <= MAX_LENGTH else None
        if text is None:
            return
        # SQLite does not accept lone surrogates.
        row = tuple(each.encode("utf-8", "replace").decode() for each in (sandbox_id, sandbox_name, text))
        moment = datetime.now(UTC).isoformat()

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM commands WHERE sandbox_id = ? AND command = ?", (row[0], row[2]))
            connection.execute(
                "INSERT INTO commands (sandbox_id, sandbox_name, command, ran) VALUES (?, ?, ?, ?)", (*row, moment)
            )
            connection.execute(
                "DELETE FROM commands WHERE number <= (SELECT number FROM commands ORDER BY number DESC "
                "LIMIT 1 OFFSET ?)",
                (MAX_COMMANDS,),
            )

        self._added = True
        self._database.later(write)

    def search(self, text: str, sandbox_id: str | None = None) -> list[PastCommand]:
        """Return the commands that contain a text, ignoring case, newest first and without duplicates.

        Blocks; do not call it in the event loop.

        Raises:
            OSError: the file cannot be used.
        """
        if not self._added and not self._database.exists:
            return []

        def read(connection: sqlite3.Connection) -> list[tuple[str, str, str, str]]:
            return connection.execute(
                "SELECT command, sandbox_id, sandbox_name, ran FROM commands "
                "WHERE instr(lower(command), lower(?)) AND (? IS NULL OR sandbox_id = ?) "
                "ORDER BY number DESC LIMIT ?",
                (text, sandbox_id, sandbox_id, 4 * FOUND),
            ).fetchall()

        newest: dict[str, PastCommand] = {}
        for command, where, name, ran in self._database.run(read):
            newest.setdefault(command, PastCommand(command, where, name, datetime.fromisoformat(ran)))
        return list(newest.values())[:FOUND]

    def close(self) -> None:
        """Write what is queued and close the file."""
        self._database.close()
