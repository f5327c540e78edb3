"""Forks: what is asked for, and that nothing is sent or recorded before its checkpoint is there."""

import asyncio

import pytest

from sandtui.client import CheckpointFailedError, Sandbox
from sandtui.client.models.checkpoints import SandboxCheckpoint
from sandtui.clock import ManualClock
from sandtui.fleet.checkpoints.forks import NOT_TAKEN, ForkCheckpoints, default_name, plan_forks
from sandtui.fleet.creation.launch import Launch, Step
from tests.fleet.factory import NOW, sandbox


class Client:
    """Takes checkpoints when it may, and creates at once."""

    def __init__(self, broken=()):
        self.broken, self.taken, self.created = set(broken), [], []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def checkpoint(self, sandbox_id):
        self.taken.append(sandbox_id)
        return SandboxCheckpoint(id=f"c{len(self.taken)}", sandbox_id=sandbox_id, state="PENDING")

    async def wait_for_checkpoint(self, checkpoint_id):
        await self.go_on.wait()
        if self.taken[int(checkpoint_id[1:]) - 1] in self.broken:
            raise CheckpointFailedError("the disk is full")

    async def create(self, request, on_abandoned=None):
        self.created.append(request)
        return Sandbox(id=f"made_{request.name}", name=request.name, status="RUNNING")

    async def wait_many(self, ids):
        for each in ids:
            yield type("Outcome", (), {"key": each, "error": None})


class Journal:
    def __init__(self):
        self.begun, self.steps, self.finished = [], {}, False

    def begin(self, launch_id, context, requests):
        self.begun.append([request.checkpoint_id for request in requests])

    def write(self, launch_id, index, step, sandbox_id):
        self.steps[index] = step

    note = write

    def finish(self, launch_id):
        self.finished = True


def launched(forks, client):
    journal = Journal()
    clock = ManualClock(NOW)
    return Launch(forks.plan, client, clock, journal, "here", prepare=ForkCheckpoints(client, forks.sources)), journal


def test_forks_are_like_their_source_and_have_its_name():
    source = sandbox(1, cpu_cores=4, environment_vars={"A": "1"}, labels=["kept", "launch=older"])
    forks = plan_forks([source], "2", default_name([source]), "0badcafe")
    assert [request.name for request in forks.plan.requests] == ["rollout-0001-fork-1", "rollout-0001-fork-2"]
    first = forks.plan.requests[0]
    assert (first.cpu_cores, first.environment_vars, first.labels) == (4, None, ["kept", "launch=0badcafe"])
    assert (first.checkpoint_id, first.docker_image) == (NOT_TAKEN, "")


def test_one_fork_of_each_of_several():
    sources = [sandbox(1), sandbox(2)]
    forks = plan_forks(sources, "1", default_name(sources), "0badcafe")
    assert [request.name for request in forks.plan.requests] == ["rollout-0001-fork", "rollout-0002-fork"]
    assert forks.sources == ("sbx_0001", "sbx_0002")
    # Without the label, clean-up would not find all of them.
    assert all("launch=0badcafe" in request.labels for request in forks.plan.requests)


@pytest.mark.parametrize(
    ("count", "name", "field"),
    [("0", "x", "count"), ("", "x", "count"), ("501", "x", "count"), ("2", "", "name"), ("1", "x" * 200, "name")],
)
def test_what_is_wrong_is_reported_at_its_field(count, name, field):
    assert field in plan_forks([sandbox(1), sandbox(2)], count, name, "0badcafe").problems


async def test_one_checkpoint_and_then_the_forks():
    client = Client()
    forks = plan_forks([sandbox(1)], "3", "try-{i}", "0badcafe")
    launch, journal = launched(forks, client)
    await launch.run()
    assert client.taken == ["sbx_0001"]
    assert journal.begun == [["c1"] * 3]
    assert launch.counts[Step.READY] == 3
    assert [request.checkpoint_id for request in client.created] == ["c1"] * 3


async def test_where_the_checkpoint_fails_nothing_is_sent_and_a_retry_takes_another_one():
    client = Client(broken={"sbx_0002"})
    forks = plan_forks([sandbox(1), sandbox(2)], "1", "{source}-fork", "0badcafe")
    launch, _ = launched(forks, client)
    await launch.run()
    assert [(item.step, item.problem) for item in launch.items] == [
        (Step.READY, ""),
        (Step.FAILED, "the disk is full"),
    ]
    client.broken.clear()
    assert launch.retry_failed() == 1
    await launch.run()
    assert client.taken == ["sbx_0001", "sbx_0002", "sbx_0002"]
    assert launch.counts[Step.READY] == 2
    assert [request.checkpoint_id for request in client.created] == ["c1", "c3"]


async def test_what_is_stopped_during_the_checkpoint_is_recorded_nowhere_and_can_be_retried():
    client = Client()
    client.go_on.clear()
    launch, journal = launched(plan_forks([sandbox(1)], "2", "try", "0badcafe"), client)
    running = asyncio.create_task(launch.run())
    while launch.preparing_since is None or not client.taken:
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (journal.begun, client.created, launch.running) == ([], [], False)
    assert launch.preparing_since is None
    client.go_on.set()
    assert launch.retry_failed() == 2
    await launch.run()
    assert launch.counts[Step.READY] == 2
