"""A count and the rows of which it is one agree: each figure against what the filter finds for the same words."""

from collections import Counter
from datetime import timedelta
from itertools import product

import pytest

from sandtui.client.models import Sandbox, SandboxStatusRow
from sandtui.clock import ManualClock
from sandtui.fleet.inventory.groups import groupings, make_groups
from sandtui.fleet.inventory.query import parse
from sandtui.fleet.inventory.saved_views import BUILT_IN
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.usage import Sample
from sandtui.fleet.inventory.view import FleetView
from sandtui.local import wire
from sandtui.local.drivers.simulated_fleet import make_fleet
from sandtui.ui.rendering.status import STATUS_STYLES, count_pieces
from tests.fleet.factory import NOW, sandbox

VIEWS = {view.name: view for view in BUILT_IN}
LATER = (0, 1, 59, 300, 1800, 3600, 7200)
HEADER = {
    "●": "status:running",
    "◐": "status:provisioning",
    "◌": "status:pending",
    "‖": "status:paused",
    "⌫": "status:deleting",
    "✖": VIEWS["failed"].query,
    "○": "status:terminated,timeout",
}
"""What finds the sandboxes that the header counts with a sign."""


@pytest.fixture(params=[1, 2, 3])
def store(request):
    store = FleetStore(ManualClock(NOW))
    records = make_fleet(600, request.param, NOW)
    store.apply(Sandbox.model_validate(wire.sandbox_response(record)) for record in records)
    running = [row.id for row in store if row.status == "RUNNING"]
    store.mark_deleting(running[:5])
    store.mark_deleted(running[5:9])
    store.apply_statuses(
        SandboxStatusRow(sandbox_id=each, status=status, error_type="OOM_KILLED", error_message="more than it has")
        for each, status in zip(running[9:19], ["ERROR", "TIMEOUT"] * 5, strict=True)
    )
    store.remove(running[20:24])
    for each in running[30:60]:
        store.measure(each, Sample(cpu_microseconds=1_000_000, memory=2**29, age=100.0))
    return store


def found(store, text, later=0.0):
    return parse(text).select(list(store), (NOW + timedelta(seconds=later)).timestamp())


def test_the_header_counts_what_its_words_find(store):
    shown = [piece.text.strip() for piece in count_pieces(store.counts) if piece.text.strip()]
    assert shown == [f"{sign}{len(found(store, text)):,}" for sign, text in HEADER.items() if found(store, text)]
    assert sum(store.counts.values()) == len(store) == len(found(store, ""))
    for status in (*store.counts, *STATUS_STYLES):
        assert store.counts[status] == len(found(store, f"status:{status.lower()}"))


@pytest.mark.parametrize("later", LATER)
def test_the_errors_of_the_last_hour_are_those_of_the_view(store, later):
    moment = NOW + timedelta(seconds=later)
    rows = found(store, VIEWS["just failed"].query, later)
    assert store.totals.errors_since(moment) == len(rows)
    steps = store.totals.errors_in_steps(moment, 12)
    assert len(steps) == 12
    assert min(steps) >= 0
    assert sum(steps) == len(rows)
    assert {row.id for row in rows} <= {row.id for row in found(store, VIEWS["failed"].query)}


def test_an_hour_ends_for_the_count_as_it_does_for_the_view():
    store = FleetStore(ManualClock(NOW))
    for number, seconds in enumerate((0, 1, 3599, 3600, 3601)):
        store.apply([sandbox(number, status="ERROR", terminated_at=NOW - timedelta(seconds=seconds))])
    assert store.totals.errors_since(NOW) == len(found(store, VIEWS["just failed"].query)) == 3


def test_what_fails_between_two_listings_failed_now():
    store = FleetStore(ManualClock(NOW))
    long_ago = NOW - timedelta(hours=5)
    store.apply([sandbox(1, created_at=long_ago, started_at=long_ago, updated_at=long_ago)])
    store.apply_statuses([SandboxStatusRow(sandbox_id="sbx_0001", status="ERROR")])
    assert store.totals.errors_since(NOW) == len(found(store, VIEWS["just failed"].query)) == 1
    store.apply([sandbox(1, created_at=long_ago, status="ERROR", terminated_at=NOW - timedelta(minutes=90))])
    assert store.totals.errors_since(NOW) == 0


def test_the_next_end_is_the_first_of_those_that_expire(store):
    view = VIEWS["expiring"]
    shown = FleetView(store, ManualClock(NOW))
    shown.query = parse(view.query)
    shown.sort_by(view.sort)
    if shown.descending != view.descending:
        shown.reverse()
    assert store.totals.soonest_expiry[1] == shown.rows[0].id


def test_what_the_overview_holds_is_what_the_groups_hold(store):
    rows, totals = list(store), store.totals
    for by in groupings(totals.labels):
        groups = make_groups(rows, by)
        assert sum(len(group.rows) for group in groups) == len(rows)
        assert sum((group.counts for group in groups), Counter()) == totals.counts
        held = [sum(getattr(group, name) for group in groups) for name in ("cores", "memory_gb", "gpus")]
        assert held == pytest.approx([totals.cores, totals.memory_gb, totals.gpus])
        for group in groups:
            assert group.counts == Counter(row.status for row in group.rows)
            if by.id == "status":
                assert {row.id for row in group.rows} == {row.id for row in found(store, f"status:{group.key.lower()}")}
            elif by.id.startswith("label:") and group.key != "none":
                assert {row.id for row in group.rows} == {row.id for row in found(store, f"#{group.key}")}


def test_how_many_are_not_measured_is_how_many_are_found_unmeasured(store):
    view = FleetView(store, ManualClock(NOW))
    for text in ("used<2%", "status:running used<2%", "#rl memused>50%", "unmeasured", "-used>2%"):
        view.query = parse(text)
        rest = text.split()[0] if text.count(" ") else ""
        assert view.unmeasured == len(found(store, f"{rest} unmeasured"))


def test_a_status_written_out_is_that_status_and_no_other():
    store = FleetStore(ManualClock(NOW))
    words = ("ERROR", "ERRORED", "RUNNING", "RUNNING_LATE", "PAUSED", "PAUSING")
    store.apply(sandbox(number, status=word) for number, word in enumerate(words))
    for word in words:
        assert [row.status for row in found(store, f"status:{word.lower()}")] == [word]
    assert len(found(store, "status:err")) == len(found(store, "status:paus")) == 2


def test_the_marks_that_are_hidden_are_those_that_are_not_shown(store):
    view = FleetView(store, ManualClock(NOW))
    view.mark(row.id for row in store)
    for text, active in product(("", "status:error", "#rl", "status:error ended<1h"), (False, True)):
        view.query, view.active_only = parse(text), active
        assert view.marks_hidden == len(view.marks) - view.count == len(view.marks) - len(view.rows)
