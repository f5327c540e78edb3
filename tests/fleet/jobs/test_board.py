"""The board of jobs over sandboxes of real shells: what is seen, kept, started, stopped and followed up."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sandtui.client import APIError
from sandtui.client.models.streams import CommandOutput
from sandtui.clock import ManualClock
from sandtui.config.jobs import JobFile
from sandtui.fleet.jobs import watcher as watching
from sandtui.fleet.jobs.job import Chain, ChainStep, Job, JobKey, JobState
from sandtui.fleet.jobs.watcher import JobWatcher
from tests.fleet.factory import NOW, sandbox
from tests.fleet.jobs.job_shells import Shells, board_of, client_of, kill_all

ONE = "sbx_0001"


@pytest.fixture
async def shells(tmp_path):
    made = Shells(tmp_path / "boxes")
    made.folder.mkdir()
    yield made
    kill_all(tmp_path)


@pytest.fixture
async def client(shells):
    made = client_of(shells)
    yield made
    await made.aclose()


@pytest.fixture
def storage(tmp_path):
    made = JobFile(tmp_path / "jobs.sqlite3")
    yield made
    made.close()


async def until(condition, seconds=10.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def polled(board, condition):
    for _ in range(200):
        await board.poll([ONE])
        if condition():
            return
    raise AssertionError(board.jobs)


async def test_a_job_from_its_start_to_its_end_with_one_request_a_look(shells, client, storage):
    board = board_of(client, storage)
    ended = []
    board.on_end.subscribe(ended.extend)
    job = await board.start(ONE, "echo hello; exit 3")
    await polled(board, lambda: board.jobs[job.key].state.is_over)
    job = board.jobs[job.key]
    assert (job.state, job.exit_code, job.last_line, job.mine) == (JobState.FAILED, 3, "hello", True)
    assert [each.job.key for each in ended] == [job.key]
    before = len(shells.requests)
    await board.poll([ONE])
    assert shells.requests[before:] == ["exec"]
    assert ONE in board.history.touched


async def test_jobs_stay_when_the_program_and_the_sandbox_are_gone(shells, client, storage):
    board = board_of(client, storage)
    job = await board.start(ONE, "echo kept; TOKEN=abcdefgh true")
    await polled(board, lambda: board.jobs[job.key].state is JobState.DONE)
    await board.logs.save_ends(board.jobs[job.key])
    shells.ended.add(ONE)
    again = board_of(client, storage)
    await again.load()
    assert ONE in again.history.touched, "a sandbox with jobs is not forgotten"
    kept = again.jobs[job.key]
    assert (kept.state, kept.exit_code, kept.last_line, kept.sandbox_name) == (JobState.DONE, 0, "kept", "rollout-0001")
    assert kept.command == "echo kept; TOKEN=<hidden> true"
    assert (await again.logs.saved(job.key, "stdout"))[0] == "kept"


async def test_a_job_that_ended_while_nobody_looked_is_reported(shells, client, storage):
    board = board_of(client, storage)
    job = await board.start(ONE, "true")
    again = board_of(client, storage)
    ended = []
    again.on_end.subscribe(ended.extend)
    await again.load()
    assert again.jobs[job.key].state is JobState.RUNNING
    await polled(again, lambda: again.jobs[job.key].state is JobState.DONE)
    assert [each.away for each in ended] == [True]


async def test_a_sandbox_that_ends_loses_its_running_jobs(shells, client):
    board = board_of(client)
    job = await board.start(ONE, "sleep 300")
    shells.ended.add(ONE)
    await board.poll([ONE])
    assert (board.jobs[job.key].state, board.jobs[job.key].note) == (JobState.LOST, "sandbox ended")


async def test_the_platforms_word_that_a_sandbox_ended_is_enough(shells, client):
    board = board_of(client)
    job = await board.start(ONE, "sleep 300")
    board.store.apply([sandbox(1, status="TERMINATED", terminated_at=NOW)])
    assert board.jobs[job.key].state is JobState.LOST
    assert board.jobs[job.key].ended == NOW


async def test_jobs_of_a_sandbox_that_is_not_known_any_more_are_lost_after_a_whole_listing(client, storage):
    key = JobKey("sbx_gone", "0a1b2c3d")
    storage.save("test", [Job(key, JobState.RUNNING, started=NOW)])
    board = board_of(client, storage)
    await board.load()
    board.mark_lost()
    assert board.jobs[key].state is JobState.RUNNING
    board.store.begin_sweep()
    board.store.end_sweep(1)
    board.mark_lost()
    assert board.jobs[key].state is JobState.LOST


async def test_job_files_that_were_deleted_are_a_lost_job(shells, client):
    board = board_of(client)
    job = await board.start(ONE, "sleep 300")
    await board.poll([ONE])
    kill_all(shells.folder)
    for path in shells.tmp().glob("job_*"):
        shells.run(f"rm -rf /tmp/{path.name}")
    await polled(board, lambda: board.jobs[job.key].state is JobState.LOST)
    assert "files deleted" in board.jobs[job.key].note


async def test_a_sandbox_that_cannot_be_asked_is_named_and_its_jobs_stay(shells, client):
    board = board_of(client)
    job = await board.start(ONE, "sleep 300")
    shells.refuse = "no shell in this image"
    await board.poll([ONE])
    assert "no shell" in board.problems[ONE]
    assert board.jobs[job.key].state is JobState.RUNNING
    shells.refuse = ""
    await board.poll([ONE])
    assert board.problems == {}


async def test_a_million_made_up_jobs_do_not_fill_the_memory(shells, client, monkeypatch):
    monkeypatch.setattr("sandtui.fleet.jobs.board.MAX_JOBS_PER_SANDBOX", 120)
    for number in range(260):
        (shells.tmp() / f"job_{number:08x}.exit").write_text("0\n")
    board = board_of(client)
    for _ in range(4):
        await board.poll([ONE])
    assert len(board.jobs) == 120
    assert ONE in board.truncated


async def test_stopping_says_what_became_of_it(shells, client):
    board = board_of(client)
    job = await board.start(ONE, "sleep 300")
    await board.poll([ONE])
    assert await board.kill(job.key) == "stopped"
    assert board.jobs[job.key].state is JobState.FAILED
    assert board.jobs[job.key].note == "killed from here"
    assert await board.kill(job.key) == "over"
    shells.refuse = "not now"
    with pytest.raises(APIError):
        await board.kill(job.key)


async def test_how_long_a_command_takes_is_learned(client):
    board = board_of(client)
    for number, seconds in enumerate((10, 30, 20)):
        key = JobKey(ONE, f"0000000{number}")
        board.put(Job(key, JobState.DONE, started=NOW, ended=NOW + timedelta(seconds=seconds), command="make"))
    assert board.usual_seconds(Job(JobKey(ONE, "1"), JobState.RUNNING, command="make")) == 20
    assert board.usual_seconds(Job(JobKey(ONE, "1"), JobState.RUNNING, command="other")) is None


async def test_a_disk_that_is_full_is_reported_and_nothing_is_lost(shells, client, storage, monkeypatch):
    board = board_of(client, storage)

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(storage, "save", full)
    job = await board.start(ONE, "true")
    assert "no space" in board.problems[""]
    monkeypatch.undo()
    await board.poll([ONE])
    assert "" not in board.problems
    assert [kept.key for kept in storage.load("test")] == [job.key]


# What follows a job


async def follow(board, job, chain):
    watcher = JobWatcher(board)
    task = asyncio.create_task(watcher.run())
    await board.set_chain(job.key, chain)
    watcher.attend()
    over = {ChainStep.DONE, ChainStep.FAILED}
    await until(lambda: board.jobs[job.key].chain.step in over)
    task.cancel()
    await asyncio.wait([task])
    return board.jobs[job.key].chain


async def test_when_done_download_then_delete(shells, client, storage, tmp_path):
    board = board_of(client, storage)
    job = await board.start(ONE, "echo result > /tmp/out")
    chain = await follow(board, job, Chain("/tmp/out", str(tmp_path / "out"), delete=True))
    assert (chain.step, (tmp_path / "out").read_text()) == (ChainStep.DONE, "result\n")
    assert ONE in shells.ended
    assert board.store.get(ONE).status == "TERMINATED"
    assert storage.load("test")[0].chain == chain


async def test_when_done_a_directory_is_downloaded_with_all_that_is_in_it(shells, client, storage, tmp_path):
    board = board_of(client, storage)
    job = await board.start(ONE, "mkdir -p /tmp/out/deep; echo one > /tmp/out/1; echo two > /tmp/out/deep/2")
    chain = await follow(board, job, Chain("/tmp/out", str(tmp_path / "new" / "out"), delete=True))
    assert (chain.step, chain.note[:10]) == (ChainStep.DONE, "downloaded")
    assert (tmp_path / "new" / "out" / "1").read_text() == "one\n"
    assert (tmp_path / "new" / "out" / "deep" / "2").read_text() == "two\n"
    assert ONE in shells.ended


async def test_nothing_is_deleted_when_the_file_did_not_arrive(shells, client, storage, tmp_path):
    board = board_of(client, storage)
    job = await board.start(ONE, "true")
    chain = await follow(board, job, Chain("/tmp/missing", str(tmp_path / "out"), delete=True))
    assert chain.step is ChainStep.FAILED
    assert ONE not in shells.ended
    assert not (tmp_path / "out").exists()


async def test_nothing_follows_a_job_that_failed(shells, client, storage):
    board = board_of(client, storage)
    job = await board.start(ONE, "exit 9")
    chain = await follow(board, job, Chain(delete=True))
    assert (chain.step, chain.note) == (ChainStep.FAILED, "skipped: exit 9")
    assert ONE not in shells.ended


async def test_a_file_that_is_there_is_not_overwritten(shells, client, storage, tmp_path):
    board = board_of(client, storage)
    (tmp_path / "out").write_text("mine")
    job = await board.start(ONE, "echo result > /tmp/out")
    chain = await follow(board, job, Chain("/tmp/out", str(tmp_path / "out"), delete=True))
    assert "already exists" in chain.note
    assert (tmp_path / "out").read_text() == "mine"
    assert ONE not in shells.ended


async def test_what_follows_is_carried_out_by_the_next_run_of_the_program(shells, client, storage):
    board = board_of(client, storage)
    job = await board.start(ONE, "true")
    await board.set_chain(job.key, Chain(delete=True))
    again = board_of(client, storage)
    watcher = JobWatcher(again)
    told = []
    watcher.on_chain.subscribe(told.append)
    task = asyncio.create_task(watcher.run())
    await until(lambda: ONE in shells.ended and told)
    task.cancel()
    await asyncio.wait([task])
    assert told[0].chain.step is ChainStep.DONE


# Who is asked when


@pytest.fixture
def watched(client):
    clock = ManualClock(NOW)
    board = board_of(client, sandboxes=3, clock=clock)
    return board, JobWatcher(board), clock


def seen(board, clock, *sandbox_ids):
    for sandbox_id in sandbox_ids:
        board.polled_at[sandbox_id] = clock.monotonic()


async def test_nobody_is_asked_when_nobody_looks(watched):
    board, watcher, _ = watched
    board.put(Job(JobKey(ONE, "0a1b2c3d"), JobState.RUNNING))
    assert watcher.due() == []


async def test_all_are_asked_when_somebody_looks_and_the_busy_ones_often(watched):
    board, watcher, clock = watched
    watcher.attend()
    assert sorted(watcher.take_due()) == ["sbx_0001", "sbx_0002", "sbx_0003"]
    seen(board, clock, "sbx_0001", "sbx_0002", "sbx_0003")
    board.put(Job(JobKey("sbx_0002", "0a1b2c3d"), JobState.RUNNING))
    clock.advance(watching.BUSY_SECONDS)
    assert watcher.due() == ["sbx_0002"]
    clock.advance(watching.SWEEP_SECONDS)
    assert len(watcher.due()) == 3
    watcher.leave()
    assert watcher.due() == []


async def test_an_own_job_is_watched_behind_other_screens(watched):
    board, watcher, clock = watched
    board.put(Job(JobKey(ONE, "0a1b2c3d"), JobState.RUNNING, mine=True))
    seen(board, clock, ONE)
    assert watcher.due() == []
    clock.advance(watching.BACKGROUND_SECONDS)
    assert watcher.due() == [ONE]


async def test_a_sandbox_that_is_to_end_when_idle_is_not_kept_alive(watched):
    board, watcher, clock = watched
    board.store.apply([sandbox(1, idle_timeout_minutes=5), sandbox(2, status="PAUSED"), sandbox(3)])
    watcher.attend()
    watcher.take_due()
    seen(board, clock, ONE, "sbx_0003")
    clock.advance(3600)
    assert watcher.due() == ["sbx_0003"]
    watcher.want()
    assert sorted(watcher.due()) == [ONE, "sbx_0003"]


async def test_answers_that_are_cut_lose_nothing(shells, client):
    board = board_of(client)
    key = JobKey(ONE, "0a1b2c3d")
    board.put(Job(key, JobState.RUNNING, mine=True, command="x", started=datetime.now(UTC)))
    shells.run = lambda command, sandbox_id: type("Done", (), {"stdout": b"", "stderr": b"oops", "returncode": 127})()
    await board.poll([ONE])
    assert board.jobs[key] == replace(board.jobs[key], state=JobState.RUNNING, command="x")
    assert "oops" in board.problems[ONE]


# What is only listened to


@pytest.mark.parametrize("leave", [False, True])
async def test_a_command_that_is_tailed_as_a_job_leaves_no_files(shells, client, leave):
    async with aclosing(client.stream_command(ONE, "echo one; sleep 0.2; echo two")) as events:
        async for event in events:
            if leave and isinstance(event, CommandOutput):
                break
    await until(lambda: not any(path.name.startswith("job_") for path in shells.tmp(ONE).iterdir()))
