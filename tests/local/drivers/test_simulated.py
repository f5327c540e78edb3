"""The simulated platform: sandboxes that fail on request, and a fleet in which something always did."""

import asyncio
import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from sandtui.client import CommandResponse
from sandtui.client.models.sandbox import SandboxStatus
from sandtui.clock import ManualClock
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.jobs.poll import new_delimiter, parse_poll, poll_command
from sandtui.local.drivers.failures import FAILURES
from sandtui.local.drivers.simulated_fleet import make_fleet
from tests.local.support import GIVE_UP_SECONDS, Api, Start

NOW = datetime(2026, 11, 24, 14, 14, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def simulated(start: Start, clock: ManualClock) -> Api:
    return await start("simulated", clock=clock)


async def ended(api: Api, sandbox_id: str, clock: ManualClock, step: float = 1.0) -> dict[str, object]:
    for _ in range(2000):
        found = await api.sandbox(sandbox_id)
        if found["status"] in {"ERROR", "TERMINATED", "TIMEOUT"}:
            return found
        clock.advance(seconds=step)
        await asyncio.sleep(0)
    raise AssertionError(found)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
async def test_a_sandbox_fails_in_the_way_it_was_told_to(simulated: Api, clock: ManualClock, failure) -> None:
    made = await simulated.create(advanced_configs={"simulate": failure.name}, timeout_minutes=60)
    found = await ended(simulated, made["id"], clock)
    assert found["status"] == "ERROR"
    assert (found["errorType"], found["exitCode"]) == (failure.error_type, failure.exit_code)
    assert found["errorMessage"] in {
        text.format(image="python:3.11-slim", memory=2, disk=5) for text in failure.messages
    }
    assert (found["startedAt"] is None) == (failure.stage != "running")
    log = (await simulated.call("GET", f"/sandbox/{made['id']}/logs")).json()["logs"]
    assert str(found["errorMessage"]) in log


async def test_the_time_until_then_can_be_given(simulated: Api, clock: ManualClock) -> None:
    made = await simulated.started(advanced_configs={"simulate": "OOM_KILLED", "after": 300})
    clock.advance(seconds=290)
    await asyncio.sleep(0)
    assert (await simulated.sandbox(made))["status"] == "RUNNING"
    clock.advance(seconds=20)
    assert (await simulated.until(made, "ERROR"))["errorType"] == "OOM_KILLED"


@pytest.mark.parametrize(
    "configs",
    [
        {"simulate": "NOTHING_WE_KNOW"},
        {"simulate": 7},
        {"simulate": None},
        {"other": "OOM_KILLED"},
        {},
        None,
    ],
)
async def test_sandboxes_without_a_failure_keep_running(simulated: Api, clock: ManualClock, configs: object) -> None:
    made = await simulated.started(advanced_configs=configs)
    clock.advance(minutes=59)
    await asyncio.sleep(0)
    assert (await simulated.sandbox(made))["status"] == "RUNNING"


@pytest.mark.parametrize("after", [-1, 1e300, math.inf, "soon", True, [3], None])
async def test_an_invalid_time_is_replaced_by_a_random_one(simulated: Api, clock: ManualClock, after: object) -> None:
    if after == math.inf:
        after = 10**400
    made = await simulated.create(advanced_configs={"simulate": "failure", "after": after})
    assert (await ended(simulated, made["id"], clock))["status"] == "ERROR"


@pytest.mark.parametrize("seed", [1, 2, 7])
def test_a_fleet_has_failures_of_every_kind_and_some_of_the_last_hour(seed: int) -> None:
    fleet = make_fleet(2000, seed, NOW)
    failed = [record for record in fleet if record.status is SandboxStatus.ERROR]
    assert {record.error_type or record.exit_code for record in failed} == {
        failure.error_type or failure.exit_code for failure in FAILURES
    }
    assert all(record.error_message and record.terminated_at for record in failed)
    recent = [record for record in failed if record.terminated_at and record.terminated_at > NOW - HOUR]
    assert len(recent) >= 10
    assert len(Counter(record.error_type for record in recent)) >= 4
    timed_out = [record for record in fleet if record.status is SandboxStatus.TIMEOUT]
    assert any(record.terminated_at and record.terminated_at > NOW - HOUR for record in timed_out)
    for record in fleet:
        moments = [record.created_at, record.started_at, record.terminated_at, NOW]
        told = [moment for moment in moments if moment is not None]
        assert told == sorted(told), "created, started, ended: in this order, and none of it to come"
    ways = {SandboxStatus.PENDING, SandboxStatus.PROVISIONING}
    stuck = [record for record in fleet if record.status in ways and record.created_at < NOW - timedelta(minutes=10)]
    assert stuck
    assert len(stuck) < sum(record.status in ways for record in fleet) / 3


async def test_more_of_the_fleet_fails_while_one_looks_on(start: Start, clock: ManualClock) -> None:
    api = await start("simulated", clock=clock, fleet=1000)

    def failures() -> int:
        return api.platform.registry.count(SandboxStatus.ERROR)

    before = seen = failures()
    for _ in range(2):
        # Half an hour for all of them: some fail in its first half, some in the second.
        clock.advance(minutes=15)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while failures() == seen:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        seen = failures()
    assert seen > before + 1


async def test_its_files_are_listed_read_and_measured_as_those_of_a_real_one(simulated: Api) -> None:
    side = await files_of(simulated)
    listing = await side.read_folder(".")
    assert listing.path == "/workspace"
    assert {entry.name for entry in listing.entries} == {"README.md", "config.toml", "outputs", "src"}
    assert {entry.name for entry in listing.entries if entry.is_folder} == {"outputs", "src"}
    assert listing.free is not None and listing.capacity is not None and listing.free < listing.capacity
    assert {entry.name for entry in (await side.read_folder("/")).entries} >= {"root", "tmp", "workspace"}
    inside = await side.read_folder("/workspace/outputs")
    assert {entry.name for entry in inside.entries} == {"metrics.json", "train.log"}
    items, refused = await side.walk("/workspace", ("src", "README.md"))
    assert ([item.path for item in items], refused) == (["README.md", "src", "src/main.py"], 0)
    assert len((await side.walk("/workspace"))[0]) == 7
    measured = await side.measure("/workspace/outputs")
    assert (measured.files, measured.size) == (2, sum(entry.size for entry in inside.entries))
    found = await side.stat("/workspace/README.md")
    assert found is not None and found.size > 20
    assert await side.stat("/workspace/none") is None


@pytest.mark.parametrize(("path", "words"), [("/nowhere", "no such file"), ("/workspace/README.md", "not a directory")])
async def test_what_is_not_a_directory_is_reported(simulated: Api, path: str, words: str) -> None:
    side = await files_of(simulated)
    with pytest.raises(FilesError, match=words):
        await side.read_folder(path)


async def test_what_is_written_is_listed_and_read(simulated: Api) -> None:
    box = await simulated.started()
    name = "a b'c.txt"
    await simulated.gateway("POST", box, "upload", params={"path": f"/workspace/new/{name}"}, files={"file": b"hello"})
    side = SandboxFileSystem(Runner(simulated), box)
    assert [(entry.name, entry.size) for entry in (await side.read_folder("/workspace/new")).entries] == [(name, 5)]
    assert await simulated.output(box, "cat README.md") == await simulated.output(box, "cat /workspace/README.md")


class Runner:
    """Runs commands over the platform's own interface."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def execute_command(self, sandbox_id: str, command: str, *, timeout: int | None = None) -> CommandResponse:
        reply = await self._api.run(sandbox_id, command)
        return CommandResponse.model_validate(reply.json())


async def files_of(api: Api) -> SandboxFileSystem:
    return SandboxFileSystem(Runner(api), await api.started())


async def test_it_tells_that_it_has_no_jobs(simulated: Api) -> None:
    sandbox_id, mark = await simulated.started(), new_delimiter()
    output = await simulated.output(sandbox_id, poll_command(mark, ["0a1b2c3d"]))
    look = parse_poll(output, mark, sandbox_id, NOW)
    assert (look.jobs, look.more, look.complete) == ((), False, True)
