import stat
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandtui.client import RequestReport
from sandtui.config import activity as module
from sandtui.config.activity import SqliteActivity
from sandtui.config.database import Database
from sandtui.fleet.activity.entry import ActivityEntry
from sandtui.fleet.activity.requests import Trace

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


def entry(number, text, kind="information", context="local"):
    return ActivityEntry(NOW + timedelta(seconds=number), context, kind, text)


def test_entries_are_found_by_their_words_and_by_the_next_run(tmp_path):
    path = tmp_path / "state" / "activity.sqlite3"
    kept = SqliteActivity(path)
    assert kept.search("") == []
    kept.add(entry(1, "Deleted web-1"))
    kept.add(entry(2, "web-2 was not deleted", "error"))
    kept.add(entry(3, "delete › Fleet", "did", "prod"))
    kept.close()
    again = SqliteActivity(path)
    assert [each.text for each in again.search("")] == ["delete › Fleet", "web-2 was not deleted", "Deleted web-1"]
    assert [each.text for each in again.search("WEB deleted")] == ["web-2 was not deleted", "Deleted web-1"]
    assert again.search("error") == [entry(2, "web-2 was not deleted", "error")]
    assert again.search("prod did") == [entry(3, "delete › Fleet", "did", "prod")]
    assert again.search("100%_") == []
    again.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_secret_is_kept(tmp_path):
    kept = SqliteActivity(tmp_path / "a.sqlite3")
    for text in ("with TOKEN=canary", "Authorization: Bearer canary", "http://me:canary@x/y", "the key canary"):
        kept.add(entry(1, text), ["canary"])
    kept.add(entry(2, "PASSWORD=canary"))
    kept.close()
    assert all(b"canary" not in path.read_bytes() for path in tmp_path.iterdir())


def test_the_oldest_entries_are_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    kept = SqliteActivity(tmp_path / "a.sqlite3")
    for number in range(6):
        kept.add(entry(number, f"n{number}"))
    assert [each.text for each in kept.search("")] == ["n5", "n4", "n3"]
    kept.close()


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    (tmp_path / "a.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(OSError, match=r"a\.sqlite3"):
        SqliteActivity(tmp_path / "a.sqlite3").search("x")


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_can_be_kept_and_looked_for(tmp_path_factory, text, wanted):
    kept = SqliteActivity(tmp_path_factory.mktemp("a") / "a.sqlite3")
    kept.add(entry(1, text))
    assert len(kept.search(wanted)) <= 1
    kept.close()


def traced(number, text, *statuses):
    trace = Trace()
    for status in statuses:
        trace.take(RequestReport("GET", f"http://p.test/{number}", (), status, 0.1, 1), NOW)
    return ActivityEntry(NOW + timedelta(seconds=number), "local", "did", text, trace.id), trace


def test_the_requests_behind_an_entry_are_kept_and_found(tmp_path):
    path = tmp_path / "a.sqlite3"
    kept = SqliteActivity(path)
    first, trace = traced(1, "delete", 200, 403)
    kept.add(first)
    kept.add(entry(2, "nothing behind it"))
    kept.keep_traces([trace])
    trace.take(RequestReport("GET", "http://p.test/later", (), None, 0.1, 1), NOW)
    kept.keep_traces([trace])
    kept.close()
    again = SqliteActivity(path)
    plain, found = again.search("")
    assert (found.requests, found.failed) == (3, 2)
    assert [request.status for request in again.requests_of(found)] == [200, 403, None]
    assert again.requests_of(plain) == []
    assert [each.text for each in again.search("/later delete")] == ["delete"]
    assert again.search("/elsewhere") == []
    again.close()


FIRST_SCHEMA = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    moment TEXT NOT NULL, context TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL
);
"""


def test_a_file_of_an_earlier_version_gets_its_requests(tmp_path):
    path = tmp_path / "a.sqlite3"
    old = Database(path, FIRST_SCHEMA)
    old.run(
        lambda connection: connection.execute(
            "INSERT INTO entries VALUES (7, ?, 'c', 'did', 'old')", (NOW.isoformat(),)
        )
    )
    old.close()
    kept = SqliteActivity(path)
    new, trace = traced(1, "new", 200)
    kept.add(new)
    kept.keep_traces([trace])
    assert [(each.text, each.requests) for each in kept.search("")] == [("new", 1), ("old", 0)]
    kept.close()


def test_the_oldest_requests_go(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_TRACES", 2)
    kept = SqliteActivity(tmp_path / "a.sqlite3")
    for number in range(4):
        each, trace = traced(number, f"n{number}", 200)
        kept.add(each)
        kept.keep_traces([trace])
    assert [each.requests for each in kept.search("")] == [1, 1, 0, 0]
    kept.close()
