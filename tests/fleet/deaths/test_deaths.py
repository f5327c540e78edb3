"""What is kept when sandboxes die: the cause, what was seen before, and the end of the log, in a bounded file."""

import asyncio
import stat
from datetime import timedelta

import pytest

from sandtui.client import NotFoundError
from sandtui.clock import ManualClock
from sandtui.config import deaths as stored_deaths
from sandtui.config.deaths import DeathFile
from sandtui.fleet.deaths.cause import cause_of, has_died
from sandtui.fleet.deaths.death import Death, board
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.session import FleetSession
from tests.fleet.factory import NOW, sandbox


class Client:
    """A platform that has logs."""

    def __init__(self):
        self.logs = {}
        self.asked = []

    async def get_logs(self, sandbox_id):
        self.asked.append(sandbox_id)
        if sandbox_id not in self.logs:
            raise NotFoundError("no such sandbox", status_code=404)
        return self.logs[sandbox_id]


def dead(number, kind="OOM_KILLED", **fields):
    ended = {"status": "ERROR", "error_type": kind, "terminated_at": NOW - timedelta(minutes=number)}
    return sandbox(number, **{**ended, **fields})


@pytest.fixture
def file(tmp_path):
    found = DeathFile(tmp_path / "state" / "deaths.sqlite3")
    yield found
    found.close()


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def session(file):
    client = Client()
    session = FleetSession(client, ManualClock(NOW), deaths=file, context="here")
    task = asyncio.ensure_future(session.deaths.run())
    yield session
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_dies_is_kept_with_what_was_seen_before(session, file, tmp_path):
    session.client.logs["sbx_0001"] = "loading\nAPI_KEY=sk-1234567890abcdef\n\x1b[31mKilled\n"
    session.store.apply([sandbox(1)])
    session.history.note("sbx_0001", "$ python train.py  exit 137", bad=True)
    session.store.apply([dead(1, exit_code=137, error_message="The sandbox exceeded its 2 GB of memory.")])
    await until(lambda: bool(file.find("sbx_0001")) and file.find("sbx_0001")[0].log is not None)
    (death,) = file.find("rollout-0001")
    assert (death.cause, death.exit_code, death.context) == ("out of memory at 2 GB", 137, "here")
    assert death.seen
    assert death.log[0] == "loading"
    assert "sk-1234567890abcdef" not in str(death)
    assert "\x1b" not in str(death)
    words = [event.words for event in death.events]
    assert {"created", "started"} <= {*words}
    assert any("train.py" in each for each in words)
    assert any("RUNNING → ERROR" in each for each in words)
    assert stat.S_IMODE((tmp_path / "state" / "deaths.sqlite3").stat().st_mode) == 0o600
    assert await session.deaths.load("sbx_0001")
    assert session.deaths.of("sbx_0001") == death


async def test_who_was_deleted_is_not_kept_and_the_log_of_who_died_before_is_not_asked_for(session, file):
    session.store.apply([sandbox(1), sandbox(2), dead(3), dead(4, terminated_at=NOW - timedelta(days=3))])
    session.store.mark_deleting(["sbx_0001"])
    session.store.apply([dead(1), sandbox(2, status="TERMINATED")])
    await until(lambda: bool(file.find()))
    assert [(death.sandbox_id, death.seen, death.log) for death in file.find()] == [("sbx_0003", False, None)]
    assert session.client.asked == []


async def test_a_log_that_is_gone_does_not_lose_the_death(session, file):
    session.store.apply([sandbox(1)])
    session.store.apply([dead(1)])
    await until(lambda: session.client.asked == ["sbx_0001"])
    assert [death.log for death in file.find()] == [None]


def died(number, **fields):
    return Death.of(Row.of(dead(number, **fields), 1), "here")


def test_what_is_known_is_not_replaced_by_less_and_the_oldest_go_first(file, monkeypatch):
    monkeypatch.setattr(stored_deaths, "MAX_DEATHS", 3)
    file.save([died(1).with_log(["the end"])])
    file.save([died(number) for number in range(1, 6)])
    assert [death.sandbox_id for death in file.find()] == ["sbx_0001", "sbx_0002", "sbx_0003"]
    assert file.find("sbx_0001")[0].log == ("the end",)
    assert file.find("nobody") == []


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"kind": "OOM_KILLED", "memory_gb": 4}, "out of memory at 4 GB"),
        ({"kind": "IMAGE_PULL_FAILED"}, "image pull failed"),
        ({"kind": "TIMEOUT", "status": "TIMEOUT", "timeout_minutes": 90}, "lifetime of 1h30m over"),
        ({"kind": "NO_CAPACITY"}, "no capacity"),
        ({"kind": None, "error_message": "rollout-0007 fell over\nat once"}, "… fell over"),
        ({"kind": None, "exit_code": 3}, "exit code 3"),
        ({"kind": None}, "no reason given"),
    ],
)
def test_causes(fields, cause):
    assert cause_of(dead(7, **fields)) == cause


def test_a_deletion_is_no_death():
    assert not has_died(sandbox(1))
    assert not has_died(sandbox(1, status="TERMINATED"))
    assert has_died(sandbox(1, status="TERMINATED", termination_reason="The sandbox was idle for 5 minutes."))


def test_the_board_names_causes_and_what_they_have_in_common():
    found = [died(number, docker_image="big" if number % 4 else "small") for number in range(1, 9)]
    found += [died(9, kind="IMAGE_PULL_FAILED", docker_image="typo")]
    lines = board(found)
    assert [line.text for line in lines] == ["8 out of memory at 2 GB, mostly big", "1 image pull failed, all typo"]
    assert lines[0].example == "rollout-0001"
    assert board([]) == []
