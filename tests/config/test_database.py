import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandtui.config.database import Database

FIRST = "CREATE TABLE IF NOT EXISTS things (name TEXT)"
SECOND = "CREATE TABLE IF NOT EXISTS others (name TEXT)"


def names(database, table="things"):
    return database.run(lambda connection: [row[0] for row in connection.execute(f"SELECT name FROM {table}")])


def insert(name):
    return lambda connection: connection.execute("INSERT INTO things VALUES (?)", (name,))


def test_work_is_done_in_its_order_and_outlives_the_process(tmp_path):
    database = Database(tmp_path / "deep" / "own.sqlite3", FIRST)
    assert not database.exists
    for name in "abc":
        database.later(insert(name))
    assert names(database) == ["a", "b", "c"]
    database.close()
    assert stat.S_IMODE((tmp_path / "deep" / "own.sqlite3").stat().st_mode) == 0o600
    again = Database(tmp_path / "deep" / "own.sqlite3", FIRST)
    assert names(again) == ["a", "b", "c"]
    again.close()


def test_half_done_work_is_not_kept(tmp_path):
    database = Database(tmp_path / "own.sqlite3", FIRST)

    def half(connection):
        insert("lost")(connection)
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        database.run(half)
    assert names(database) == []
    database.close()


def test_an_old_file_gets_the_later_steps(tmp_path):
    old = Database(tmp_path / "own.sqlite3", FIRST)
    old.run(insert("kept"))
    old.close()
    new = Database(tmp_path / "own.sqlite3", FIRST, SECOND)
    assert names(new) == ["kept"] and names(new, "others") == []
    new.close()


def test_a_file_that_is_not_a_database_is_a_clear_error_and_stays(tmp_path):
    path = tmp_path / "own.sqlite3"
    path.write_bytes(b"not a database at all, but long enough to look like one" * 20)
    database = Database(path, FIRST)
    with pytest.raises(OSError, match="cannot be used"):
        names(database)
    database.close()
    assert path.read_bytes().startswith(b"not a database")


def test_many_may_open_a_new_one_at_once(tmp_path):
    # One round in twelve went wrong: SQLite does not wait for another that switches to the write-ahead log.
    for turn in range(60):
        many = [Database(tmp_path / f"{turn}.sqlite3", FIRST, SECOND) for _ in range(12)]
        ready = threading.Barrier(len(many))

        def write(one, ready=ready):
            ready.wait()
            one.run(insert("x"))

        with ThreadPoolExecutor(len(many)) as pool:
            list(pool.map(write, many))
        assert names(many[0]) == ["x"] * len(many)
        for one in many:
            one.close()


def test_two_processes_may_open_it_at_once(tmp_path):
    both = [Database(tmp_path / "own.sqlite3", FIRST, SECOND) for _ in range(4)]
    threads = [threading.Thread(target=one.run, args=(insert("x"),)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(both[0]) == ["x"] * 4
    for one in both:
        one.close()
    assert sqlite3.connect(tmp_path / "own.sqlite3").execute("PRAGMA user_version").fetchone() == (2,)


def test_what_comes_after_the_end_breaks_nothing(tmp_path):
    database = Database(tmp_path / "own.sqlite3", FIRST)
    database.later(insert("before"))
    database.close()
    database.later(insert("after"))
    again = Database(tmp_path / "own.sqlite3", FIRST)
    assert names(again) == ["before"]
    again.close()
