"""Work on many: plans, bounded concurrency, failures, cancelling, trying again; and what leaves as a table."""

import asyncio
import csv
import io
import json

import pytest

from sandtui.client import NotFoundError, ServerError
from sandtui.client.models import BulkDeleteReply, DeleteReply
from sandtui.clock import ManualClock
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory.bulk import BulkResult, BulkRun, BulkState
from sandtui.fleet.inventory.bulk_plan import check_value, make_plan
from sandtui.fleet.inventory.export import as_csv, as_json
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.verbs import batch_size, work_of
from sandtui.fleet.jobs.board import JobBoard
from tests.fleet.factory import NOW, sandbox


def store_with(*sandboxes):
    store = FleetStore(ManualClock(NOW))
    store.apply(sandboxes)
    return store


def many(count, work, **options):
    store = store_with(*(sandbox(number) for number in range(count)))
    return BulkRun("Test", list(store), work, ManualClock(NOW), **options)


def test_a_plan_says_how_many_of_what_and_leaves_out_what_cannot_be():
    store = store_with(
        *(sandbox(number, labels=["rl"]) for number in range(12)),
        sandbox(20, status="PENDING"),
        sandbox(21, status="TERMINATED"),
    )
    plan = make_plan(plans.DELETE, list(store), hidden=3)
    assert plan.title == "Delete 13 sandboxes"
    assert plan.needs_count
    assert (plan.passed_over, plan.hidden) == (1, 3)
    assert plan.statuses == {"RUNNING": 12, "PENDING": 1}
    assert plan.common_labels[0] == ("rl", 12)
    assert make_plan(plans.RUN, list(store)).statuses == {"RUNNING": 12}
    assert not make_plan(plans.COPY, list(store)).needs_count
    assert make_plan(plans.DELETE, list(store)[:1]).title == "Delete 1 sandbox"


@pytest.mark.parametrize(
    ("verb", "value", "words"),
    [
        (plans.RUN, " ", "is required"),
        (plans.RUN, "ls", ""),
        (plans.EXPOSE, "80a", "enter a port"),
        (plans.EXPOSE, "70000", "from 22 to 9000"),
        (plans.EXPOSE, "8000", ""),
        (plans.EXPOSE, "5432 tcp db", ""),
        (plans.EXPOSE, "5432 tcp db more", "unexpected"),
    ],
)
def test_values_are_checked_before_anything_is_sent(verb, value, words):
    assert words in check_value(verb, value)
    assert bool(words) == bool(check_value(verb, value))


async def test_no_more_than_the_limit_runs_at_once_and_all_are_done():
    running, most = 0, 0

    async def work(ids):
        nonlocal running, most
        running += len(ids)
        most = max(most, running)
        await asyncio.sleep(0)
        running -= len(ids)
        return {each: BulkResult(not each.endswith("7"), each) for each in ids}

    run = many(50, work, at_once=4)
    changes = []
    run.on_change.subscribe(lambda: changes.append(run.remaining))
    await run.run()
    assert most == 4
    assert run.is_over
    assert (run.count(BulkState.DONE), run.count(BulkState.FAILED), run.remaining) == (45, 5, 0)
    assert changes[-1] == 0
    assert sorted(changes, reverse=True) == changes
    assert run.failed_ids == [f"sbx_{number:04}" for number in (7, 17, 27, 37, 47)]


async def test_an_error_of_the_platform_fails_its_own_and_can_be_tried_again():
    broken = True

    async def work(ids):
        if broken and ids[0] == "sbx_0001":
            raise ServerError("it broke")
        return {each: BulkResult(True) for each in ids}

    run = many(3, work)
    await run.run()
    assert [item.state for item in run.items] == [BulkState.DONE, BulkState.FAILED, BulkState.DONE]
    assert "it broke" in run.items[1].words
    broken = False
    assert run.prepare_retry() == 1
    assert not run.is_over
    await run.run()
    assert run.count(BulkState.DONE) == 3
    assert run.prepare_retry() == 0


async def test_cancelling_begins_nothing_more_and_says_what_was_cut_short():
    begun = []

    async def work(ids):
        begun.extend(ids)
        await asyncio.Event().wait()

    run = many(30, work, at_once=2)
    task = asyncio.ensure_future(run.run())
    while len(begun) < 2:
        await asyncio.sleep(0)
    run.cancel()
    await task
    assert len(begun) == 2
    assert run.count(BulkState.CANCELLED) == 30
    assert [item.words for item in run.items[:3]] == ["interrupted", "interrupted", "not started"]


class FakeClient:
    """Deletes all but what it refuses."""

    def __init__(self, refused=(), gone=()):
        self.refused, self.gone = set(refused), set(gone)
        self.asked = []

    async def delete(self, sandbox_id):
        self.asked.append(sandbox_id)
        if sandbox_id in self.refused:
            raise ServerError("no")
        if sandbox_id in self.gone:
            raise NotFoundError("gone")
        return DeleteReply()

    async def bulk_delete(self, sandbox_ids):
        self.asked.append(len(sandbox_ids))
        return BulkDeleteReply(
            succeeded=[each for each in sandbox_ids if each not in self.refused],
            failed=[{"sandbox_id": each, "error": "no"} for each in sandbox_ids if each in self.refused],
        )


async def carry_out(plan, client, store):
    history = History(store, ManualClock(NOW))
    work = work_of(plan, client, store, history, JobBoard(client, store, history, ManualClock(NOW)))
    run = BulkRun(plan.title, plan.rows, work, ManualClock(NOW), batch=batch_size(plan))
    await run.run()
    return run, history


async def test_a_few_are_deleted_one_by_one():
    store = store_with(*(sandbox(number) for number in range(4)))
    client = FakeClient(refused=["sbx_0001"], gone=["sbx_0002"])
    run, _ = await carry_out(make_plan(plans.DELETE, list(store)), client, store)
    assert run.failed_ids == ["sbx_0001"]
    assert {row.id: row.status for row in store} == {
        "sbx_0000": "TERMINATED",
        "sbx_0001": "RUNNING",
        "sbx_0003": "TERMINATED",
    }


async def test_many_are_deleted_by_the_hundred_with_what_came_of_each():
    store = store_with(*(sandbox(number) for number in range(250)))
    client = FakeClient(refused=["sbx_0100"])
    run, _ = await carry_out(make_plan(plans.DELETE, list(store)), client, store)
    assert client.asked == [100, 100, 50]
    assert run.failed_ids == ["sbx_0100"]
    assert store.counts == {"TERMINATED": 249, "RUNNING": 1}


def test_history_tells_changes_of_status_with_their_reason():
    clock = ManualClock(NOW)
    store = FleetStore(clock)
    history = History(store, clock)
    store.apply([sandbox(1, status="PENDING")])
    store.apply([sandbox(1, status="RUNNING")])
    store.apply([sandbox(1, status="ERROR", error_type="OOM_KILLED")])
    store.remove(["sbx_0001"])
    assert [(event.words, event.bad) for event in history.of("sbx_0001")] == [
        ("PENDING → RUNNING", False),
        ("RUNNING → ERROR (OOM_KILLED)", True),
        ("not known to the platform any more", False),
    ]
    assert history.touched == set()


def test_tables_hold_what_is_known_and_no_secrets():
    row = sandbox(
        1, name='a "quoted", name', labels=["x", "y"], secrets={"KEY": "canary"}, environment_vars={"E": "canary"}
    )
    store = store_with(row)
    read = list(csv.DictReader(io.StringIO(as_csv(store))))
    assert (read[0]["name"], read[0]["labels"], read[0]["status"]) == ('a "quoted", name', "x y", "RUNNING")
    parsed = json.loads(as_json(store))
    assert parsed[0]["labels"] == ["x", "y"]
    assert parsed[0]["expires_at"] > parsed[0]["started_at"]
    assert "canary" not in as_csv(store) + as_json(store)
