from hypothesis import given, settings
from hypothesis import strategies as st

from sandtui.client.models import SandboxStatusRow
from sandtui.clock import ManualClock
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.store import TOMBSTONE_SECONDS, FleetStore
from tests.fleet.factory import NOW, sandbox


def store_with(*sandboxes):
    store = FleetStore(ManualClock(NOW))
    store.apply(sandboxes)
    return store


def test_apply_tells_what_came_and_what_changed():
    store = FleetStore(ManualClock(NOW))
    heard = []
    store.watch(heard.append)
    assert store.apply([sandbox(1), sandbox(2)]).added == {"sbx_0001", "sbx_0002"}
    assert store.apply([sandbox(1), sandbox(2, status="ERROR")]).changed == {"sbx_0002"}
    assert store.apply([sandbox(1)]) == ChangeSet()
    assert len(heard) == 2, "nothing is announced when nothing changed"


def test_versions_grow_only_with_changes():
    store = store_with(sandbox(1), sandbox(2))
    before = {row.id: row.version for row in store}
    store.apply([sandbox(1), sandbox(2, name="other")])
    assert store.get("sbx_0001").version == before["sbx_0001"]
    assert store.get("sbx_0002").version > before["sbx_0002"]


def test_a_row_that_is_missing_once_is_marked_and_twice_is_removed():
    store = store_with(sandbox(1), sandbox(2))
    store.begin_sweep()
    store.apply([sandbox(1)])
    assert store.end_sweep().changed == {"sbx_0002"}
    assert store.get("sbx_0002").missing == 1
    store.begin_sweep()
    store.apply([sandbox(1)])
    assert store.end_sweep().removed == {"sbx_0002"}
    assert "sbx_0002" not in store


def test_a_row_that_comes_back_is_not_missing_any_more():
    store = store_with(sandbox(1), sandbox(2))
    store.begin_sweep()
    store.apply([sandbox(1)])
    store.end_sweep()
    assert store.apply([sandbox(2)]).changed == {"sbx_0002"}
    assert store.get("sbx_0002").missing == 0


def test_a_listing_that_broke_off_says_nothing_about_what_is_missing():
    store = store_with(sandbox(1), sandbox(2))
    store.begin_sweep()
    store.apply([sandbox(1)])
    store.abandon_sweep()
    assert not store.end_sweep()
    assert store.get("sbx_0002").missing == 0


def test_a_finished_sandbox_never_comes_back_to_life():
    store = store_with(sandbox(1))
    store.mark_deleted(["sbx_0001"])
    assert not store.apply([sandbox(1)]), "a page that was on its way is old news"
    assert store.get("sbx_0001").status == "TERMINATED"


def test_deleting_is_shown_until_confirmed_failed_or_too_late():
    clock = ManualClock(NOW)
    store = FleetStore(clock)
    store.apply([sandbox(1), sandbox(2), sandbox(3)])
    store.mark_deleting(["sbx_0001", "sbx_0002", "sbx_0003"])
    assert store.counts == {"DELETING": 3}
    store.apply([sandbox(1, name="renamed")])
    assert store.get("sbx_0001").status == "DELETING", "news about the sandbox does not undo it"
    store.mark_deleted(["sbx_0001"])
    store.unmark_deleting(["sbx_0002"])
    assert store.counts == {"TERMINATED": 1, "RUNNING": 1, "DELETING": 1}
    clock.advance(TOMBSTONE_SECONDS + 1)
    assert store.expire_deletions().changed == {"sbx_0003"}
    assert store.get("sbx_0003").status == "RUNNING"


def test_statuses_change_known_rows_only():
    store = store_with(sandbox(1, status="PENDING"))
    rows = [
        SandboxStatusRow(sandbox_id="sbx_0001", status="ERROR", error_type="OOM_KILLED"),
        SandboxStatusRow(sandbox_id="sbx_9999", status="RUNNING"),
    ]
    assert store.apply_statuses(rows).changed == {"sbx_0001"}
    assert store.get("sbx_0001").sandbox.error_type == "OOM_KILLED"
    assert len(store) == 1


STATUSES = st.sampled_from(["PENDING", "RUNNING", "ERROR", "TERMINATED"])
CHANGES = st.lists(st.tuples(st.integers(0, 7), STATUSES), max_size=40)


@settings(max_examples=60, deadline=None)
@given(changes=CHANGES, final=st.dictionaries(st.integers(0, 7), STATUSES))
def test_any_history_ends_like_a_fresh_load(changes, final):
    """Whatever pages came before, two complete listings leave exactly what the platform has."""
    store = FleetStore(ManualClock(NOW))
    finished = {}
    for number, status in changes:
        store.apply([sandbox(number, status=status)])
        if status in {"ERROR", "TERMINATED"}:
            finished.setdefault(number, status)
    # The platform does not bring the dead back either.
    final = {number: finished.get(number, status) for number, status in final.items()}
    fresh = [sandbox(number, status=status) for number, status in final.items()]
    for _ in range(2):
        store.begin_sweep()
        store.apply(fresh)
        store.end_sweep()
    assert set(store.rows) == {each.id for each in fresh}
    for each in fresh:
        if each.is_finished:
            assert store.get(each.id).sandbox.is_finished
        else:
            assert store.get(each.id).sandbox == each


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from("amd"), st.integers(0, 5)), max_size=30))
def test_changes_joined_are_the_difference_between_start_and_end(changes):
    """A watcher who hears the joined changes knows which ids came and went."""
    store = FleetStore(ManualClock(NOW))
    store.apply([sandbox(number) for number in range(3)])
    start = set(store.rows)
    total = ChangeSet()
    for turn, (kind, number) in enumerate(changes):
        if kind == "d":
            total = total.then(store.remove([f"sbx_{number:04}"]))
        else:
            total = total.then(store.apply([sandbox(number, name=f"turn-{turn}")]))
    end = set(store.rows)
    assert total.added == end - start
    assert total.removed == start - end
    assert total.changed <= start & end
