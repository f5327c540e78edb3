"""Durable storage in SQLite, in one writer thread: a write returns when it would survive a killed process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sandtui.local.settings import ELSEWHERE, LocalError
from sandtui.local.store.disk import Disk, DiskFull, is_full
from sandtui.local.store.records import SandboxRecord
from sandtui.local.store.vault import Vault

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sandboxes (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS secrets (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS documents (
  kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
"""
_BATCH = 500

_Statement = tuple[str, tuple[str, ...]]
_Settle = Callable[[BaseException | None], object]


class _Job(NamedTuple):
    """Statements of one transaction; if it ``frees`` space, it may use the disk's reserve."""

    statements: Sequence[_Statement]
    frees: bool
    settle: _Settle


class Store:
    """The stored records. Writes that arrive together share one transaction."""

    def __init__(self, path: Path, vault: Vault, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self._vault = vault
        self._documents: dict[str, dict[str, Any]] = {}
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def open(self) -> list[SandboxRecord]:
        """Open the database, start the writer and return all records, oldest first."""
        try:
            # Created explicitly, so that other users can never read it.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
            # Overwritten and deleted data must not stay readable in the file.
            connection.execute("PRAGMA secure_delete=ON")
            hidden = {
                key: self._vault.decrypt(body) for key, body in connection.execute("SELECT id, body FROM secrets")
            }
            rows = [(key, json.loads(body)) for key, body in connection.execute("SELECT id, body FROM sandboxes")]
            for kind, key, body in connection.execute("SELECT kind, id, body FROM documents"):
                self._documents.setdefault(kind, {})[key] = json.loads(body)
        except (OSError, sqlite3.Error, ValueError) as error:
            if _is_full(error):
                raise LocalError(str(self._disk.full())) from error
            raise LocalError(
                f"The records in {self._path} cannot be read ({error}). Move the file away to start without records. "
                f"{ELSEWHERE}"
            ) from error
        self._thread = threading.Thread(target=self._write, args=(connection,), name="store", daemon=True)
        self._thread.start()
        records = [SandboxRecord.from_row(row, hidden.get(key)) for key, row in rows]
        return sorted(records, key=lambda record: record.created_at)

    async def save(self, *records: SandboxRecord) -> None:
        """Write records durably.

        Raises:
            DiskFull: there is no space. Records of ended sandboxes may use the reserve.
        """
        statements = [statement for record in records for statement in self._statements(record)]
        await self._run(statements, frees=all(record.is_finished for record in records))

    async def forget(self, *sandbox_ids: str) -> None:
        """Remove the records of sandboxes, and all documents about them."""
        for bodies in self._documents.values():
            for key in sandbox_ids:
                bodies.pop(key, None)
        tables = ("sandboxes", "secrets", "documents")
        statements = [(f"DELETE FROM {table} WHERE id = ?", (key,)) for key in sandbox_ids for table in tables]  # noqa: S608
        await self._run(statements, frees=True)

    def documents(self, kind: str) -> list[dict[str, Any]]:
        """Return all current documents of a kind."""
        return list(self._documents.get(kind, {}).values())

    def document(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return a document, or None if it does not exist."""
        return self._documents.get(kind, {}).get(key)

    async def put(self, kind: str, key: str, body: dict[str, Any]) -> None:
        """Write a document durably."""
        bodies = self._documents.setdefault(kind, {})
        before = bodies.get(key)
        bodies[key] = body
        try:
            await self._run([("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, key, json.dumps(body)))])
        except DiskFull:
            if bodies.get(key) is body:
                bodies.pop(key)
                if before is not None:
                    bodies[key] = before
            raise

    async def remove(self, kind: str, key: str) -> None:
        """Remove a document if it exists."""
        self._documents.get(kind, {}).pop(key, None)
        await self._run([("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, key))], frees=True)

    def _statements(self, record: SandboxRecord) -> Iterator[_Statement]:
        yield "INSERT OR REPLACE INTO sandboxes VALUES (?, ?)", (record.id, json.dumps(record.to_row()))
        if record.secrets:
            # An ended sandbox needs no secrets; their names remain for responses.
            kept = dict.fromkeys(record.secrets, "") if record.is_finished else record.secrets
            yield "INSERT OR REPLACE INTO secrets VALUES (?, ?)", (record.id, self._vault.encrypt(kept))

    async def _run(self, statements: Sequence[_Statement], *, frees: bool = False) -> None:
        if self._thread is None:
            raise RuntimeError("the store is closed")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        self._jobs.put(_Job(statements, frees, lambda error: loop.call_soon_threadsafe(settle, error)))
        # A cancelled caller must not cancel the writes of others.
        await asyncio.shield(done)

    def close(self) -> None:
        """Finish all pending writes and close the database."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _write(self, connection: sqlite3.Connection) -> None:
        open_ = True
        while open_:
            batch: list[_Job] = []
            job = self._jobs.get()
            while True:
                if job is None:
                    open_ = False
                    break
                batch.append(job)
                if len(batch) >= _BATCH:
                    break
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            for job, error in self._commit_all(connection, batch):
                try:
                    job.settle(error)
                except RuntimeError:
                    continue  # the event loop has closed: nobody waits for the result
        connection.close()

    def _commit_all(
        self, connection: sqlite3.Connection, batch: Sequence[_Job]
    ) -> Iterator[tuple[_Job, BaseException | None]]:
        error = _commit(connection, [statement for job in batch for statement in job.statements])
        if error is None or not _is_full(error):
            yield from ((job, error) for job in batch)
            return
        # A job that fails for lack of space must not fail the others.
        for job in batch:
            error = _commit(connection, job.statements)
            if job.frees and error is not None and _is_full(error):
                error = self._commit_in_need(connection, job)
            yield job, self._disk.full() if error is not None and _is_full(error) else error

    def _commit_in_need(self, connection: sqlite3.Connection, job: _Job) -> BaseException | None:
        """Write although the disk is full: first into the start of the write-ahead log, then into the reserve."""
        _rewind_log(connection)
        error = _commit(connection, job.statements)
        if error is not None and _is_full(error) and self._disk.release():
            _rewind_log(connection)
            error = _commit(connection, job.statements)
        return error


def _rewind_log(connection: sqlite3.Connection) -> None:
    # Not truncated: other programs cannot take the space that the file has.
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()


def _is_full(error: BaseException) -> bool:
    # The shared-memory file of the log reports a full disk with other codes.
    codes = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_SHMOPEN")
    return is_full(error) or getattr(error, "sqlite_errorname", "") in codes


def _commit(connection: sqlite3.Connection, statements: Sequence[_Statement]) -> BaseException | None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        for sql, values in statements:
            connection.execute(sql, values)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return error
    return None
