"""A launch is on the disk before anything of it is sent: what a kill at the moment of a request would leave."""

import asyncio
import contextlib
import json
import os
import sqlite3
import stat

import httpx
import pytest

from sandtui.client import APIError
from sandtui.clock import SystemClock
from sandtui.config.database import Database
from sandtui.config.jobs import JobFile
from sandtui.config.journal import LaunchJournal
from sandtui.config.transfers import TransferJournal
from sandtui.fleet.creation.launch import Launch, Step, clean_up
from sandtui.fleet.creation.launch_plan import LaunchPlan
from sandtui.fleet.jobs.job import Chain, JobKey
from tests.fleet.creation.test_launch import plan, world

__all__ = ["world"]


@pytest.fixture
def journal(tmp_path):
    made = LaunchJournal(tmp_path / "state" / "journal.sqlite3")
    yield made
    made.close()


class Witness:
    """Notes at each request for a sandbox what another program would read of it in the journal."""

    def __init__(self, platform, path):
        self._platform, self._path = platform, path
        self.seen: list[tuple[str, str, int]] = []
        self.answer = lambda body: None
        platform.fail = self

    def __call__(self, body):
        with contextlib.closing(sqlite3.connect(self._path)) as connection:
            rows = connection.execute(
                "SELECT request, step, sandbox_id, finished FROM items JOIN launches USING (launch_id)"
            ).fetchall()
        found = {json.loads(request)["idempotency_key"]: row for request, *row in rows}
        step, sandbox_id, finished = found.get(body["idempotency_key"], ("nothing", None, 1))
        self.seen.append((step, sandbox_id or "", finished))
        return self.answer(body)


@pytest.fixture
def witness(world, tmp_path):
    return Witness(world[0], tmp_path / "state" / "journal.sqlite3")


def launch_of(world, journal, **values):
    return Launch(plan(**values), world[1], SystemClock(), journal, "test")


@pytest.mark.parametrize("count", ["1", "40"])
@pytest.mark.parametrize("wait", [True, False])
async def test_each_sandbox_is_recorded_before_it_is_asked_for(world, journal, witness, count, wait):
    launch = launch_of(world, journal, count=count)
    await (launch.run() if wait else launch.create())
    assert witness.seen == [("creating", "", 0)] * int(count)
    assert await asyncio.to_thread(journal.unfinished) == []


@pytest.mark.parametrize("made", [True, False])
async def test_what_is_tried_again_is_recorded_again(world, journal, witness, made):
    platform, _, _ = world
    if made:
        platform.status = lambda sandbox: "ERROR"
    else:
        witness.answer = lambda body: httpx.Response(402, json={"detail": "no balance"})
    launch = launch_of(world, journal, count="3")
    await launch.run()
    assert launch.counts == {Step.FAILED: 3}
    assert await asyncio.to_thread(journal.unfinished) == [], "all of it is known"
    platform.status, witness.answer = (lambda sandbox: "RUNNING"), (lambda body: None)
    witness.seen.clear()
    launch.retry_failed()
    await launch.run()
    assert witness.seen == [("creating", "", 0)] * 3, "under the key that is sent, in a launch that is open again"
    assert launch.counts == {Step.READY: 3}
    assert await asyncio.to_thread(journal.unfinished) == []


async def test_what_goes_on_is_recorded(world, journal, witness):
    first = launch_of(world, journal, count="3")
    await asyncio.to_thread(journal.begin, first.launch_id, "test", [item.request for item in first.items])
    await asyncio.to_thread(journal.write, first.launch_id, 0, "ready", "sbx_0")
    (unfinished,) = await asyncio.to_thread(journal.unfinished)
    requests = tuple(item.request for item in unfinished.items)
    again = Launch(LaunchPlan(unfinished.launch_id, requests), world[1], SystemClock(), journal, "test")
    again.resume([(item.step, item.sandbox_id) for item in unfinished.items])
    await again.run()
    assert witness.seen == [("creating", "", 0)] * 2
    assert again.counts == {Step.READY: 3}


async def test_what_is_asked_for_again_to_be_deleted_is_known(world, journal, witness):
    platform, client, _ = world
    witness.answer = lambda body: httpx.Response(500, json={"detail": "broken"})
    launch = launch_of(world, journal)
    await launch.create()
    witness.answer = lambda body: None
    (unfinished,) = await asyncio.to_thread(journal.unfinished)
    assert await clean_up(client, unfinished.launch_id, unfinished.known, unfinished.unknown) == 1
    assert witness.seen == [("creating", "", 0)] * 2
    assert platform.made == {}


@pytest.mark.parametrize("count", ["1", "3"])
async def test_nothing_is_sent_when_it_cannot_be_written(world, journal, witness, count, tmp_path):
    launch = launch_of(world, journal, count=count)
    written = journal.write

    def full(launch_id, place, step, sandbox_id):
        if place == 0:
            raise OSError("the disk is full")
        written(launch_id, place, step, sandbox_id)

    journal.write = full
    await launch.create()
    assert launch.items[0].step is Step.FAILED
    assert "disk is full" in launch.items[0].problem
    assert len(witness.seen) == int(count) - 1


async def test_one_that_is_under_way_when_it_is_cancelled_is_not_forgotten(world, journal, witness):
    platform, client, _ = world
    asked, create = asyncio.Event(), client.create

    async def slow(request, **_):
        made = await create(request)
        asked.set()
        await asyncio.Event().wait()
        return made

    client.create = slow
    launch = launch_of(world, journal)
    task = asyncio.ensure_future(launch.create())
    await asked.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    client.create = create
    assert len((await asyncio.to_thread(journal.unfinished))[0].unknown) == 1
    assert await launch.delete_made() == 1
    assert platform.made == {}
    assert await asyncio.to_thread(journal.unfinished) == []


@pytest.mark.parametrize("where", ["clean up", "delete"])
async def test_what_could_not_be_deleted_is_not_forgotten(world, journal, where):
    _, client, _ = world
    launch = launch_of(world, journal, count="3")
    await launch.create()
    await asyncio.to_thread(journal.begin, launch.launch_id, "test", [item.request for item in launch.items])

    async def delete_many(ids):
        for each in ids:
            yield type("Outcome", (), {"key": each, "value": None, "error": APIError("not now", status_code=409)})

    async def bulk_delete(**_):
        failed = [{"sandbox_id": each, "error": "busy"} for each in launch.ids]
        return type("Reply", (), {"succeeded": [], "failed": failed})

    client.delete_many, client.bulk_delete = delete_many, bulk_delete
    with pytest.raises(APIError, match="not now"):
        await (clean_up(client, launch.launch_id, []) if where == "clean up" else launch.delete_made())


# The disk


@pytest.mark.parametrize("store", ["launches", "transfers", "chains"])
def test_what_is_promised_to_be_on_the_disk_waits_for_the_disk(monkeypatch, tmp_path, store):
    synced, really = [], os.fsync

    def fsync(descriptor):
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            synced.append(found.st_ino)
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    modes = []
    connect = sqlite3.connect

    def noted(*args, **kwargs):
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(lambda text: modes.append(text) if "synchronous" in text.lower() else None)
        return connection

    monkeypatch.setattr(sqlite3, "connect", noted)
    folder = tmp_path / "deep" / "state"
    if store == "launches":
        launches = LaunchJournal(folder / "x.sqlite3")
        launches.begin("one", "local", [])
        launches.close()
    elif store == "transfers":
        file = TransferJournal.open(folder / "x.sqlite3")
        TransferJournal(file, "local").take("one")
        file.close()
    else:
        jobs = JobFile(folder / "x.sqlite3")
        jobs.save_chain("local", JobKey("sbx_1", "0a1b2c3d"), Chain(delete=True))
        jobs.close()
    assert modes == ["PRAGMA synchronous = FULL"]
    assert {each.stat().st_ino for each in (folder, folder.parent, tmp_path)} <= set(synced)


def test_a_database_says_how_much_it_waits(tmp_path):
    for durable, mode in ((True, 2), (False, 1)):
        database = Database(tmp_path / f"{durable}.sqlite3", durable=durable)
        assert database.run(lambda connection: connection.execute("PRAGMA synchronous").fetchone()) == (mode,)
        database.close()
