"""One port of many sandboxes is exposed the same way from wherever it is asked for."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client import APIError, ExposedPort, ServerError
from sandtui.client.models import ListExposedPortsResponse
from sandtui.clock import ManualClock
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory.bulk import BulkRun, BulkState
from sandtui.fleet.inventory.bulk_plan import make_plan
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.verbs import at_once, work_of
from sandtui.fleet.jobs.board import JobBoard
from sandtui.fleet.ports.exposing import EXPOSE_AT_ONCE, Exposing
from sandtui.fleet.ports.exposures import plain_fault
from tests.fleet.factory import NOW, sandbox


def exposure(sandbox_id, port=8000, protocol="HTTP"):
    return ExposedPort(
        exposure_id=f"e-{sandbox_id}-{port}",
        sandbox_id=sandbox_id,
        port=port,
        protocol=protocol,
        url=f"http://{sandbox_id}.test",
    )


class Client:
    """A platform that exposes; ``refuse`` has an error for some sandboxes, ``listed`` for the list."""

    def __init__(self, exposed=(), refuse=None, listed=None):
        self.exposed, self.refuse, self.listed = list(exposed), refuse or {}, listed
        self.calls, self.lists, self.running, self.most = [], 0, 0, 0

    async def list_all_exposed_ports(self):
        self.lists += 1
        await asyncio.sleep(0)
        if self.listed is not None:
            raise self.listed
        return ListExposedPortsResponse(exposures=list(self.exposed))

    async def expose(self, sandbox_id, port, name=None, protocol="HTTP"):
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        self.calls.append((sandbox_id, port, name, protocol))
        if sandbox_id in self.refuse:
            raise self.refuse[sandbox_id]
        return exposure(sandbox_id, port, protocol)


def world(*sandboxes):
    clock = ManualClock(NOW)
    store = FleetStore(clock)
    store.apply(sandboxes)
    return store, History(store, clock), clock


def ids(count):
    return [sandbox(number).id for number in range(count)]


async def run(client, value="8000", count=5):
    store, history, clock = world(*(sandbox(number) for number in range(count)))
    plan = make_plan(plans.EXPOSE, list(store), value=value)
    work = work_of(plan, client, store, history, JobBoard(client, store, history, clock))
    done = BulkRun(plan.title, plan.rows, work, clock, at_once=at_once(plan))
    await done.run()
    return done, history


def test_only_containers_that_run_are_planned():
    store, *_ = world(sandbox(1), sandbox(2, status="PENDING"), sandbox(3, vm=True), sandbox(4, status="TERMINATED"))
    plan = make_plan(plans.EXPOSE, list(store), value="8000")
    assert [row.id for row in plan.rows] == [sandbox(1).id]
    assert plan.passed_over == 3


@pytest.mark.parametrize(
    ("value", "call"),
    [("8000", (8000, None, "HTTP")), ("8000 http web", (8000, "web", "HTTP")), ("5432 tcp", (5432, None, "TCP"))],
)
async def test_port_name_and_protocol_reach_the_platform(value, call):
    client = Client()
    done, history = await run(client, value)
    assert sorted(client.calls) == [(each, *call) for each in ids(5)]
    assert done.count(BulkState.DONE) == 5
    assert {item.words for item in done.items} == {f"http://{each}.test" for each in ids(5)}
    assert history.touched == set(ids(5))


async def test_few_run_at_once_and_the_list_is_read_once():
    client = Client()
    await run(client, count=12)
    assert client.most == EXPOSE_AT_ONCE
    assert client.lists == 1


async def test_what_is_exposed_already_is_left_as_it_is():
    first, second, third, *_ = ids(5)
    client = Client([exposure(first), exposure(second, 9000), exposure(third, protocol="TCP")])
    done, history = await run(client)
    assert first not in {call[0] for call in client.calls}
    assert {second, third} <= {call[0] for call in client.calls}
    assert done.items[0].words == f"already exposed: http://{first}.test"
    assert done.count(BulkState.DONE) == 5
    assert first not in history.touched


async def test_one_refusal_stops_nothing_else():
    bad = ids(5)[2]
    error = APIError("no", status_code=422)
    done, _ = await run(Client(refuse={bad: error}))
    assert done.failed_ids == [bad]
    assert done.items[2].words == plain_fault(error, 8000)
    assert done.count(BulkState.DONE) == 4


async def test_a_list_that_can_not_be_read_stops_nothing():
    done, _ = await run(Client(listed=ServerError("down", status_code=503)))
    assert done.count(BulkState.DONE) == 5


async def test_another_try_finds_what_somebody_else_has_exposed_meanwhile():
    box = ids(1)[0]
    client = Client(refuse={box: APIError("taken", status_code=409)})
    done, _ = await run(client, count=1)
    assert done.failed_ids == [box]
    client.exposed.append(exposure(box))
    done.prepare_retry()
    await done.run()
    assert done.items[0].words == f"already exposed: http://{box}.test"


async def test_another_try_does_not_expose_a_second_time():
    client = Client(refuse={ids(5)[1]: ServerError("down", status_code=503)})
    done, _ = await run(client)
    client.refuse.clear()
    client.calls.clear()
    assert done.prepare_retry() == 1
    await done.run()
    assert [call[0] for call in client.calls] == [ids(5)[1]]
    assert done.count(BulkState.DONE) == 5


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([8000, 9000]), st.sampled_from(["HTTP", "TCP"]))))
def test_each_is_exposed_once_whatever_is_exposed_before(before):
    """In the end every sandbox exposes the port, and nobody was asked who did."""
    boxes = ids(5)
    client = Client([exposure(boxes[number], port, protocol) for number, port, protocol in before])
    asyncio.run(run(client))
    had = {boxes[number] for number, port, protocol in before if (port, protocol) == (8000, "HTTP")}
    assert sorted(call[0] for call in client.calls) == sorted(set(boxes) - had)


def test_a_wrong_port_is_no_work():
    _, history, _ = world()
    with pytest.raises(ValueError, match="22 to 9000"):
        Exposing(Client(), history, "70000")
