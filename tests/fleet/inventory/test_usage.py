"""What sandboxes use: reading it, keeping it, asking for it by the filter, and measuring many."""

import asyncio
import csv
import io
import json
import subprocess
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest, ServerError
from sandtui.client.models import CommandResponse
from sandtui.clock import ManualClock, SystemClock
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory import usage
from sandtui.fleet.inventory.bulk import BulkState
from sandtui.fleet.inventory.bulk_plan import make_plan
from sandtui.fleet.inventory.export import as_csv, as_json
from sandtui.fleet.inventory.find import script_query
from sandtui.fleet.inventory.query import QueryError, complete, parse
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.saved_views import BUILT_IN
from sandtui.fleet.inventory.session import FleetSession
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.usage import GIGABYTE, Measured, Sample, measured, read_sample, share
from sandtui.fleet.inventory.view import FleetView
from tests.conftest import start_platform
from tests.fleet.factory import NOW, sandbox


def store_with(*sandboxes):
    store = FleetStore(ManualClock(NOW))
    store.apply(sandboxes)
    return store


def used(percent, cores=1.0):
    """Return a look at a sandbox of so many cores that has used so much of them in a hundred seconds."""
    return Sample(cpu_microseconds=int(percent * 1e6 * cores), memory=GIGABYTE // 2, age=100.0)


# Reading


def test_the_age_is_that_of_the_first_process_and_not_of_the_machine():
    found = read_sample("cpu 30000000\nuptime 86400.50\nfirst 8634050\nhertz 100\n")
    assert (found.uptime, found.age) == (86400.5, 60.0)
    assert measured(found, NOW - timedelta(seconds=7), NOW) == Measured(NOW, 0.5, None)


@pytest.mark.parametrize(
    "output", ["cpu 30000000\n", "cpu 30000000\nuptime 5.0\nfirst 9000\n", "ticks 3000\nuptime 5\n"]
)
def test_without_an_age_from_inside_what_the_platform_says_counts(output):
    for started in (NOW - timedelta(seconds=60), (NOW - timedelta(seconds=60)).replace(tzinfo=None)):
        assert measured(read_sample(output), started, NOW) == Measured(NOW, 0.5, None)
    assert measured(read_sample(output), None, NOW) is None


def test_the_control_group_is_believed_before_the_processes():
    both = "cpu {}\nnanoseconds {}\nmemory {}\ncache {}\nlimit {}\nhertz 250\npage 16384\nticks 500\nresident 10\n"
    assert read_sample(both.format(7, 8000, 900, 300, 1 << 63)) == Sample(7, 600)
    assert read_sample(both.format("", 8000, 900, "", 1000)) == Sample(8, 900, 1000)
    assert read_sample(both.format("", "", "", "", "max")) == Sample(2_000_000, 163840)


def test_what_says_nothing_is_not_a_measurement():
    for output in ("", "sh: not found\n", "cpu \nmemory \nticks \nresident \n", "cpu " + "9" * 5000):
        assert measured(read_sample(output), NOW - timedelta(hours=1), NOW) is None


def test_the_processes_of_this_machine_are_added_up_by_a_plain_shell():
    """What a process calls itself must neither end the sum nor be read as numbers."""
    name = b") Z 1 2\n3 (x"
    script = "import ctypes, time; ctypes.CDLL(None).prctl(15, %r); print('named', flush=True); time.sleep(60)"
    hostile = subprocess.Popen(["python3", "-c", script % name], stdout=subprocess.PIPE)
    try:
        assert hostile.stdout.readline() == b"named\n"
        told = subprocess.run(["sh", "-c", usage.COMMAND], capture_output=True, text=True, check=True)
    finally:
        hostile.kill()
        hostile.wait()
        hostile.stdout.close()
    lines = dict(line.partition(" ")[::2] for line in told.stdout.splitlines())
    assert int(lines["ticks"]) > 0
    assert int(lines["resident"]) > 0
    assert read_sample(told.stdout).age > 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0%"), (0.0001, "<0.1%"), (0.001, "0.1%"), (0.02, "2%"), (0.0424, "4.2%"), (0.968, "97%"), (1.5, "150%")],
)
def test_shares_are_short(value, text):
    assert share(value) == text


# Keeping


def test_a_measurement_stays_with_its_sandbox_and_goes_with_it():
    store = store_with(sandbox(1, cpu_cores=4), sandbox(2))
    heard = []
    store.watch(heard.append)
    assert store.measure("sbx_0001", used(50, cores=4)).changed == {"sbx_0001"}
    assert len(heard) == 1
    row = store.get("sbx_0001")
    assert (row.used, row.memory_used) == (0.5, 0.25)
    assert store.get("sbx_0002").used is None
    store.apply([sandbox(1, cpu_cores=2)])
    assert store.get("sbx_0001").used == 1.0, "the share is of the cores that it has now"
    store.mark_deleting(["sbx_0001"])
    store.mark_deleted(["sbx_0001"])
    assert store.get("sbx_0001").used == 1.0
    store.remove(["sbx_0001"])
    store.apply([sandbox(1)])
    assert store.get("sbx_0001").measured is None
    assert not store.measure("sbx_9999", used(1))
    assert not store.measure("sbx_0001", Sample())


STATUSES = st.sampled_from(["PENDING", "RUNNING", "ERROR", "TERMINATED"])
NUMBERS = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("apply"), NUMBERS, STATUSES),
        st.tuples(st.just("measure"), NUMBERS, st.integers(0, 200)),
        st.tuples(st.just("remove"), NUMBERS, st.none()),
        st.tuples(st.just("deleting"), NUMBERS, st.none()),
        st.tuples(st.just("deleted"), NUMBERS, st.none()),
        st.tuples(st.just("sweep"), st.none(), st.sets(NUMBERS)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_any_history_leaves_the_last_measurement_of_each_sandbox_that_is_there(steps):
    store = FleetStore(ManualClock(NOW))
    view = FleetView(store, ManualClock(NOW))
    view.sort_by("used")
    view.query = parse("-used>50%")
    last = {}
    for kind, number, value in steps:
        sandbox_id = f"sbx_{number:04}" if number is not None else ""
        if kind == "apply":
            store.apply([sandbox(number, status=value)])
        elif kind == "measure":
            told = store.measure(sandbox_id, used(value))
            assert bool(told) == (sandbox_id in store)
            if sandbox_id in store:
                last[sandbox_id] = value / 100
        elif kind == "remove":
            store.remove([sandbox_id])
        elif kind == "deleting":
            store.mark_deleting([sandbox_id])
        elif kind == "deleted":
            store.mark_deleted([sandbox_id])
        else:
            store.begin_sweep()
            store.apply([sandbox(each) for each in value])
            store.end_sweep()
        last = {each: share for each, share in last.items() if each in store}
        view.update()
    assert {row.id: row.used for row in store if row.measured is not None} == pytest.approx(last)
    shown = [row.id for row in view.rows]
    assert set(shown) == {row.id for row in store if last.get(row.id, 0) <= 0.5}
    shares = [last.get(each, -1) for each in shown]
    assert shares == sorted(shares, reverse=True), "what nobody measured comes last"


# Asking


@pytest.fixture
def fleet():
    """Rest, some work, hard work, and one that nobody measured; another one does not run."""
    store = store_with(
        sandbox(1, name="rest"),
        sandbox(2, name="some", cpu_cores=4),
        sandbox(3, name="hard"),
        sandbox(4, name="unknown"),
        sandbox(5, name="ended", status="ERROR"),
    )
    store.measure("sbx_0001", Sample(cpu_microseconds=100_000, memory=GIGABYTE // 50, age=100.0))
    store.measure("sbx_0002", Sample(cpu_microseconds=20_000_000, age=100.0))
    store.measure("sbx_0003", Sample(cpu_microseconds=90_000_000, memory=GIGABYTE * 19 // 10, age=100.0))
    return store


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("used<1%", ["rest"]),
        ("used>=5%", ["some", "hard"]),
        ("used>5%", ["hard"]),
        ("USED>5.5%", ["hard"]),
        ("-used>1%", ["rest", "unknown", "ended"]),
        ("!used<=1%", ["some", "hard", "unknown", "ended"]),
        ("used>=0%", ["rest", "some", "hard"]),
        ("memused>80%", ["hard"]),
        ("memused<80%", ["rest"]),
        ("-memused<80%", ["some", "hard", "unknown", "ended"]),
        ("unmeasured", ["unknown"]),
        ("-unmeasured status:running", ["rest", "some", "hard"]),
        ("used<1% or unmeasured", ["rest", "unknown"]),
        ("status:running -used>2%", ["rest", "unknown"]),
    ],
)
def test_the_filter_compares_what_was_measured_and_nothing_else(fleet, text, names):
    query = parse(text)
    found = [row.sandbox.name for row in query.select(list(fleet), NOW.timestamp())]
    assert found == names
    assert found == [row.sandbox.name for row in fleet if query.matches(row, NOW.timestamp())]


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("used<1", 5, "percentage of its cores such as 2%"),
        ("x used<", 6, "percentage of its cores such as 2%"),
        ("memused>2GB", 8, "percentage of its memory such as 2%"),
        ("used:1%", 0, "unknown field"),
        ("used~1", 0, "not a text field"),
        ("colour>4", 0, "memused"),
    ],
)
def test_mistakes_say_what_is_compared_with_what(text, column, words):
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.column == column
    assert words in caught.value.message


def test_completion_offers_the_usage_filters(fleet):
    assert complete("memu", (), fleet) == "memused>"
    assert complete("-unm", (), fleet) == "-unmeasured"
    assert complete("use", (), fleet) == "used>"


def test_a_script_has_measured_nothing():
    for text in ("used<1%", "#a or -memused>80%", "(x unmeasured)"):
        with pytest.raises(QueryError, match="for the dashboard"):
            script_query(text, None)
    assert script_query("#a cpu>1", None) == parse("#a cpu>1")


TERMS = st.sampled_from(["used>5%", "-used>5%", "unmeasured", "!unmeasured", "memused<=20%", "rest", "-hard", "cpu>2"])
LINES = st.lists(st.one_of(TERMS, st.lists(TERMS, min_size=2, max_size=3).map(lambda some: f"({' or '.join(some)})")))


@given(words=LINES, signs=st.lists(st.sampled_from(["", "-"]), max_size=3))
def test_apart_from_use_a_query_leaves_out_nothing_that_it_could_find(words, signs):
    """Whatever measuring brings to light, what the query shows then is among what was measured for it."""
    text = " ".join(words)
    if words and signs:
        text = f"{signs[0]}({text})"
    query = parse(text)
    names = ["rest", "some", "hard"]
    for percent in (None, 1, 50):
        rows = [
            Row.of(sandbox(place, name=name, cpu_cores=place), 1, measured=percent and Measured(NOW, percent, percent))
            for place, name in enumerate(names, 1)
        ]
        apart = query.apart_from_use
        assert not apart.asks_use
        assert {row.id for row in query.select(rows, 0.0)} <= {row.id for row in apart.select(rows, 0.0)}
    if not query.asks_use:
        assert apart.term == query.term


def test_what_is_known_to_work_is_not_forgotten(fleet):
    text = next(view.query for view in BUILT_IN if view.name == "idle")
    later = NOW.timestamp() + 5 * 3600
    assert [row.sandbox.name for row in parse(text).select(list(fleet), later)] == ["rest", "unknown"]


def test_the_exports_hold_the_usage(fleet):
    rows = [fleet.get("sbx_0003"), fleet.get("sbx_0004")]
    read = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [(row["used_cores"], row["used_memory_gb"], row["measured_at"]) for row in read] == [
        ("0.9", "1.9", NOW.isoformat()),
        ("", "", ""),
    ]
    assert json.loads(as_json(rows))[1]["used_cores"] is None


# Measuring many


def test_a_plan_leaves_those_with_an_idle_limit_alone_unless_asked():
    rows = list(store_with(*(sandbox(number) for number in range(12)), sandbox(20, idle_timeout_minutes=5)))
    plan = make_plan(plans.MEASURE, rows)
    assert plan.title == "Measure CPU and memory of 12 sandboxes"
    assert plan.spared == {"with an idle timeout, which a command resets": 1}
    assert not plan.needs_count
    whole = make_plan(plans.MEASURE, rows, spare=False)
    assert (len(whole.rows), whole.spared, sum(whole.unspared.values())) == (13, {}, 1)
    assert not make_plan(plans.DELETE, rows).spared


class FakeClient:
    """Answers as told: output by id."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    async def execute_command(self, sandbox_id, command, timeout=None):
        self.asked.append((sandbox_id, command))
        answer = self.answers[sandbox_id]
        if isinstance(answer, Exception):
            raise answer
        return CommandResponse(stdout=answer, stderr="", exit_code=127 if not answer else 0)


async def test_many_are_measured_with_what_came_of_each():
    answers = {
        "sbx_0001": "cpu 97000000\nmemory 1073741824\nuptime 500\nfirst 40000\n",
        "sbx_0002": "",
        "sbx_0003": ServerError("it broke"),
    }
    client = FakeClient(answers)
    session = FleetSession(client, ManualClock(NOW))
    session.store.apply(sandbox(number) for number in (1, 2, 3))
    run = session.bulk(make_plan(plans.MEASURE, list(session.store)))
    await run.run()
    assert {command for _, command in client.asked} == {usage.COMMAND}
    assert [item.state for item in run.items] == [BulkState.DONE, BulkState.FAILED, BulkState.FAILED]
    assert [item.words.partition(". ")[0] for item in run.items] == [
        "uses 97% of 1 core, 50% of 2 GB",
        "no usage could be read (exit 127)",
        "it broke",
    ]
    assert session.store.get("sbx_0001").used == 0.97
    assert session.history.touched == set(), "to look at a sandbox is not to use it"
    assert session.history.of("sbx_0001")[0].words.startswith("uses 97%")


async def test_a_real_sandbox_that_works_is_told_from_one_that_rests(platform_process):
    await tell_apart(platform_process)


async def test_plain_processes_are_told_from_those_of_the_machine(tmp_path):
    process, platform = start_platform(tmp_path / "state", "--driver", "process")
    try:
        await tell_apart(platform)
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


async def tell_apart(platform_process):
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        session = FleetSession(client, SystemClock())
        commands = {"busy": "sh -c 'while :; do (:); done'", "idle": None}
        made = [
            await client.create(
                CreateSandboxRequest(name=f"use-{name}", docker_image="python:3.11-slim", start_command=command)
            )
            for name, command in commands.items()
        ]
        try:
            await client.bulk_wait_for_creation([each.id for each in made])
            session.store.apply([await client.get(each.id) for each in made])
            busy, idle = (each.id for each in made)
            async with asyncio.timeout(60):
                # Its own processor time, not ours: until the loop has run for a second, whatever else the machine does.
                while (usage.read_sample((await look(client, busy)).stdout).cpu_microseconds or 0) < 1_000_000:
                    await asyncio.sleep(0.1)
            run = session.bulk(make_plan(plans.MEASURE, list(session.store)))
            await run.run()
            assert [item.words for item in run.items if item.state is not BulkState.DONE] == []
            rows = {each: session.store.get(each) for each in (busy, idle)}
            assert rows[busy].used > 5 * rows[idle].used
            assert 0 < rows[idle].memory_used < 1
            sample = usage.read_sample((await look(client, idle)).stdout)
            if platform_process.driver == "namespace":
                assert sample.age < sample.uptime, "the clock of /proc/uptime is the machine's"
        finally:
            await client.bulk_delete(sandbox_ids=[each.id for each in made])
            await session.close()


def look(client, sandbox_id):
    return client.execute_command(sandbox_id, usage.COMMAND, timeout=usage.SECONDS)
