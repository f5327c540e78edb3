"""The stored queue of transfers: unfinished ones are found at the next start.

A transfer belongs to the process that runs it and is offered once that has ended. Dashboards and ``sandtui cp`` share
the file.

Paths are stored as bytes, since file names are not always valid text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandtui.config.database import Database
from sandtui.config.owners import SCHEMA as _OWNERS
from sandtui.config.owners import Claims, Owners, Standing, owners_beside
from sandtui.fleet.files.names import decode, encode
from sandtui.fleet.transfers.executor import Signature
from sandtui.fleet.transfers.model import Existing, Location, Transfer, TransferSpec, TransferState

_SCHEMA = """
CREATE TABLE IF NOT EXISTS transfers (
    transfer_id TEXT PRIMARY KEY, context TEXT NOT NULL, place INTEGER NOT NULL, batch TEXT NOT NULL,
    source BLOB NOT NULL, source_box TEXT, source_name TEXT NOT NULL,
    target BLOB NOT NULL, target_box TEXT, target_name TEXT NOT NULL,
    options TEXT NOT NULL, state TEXT NOT NULL, total INTEGER NOT NULL, done INTEGER NOT NULL, problem TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS files (
    transfer_id TEXT NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL,
    PRIMARY KEY (transfer_id, path)
) WITHOUT ROWID;
"""

_OVER = (TransferState.DONE.value, TransferState.CANCELLED.value)


def database(path: Path) -> Database:
    """Return the database in a file; it is not opened yet."""
    return Database(path, _SCHEMA, _OWNERS, durable=True)


@dataclass(frozen=True, slots=True)
class ClaimedTransfers:
    """The claimed transfers, and the labels of processes that may still run others out of sight of this one."""

    transfers: tuple[Transfer, ...] = ()
    elsewhere: tuple[str, ...] = ()


class TransferDatabase:
    """The file of the queues, for this process or for ``owners``."""

    def __init__(self, path: Path, owners: Owners | None = None) -> None:
        self.database = database(path)
        self.claims = Claims(self.database, owners or owners_beside(path))

    def close(self) -> None:
        """Write what is queued, and release what this process has claimed."""
        self.database.close()


class TransferJournal:
    """The queue of the connection named ``context``, in a SQLite file that several share."""

    def __init__(self, file: TransferDatabase, context: str) -> None:
        self._database, self._claims, self._context = file.database, file.claims, context

    @staticmethod
    def open(path: Path, owners: Owners | None = None) -> TransferDatabase:
        """Return the database for journals."""
        return TransferDatabase(path, owners)

    def save(self, transfer: Transfer, index: int) -> None:
        """Queue the state of a transfer for storing, in order; a finished one is removed."""
        if transfer.state.value in _OVER:
            self.drop(transfer.id)
            return
        spec = transfer.spec
        options: dict[str, object] = {"existing": spec.existing.value, "keep": spec.keep, "checksum": spec.checksum}
        options |= {"names": spec.names, "ignore": spec.ignore, "delete": spec.delete}
        options |= {"consent": spec.consent, "allow_git": spec.allow_git}
        row = (
            transfer.id,
            self._context,
            index,
            spec.batch,
            encode(spec.source.path),
            spec.source.sandbox_id,
            spec.source.name,
            encode(spec.target.path),
            spec.target.sandbox_id,
            spec.target.name,
            json.dumps(options),
            transfer.state.value,
            transfer.total,
            transfer.done,
            transfer.problem,
        )

        def write(connection: sqlite3.Connection) -> None:
            values = ", ".join("?" * len(row))
            connection.execute(f"INSERT OR REPLACE INTO transfers VALUES ({values})", row)  # noqa: S608 - our own text
            self._claims.own(connection, transfer.id)

        self._database.later(write)

    def note_files(self, transfer_id: str, items: Sequence[tuple[str, Signature]]) -> None:
        """Queue completed files of a transfer for storing, in order."""
        rows = [(transfer_id, encode(path), *signature) for path, signature in items]
        statement = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)"
        self._database.later(lambda connection: connection.executemany(statement, rows))

    def files(self, transfer_id: str) -> dict[str, Signature]:
        """Return the completed files of a transfer.

        Blocks; do not call it in the event loop.

        Raises:
            OSError: the database cannot be used.
        """
        statement = "SELECT path, size, modified FROM files WHERE transfer_id = ?"

        def read(connection: sqlite3.Connection) -> dict[str, Signature]:
            rows = connection.execute(statement, (transfer_id,)).fetchall()
            return {decode(path): (size, modified) for path, size, modified in rows}

        return self._database.run(read) if self._database.exists else {}

    def drop(self, transfer_id: str) -> None:
        """Queue the removal of a transfer, in order."""

        def forget(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM transfers WHERE transfer_id = ?", (transfer_id,))
            connection.execute("DELETE FROM files WHERE transfer_id = ?", (transfer_id,))
            self._claims.release(connection, transfer_id)

        self._database.later(forget)

    def take(self, transfer_id: str) -> bool:
        """Claim an id for this process before it is used; return False if another process has it.

        Blocks; do not call it in the event loop.

        Raises:
            OSError: the database cannot be used.
        """
        return self._database.run(lambda connection: self._claims.take(connection, transfer_id))

    def claim(self) -> ClaimedTransfers:
        """Claim the unfinished transfers that no other process runs, in the order of the queue.

        If several processes ask, each transfer goes to one of them, which keeps it until it ends. Blocks; do not call
        it in the event loop.

        Raises:
            OSError: the database cannot be used.
        """

        def work(connection: sqlite3.Connection) -> ClaimedTransfers:
            connection.execute("DELETE FROM owners WHERE 0")  # takes the lock before anything is read
            offered, elsewhere = [], []
            for transfer in self._read(connection):
                standing, owner = self._claims.standing(connection, transfer.id)
                if standing in {Standing.GONE, Standing.MINE}:
                    self._claims.own(connection, transfer.id)
                    offered.append(transfer)
                elif standing is Standing.ELSEWHERE and owner is not None:
                    elsewhere.append(owner.label)
            return ClaimedTransfers(tuple(offered), tuple(elsewhere))

        return self._database.run(work) if self._database.exists else ClaimedTransfers()

    def unfinished(self) -> list[Transfer]:
        """Return all unfinished transfers, whoever runs them, in the order of the queue.

        Blocks; do not call it in the event loop.

        Raises:
            OSError: the database cannot be used.
        """
        return self._database.run(self._read) if self._database.exists else []

    def _read(self, connection: sqlite3.Connection) -> list[Transfer]:
        statement = "SELECT * FROM transfers WHERE context = ? ORDER BY place"
        return [_transfer(row) for row in connection.execute(statement, (self._context,)).fetchall()]


def _transfer(row: tuple[object, ...]) -> Transfer:
    (id_, _, _, batch, source, source_box, source_name, target, target_box, target_name, *rest) = row
    options, state, total, done, problem = rest
    chosen = json.loads(str(options))
    spec = TransferSpec(
        _place(source, source_box, source_name),
        _place(target, target_box, target_name),
        str(batch),
        Existing(chosen["existing"]),
        bool(chosen["keep"]),
        tuple(map(str, chosen.get("names", ()))),
        tuple(map(str, chosen.get("ignore", ()))),
        bool(chosen.get("delete", False)),
        bool(chosen["checksum"]),
        bool(chosen.get("consent", True)),
        bool(chosen.get("allow_git", False)),
    )
    return Transfer(
        str(id_), spec, TransferState(state), total=_number(total), done=_number(done), problem=str(problem)
    )


def _place(path: object, box: object, name: object) -> Location:
    assert isinstance(path, bytes)
    return Location(decode(path), None if box is None else str(box), str(name))


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
