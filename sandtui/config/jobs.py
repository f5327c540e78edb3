"""Jobs and the ends of their logs, in a SQLite file: they outlive their sandboxes and the program."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sandtui.config.database import Database
from sandtui.config.owners import SCHEMA as _OWNERS
from sandtui.config.owners import Claims, Owners, owners_beside
from sandtui.fleet.jobs.job import Chain, ChainStep, Job, JobKey, JobState

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    context TEXT NOT NULL, sandbox_id TEXT NOT NULL, job_id TEXT NOT NULL, sandbox_name TEXT NOT NULL,
    state TEXT NOT NULL, started TEXT, ended TEXT, exit_code INTEGER, command TEXT NOT NULL,
    working_dir TEXT NOT NULL, stdout_size INTEGER NOT NULL, stderr_size INTEGER NOT NULL, last_line TEXT NOT NULL,
    words TEXT NOT NULL, mine INTEGER NOT NULL, PRIMARY KEY (context, sandbox_id, job_id)
);
CREATE TABLE IF NOT EXISTS chains (
    context TEXT NOT NULL, sandbox_id TEXT NOT NULL, job_id TEXT NOT NULL, download TEXT NOT NULL,
    target TEXT NOT NULL, remove INTEGER NOT NULL, step TEXT NOT NULL, words TEXT NOT NULL, owner INTEGER,
    PRIMARY KEY (context, sandbox_id, job_id)
);
CREATE TABLE IF NOT EXISTS logs (
    context TEXT NOT NULL, sandbox_id TEXT NOT NULL, job_id TEXT NOT NULL, stream TEXT NOT NULL,
    text TEXT NOT NULL, start INTEGER NOT NULL, total INTEGER NOT NULL,
    PRIMARY KEY (context, sandbox_id, job_id, stream)
);
"""

MAX_JOBS = 3000
MAX_LOG_CHARACTERS = 1_000_000
"""The most characters of a log that are stored, from its end."""

MAX_LOGS = 300
_KEY = "context = ? AND sandbox_id = ? AND job_id = ?"
_COLUMNS = (
    "sandbox_id, job_id, sandbox_name, state, started, ended, exit_code, command, working_dir, stdout_size, "
    "stderr_size, last_line, words, mine"
)


def database(path: Path) -> Database:
    """Return the database in a file; it is not opened yet."""
    return Database(path, _SCHEMA, _OWNERS, durable=True)


class JobFile:
    """A :class:`~sandtui.fleet.jobs.storage.JobStorage` in a file that only the user can read."""

    def __init__(self, path: Path, owners: Owners | None = None) -> None:
        self._database = database(path)
        self._claims = Claims(self._database, owners or owners_beside(path))

    def load(self, context: str) -> list[Job]:
        """Return the stored jobs, newest first; none if there is no file yet.

        Raises:
            OSError: the file cannot be read.
        """
        if not self._database.exists:
            return []

        def read(connection: sqlite3.Connection) -> list[Job]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE context = ? ORDER BY started DESC LIMIT ?",  # noqa: S608 - ours
                (context, MAX_JOBS),
            ).fetchall()
            chains = {
                JobKey(row[0], row[1]): Chain(row[2], row[3], bool(row[4]), ChainStep(row[5]), row[6])
                for row in connection.execute(
                    "SELECT sandbox_id, job_id, download, target, remove, step, words FROM chains WHERE context = ?",
                    (context,),
                )
            }
            return [_job(row, chains) for row in rows]

        return self._database.run(read)

    def save(self, context: str, jobs: Sequence[Job]) -> None:
        """Store jobs.

        Raises:
            OSError: the file cannot be written.
        """
        rows = [
            (
                context,
                *job.key,
                _text(job.sandbox_name),
                job.state.value,
                _moment(job.started),
                _moment(job.ended),
                job.exit_code,
                _text(job.command),
                _text(job.working_dir),
                job.stdout_size,
                job.stderr_size,
                _text(job.last_line),
                _text(job.note),
                int(job.mine),
            )
            for job in jobs
        ]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                f"INSERT OR REPLACE INTO jobs (context, {_COLUMNS}) VALUES ({', '.join('?' * 15)})",  # noqa: S608
                rows,
            )
            surplus = connection.execute("SELECT count(*) FROM jobs").fetchone()[0] - MAX_JOBS
            if surplus > 0:
                # Jobs with an unfinished chain are kept: the chain must still be carried out.
                connection.execute(
                    "DELETE FROM jobs WHERE rowid IN (SELECT rowid FROM jobs WHERE state != 'running' AND NOT EXISTS "
                    "(SELECT 1 FROM chains c WHERE c.context = jobs.context AND c.sandbox_id = jobs.sandbox_id "
                    "AND c.job_id = jobs.job_id AND c.step NOT IN ('done', 'failed')) ORDER BY started LIMIT ?)",
                    (surplus,),
                )
                _drop_orphans(connection)

        self._database.run(write)

    def forget(self, context: str, keys: Sequence[JobKey]) -> None:
        """Remove jobs and their logs.

        Raises:
            OSError: the file cannot be written.
        """

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(f"DELETE FROM jobs WHERE {_KEY}", [(context, *key) for key in keys])  # noqa: S608
            _drop_orphans(connection)

        if keys:
            self._database.run(write)

    def save_chain(self, context: str, key: JobKey, chain: Chain | None) -> None:
        """Store what is to happen after a job; it is on the disk when this returns.

        Raises:
            OSError: the file cannot be written.
        """

        def write(connection: sqlite3.Connection) -> None:
            if chain is None or chain.step in {ChainStep.DONE, ChainStep.FAILED}:
                self._claims.release(connection, _entry(context, key))
            if chain is None:
                connection.execute(f"DELETE FROM chains WHERE {_KEY}", (context, *key))  # noqa: S608 - our own text
                return
            values = (chain.download, chain.target, int(chain.delete), chain.step.value, _text(chain.note))
            connection.execute(
                "INSERT INTO chains (context, sandbox_id, job_id, download, target, remove, step, words) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET download = excluded.download, "
                "target = excluded.target, remove = excluded.remove, step = excluded.step, words = excluded.words",
                (context, *key, *values),
            )

        self._database.run(write)

    def claim_chain(self, context: str, key: JobKey) -> bool:
        """Take a chain for this process; return False if another running process has it, or it is finished.

        Raises:
            OSError: the file cannot be written.
        """

        entry = _entry(context, key)

        def write(connection: sqlite3.Connection) -> bool:
            connection.execute("DELETE FROM owners WHERE 0")  # takes the lock before anything is read
            row = connection.execute(f"SELECT step FROM chains WHERE {_KEY}", (context, *key)).fetchone()  # noqa: S608
            if row is None or row[0] in {ChainStep.DONE.value, ChainStep.FAILED.value}:
                return False
            return self._claims.take(connection, entry)

        return self._database.run(write)

    def save_log(self, context: str, key: JobKey, stream: str, text: str, start: int, total: int) -> None:
        """Store the end of a log; it replaces the one stored before.

        Raises:
            OSError: the file cannot be written.
        """
        cut = max(0, len(text) - MAX_LOG_CHARACTERS)
        start += len(text[:cut].encode("utf-8", "replace"))
        values = (context, *key, stream, _text(text[cut:]), start, total)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO logs VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            connection.execute(
                "DELETE FROM logs WHERE rowid NOT IN (SELECT rowid FROM logs ORDER BY rowid DESC LIMIT ?)",
                (MAX_LOGS,),
            )

        self._database.run(write)

    def load_log(self, context: str, key: JobKey, stream: str) -> tuple[str, int, int] | None:
        """Return a stored log: its text, its offset in bytes, and the size of the whole log.

        Raises:
            OSError: the file cannot be read.
        """
        if not self._database.exists:
            return None
        select = f"SELECT text, start, total FROM logs WHERE {_KEY} AND stream = ?"  # noqa: S608 - our own text

        def read(connection: sqlite3.Connection) -> tuple[str, int, int] | None:
            row = connection.execute(select, (context, *key, stream)).fetchone()
            return (row[0], row[1], row[2]) if row is not None else None

        return self._database.run(read)

    def close(self) -> None:
        """Write what is queued, and release what this process has claimed."""
        self._database.close()


def _job(row: tuple[object, ...], chains: dict[JobKey, Chain]) -> Job:
    sandbox_id, job_id, name, state, started, ended, code, command, folder, out, err, last, words, mine = row
    key = JobKey(str(sandbox_id), str(job_id))
    return Job(
        key,
        JobState(state),
        str(name),
        datetime.fromisoformat(str(started)) if started else None,
        datetime.fromisoformat(str(ended)) if ended else None,
        code,  # type: ignore[arg-type] # an integer column
        str(command),
        out,  # type: ignore[arg-type]
        err,  # type: ignore[arg-type]
        str(last),
        str(words),
        bool(mine),
        str(folder),
        chains.get(key),
    )


def _drop_orphans(connection: sqlite3.Connection) -> None:
    for table in ("chains", "logs"):
        connection.execute(
            f"DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.context = {table}.context "  # noqa: S608
            f"AND j.sandbox_id = {table}.sandbox_id AND j.job_id = {table}.job_id)"
        )


def _entry(context: str, key: JobKey) -> str:
    return "\n".join((context, *key))


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
