"""The view kept up row by row is always what filtering and sorting anew would give."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sandtui.clock import ManualClock
from sandtui.fleet.inventory.groups import Group, grouping, groupings
from sandtui.fleet.inventory.order import SORT_ORDERS
from sandtui.fleet.inventory.query import EVERYTHING, Query, parse
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.view import FleetView
from tests.fleet.factory import NOW, sandbox


def fleet(*sandboxes):
    clock = ManualClock(NOW)
    store = FleetStore(clock)
    store.apply(sandboxes)
    return store, FleetView(store, clock)


def ids(view):
    return [row.id for row in view.rows]


def test_rows_come_newest_first_and_equal_ones_by_id():
    _, view = fleet(sandbox(2), sandbox(1), sandbox(4, created_at=NOW), sandbox(3, created_at=NOW))
    assert ids(view) == ["sbx_0004", "sbx_0003", "sbx_0001", "sbx_0002"]
    view.reverse()
    assert ids(view) == ["sbx_0002", "sbx_0001", "sbx_0003", "sbx_0004"]


def test_until_it_is_updated_rows_stay_in_their_places_with_their_newest_content():
    store, view = fleet(*(sandbox(number) for number in range(1, 4)))
    view.sort_by("name")
    store.apply([sandbox(1, name="zzz"), sandbox(9, name="aaa")])
    assert [view.line(place).sandbox.name for place in range(view.line_count)] == [
        "zzz",
        "rollout-0002",
        "rollout-0003",
    ]
    assert view.place("sbx_0001") == 0
    assert view.place("sbx_0009") is None
    view.update()
    assert ids(view) == ["sbx_0009", "sbx_0002", "sbx_0003", "sbx_0001"]
    assert view.place("sbx_0001") == 3


def test_a_filter_that_goes_on_searches_only_what_is_left(monkeypatch):
    _, view = fleet(*(sandbox(number) for number in range(30)))
    view.query = parse("rollout")
    assert view.count == 30

    searched = []
    select = Query.select
    monkeypatch.setattr(
        Query, "select", lambda query, rows, now: searched.append(len(rows)) or select(query, rows, now)
    )
    view.query = parse("rollout-001")
    assert view.count == 10
    view.query = parse("rollout-0012")
    assert ids(view) == ["sbx_0012"]
    assert searched == [30, 10], "rows that were sorted out are not looked at again"


def test_times_are_looked_at_again_when_asked():
    clock = ManualClock(NOW)
    store = FleetStore(clock)
    store.apply([sandbox(1), sandbox(200)])
    view = FleetView(store, clock)
    view.query = parse("age>10m")
    assert ids(view) == ["sbx_0200"]
    clock.advance(3600)
    assert view.retime()
    assert ids(view) == ["sbx_0001", "sbx_0200"]
    view.query = EVERYTHING
    assert not view.retime()


def test_marks_are_ids_and_outlive_filters():
    store, view = fleet(*(sandbox(number) for number in range(4)))
    view.mark_all()
    view.query = parse("0001")
    assert len(view.marks) == 4
    assert view.marks_hidden == 3
    view.invert_marks()
    assert [row.id for row in view.marked] == ["sbx_0000", "sbx_0002", "sbx_0003"]
    store.remove(["sbx_0002"])
    view.update()
    assert view.marks == {"sbx_0000", "sbx_0003"}
    assert list(view.row_ids(-3, 99)) == ["sbx_0001"]


def test_groups_have_sums_and_can_be_closed():
    _, view = fleet(
        sandbox(1, labels=["run=42"], cpu_cores=4),
        sandbox(2, labels=["a", "run=42"], status="TERMINATED", cpu_cores=8),
        sandbox(3, labels=["a", "run=7"], cpu_cores=2),
        sandbox(4, labels=[]),
    )
    names = [each.id for each in groupings(view.store.totals.labels)]
    assert names == ["status", "image", "label", "reason", "owner", "user", "team", "cause", "label:run"]
    view.group_by(grouping("label:run"))
    assert [(group.key, len(group.rows), group.cores) for group in view.groups] == [
        ("run=42", 2, 4),
        ("run=7", 1, 2),
        ("none", 1, 1),
    ]
    assert view.line_count == 7
    first = view.line(0)
    assert isinstance(first, Group)
    view.toggle_group(first.id)
    assert view.line_count == 5
    assert view.place("sbx_0001") is None
    assert view.place("sbx_0003") == 2
    view.store.apply([sandbox(5, labels=["run=42"])])
    view.update()
    assert view.groups[0].collapsed
    assert len(view.groups[0].rows) == 3
    view.toggle_all_groups()
    assert view.line_count == 3


STATUSES = st.sampled_from(["PENDING", "RUNNING", "ERROR", "TERMINATED"])
QUERIES = ("", "a", "ab", "a b", "status:running", "!status:error", "age>2m", "#x or b", "left<55m")
STEP = st.one_of(
    st.tuples(st.just("apply"), st.lists(st.tuples(st.integers(0, 9), STATUSES, st.sampled_from("abcAB"))), st.none()),
    st.tuples(st.just("remove"), st.integers(0, 9), st.none()),
    st.tuples(st.just("deleting"), st.integers(0, 9), st.none()),
    st.tuples(st.just("query"), st.sampled_from(QUERIES), st.none()),
    st.tuples(st.just("sort"), st.sampled_from([order.id for order in SORT_ORDERS]), st.none()),
    st.tuples(st.just("active"), st.booleans(), st.none()),
    st.tuples(st.just("group"), st.sampled_from(["status", "image", None]), st.none()),
    st.tuples(st.just("mark"), st.integers(0, 9), st.none()),
    st.tuples(st.just("update"), st.none(), st.none()),
)


def take(step, store, view):
    kind, value, _ = step
    if kind == "apply":
        store.apply(
            sandbox(number, status=status, name=f"{name}{number % 3}", labels=["x"] * (number % 2))
            for number, status, name in value
        )
    elif kind == "remove":
        store.remove([f"sbx_{value:04}"])
    elif kind == "deleting":
        store.mark_deleting([f"sbx_{value:04}"])
    elif kind == "query":
        view.query = parse(value)
    elif kind == "sort":
        view.sort_by(value)
    elif kind == "active":
        view.active_only = value
    elif kind == "group":
        view.group_by(None if value is None else grouping(value))
    elif kind == "mark":
        view.toggle_mark(f"sbx_{value:04}")
    else:
        view.update()


@settings(max_examples=250, deadline=None)
@given(steps=st.lists(STEP, max_size=25))
def test_any_history_shows_what_a_fresh_view_shows(steps):
    store, view = fleet(sandbox(1, name="ab"), sandbox(2, name="b"))
    for step in steps:
        take(step, store, view)
        places = [view.line(place).id for place in range(view.line_count)]
        assert [view.place(line_id) for line_id in places] == list(range(len(places)))
    view.update()
    fresh = FleetView(store, ManualClock(NOW))
    if view.order.id != fresh.order.id:
        fresh.sort_by(view.order.id)
    if fresh.descending != view.descending:
        fresh.reverse()
    fresh.active_only = view.active_only
    fresh.query = view.query
    fresh.group_by(view.grouping)
    assert [(row.id, row.version) for row in view.rows] == [(row.id, row.version) for row in fresh.rows]
    assert [view.line(place).id for place in range(view.line_count)] == [
        fresh.line(place).id for place in range(fresh.line_count)
    ]
    hidden = sum(1 for mark in view.marks if mark not in {row.id for row in view.rows})
    assert view.marks_hidden == hidden


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEP, max_size=25))
def test_the_totals_are_those_of_the_rows(steps):
    store, view = fleet(sandbox(1, name="ab"))
    for step in steps:
        take(step, store, view)
    rows = list(store)
    totals = store.totals
    assert totals.counts == {status: sum(r.status == status for r in rows) for status in {r.status for r in rows}}
    holding = [row.sandbox for row in rows if row.sandbox.status in {"RUNNING", "PROVISIONING", "PAUSED"}]
    assert totals.cores == sum(each.cpu_cores for each in holding)
    assert totals.memory_gb == sum(each.memory_gb for each in holding)
    assert set(totals.changing) == {row.id for row in rows if row.is_changing}
    assert set(totals.deleting) == {row.id for row in rows if row.deleting_since is not None}
    ends = sorted((row.expires, row.id) for row in rows if row.expires != float("inf"))
    assert totals.soonest_expiry == (ends[0] if ends else None)
    assert totals.errors_since(NOW) == sum(row.status == "ERROR" for row in rows)
    labels = [label for row in rows for label in row.sandbox.labels]
    assert totals.labels == {label: labels.count(label) for label in labels}


def errors_and_others(errors, others):
    return fleet(
        *(sandbox(number, status="ERROR" if number < errors else "RUNNING") for number in range(errors + others))
    )


def test_a_list_is_one_of_errors_when_most_of_it_are():
    for errors, others, expected in ((0, 0, False), (0, 5, False), (1, 0, True), (6, 5, True), (5, 6, False)):
        assert errors_and_others(errors, others)[1].lists_errors is expected, (errors, others)
    store, view = errors_and_others(60, 50)
    assert view.lists_errors
    store.apply(sandbox(1000 + number) for number in range(20))
    view.update()
    assert view.lists_errors, "at 60 of 130 it stays one"
    store.apply(sandbox(2000 + number) for number in range(60))
    view.update()
    assert not view.lists_errors
    view.query = parse("status:error")
    assert view.lists_errors
    view.query = parse("status:error nothing")
    assert not view.lists_errors


def test_a_list_of_what_has_ended_is_one_of_errors_when_some_of_it_are():
    ended = [sandbox(number, status="ERROR" if number < 2 else "TIMEOUT") for number in range(9)]
    store, view = fleet(*ended)
    assert view.lists_errors
    store.apply([sandbox(10)])
    view.update()
    assert not view.lists_errors, "one is alive, and when it ends matters"
    assert not fleet(*ended[2:])[1].lists_errors


def test_the_next_order_is_that_of_the_next_column_in_view():
    _, view = fleet(sandbox(1))
    shown = ["name", "age", "left"]
    orders = []
    for _ in shown:
        view.sort_by_next(shown)
        orders.append(view.order.id)
    assert orders == ["left", "name", "age"]
    view.sort_by("image")
    view.sort_by_next(shown)
    assert view.order.id == "name", "it begins anew after one that is not in view"


def test_many_rows_are_judged_by_a_part():
    assert errors_and_others(4000, 100)[1].lists_errors
    assert not errors_and_others(100, 4000)[1].lists_errors


def test_reasons_are_grouped_without_what_only_one_has():
    _, view = fleet(
        sandbox(1, status="ERROR", error_message="rollout-0001 (sbx_0001) could not be placed\nsee the log"),
        sandbox(2, status="ERROR", error_message="rollout-0002 (sbx_0002) could not be placed"),
        sandbox(3, status="ERROR", error_type="OOM_KILLED", error_message="rollout-0003 used 9 GB"),
        *(sandbox(number, status="TERMINATED", termination_reason="deleted") for number in range(4, 9)),
        sandbox(9),
    )
    view.group_by(grouping("reason"))
    assert [(group.key, len(group.rows)) for group in view.groups] == [
        ("… (…) could not be placed", 2),
        ("OOM_KILLED", 1),
        ("deleted", 5),
        ("none", 1),
    ]


def test_an_arrangement_is_returned_to():
    _, view = fleet(*(sandbox(number, status="ERROR" if number % 3 else "RUNNING") for number in range(30)))
    view.query = parse("rollout-00")
    view.sort_by("name")
    view.reverse()
    view.group_by(grouping("status"))
    view.toggle_group(view.groups[0].id)
    before, lines = view.state, [view.line(place).id for place in range(view.line_count)]
    view.query = EVERYTHING
    view.group_by(None)
    view.sort_by("age")
    view.active_only = True
    view.arrange(before, parse(before.query))
    assert view.state == before
    assert [view.line(place).id for place in range(view.line_count)] == lines
