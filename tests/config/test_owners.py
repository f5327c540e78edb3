"""What one program carries out is not offered by another; when that one is gone, exactly one gets it."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest

from sandtui.client import CreateSandboxRequest
from sandtui.config.journal import LaunchJournal
from sandtui.config.owners import OwnerProcess, Owners, Standing, owners_beside
from sandtui.processes import process_start, process_start_by_ps
from tests.config.stores import STORES, Launches

PROGRAM = """
import sys
from pathlib import Path
from tests.config.stores import STORES
store = STORES[sys.argv[1]](Path(sys.argv[2]))
for line in sys.stdin:
    print(getattr(store, line.strip())(), flush=True)
"""


class Program:
    """Another process with a store of its own in the same directory."""

    def __init__(self, kind, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, kind, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().strip()

    def do(self, word):
        self.ask(word)
        return self.answer()

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(params=STORES)
def kind(request):
    return request.param


@pytest.fixture
def programs(kind, tmp_path):
    with contextlib.ExitStack() as ends:

        def start():
            program = Program(kind, tmp_path)
            ends.callback(program.process.stdout.close)
            ends.callback(program.process.stdin.close)
            ends.callback(program.kill)
            return program

        yield start


def test_what_a_running_program_carries_out_is_not_offered_by_another(programs):
    first, second = programs(), programs()
    first.do("begin")
    assert second.do("claim") == "0"
    first.process.send_signal(signal.SIGSTOP)
    assert second.do("claim") == "0", "a program that is stopped comes back"
    first.process.send_signal(signal.SIGCONT)
    first.do("finish")
    first.kill()
    assert second.do("claim") == "0", "it is over"


def test_after_a_crash_exactly_one_gets_it(programs):
    first = programs()
    first.do("begin")
    first.kill()
    others = [programs() for _ in range(3)]
    for other in others:
        other.ask("claim")
    assert sorted(other.answer() for other in others) == ["0", "0", "1"]
    for other in others:
        other.kill()
    assert programs().do("claim") == "1", "who got it has crashed too"


def test_a_crash_that_nobody_has_waited_for_is_one(programs):
    first = programs()
    first.do("begin")
    os.kill(first.process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, first.process.pid, os.WEXITED | os.WNOWAIT)
    assert programs().do("claim") == "1", "what is left of the process is only its number"


def test_a_program_that_was_left_gives_back_what_it_had(programs):
    first, second = programs(), programs()
    first.do("begin")
    first.do("close")
    assert second.do("claim") == "1"


def test_a_launch_of_another_program_is_not_begun_again(tmp_path):
    program = Program("launch", tmp_path)
    program.do("begin")
    mine = Launches(tmp_path)
    with pytest.raises(OSError, match="another sandtui"):
        mine.begin()
    program.kill()
    program.process.stdin.close()
    program.process.stdout.close()
    mine.begin()
    mine.close()


def test_a_launch_that_was_left_for_later_is_offered_again(tmp_path):
    first = Launches(tmp_path)
    first.begin()
    assert first.claim() == 0, "it is its own"
    first.journal.release("one")
    other = LaunchJournal(tmp_path / "journal.sqlite3", Owners(tmp_path))
    assert other.claim("elsewhere").launches == (), "it belongs to another platform"
    (found,) = other.claim("local").launches
    assert found.launch_id == "one"
    assert first.claim() == 0
    other.close()
    first.close()


# How a process is known


@pytest.fixture
def owners(tmp_path):
    made = Owners(tmp_path)
    yield made
    made.end()


def test_a_number_that_was_used_again_is_another_process(owners):
    me = owners.me
    assert owners.standing(me) is Standing.MINE
    twin = replace(me, token="feed")
    assert owners.standing(twin) is Standing.RUNNING
    assert owners.standing(replace(twin, started="1")) is Standing.GONE
    assert owners.standing(replace(twin, pid=2**22 + 1)) is Standing.GONE
    assert owners.standing(None) is Standing.GONE
    assert owners.standing(OwnerProcess.load("no owner")) is Standing.GONE
    assert OwnerProcess.load(me.dump()) == me


@pytest.mark.parametrize("boot", ["another boot", ""])
def test_a_process_that_cannot_be_seen_is_known_by_its_lock(owners, tmp_path, boot):
    other = Owners(tmp_path)
    far = replace(other.me, boot=boot, host="elsewhere")
    assert owners.standing(far) is Standing.ELSEWHERE
    assert "elsewhere" in far.label
    other.end()
    assert owners.standing(far) is Standing.GONE, "before a restart of this machine, for one"
    assert owners.standing(replace(far, token="../../x")) is Standing.GONE


def test_what_runs_elsewhere_is_reported_and_not_offered(tmp_path):
    journal = LaunchJournal(tmp_path / "journal.sqlite3")
    journal.begin("one", "local", [CreateSandboxRequest(name="n", docker_image="x", idempotency_key="k")])
    far = replace(owners_beside(tmp_path / "journal.sqlite3").me, boot="another", host="far", pid=7)
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite3")) as connection, connection:
        connection.execute("UPDATE owners SET owner = ?", (far.dump(),))
    other = LaunchJournal(tmp_path / "journal.sqlite3", Owners(tmp_path))
    found = other.claim("local")
    assert (found.launches, found.elsewhere) == ((), ("process 7 on far",))
    other.close()
    journal.close()


def test_the_files_of_those_that_are_gone_go(owners, tmp_path):
    (tmp_path / "owner-dead.lock").touch()
    me = owners.me
    assert [path.name for path in tmp_path.iterdir()] == [f"owner-{me.token}.lock"]
    owners.end()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("start", [process_start, process_start_by_ps])
def test_the_start_of_a_process_by_either_way(start):
    with subprocess.Popen(["sleep", "60"]) as process:
        began = start(process.pid)
        assert began
        assert start(process.pid) == began
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert start(process.pid) is None, "nobody has waited for it yet"
        process.wait()
        assert start(process.pid) is None


# Files of earlier versions

BEFORE = {
    "journal.sqlite3": """
        CREATE TABLE launches (
            launch_id TEXT PRIMARY KEY, context TEXT NOT NULL, began TEXT NOT NULL, finished INTEGER NOT NULL DEFAULT 0
        );
        CREATE TABLE items (
            launch_id TEXT NOT NULL, place INTEGER NOT NULL, request TEXT NOT NULL, has_secrets INTEGER NOT NULL,
            step TEXT NOT NULL, sandbox_id TEXT, PRIMARY KEY (launch_id, place)
        );
        INSERT INTO launches VALUES ('old', 'local', '2025-01-01T00:00:00+00:00', 0);
        INSERT INTO items VALUES ('old', 0, '{"name": "n", "docker_image": "x"}', 0, 'creating', NULL);
        PRAGMA user_version = 1;
    """,
    "jobs.sqlite3": """
        CREATE TABLE jobs (
            context TEXT NOT NULL, sandbox_id TEXT NOT NULL, job_id TEXT NOT NULL, sandbox_name TEXT NOT NULL,
            state TEXT NOT NULL, started TEXT, ended TEXT, exit_code INTEGER, command TEXT NOT NULL,
            working_dir TEXT NOT NULL, stdout_size INTEGER NOT NULL, stderr_size INTEGER NOT NULL,
            last_line TEXT NOT NULL, words TEXT NOT NULL, mine INTEGER NOT NULL,
            PRIMARY KEY (context, sandbox_id, job_id)
        );
        CREATE TABLE chains (
            context TEXT NOT NULL, sandbox_id TEXT NOT NULL, job_id TEXT NOT NULL, download TEXT NOT NULL,
            target TEXT NOT NULL, remove INTEGER NOT NULL, step TEXT NOT NULL, words TEXT NOT NULL, owner INTEGER,
            PRIMARY KEY (context, sandbox_id, job_id)
        );
        CREATE TABLE logs (
            context TEXT NOT NULL, sandbox_id TEXT NOT NULL, job_id TEXT NOT NULL, stream TEXT NOT NULL,
            text TEXT NOT NULL, start INTEGER NOT NULL, total INTEGER NOT NULL,
            PRIMARY KEY (context, sandbox_id, job_id, stream)
        );
        INSERT INTO chains VALUES ('local', 'sbx_1', '0a1b2c3d', '', '', 1, 'waiting', '', 1);
        PRAGMA user_version = 1;
    """,
    "transfers.sqlite3": """
        CREATE TABLE transfers (
            transfer_id TEXT PRIMARY KEY, context TEXT NOT NULL, place INTEGER NOT NULL, batch TEXT NOT NULL,
            source BLOB NOT NULL, source_box TEXT, source_name TEXT NOT NULL,
            target BLOB NOT NULL, target_box TEXT, target_name TEXT NOT NULL,
            options TEXT NOT NULL, state TEXT NOT NULL, total INTEGER NOT NULL, done INTEGER NOT NULL,
            problem TEXT NOT NULL
        );
        CREATE TABLE files (
            transfer_id TEXT NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL,
            PRIMARY KEY (transfer_id, path)
        ) WITHOUT ROWID;
        INSERT INTO transfers VALUES ('old', 'local', 0, 'b', x'2f61', NULL, '', x'2f62', 'sbx_1', 'n',
            '{"existing": "ask", "keep": false, "checksum": true}', 'running', 10, 5, '');
        PRAGMA user_version = 1;
    """,
}


def test_a_file_of_an_earlier_version_is_brought_up_to_date_and_offered(kind, programs, tmp_path):
    for name, script in BEFORE.items():
        with contextlib.closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.executescript(script)
    both = [programs(), programs()]
    for each in both:
        each.ask("claim")
    assert sorted(each.answer() for each in both) == ["0", "1"]
    if kind == "launch":
        (found,) = LaunchJournal(tmp_path / "journal.sqlite3").unfinished()
        assert (found.launch_id, len(found.unknown)) == ("old", 1)
    assert json.loads(owners_beside(tmp_path / "x").me.dump())["pid"] == os.getpid()
