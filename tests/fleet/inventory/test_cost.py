"""What sandboxes cost: the sums are those of a pocket calculator, and estimates are never mixed with bills."""

from datetime import timedelta

import pytest

from sandtui.client import CreateSandboxRequest
from sandtui.clock import ManualClock
from sandtui.config.settings import SettingsError, read_settings
from sandtui.fleet.inventory.cost import Cost, Rates, cost_text, money, use_rates
from sandtui.fleet.inventory.query import QueryError, parse
from sandtui.fleet.inventory.store import FleetStore
from tests.fleet.factory import NOW, sandbox

RATES = Rates(0.05, 0.01, 0.001, {"H100_80GB": 2.5})


@pytest.fixture(autouse=True)
def rates():
    use_rates(RATES)
    yield
    use_rates(Rates())


def stored(*sandboxes, billed=()):
    store = FleetStore(ManualClock(NOW))
    store.apply(sandboxes)
    store.set_billed(dict(billed))
    return store


def began(number, hours, **fields):
    return sandbox(number, started_at=NOW - timedelta(hours=hours), **fields)


def test_a_hand_calculation():
    """4 cores, 8 GB, 20 GB of disk and two GPUs for 3 hours: (0.20 + 0.08 + 0.02 + 5.00) * 3 = 15.90 dollars."""
    store = stored(began(1, 3, cpu_cores=4, memory_gb=8, disk_size_gb=20, gpu_count=2, gpu_type="H100_80GB", vm=True))
    row = store.get("sbx_0001")
    assert row.per_hour == pytest.approx(5.3)
    assert row.estimate(NOW.timestamp()) == pytest.approx(15.9)
    assert store.totals.per_hour == pytest.approx(5.3)
    assert Cost.of([row], NOW.timestamp()).text() == "~$15.90 so far"


def test_what_has_ended_costs_nothing_more_and_what_has_not_started_nothing_yet():
    ended = began(1, 5, cpu_cores=2, status="TERMINATED", terminated_at=NOW - timedelta(hours=3))
    store = stored(ended, sandbox(2, status="PENDING", started_at=None))
    one, two = store.get("sbx_0001"), store.get("sbx_0002")
    assert one.estimate(NOW.timestamp()) == pytest.approx(2 * (0.1 + 0.02 + 0.005))
    assert (one.per_hour, two.per_hour, two.estimate(NOW.timestamp())) == (0.0, 0.0, 0.0)
    assert store.totals.per_hour == 0
    store.remove(["sbx_0001", "sbx_0002"])
    assert (store.totals.priced, store.totals.unpriced) == (0, 0)


def test_bills_and_estimates_are_apart():
    store = stored(began(1, 1), began(2, 1), billed={"sbx_0001": 0.5, "gone": 9.0})
    one, two = store.get("sbx_0001"), store.get("sbx_0002")
    now = NOW.timestamp()
    assert (cost_text(one, now), cost_text(two, now)) == ("$0.50", "~$0.075")
    assert Cost.of([one, two], now).text() == "$0.50 billed for 1 of 2, ~$0.15 by your rates"
    store.apply([began(1, 1, labels=["other"])])
    assert store.get("sbx_0001").billed == 0.5
    store.set_billed({})
    assert store.get("sbx_0001").billed is None


def test_a_gpu_without_a_price_has_no_estimate_and_a_rate_of_zero_is_a_rate():
    row = stored(began(1, 1, gpu_count=1, gpu_type="A100_40GB", vm=True)).get("sbx_0001")
    assert row.estimate(NOW.timestamp()) is None
    assert Cost.of([row], NOW.timestamp()).unpriced == 1
    use_rates(Rates(core_hour=0.0))
    row = stored(began(1, 1)).get("sbx_0001")
    assert (row.per_hour, cost_text(row, NOW.timestamp())) == (0.0, "~$0.00")
    use_rates(Rates())
    assert row.per_hour is None
    assert not Cost.of([row], NOW.timestamp()).is_known


def test_the_filter_compares_what_was_spent():
    store = stored(began(1, 1), began(2, 100), began(3, 1), billed={"sbx_0003": 7})
    use = parse("cost>5")
    assert [row.id for row in use.select(list(store), NOW.timestamp())] == ["sbx_0002", "sbx_0003"]
    assert use.is_timed
    assert parse("cost<$0.50").matches(store.get("sbx_0001"), NOW.timestamp())
    with pytest.raises(QueryError, match="dollars"):
        parse("cost>5h")


def test_a_request_is_priced_too():
    request = CreateSandboxRequest(name="a", docker_image="b", cpu_cores=1, memory_gb=2, disk_size_gb=5)
    assert RATES.per_hour(request) * 40 == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("dollars", "text"),
    [(0, "$0.00"), (0.0001, "<$0.001"), (0.012, "$0.012"), (3.2, "$3.20"), (999.999, "$1,000"), (1234.4, "$1,234")],
)
def test_amounts(dollars, text):
    assert money(dollars) == text


@pytest.mark.parametrize("line", ["core_hour = -1", "core_hour = nan", "gpu_hour = { H100 = inf }", "cores = 1"])
def test_rates_that_make_no_sense_are_refused_with_their_line(line):
    with pytest.raises(SettingsError, match="line 2"):
        read_settings(f"[cost]\n{line}\n", "config.toml")
