"""What is asked, how often, and what a platform that is slow, busy or away does to that."""

import asyncio
import contextlib

import pytest

from sandtui.client import ConnectionFailedError, NotFoundError, RateLimitedError, SandboxPage
from sandtui.client.models import BatchStatusReply, SandboxStatusRow
from sandtui.client.models.sandbox import StatusErrorRow
from sandtui.clock import ManualClock
from sandtui.fleet.inventory.pace import Pace, Rhythm
from sandtui.fleet.inventory.query import ServerFilter, parse
from sandtui.fleet.inventory.refresh import Phase, Refresher
from sandtui.fleet.inventory.store import FleetStore
from tests.fleet.factory import NOW, sandbox


class FakeClient:
    """A platform in memory that notes what it is asked."""

    def __init__(self, *sandboxes, clock=None):
        self.sandboxes = {each.id: each for each in sandboxes}
        self.asked = []
        self.owners = []
        self.failure = None
        self.no_batches = False
        self.clock = clock

    def put(self, *sandboxes):
        self.sandboxes |= {each.id: each for each in sandboxes}

    async def list(
        self, page=1, per_page=50, labels=None, status=None, team_id=None, user_id=None, exclude_terminated=None
    ):
        self.asked.append(("list", page, labels, status))
        self.owners.append((team_id, user_id, exclude_terminated))
        if self.failure is not None:
            raise self.failure
        found = [
            each
            for each in self.sandboxes.values()
            if (status is None or each.status == status)
            and set(labels or ()) <= set(each.labels)
            and team_id in {None, each.team_id}
            and user_id in {None, each.user_id}
            and not (exclude_terminated and each.is_finished)
        ]
        start = (page - 1) * per_page
        return SandboxPage(
            sandboxes=found[start : start + per_page],
            total=len(found),
            page=page,
            per_page=per_page,
            has_next=start + per_page < len(found),
        )

    async def get_sandbox_statuses(self, ids):
        self.asked.append(("statuses", *ids))
        if self.no_batches:
            raise NotFoundError("no such route")
        known = [self.sandboxes[each] for each in ids if each in self.sandboxes]
        return BatchStatusReply(
            statuses=[SandboxStatusRow(sandbox_id=each.id, status=each.status) for each in known],
            errors=[StatusErrorRow(sandbox_id=each, code="NOT_FOUND") for each in ids if each not in self.sandboxes],
        )

    async def get(self, sandbox_id):
        self.asked.append(("get", sandbox_id))
        return self.sandboxes[sandbox_id]

    def taken(self):
        asked, self.asked = self.asked, []
        return asked


class Running:
    """A refresher at work on a clock that is moved by hand."""

    def __init__(self, client, pace=None):
        self.clock = ManualClock(NOW)
        self.store = FleetStore(self.clock)
        self.client = client
        self.said = []
        self.refresher = Refresher(client, self.store, self.clock, self.said.append, pace)

    async def __aenter__(self):
        self.task = asyncio.ensure_future(self.refresher.run())
        await self.rest()
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def rest(self):
        for _ in range(60):
            await asyncio.sleep(0)

    async def pass_time(self, seconds, step=0.5):
        passed = 0.0
        while passed < seconds:
            self.clock.advance(step)
            passed += step
            await self.rest()


LIST = ("list", 1, None, None)


async def test_every_page_is_read_and_then_a_sweep_each_two_seconds():
    client = FakeClient(*(sandbox(number) for number in range(950)))
    async with Running(client) as at_work:
        assert len(at_work.store) == 950
        assert sorted(page for _, page, _, _ in client.taken()) == list(range(1, 11))
        assert at_work.refresher.freshness.phase is Phase.LIVE
        assert [each.page for each in at_work.said if each.phase is Phase.LOADING] == [1, 5, 9]
        await at_work.pass_time(1.5)
        assert client.taken() == []
        await at_work.pass_time(1)
        assert len(client.taken()) == 10


async def test_what_is_changing_is_asked_by_batch_and_fetched_when_it_moved():
    client = FakeClient(sandbox(1, status="PENDING"), *(sandbox(number) for number in range(2, 2000)))
    async with Running(client) as at_work:
        client.taken()
        client.put(sandbox(1, status="RUNNING"))
        await at_work.pass_time(1)
        assert client.taken() == [("statuses", "sbx_0001"), ("get", "sbx_0001")]
        assert at_work.store.get("sbx_0001").status == "RUNNING"
        await at_work.pass_time(1)
        assert client.taken() == []


async def test_what_is_on_the_screen_is_asked_often_when_the_sweep_is_slow():
    client = FakeClient(*(sandbox(number) for number in range(2000)), sandbox(2001, status="TERMINATED"))
    async with Running(client) as at_work:
        client.taken()
        at_work.refresher.visible_ids = lambda: ["sbx_0005", "sbx_2001"]
        at_work.refresher.expect_changes()
        del client.sandboxes["sbx_0005"]
        await at_work.pass_time(2)
        assert client.taken() == [("statuses", "sbx_0005")], "what has ended is not asked about"
        assert "sbx_0005" not in at_work.store


async def test_labels_and_status_of_the_filter_are_asked_of_the_platform():
    client = FakeClient(
        *(sandbox(number, labels=[]) for number in range(500)),
        sandbox(900, labels=["rl"]),
        sandbox(901, labels=["rl"], status="ERROR"),
    )
    async with Running(client) as at_work:
        client.taken()
        client.put(sandbox(902, labels=["rl"]))
        del client.sandboxes["sbx_0900"]
        at_work.refresher.ask_for(parse("#rl word").server)
        await at_work.rest()
        assert client.taken() == [("list", 1, ("rl",), None), ("statuses", "sbx_0900")]
        assert "sbx_0902" in at_work.store
        assert "sbx_0900" not in at_work.store, "it was asked about and is gone"
        assert len(at_work.store) == 502, "what the part leaves out is not missing"
        await at_work.pass_time(2.5)
        assert client.taken() == [("list", 1, ("rl",), None)]
        await at_work.pass_time(60)
        assert LIST in client.taken(), "the whole follows behind"
        at_work.refresher.ask_for(ServerFilter())
        await at_work.pass_time(12)
        assert LIST in client.taken()


async def test_team_user_and_what_has_ended_are_asked_of_the_platform_too():
    client = FakeClient(
        sandbox(1, team_id="Team1", user_id="u1"), sandbox(2, team_id="Team2"), sandbox(3, status="TERMINATED")
    )
    async with Running(client) as at_work:
        for text, asked in (
            ("team:Team1 word", ("Team1", None, None)),
            ("user:u1", (None, "u1", None)),
            ("team:Tea user:u1", (None, "u1", None)),
        ):
            at_work.refresher.ask_for(parse(text).server)
            await at_work.rest()
            assert client.owners[-1] == asked, text
        at_work.refresher.ask_for(ServerFilter(active=True))
        await at_work.rest()
        assert client.owners[-1] == (None, None, True)
        assert len(at_work.store) == 3, "what has ended is not missing"


async def test_a_sandbox_that_left_the_status_asked_for_is_followed():
    client = FakeClient(*(sandbox(number) for number in range(5)))
    async with Running(client) as at_work:
        at_work.refresher.ask_for(parse("status:running").server)
        await at_work.rest()
        client.put(sandbox(3, status="TIMEOUT"))
        await at_work.pass_time(3)
        assert at_work.store.get("sbx_0003").status == "TIMEOUT"
        assert at_work.store.get("sbx_0003").missing == 0


async def test_a_platform_without_batch_status_is_swept_only():
    client = FakeClient(sandbox(1, status="PENDING"))
    client.no_batches = True
    async with Running(client) as at_work:
        client.taken()
        await at_work.pass_time(4)
        assert [kind for kind, *_ in client.taken()].count("statuses") == 1


async def test_failures_slow_down_and_recovery_is_automatic():
    client = FakeClient(sandbox(1))
    async with Running(client) as at_work:
        client.failure = ConnectionFailedError("no route")
        await at_work.pass_time(2.5)
        assert at_work.refresher.freshness.phase is Phase.OFFLINE
        assert at_work.refresher.freshness.fresh_at == NOW
        assert "no route" in at_work.refresher.freshness.problem
        client.taken()
        at_work.refresher.touch()
        at_work.refresher.ask_for(ServerFilter(("x",)))
        await at_work.pass_time(1)
        assert client.taken() == [], "neither a key nor a filter breaks the pause"
        await at_work.pass_time(13)
        assert len(client.taken()) == 3, "after 2, 4 and 8 seconds"
        client.failure = None
        at_work.refresher.ask_for(ServerFilter())
        at_work.refresher.refresh_now()
        await at_work.rest()
        assert at_work.refresher.freshness.phase is Phase.LIVE


async def test_nothing_is_asked_when_nobody_is_there():
    client = FakeClient(sandbox(1))
    async with Running(client, Pace(stop_after=30)) as at_work:
        await at_work.pass_time(100)
        client.taken()
        assert at_work.refresher.freshness.phase is Phase.STOPPED
        await at_work.pass_time(1000, step=50)
        assert client.taken() == []
        at_work.refresher.touch()
        await at_work.rest()
        assert client.taken() == [LIST]
        assert at_work.refresher.freshness.phase is Phase.LIVE


async def test_an_unseen_window_asks_seldom_and_coming_back_asks_now():
    client = FakeClient(sandbox(1))
    async with Running(client) as at_work:
        at_work.refresher.set_visible(False)
        await at_work.pass_time(4)
        client.taken()
        await at_work.pass_time(50)
        assert client.taken() == []
        at_work.refresher.set_visible(True)
        await at_work.rest()
        assert client.taken() == [LIST]


def rhythm():
    return Rhythm(Pace(), ManualClock(NOW))


def test_a_large_fleet_stays_under_a_third_of_the_listing_limit():
    assert rhythm().after_sweep(100, 0.0) == pytest.approx(20)


def test_a_slow_platform_gets_twice_the_time_it_took():
    assert rhythm().after_sweep(1, 7.0) == pytest.approx(14)


def test_too_many_requests_halve_the_rate_until_it_goes_well_again():
    beat = rhythm()
    assert beat.after_refusal(10.0, limited=True) == 10.0
    beat.after_refusal(None, limited=True)
    assert beat.changing_pause == 4.0
    assert beat.after_sweep(1, 0.0) == pytest.approx(6.4)
    for _ in range(10):
        beat.after_sweep(1, 0.0)
    assert beat.after_sweep(1, 0.0) == 2.0
    assert beat.changing_pause == 1.0


async def test_a_429_is_reported_and_waited_for():
    client = FakeClient(sandbox(1))
    client.failure = RateLimitedError("slow down", retry_after=30.0)
    async with Running(client) as at_work:
        client.taken()
        await at_work.pass_time(29)
        assert client.taken() == []
        await at_work.pass_time(2)
        assert len(client.taken()) == 1
